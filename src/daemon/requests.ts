import type { ControlReply, ControlRequest, DaemonStatus } from '../core/control.ts';
import { deadlinesOf } from '../core/deadlines.ts';
import type { Entry, Signal } from '../core/entry.ts';
import { hasEnded, isCompletion } from '../core/entry.ts';
import type { ErrorCode } from '../core/errors.ts';
import { errorTable, isOperational, OperationalError, retryOf } from '../core/errors.ts';
import { runFiles } from '../core/run-folder.ts';
import { bySchedule, type Scheduled } from '../core/schedule.ts';
import type { Todo } from '../core/todo.ts';
import { type ShownProgram, trialNote } from '../core/trial.ts';
import { checksOfRound, maySendBack } from '../core/verdict.ts';
import { isInProgress, isTerminal } from '../core/words.ts';
import { shownBounds } from './bounds.ts';
import { commandBreaker, shownBreakers } from './breaker-events.ts';
import type { Context } from './context.ts';
import { requeue } from './dead-letters.ts';
import { emergency } from './emergency.ts';
import { generationOf, resume } from './handover.ts';
import { progress } from './progress.ts';
import { configurationInUse, configurationStatus, configure, reloadNow } from './reload.ts';
import { agentsReply } from './runners.ts';
import { claim } from './starts.ts';
import { troubleOf } from './store-care.ts';
import { watchedOf } from './watched.ts';
import { say } from './words.ts';

/** Verbs and emergencies wait this long for the end that they asked for; the work goes on if it takes longer. */
const endWaitMs = 60_000;

const nudgeText =
  'This todo is not finished for Signoff yet. If the work is done, run `todo done --summary "…"`; if you cannot go on, run `todo block --reason "…"`. Then stop.';

/** One answer to one request. Errors with a code become the reply; a defect leaves through the loop. */
export async function answer(context: Context, request: ControlRequest, stop: AbortSignal): Promise<ControlReply> {
  try {
    return await serve(context, request, stop);
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { ok: false, code: error.code, message: error.message, hint: error.hint };
  }
}

async function serve(context: Context, request: ControlRequest, stop: AbortSignal): Promise<ControlReply> {
  switch (request.op) {
    case 'hello':
      return {
        ok: true,
        kind: 'hello',
        pid: context.owner.pid,
        startedAtMs: context.startedAtMs,
        version: context.version,
        home: context.world.home.root,
        drained: context.state.drained,
        generation: generationOf(context),
        // Before it has looked nobody knows.
        intake: context.restarting.generation === 0 ? { kind: 'validating' } : context.restarting.intake,
        server: context.state.server,
        program: programOf(context),
      };
    case 'progress':
      return { ok: true, kind: 'progress', standstill: await progress(context, stop) };
    case 'wake':
      context.wakeup.ring();
      return accepted;
    case 'start':
      return startNow(context, request.todoId);
    case 'verdict':
      return verdict(context, request, stop);
    case 'verb':
      return verb(context, request, stop);
    case 'emergency':
      return force(context, request, stop);
    case 'requeue':
      return requeue(context, request.id, request.force);
    case 'breaker':
      return breaker(context, request);
    case 'agents':
      return agentsReply(context, request);
    case 'status':
      return { ok: true, kind: 'status', status: statusOf(context) };
    case 'configuration':
      return configurationInUse(context);
    case 'reload':
      return reloadNow(context, request.by, stop);
    case 'configure':
      return configure(context, request, stop);
    case 'restart':
      return restart(context, request);
    case 'resume':
      return resume(context) ? accepted : refusal('REFUSED', 'nothing is held');
    case 'metrics':
    case 'recover':
    case 'heal':
    case 'stop':
      return refusal('REFUSED', `the engine does not serve "${request.op}" itself`);
    default:
      return request satisfies never;
  }
}

function breaker(context: Context, { action, name, why }: Extract<ControlRequest, { op: 'breaker' }>): ControlReply {
  if (action !== 'list' && !commandBreaker(context, action, name ?? '', why)) return refusal('NOT_FOUND', `there is no breaker "${name}"`);
  return { ok: true, kind: 'breakers', breakers: shownBreakers(context), bounds: shownBounds(context.bounds) };
}

async function restart({ restarting, world }: Context, asked: Extract<ControlRequest, { op: 'restart' }>): Promise<ControlReply> {
  const { reason, force } = asked;
  // Also a build that never worked is tried again then.
  if (force && world.journal.getNote(trialNote) !== null) await world.journal.dropNotes([trialNote]);
  const answer = restarting.ask({ by: 'person', why: reason ?? 'a person asked for it', isForced: force });
  if (answer.accepted) return { ok: true, kind: 'restarting', generation: restarting.generation };
  const minutes = Math.ceil(answer.retryAfterMs / 60_000);
  return {
    ok: false,
    code: 'REFUSED',
    message: answer.why,
    hint: `Again in ${minutes} min; whatever the limits say: todo daemon restart --force`,
  };
}

const accepted: ControlReply = { ok: true, kind: 'accepted' };
const refusal = (code: ErrorCode, message: string): ControlReply => ({ ok: false, code, message, hint: errorTable[code].hint });

export function statusOf(context: Context): DaemonStatus {
  return {
    pid: context.owner.pid,
    startedAtMs: context.startedAtMs,
    live: context.ledger.all().map((entry) => ({
      todoId: entry.todo.id,
      number: entry.todo.number,
      title: entry.todo.title,
      runId: entry.ref.runId,
      fact: entry.fact,
      agent: entry.todo.agent,
      startedAtMs: entry.startedAtMs,
      lastSignAtMs: entry.lastSignAtMs,
      round: entry.round,
      nextDeadlineAtMs: deadlinesOf(entry, context.config)[0]?.atMs ?? null,
      emergency: entry.emergency,
    })),
    lastPassAtMs: context.state.lastPassAtMs,
    lastSweepAtMs: context.state.lastSweepAtMs,
    store: { ...context.state.store, ...storeFigures(context), trouble: troubleOf(context) },
    draining: context.state.draining,
    intake: context.restarting.intake,
    configuration: configurationStatus(context),
    server: context.state.server,
    program: programOf(context),
    watched: watchedOf(context),
  };
}

const programOf = ({ program }: Context): ShownProgram => program ?? { kind: 'installed', failedStarts: 0 };

function storeFigures({ world }: Context): Pick<DaemonStatus['store'], 'pool' | 'server' | 'queries'> {
  const { active, idle, limit, waiting = 0, journeyMs = 0, busy, server = null, queries } = world.store.figures();
  const pool = { active, idle, limit, waiting, ...(busy === undefined ? {} : { busy }) };
  if (queries === undefined) return { pool, server };
  const { slow, verySlow, lastSlow } = queries;
  const count = Object.values(queries.kinds).reduce((sum, kind) => sum + kind.count, 0);
  return { pool, server, queries: { count, slow, verySlow, lastSlow, journeyMs: Math.round(journeyMs) } };
}

async function startNow(context: Context, todoId: string): Promise<ControlReply> {
  if (context.state.draining) return refusal('REFUSED', 'the daemon is stopping');
  const claimed = await claim(context, { todoId, kind: 'by-todo', slots: false });
  if (claimed.kind !== 'claimed') return refusal('REFUSED', claimed.kind === 'refused' ? claimed.why : 'nothing to start');
  context.wakeup.ring();
  return accepted;
}

/** The agent's Stop hook asks. Its own hook file came first, so a look at the spool makes the question answerable. */
async function verdict(context: Context, request: Extract<ControlRequest, { op: 'verdict' }>, stop: AbortSignal): Promise<ControlReply> {
  const { ledger, state, world } = context;
  const { runId } = request;
  const reply = (verdict: Extract<ControlReply, { kind: 'verdict' }>['verdict'], feedback: string | null = null): ControlReply => ({
    ok: true,
    kind: 'verdict',
    verdict,
    feedback,
  });
  if (!ledger.has(runId) || ledger.get(runId).tokenSha256 !== world.digest.sha256(request.token)) return reply('ended');
  state.waitingHooks.set(runId, (state.waitingHooks.get(runId) ?? 0) + 1);
  context.wakeup.ring();
  // The round as it stands: the agent's environment names the one that its process began with, and a conversation goes through several.
  const { round } = ledger.get(runId);
  const passed = passesSince(context);
  const known = (): ControlReply | null => {
    if (!ledger.has(runId)) return reply('ended');
    const entry = ledger.get(runId);
    if (entry.round > round) return reply('sent-back', world.files.readText(runFiles(world.home.runs, runId).feedback));
    // No verdict comes for a turn without a word, or for one that leaves work in the background: that goes on only when this hook lets go.
    if (entry.signal === null || entry.turn !== 'ended') {
      if (passed() <= 1) return null;
      // Only now is it certain that this very turn brought no word: a nudge for an earlier one must not answer it.
      return entry.signal === null && state.nudges.delete(runId) ? reply('sent-back', nudgeText) : reply('not-checked');
    }
    if (entry.signal.says !== 'done' || entry.todo.checks.length === 0 || entry.emergency !== null) return reply('not-checked');
    if (checksOfRound(entry).length === 0) return null;
    if (checksOfRound(entry).every((check) => check.passed)) return reply('passed');
    // The verdict is there, and the next round is about to be: its feedback is the answer.
    return maySendBack(entry, context.steps.adapterOf(entry.todo.agent), context.config) ? null : reply('ended');
  };
  try {
    let found: ControlReply | null = null;
    await context.changes.until(
      () => {
        found = known();
        return found !== null;
      },
      world.clock.nowMs() + request.waitMs,
      stop,
    );
    return found ?? reply('waiting');
  } finally {
    const left = (state.waitingHooks.get(runId) ?? 1) - 1;
    if (left <= 0) state.waitingHooks.delete(runId);
    else state.waitingHooks.set(runId, left);
  }
}

/** How many passes have ended since: the first may have looked at the spool before we asked, the second has not. */
function passesSince({ state, wakeup }: Context): () => number {
  let lastAtMs = state.lastPassAtMs;
  let count = 0;
  return () => {
    if (state.lastPassAtMs !== lastAtMs) {
      lastAtMs = state.lastPassAtMs;
      count += 1;
      if (count === 1) wakeup.ring();
    }
    return count;
  };
}

const saysOf = { done: 'done', fail: 'failed', block: 'blocked', park: 'parked', release: 'released', cancel: 'cancelled' } as const;

/** A word that was put off, now that its time has come: as if it were said now. */
export async function sayScheduled(context: Context, item: Scheduled, stop: AbortSignal): Promise<ControlReply> {
  const { verb: said, todoId, summary, reason, force } = item;
  const request = { op: 'verb', verb: said, todoId, summary, reason, force, notBeforeMs: null, scheduled: item } as const;
  try {
    const live = liveRunOf(context, todoId);
    // What a run that is finishing comes to is not known yet: it may be given back, as a claim for this very word is after a crash.
    const isBusy = live === null ? isInProgress((await mustFind(context, todoId)).status) : isCompletion(live.fact);
    const why = live === null ? 'another process works on it' : 'its run is finishing';
    if (isBusy) throw new OperationalError('STORE_CONFLICT', { operation: 'saying', subject: `todo ${todoId}`, why });
    return await verb(context, request, stop);
  } catch (error) {
    // What passes is tried again by whoever asked; what a person must decide is the answer.
    if (!isOperational(error) || retryOf(error.code) !== 'never') throw error;
    return { ok: false, code: error.code, message: error.message, hint: error.hint };
  }
}

/** `scheduled` comes from the journal, never over the socket. */
type Verb = Extract<ControlRequest, { op: 'verb' }> & { readonly scheduled?: Scheduled };

/** A person's word about a todo. It ends a live run only where that is what the verb means, or with force. */
async function verb(context: Context, request: Verb, stop: AbortSignal): Promise<ControlReply> {
  const live = liveRunOf(context, request.todoId);
  if (live !== null) return verbOnLive(context, request, live, stop);
  const todo = await mustFind(context, request.todoId);
  if (isTerminal(todo.status)) return refusal('REFUSED', `todo ${todo.number} has ended: ${todo.status}`);
  if (isInProgress(todo.status))
    return refusal('REFUSED', `todo ${todo.number} is worked on by another process or host; try there, or wait until its lease expires`);
  if (request.verb === 'done' || request.verb === 'fail') {
    const claimed = await claim(context, { todoId: todo.id, kind: 'person', slots: false });
    if (claimed.kind !== 'claimed')
      return refusal('REFUSED', claimed.kind === 'refused' ? claimed.why : `todo ${todo.number} cannot be taken`);
    await say(context, claimed.entry, personSignal(context, request, claimed.entry));
    return ended(context, todo.id, claimed.entry.ref.runId, stop);
  }
  return changeWaiting(context, request, todo);
}

async function verbOnLive(context: Context, request: Verb, live: Entry, stop: AbortSignal): Promise<ControlReply> {
  const { number } = live.todo;
  if (isCompletion(live.fact)) return refusal('REFUSED', `todo ${number} is finishing (${live.fact}); the first word stands`);
  if ((request.verb === 'done' || request.verb === 'fail') && live.kind !== 'external' && !request.force) {
    return refusal('REFUSED', `todo ${number} has a live run; its agent says when it is done. --force ends the run and takes your word`);
  }
  await say(context, live, personSignal(context, request, live));
  return ended(context, live.todo.id, live.ref.runId, stop);
}

const personSignal = (context: Context, request: Verb, entry: Entry): Signal => ({
  says: saysOf[request.verb],
  saidBy: 'person',
  summary: request.summary,
  reason: request.reason,
  atMs: context.world.clock.nowMs(),
  round: entry.round,
  from: { kind: 'person', verb: request.verb, ...(request.scheduled ? { scheduled: request.scheduled.id } : {}) },
  notBeforeMs: request.notBeforeMs,
});

/** No run lives: one guarded change of the todo itself. */
async function changeWaiting(context: Context, request: Verb, todo: Todo): Promise<ControlReply> {
  const { store } = context.world;
  const reason = request.reason ?? null;
  const to = {
    block: { status: 'blocked', reason: reason ?? 'blocked by a person' },
    park: { status: 'parked', reason, notBeforeMs: request.notBeforeMs },
    release: { status: 'open', held: false, reason, notBeforeMs: null },
    cancel: { status: 'cancelled', reason: reason ?? 'cancelled by a person' },
  } as const;
  const change = to[request.verb as keyof typeof to];
  const by = request.scheduled ? bySchedule(request.scheduled) : 'person';
  const changed = await store.change(todo.id, ['open', 'parked', 'blocked', 'stalled', 'dead-lettered'], { ...change, by });
  if (!changed) return refusal('REFUSED', `todo ${todo.number} changed meanwhile`);
  context.wakeup.ring();
  return { ok: true, kind: 'ended', todoId: todo.id, status: change.status, proof: null };
}

async function force(context: Context, request: Extract<ControlRequest, { op: 'emergency' }>, stop: AbortSignal): Promise<ControlReply> {
  const reason = request.reason ?? `todo emergency --action ${request.action}`;
  const live = liveRunOf(context, request.todoId);
  if (live !== null) {
    if (isCompletion(live.fact) && (live.fact !== 'signalled' || request.action === 'stall'))
      return refusal('REFUSED', `todo ${live.todo.number} is finishing already (${live.fact}); its own end stands`);
    await emergency(context, live.ref.runId, { action: request.action, by: 'person', reason });
    return request.action === 'stall' ? accepted : ended(context, live.todo.id, live.ref.runId, stop);
  }
  const todo = await mustFind(context, request.todoId);
  if (isTerminal(todo.status)) return refusal('REFUSED', `todo ${todo.number} has ended: ${todo.status}`);
  if (isInProgress(todo.status)) return refusal('REFUSED', `todo ${todo.number} is worked on by another process or host`);
  if (request.action !== 'complete')
    return refusal('REFUSED', `todo ${todo.number} has no run (${todo.status}); there is nothing to ${request.action}`);
  const claimed = await claim(context, { todoId: todo.id, kind: 'person', slots: false });
  if (claimed.kind !== 'claimed')
    return refusal('REFUSED', claimed.kind === 'refused' ? claimed.why : `todo ${todo.number} cannot be taken`);
  await emergency(context, claimed.entry.ref.runId, { action: 'complete', by: 'person', reason });
  return ended(context, todo.id, claimed.entry.ref.runId, stop);
}

const liveRunOf = ({ ledger }: Context, todoId: string): Entry | null =>
  ledger.all().find((entry) => entry.ref.todoId === todoId && !hasEnded(entry.fact)) ?? null;

async function mustFind(context: Context, todoId: string): Promise<Todo> {
  const todo = await context.world.store.find(todoId);
  if (todo === null) throw new OperationalError('NOT_FOUND', { operation: 'looking for', subject: `todo ${todoId}`, why: 'there is none' });
  return todo;
}

/** Waits for the end; where the store is away the word is durable and the end follows by itself. */
async function ended(context: Context, todoId: string, runId: string, stop: AbortSignal): Promise<ControlReply> {
  context.wakeup.ring();
  let last = context.ledger.has(runId) ? context.ledger.get(runId) : null;
  const over = await context.changes.until(
    () => {
      if (!context.ledger.has(runId)) return true;
      last = context.ledger.get(runId);
      return hasEnded(last.fact);
    },
    context.world.clock.nowMs() + endWaitMs,
    stop,
  );
  if (!over) return accepted;
  const ending = last?.ending ?? null;
  return {
    ok: true,
    kind: 'ended',
    todoId,
    status: last?.fact === 'dead-lettered' ? 'dead-lettered' : (ending?.todoStatus ?? 'open'),
    proof: ending?.proof ?? null,
  };
}
