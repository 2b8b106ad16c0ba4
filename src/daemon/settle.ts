import { runChecks } from '../completion/check.ts';
import { complete } from '../completion/pipeline.ts';
import { firstRoundFailed } from '../core/advance.ts';
import type { Entry } from '../core/entry.ts';
import { isOperational, retryOf } from '../core/errors.ts';
import type { CheckResult } from '../core/evidence.ts';
import { quietAtMs } from '../core/quiet.ts';
import { runFiles } from '../core/run-folder.ts';
import { inMs } from '../core/seconds.ts';
import { stamp } from '../core/signal.ts';
import { checksOfRound, feedbackOf, maySendBack, wantsChecks } from '../core/verdict.ts';
import { fromAfar, observe } from '../signals/observe.ts';
import { timesAside } from './aside.ts';
import type { Context } from './context.ts';
import { alert } from './emergency.ts';
import { noteFailedStep, noteLostAttempt } from './failed-tries.ts';
import { tallyEnd, tallyFailedStep } from './tally.ts';

/** A session that will not die is tried this often before its completion goes on with that said in the report. */
const endTriesMax = 5;
const exitLookMs = 50;
const hookAsksWithinMs = 3000;
const deliveredWithinMs = 3000;

/** Takes one signalled, quiet run to its end: judge an idle conversation, end the session, then the four layers. */
export async function bringToEnd(context: Context, runId: string): Promise<void> {
  const wasInLine = lineOf(context).delete(runId);
  const { nextAttemptAtMs } = context.ledger.get(runId);
  if (context.ledger.get(runId).fact === 'signalled') {
    if ((await judge(context, runId)) === 'goes-on') return;
    if (
      quietAtMs(context.ledger.get(runId), context.steps.adapterOf(context.ledger.get(runId).todo.agent), context.config) >
      context.world.clock.nowMs()
    )
      return;
    if ((await endSession(context, runId)) === 'busy-again') return;
  }
  await complete(
    runId,
    context.ledger,
    heardBy(context),
    context.steps,
    // Whoever took it out of the line has decided that it is due.
    async (untilMs) => (wasInLine && untilMs === nextAttemptAtMs ? 'go-on' : await waitForAttempt(context, runId, untilMs)),
    context.stop,
  );
}

/** Completions that gave up their place because of the store, by context; the value says whether it has been away since. */
const lines = new WeakMap<Context, Map<string, { wasAway: boolean }>>();
const lineOf = (context: Context): Map<string, { wasAway: boolean }> => {
  const line = lines.get(context) ?? new Map();
  lines.set(context, line);
  return line;
};

/**
 * What the store holds up waits in the journal and not in a task: so the first that go on when it is back are the most urgent ones, and not
 * those that asked first. Anything else waits where it is.
 */
async function waitForAttempt(context: Context, runId: string, untilMs: number): Promise<'go-on' | 'leave'> {
  const { fact, lastError } = context.ledger.get(runId);
  const isAway = context.state.store.reachable === 'no';
  if (lastError?.code.startsWith('STORE_') === true || (isAway && (fact === 'reported' || fact === 'recorded'))) {
    lineOf(context).set(runId, { wasAway: isAway });
    return 'leave';
  }
  await context.changes.until(() => false, untilMs, context.stop);
  return 'go-on';
}

/** When a completion in line is due: at its own time, or as soon as the store is back. Null for one that is not in line. */
export function dueInLineAtMs(context: Context, { ref, nextAttemptAtMs }: Entry): number | null {
  const place = lineOf(context).get(ref.runId);
  if (place === undefined) return null;
  if (context.state.store.reachable === 'no') place.wasAway = true;
  else if (place.wasAway) return 0;
  return nextAttemptAtMs;
}

const heardBy = (context: Context) => ({
  async checked(entry: Entry): Promise<boolean> {
    const results = checksOfRound(entry);
    if (!wantsChecks(entry) || results.every((result) => result.passed)) return false;
    const adapter = context.steps.adapterOf(entry.todo.agent);
    if (!maySendBack(entry, adapter, context.config)) return false;
    return await anotherRound(context, entry, results);
  },
  failed(entry: Entry): void {
    noteFailedStep(context, entry);
    tallyFailedStep(context, entry);
    if (firstRoundFailed(entry, context.config))
      void alert(context, entry, `completion of todo ${entry.todo.number} waits: ${entry.lastError?.message ?? ''}`);
    if (entry.givenUp !== null) void alert(context, entry, `completion of todo ${entry.todo.number} was given up: ${entry.givenUp}`);
  },
  ended(entry: Entry): void {
    tallyEnd(context, entry);
    if (entry.fact === 'closed' && entry.ending?.outcome === 'lost') noteLostAttempt(context, entry, entry.ending);
    context.state.untold.delete(entry.ref.runId);
    context.state.claimDueMs = 0;
    context.wakeup.ring();
  },
});

/**
 * An idle conversation (its Stop hook waits, or its prompt is empty) is asked for nothing until the checks have spoken:
 * they run while it cannot write, and a failure goes back to it as it stands.
 */
async function judge(context: Context, runId: string): Promise<'goes-on' | 'over'> {
  const entry = context.ledger.get(runId);
  const adapter = context.steps.adapterOf(entry.todo.agent);
  const idle = adapter.conversational && entry.turn === 'ended' && entry.exit === null && entry.session !== null;
  if (!idle || !wantsChecks(entry) || checksOfRound(entry).length > 0) return 'over';
  if (entry.kind === 'child' && !(await hookWaits(context, runId))) return 'over';
  const results = await runChecks(entry, context.steps, context.stop);
  if (context.stop.aborted) return 'goes-on';
  const passed = results.every((result) => result.passed);
  // What is typed while its Stop hook is about to ask only queues, and the hook would bring it a second time.
  if (!passed && entry.kind === 'tmux') await hookWaits(context, runId);
  // Background work may have started another turn meanwhile; then they spoke of nothing that is final.
  if (context.ledger.get(runId).hooks.at(-1)?.atMs !== entry.hooks.at(-1)?.atMs) return 'goes-on';
  const hears = entry.session?.kind === 'tmux' || context.state.waitingHooks.has(runId);
  if (!passed && hears && maySendBack(context.ledger.get(runId), adapter, context.config)) {
    await sendBackIdle(context, entry, results);
    return 'goes-on';
  }
  await context.ledger.update(runId, (now) => ({ ...now, checks: [...now.checks, ...results] }));
  return 'over';
}

/** The hook's file comes first and its question a moment later; an agent that goes away instead will not ask. */
async function hookWaits(context: Context, runId: string): Promise<boolean> {
  const { clock } = context.world;
  const endsMs = clock.monotonicMs() + hookAsksWithinMs;
  while (!context.state.waitingHooks.has(runId) && clock.monotonicMs() < endsMs && !context.stop.aborted) {
    if (observe(context.ledger.get(runId), fromAfar, context.world).exit !== null) return false;
    await clock.sleep(exitLookMs, context.stop);
  }
  return context.state.waitingHooks.has(runId);
}

async function sendBackIdle(context: Context, entry: Entry, results: readonly CheckResult[]): Promise<void> {
  const feedback = feedbackOf(results);
  const { world } = context;
  const at = runFiles(world.home.runs, entry.ref.runId);
  // Somebody may have removed it: its agent lives on all the same.
  world.files.makeFolder(at.folder);
  world.files.write(at.feedback, feedback);
  const waiting = context.state.waitingHooks.has(entry.ref.runId);
  world.files.write(at.round, `${entry.round + 1}\n`);
  // Checks and the next round are one change: a hook that waits must not take failed checks for the end.
  await context.ledger.update(entry.ref.runId, (now) => ({
    ...nextRound({ ...now, checks: [...now.checks, ...results] }, results, world.clock.nowMs()),
    fact: 'running',
    // What the hook brings goes on in the same turn, without an event of its own; a typed prompt has one.
    turn: waiting ? 'busy' : 'unreported',
  }));
  if (!waiting && entry.session?.kind === 'tmux') await prompt(context, entry.ref.runId, entry.session.target, feedback);
}

/** Typed into an idle prompt; delivered is what the agent's own hook says. Where it says nothing, the text stands in the line and wants one more Enter. */
async function prompt(context: Context, runId: string, target: string, text: string): Promise<void> {
  const { world, changes, ledger } = context;
  for (const part of [text, '']) {
    world.terminals.send(target, part);
    const untilMs = world.clock.nowMs() + deliveredWithinMs;
    if (await changes.until(() => !ledger.has(runId) || ledger.get(runId).turn === 'busy', untilMs, context.stop)) return;
  }
  world.log.warn('completion', 'prompt not acknowledged', { run: runId, target });
}

/** Tries of a round until the checks that failed are the end. */
const roundTriesMax = 5;

async function anotherRound(context: Context, entry: Entry, results: readonly CheckResult[]): Promise<boolean> {
  const known = context.ledger.get(entry.ref.runId);
  try {
    await startAnotherRound(context, entry, results);
    return true;
  } catch (error) {
    // What mends by itself (a full disk) is waited for.
    const isBounded = isOperational(error) && retryOf(error.code) === 'bounded';
    if (!isBounded || timesAside(context, known) + 1 < roundTriesMax) throw error;
    context.world.log.error('completion', 'no other round', { todo: entry.todo.number, run: entry.ref.runId, reason: error.message });
    return false;
  }
}

/** The session has ended: the next round starts as a new process of the same run. */
async function startAnotherRound(context: Context, entry: Entry, results: readonly CheckResult[]): Promise<void> {
  const { world } = context;
  const at = runFiles(world.home.runs, entry.ref.runId);
  world.files.makeFolder(at.folder);
  world.files.write(at.feedback, feedbackOf(results));
  await context.ledger.update(entry.ref.runId, (now) => ({
    ...nextRound({ ...now, checks: entry.checks }, results, world.clock.nowMs()),
    fact: 'claimed',
    session: null,
  }));
  context.wakeup.ring();
}

function nextRound(entry: Entry, results: readonly CheckResult[], nowMs: number): Entry {
  return {
    ...entry,
    round: entry.round + 1,
    signal: null,
    later: entry.signal === null ? entry.later : [...entry.later, entry.signal],
    exit: null,
    turn: 'unreported',
    nudged: false,
    collected: null,
    ending: null,
    reported: null,
    attempt: 1,
    nextAttemptAtMs: 0,
    lastSignAtMs: nowMs,
    timeline: stamp(entry, {
      atMs: nowMs,
      fact: 'sent-back',
      reason: `${results.filter((result) => !result.passed).length} of ${results.length} checks failed; round ${entry.round + 1}`,
    }),
  };
}

/** Nothing of the run may write any more when its output is collected. */
async function endSession(context: Context, runId: string): Promise<'ended' | 'busy-again'> {
  const { world, config } = context;
  const entry = context.ledger.get(runId);
  if (entry.kind === 'external' || entry.kind === 'person') return 'ended';
  const graceMs = inMs(config.behavior.term_grace);
  if (mayEndByItself(entry) && (await waitForExit(context, runId, graceMs)) === 'busy-again') return 'busy-again';
  for (let tries = 1; !(await world.processes.endTagged('TODO_RUN', runId, graceMs)); tries++) {
    if (context.stop.aborted) return 'ended';
    world.log.error('completion', 'processes of the run will not end', { todo: entry.todo.number, run: runId, tries });
    if (tries >= endTriesMax) break;
  }
  const now = context.ledger.get(runId);
  if (now.session?.kind === 'tmux') world.terminals.end(now.session.target);
  const seen = observe(now, fromAfar, world);
  if (now.exit === null && seen.exit !== null && seen.exit.kind !== 'lost')
    await context.ledger.update(runId, (current) => ({ ...current, exit: seen.exit }), true);
  return 'ended';
}

/** A headless agent whose turn is over prints its result and leaves by itself; the result holds cost and tokens. */
const mayEndByItself = (entry: Entry): boolean =>
  entry.kind === 'child' && entry.exit === null && entry.emergency === null && entry.signal?.saidBy !== 'person' && entry.turn === 'ended';

/** A turn that ended is not always the last: what ran in the background may start another a moment later. */
async function waitForExit(context: Context, runId: string, graceMs: number): Promise<'over' | 'busy-again'> {
  const { clock } = context.world;
  const endsMs = clock.monotonicMs() + graceMs;
  while (clock.monotonicMs() < endsMs && !context.stop.aborted) {
    const entry = context.ledger.get(runId);
    if (observe(entry, fromAfar, context.world).exit !== null) return 'over';
    if (entry.turn !== 'ended') return 'busy-again';
    await clock.sleep(exitLookMs, context.stop);
  }
  return 'over';
}
