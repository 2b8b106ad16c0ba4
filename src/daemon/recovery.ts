import type { Config } from '../core/config.ts';
import type { ControlReply } from '../core/control.ts';
import { hasEnded } from '../core/entry.ts';
import { recoveriesMax } from '../core/healing-event.ts';
import { inMs } from '../core/seconds.ts';
import type { RunRef } from '../core/todo.ts';
import type { Actions } from '../healing/apply.ts';
import { archiveOrphan } from '../healing/archive-orphan.ts';
import { notSeenIn, type Only, type Swept, sweep } from '../healing/sweep.ts';
import type { Context } from './context.ts';
import { emergency } from './emergency.ts';
import { recordHealing } from './healing-events.ts';
import { statusOf } from './requests.ts';
import { say } from './words.ts';

/** By the monotonic clock. */
const dueMs = new WeakMap<Context, number>();

/**
 * The monitor: one look at everything every behavior.health_check_interval, and what the configuration allows to be mended.
 * Its heartbeat is the end of a whole sweep: one that hangs, or fails each time, shows in `todo health` (I-09).
 */
export function sweepWhenDue(context: Context, look: () => Promise<unknown>): void {
  const { state, world, config, tasks } = context;
  const nowMs = world.clock.monotonicMs();
  if (context.scope.kind !== 'daemon' || state.draining || tasks.busy('sweep') || nowMs < (dueMs.get(context) ?? 0)) return;
  dueMs.set(context, nowMs + inMs(config.behavior.health_check_interval));
  tasks.start(
    'sweep',
    async () => {
      await sweepNow(context, 'automatic', look);
      state.lastSweepAtMs = world.clock.nowMs();
    },
    (error) => world.log.warn('monitor', 'sweep failed', { reason: error.message }),
  );
}

/** The interval has changed: it is counted from now. */
export function sweepBy({ behavior }: Pick<Config, 'behavior'>, context: Context): void {
  if (dueMs.has(context)) dueMs.set(context, context.world.clock.monotonicMs() + inMs(behavior.health_check_interval));
}

/** When the next sweep is due, by the monotonic clock: the loop must not sleep through it. */
export const sweepDueMs = (context: Context): number =>
  context.scope.kind !== 'daemon' || context.state.draining ? Number.POSITIVE_INFINITY : (dueMs.get(context) ?? 0);

/** `todo recover`: the plan first; with apply all of it. */
export async function recoverNow(context: Context, apply: boolean, look: () => Promise<unknown>): Promise<ControlReply> {
  const { health, plans, results } = await sweepNow(context, apply ? 'all' : 'none', look);
  return { ok: true, kind: 'plans', plans, results, notSeen: notSeenIn(health.components) };
}

/** The last sweep that was begun, of each context: the next one waits for it. Nothing where it is over. */
const lastSweep = new WeakMap<Context, Promise<unknown>>();

/** Whether something is being looked at or healed: a drain waits for it. */
export const heals = (context: Context): boolean => lastSweep.has(context);

/**
 * All healing goes through here: that of the daemon's life (begun with it, over before its drain is) and what people ask for. One sweep after the
 * other, and of each todo one hand at a time (`context.turns`), which the timers and the rescue of expired leases heed too.
 */
export async function sweepNow(
  context: Context,
  apply: 'none' | 'automatic' | 'all',
  look: () => Promise<unknown>,
  only: Only | null = null,
): Promise<Swept> {
  const before = lastSweep.get(context) ?? Promise.resolve();
  const isOfItself = apply === 'automatic';
  const swept = before.then(() =>
    sweep({
      world: context.world,
      config: context.config,
      daemon: statusOf(context),
      liveEntries: context.world.journal.live(),
      treating: {
        actions: actionsOf(context, look),
        turns: context.turns,
        actor: isOfItself ? 'daemon' : 'person',
        record: (event) => recordHealing(context, event),
      },
      apply,
      only,
      goesOn: () => !(isOfItself && context.state.draining) && !context.stop.aborted,
    }),
  );
  // Whoever asked hears of an error; the next one only waits for its end.
  const over = swept
    .catch(() => {})
    .then(() => {
      if (lastSweep.get(context) === over) lastSweep.delete(context);
      context.changes.tell();
    });
  lastSweep.set(context, over);
  return swept;
}

function actionsOf(context: Context, look: () => Promise<unknown>): Actions {
  const { world, ledger } = context;
  const forced = async (runId: string, action: 'complete' | 'reset', reason: string): Promise<void> => {
    if (!ledger.has(runId)) return;
    await emergency(context, runId, { action, by: 'deadline', reason });
    context.wakeup.ring();
  };
  return {
    processMarkers: async () => void (await look()),
    forceComplete: (runId, reason) => forced(runId, 'complete', reason),
    reset: (runId, reason) => forced(runId, 'reset', reason),
    archiveOrphan: async (path) => void archiveOrphan(world, path, context.redactAll),
    endProcesses: async (runId) =>
      void (await world.processes.endTagged('TODO_RUN', runId, inMs(context.config.behavior.term_grace), 'tagged')),
    endWindow: async (target) => world.terminals.end(target),
    rescue: (ref, to, reason) => rescueAsReset(context, ref, to, reason),
    rotateLog: async (name) => world.log.rotate(name),
    block: (todoId, reason, lost) => block(context, todoId, reason, lost),
  };
}

/** What runs of it is ended by the word `blocked`; where nothing runs the todo itself is changed. */
async function block(context: Context, todoId: string, reason: string, lost: RunRef | null): Promise<void> {
  const { ledger, world } = context;
  const live = ledger.all().find(({ ref, fact }) => ref.todoId === todoId && !hasEnded(fact));
  const whole = `recovered ${recoveriesMax} times by itself already; a person must look (${reason})`;
  if (live !== undefined) {
    if (live.signal !== null) return;
    const from = { kind: 'deadline', which: 'recoveries' } as const;
    const word = {
      says: 'blocked',
      saidBy: 'deadline',
      summary: null,
      reason: whole,
      atMs: world.clock.nowMs(),
      round: live.round,
    } as const;
    await say(context, live, { ...word, from, notBeforeMs: null });
    return;
  }
  if (lost !== null) {
    await rescueAsReset(context, lost, 'blocked', whole);
    return;
  }
  await world.store.change(todoId, ['open', 'parked', 'stalled'], { status: 'blocked', reason: whole, by: 'daemon' });
}

async function rescueAsReset(context: Context, ref: RunRef, to: 'open' | 'blocked', reason: string): Promise<boolean> {
  const { store } = context.world;
  const todo = await store.find(ref.todoId);
  if (todo === null) return false;
  return store.rescue(ref, { status: to, outcome: 'reset', reason, attempts: todo.attempts, resets: todo.resets + 1, notBeforeMs: null });
}
