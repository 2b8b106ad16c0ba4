import type { Entry } from '../core/entry.ts';
import { messageOf } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import type { Run, RunRef, Todo } from '../core/todo.ts';
import { jobAttempts } from '../core/verdict.ts';
import type { Context } from './context.ts';
import { noteLostRun } from './failed-tries.ts';
import { say } from './words.ts';

/** Leases are renewed at a third of their length. */
const renewShare = 1 / 3;
const dependentsEveryMs = 5000;
export const tellEveryMs = 100;
const dueAt = new WeakMap<Context, Map<string, number>>();

/** At most one at a time, at most once per interval; a failure is tried again with the next. */
export function chore(context: Context, name: string, everyMs: number, work: () => Promise<void>): void {
  const due = dueAt.get(context) ?? new Map<string, number>();
  dueAt.set(context, due);
  // A host's clock that is set back by an hour must not cost an hour of leases.
  const nowMs = context.world.clock.monotonicMs();
  // One that is under way may have found out when it is due again: that must not be put off by a pass in between.
  if (nowMs < (due.get(name) ?? 0) || context.state.store.reachable === 'no' || context.tasks.busy(`store:${name}`)) return;
  due.set(name, nowMs + everyMs);
  context.tasks.start(`store:${name}`, work, (error) => context.world.log.warn('monitor', `${name} failed`, { reason: messageOf(error) }));
}

/** Due so soon, if it would not be sooner. */
export function choreWithin(context: Context, name: string, ms: number): void {
  const due = dueAt.get(context) ?? new Map<string, number>();
  dueAt.set(context, due);
  due.set(name, Math.min(due.get(name) ?? Number.POSITIVE_INFINITY, context.world.clock.monotonicMs() + ms));
}

/** Facts at which somebody else's claim means that this run has lost its todo. Later ones find out by their own guarded write. */
const mayBeTaken = (entry: Entry): boolean =>
  ['claimed', 'running', 'signalled', 'collected', 'checked'].includes(entry.fact) && !entry.superseded;
const isRenewed = (entry: Entry): boolean =>
  entry.kind !== 'external' && (mayBeTaken(entry) || entry.fact === 'reported') && !entry.superseded;

export function keepLeases(context: Context): void {
  const leaseMs = inMs(context.config.behavior.lease);
  const held = context.ledger.all().filter(isRenewed);
  if (held.length === 0) return;
  chore(context, 'renew leases', leaseMs * renewShare, async () => {
    const answers = await context.world.store.renew(
      held.map((entry) => entry.ref),
      leaseMs,
    );
    for (const { ref, held: still } of answers) if (!still) await lost(context, ref);
  });
}

/** The todo was taken by another run: this one's output is kept, and nothing of it is recorded. */
async function lost(context: Context, ref: RunRef): Promise<void> {
  if (!context.ledger.has(ref.runId) || !mayBeTaken(context.ledger.get(ref.runId))) return;
  const reason = 'its lease expired and the todo was taken by another run';
  const entry = await context.ledger.update(ref.runId, (now) => ({ ...now, superseded: true }));
  context.world.log.warn('completion', 'superseded', { todo: entry.todo.number, run: ref.runId, reason });
  if (entry.signal === null)
    await say(context, entry, {
      says: null,
      saidBy: 'deadline',
      summary: null,
      reason,
      atMs: context.world.clock.nowMs(),
      round: entry.round,
      from: { kind: 'exit', code: null, osSignal: null },
      notBeforeMs: null,
    });
}

/** Status words for people: running, stalled. The journal is ahead, the store follows. */
export function tellStore(context: Context): void {
  const { untold } = context.state;
  if (untold.size === 0) return;
  const batch = [...untold];
  chore(context, 'tell status', tellEveryMs, async () => {
    for (const [runId, word] of batch) {
      if (!context.ledger.has(runId) || !mayBeTaken(context.ledger.get(runId))) {
        untold.delete(runId);
        continue;
      }
      const entry = context.ledger.get(runId);
      const ours = await context.world.store.mark(entry.ref, word.status, entry.round, word.reason);
      if (untold.get(runId) === word) untold.delete(runId);
      if (!ours) await lost(context, entry.ref);
    }
  });
}

/** Hosts that wait for the same lease do not all come in the same moment. */
const rescueSpreadMs = 250;
const rescueAgainMs = 1000;
/** Contexts whose next look was put there by a lease that runs out. */
const waitForLease = new WeakSet<Context>();
export const rescueDueMs = (context: Context): number => dueAt.get(context)?.get('rescue') ?? Number.POSITIVE_INFINITY;

/**
 * Takes over what a dead host left, as soon as its lease has run out: the store says when the next one does. While all hosts renew theirs no lease
 * comes that near, and this is one look in a third of a lease.
 */
export function rescueExpired(context: Context): void {
  chore(context, 'rescue', inMs(context.config.behavior.lease) * renewShare, async () => {
    const { clock, random, store } = context.world;
    const waited = waitForLease.delete(context);
    try {
      // Asked first: what runs out between the two looks is found by the second.
      const endsInMs = (await store.leaseEndsInMs()) ?? Number.POSITIVE_INFINITY;
      if (clock.monotonicMs() + endsInMs < rescueDueMs(context)) waitForLease.add(context);
      choreWithin(context, 'rescue', endsInMs + random.next() * rescueSpreadMs);
      for (const { todo, run } of await store.expired()) await rescue(context, todo, run);
    } catch (error) {
      choreWithin(context, 'rescue', rescueAgainMs);
      throw error;
    }
    // Another host may have been quicker, and have no slot for what it found.
    if (waited) lookForTodos(context);
  });
}

async function rescue(context: Context, todo: Todo, run: Run): Promise<void> {
  const { world, config, ledger } = context;
  const known = world.journal.get(run.id);
  // Runs of this home with a living owner only have a slow clock.
  if (ledger.has(run.id) || (known !== null && world.processes.alive(known.owner) !== 'no')) return;
  using turn = context.turns.take(todo.id, 'rescue');
  if (turn === null) return;
  const attempts = todo.attempts + 1;
  const worn = attempts >= jobAttempts(config);
  const reason = `the lease of run ${run.id} on ${run.host} expired`;
  const done = await world.store.rescue(
    { todoId: todo.id, runId: run.id, fence: run.fence },
    {
      status: worn ? 'blocked' : 'open',
      outcome: 'lost',
      reason: worn ? `${reason}; ${attempts} attempts used up` : reason,
      attempts,
      resets: todo.resets,
      // That its host died is not the todo's fault; for a todo that kills its hosts each lease is a wait, and the attempts are counted.
      notBeforeMs: null,
    },
  );
  if (!done) return;
  const nextAtMs = worn ? null : world.clock.nowMs();
  noteLostRun(context, { todoId: todo.id, runId: run.id, attempts, nextAtMs, reason, errorClass: 'runner_offline' });
  world.log.warn('monitor', 'rescued', { todo: todo.number, run: run.id, from: run.host, attempts });
  lookForTodos(context);
}

/** There is something to claim, and the next look for it may be seconds away. */
function lookForTodos({ state, wakeup }: Context): void {
  state.claimDueMs = 0;
  wakeup.ring();
}

/** A todo whose dependency ended badly waits for a person, and says why. */
export function watchDependents(context: Context): void {
  chore(context, 'dependents', dependentsEveryMs, async () => {
    for (const todo of await context.world.store.blockDependents())
      context.world.log.warn('completion', 'blocked by its dependency', { todo: todo.number, reason: todo.reason });
  });
}
