import { hasEnded } from '../core/entry.ts';
import { isOperational, messageOf } from '../core/errors.ts';
import type { PastRestart } from '../core/restart.ts';
import { parsedJson } from '../core/shape.ts';
import { tellBlocked } from './blocked.ts';
import type { Context } from './context.ts';
import { deliverAlert, deliverWaiting } from './deliveries.ts';
import { tellGivenWay } from './given-way.ts';
import { noteEvent, tellRest } from './notebook.ts';
import { breakerNames } from './outside.ts';
import { keepRestart } from './restart.ts';

/** What one daemon of a home leaves to the next, durable before it goes. Absent after a crash: then the journal alone speaks. */
type Handover = PastRestart & {
  readonly v: 1;
  readonly generation: number;
  readonly version: string;
  /** When it took nothing new any more, and when it went. */
  readonly pausedAtMs: number;
  readonly leftAtMs: number;
  readonly runs: readonly string[];
  /** Keys of what the store or a receiver has not heard. */
  readonly untold: readonly string[];
  readonly breakers: Readonly<Record<string, string>>;
  readonly storeAnswered: boolean;
};

const handoverNote = 'restart:handover';
const generationNote = 'generation';
/** Prefixes of notes that nobody but a daemon takes away. */
const untoldPrefixes = ['tell:', 'delivery:'];
/** Who goes waits no longer for a store and a receiver that are slow: all of it is in the journal. */
const flushWithinMs = 2000;
/** A look at the store; a daemon that came back is held no longer for one that is slow than this and another look. */
const pingWithinMs = 5000;
/** What is held is looked at again: the store may be back. */
const lookAgainMs = 10_000;

/** Before the drain: whoever watches hears of it before it is quiet here. */
export function announceRestart(context: Context): void {
  const { restarting, world } = context;
  const { planned } = restarting;
  if (planned === null) return;
  const fields = { by: planned.by, reason: planned.why, generation: restarting.generation, live: liveRuns(context).length };
  world.log.warn('monitor', 'restart planned', fields);
  noteEvent(context, { kind: 'healing', what: 'restart_planned', detail: JSON.stringify(fields) });
  deliverAlert(context, 'restart planned', 'WARNING', 'the daemon restarts itself', fields);
}

/** Whoever goes tells what there is to tell; what is not told now the next one tells. */
export async function flushOutbox(context: Context): Promise<void> {
  const { world, tasks, changes } = context;
  const over = new AbortController();
  const untilMs = world.clock.nowMs() + flushWithinMs;
  await Promise.race([tellRest(context), world.clock.sleep(flushWithinMs, over.signal)]);
  over.abort();
  deliverWaiting(context);
  await changes.until(() => !tasks.busy('deliver'), untilMs, context.stop);
}

/** After the drain: all that the next one must know is durable when this resolves. */
export async function handOver(context: Context, pausedAtMs: number): Promise<void> {
  const { restarting, world, tasks, outside, state } = context;
  const { planned } = restarting;
  if (planned === null) throw new Error('a handover without a plan');
  // By itself and not beside the loop, which may have ended by a defect: one that is not counted could be made for ever.
  await keepRestart(context, planned);
  await flushOutbox(context);
  await tasks.settled('keep:');
  const handover: Handover = {
    ...planned,
    v: 1,
    generation: restarting.generation,
    version: context.version,
    pausedAtMs,
    leftAtMs: world.clock.nowMs(),
    runs: liveRuns(context),
    untold: untoldPrefixes.flatMap((prefix) => world.journal.notes(prefix).map(({ key }) => key)),
    breakers: Object.fromEntries(breakerNames.map((name) => [name, outside.of(name).state])),
    storeAnswered: state.store.reachable === 'yes',
  };
  await world.journal.setNote(handoverNote, JSON.stringify(handover));
  world.log.info('monitor', 'restart handed over', {
    generation: handover.generation,
    runs: handover.runs.length,
    untold: handover.untold.length,
  });
}

/**
 * What has an error code was told and would meet the next daemon, too: the process ends, for a watchdog to decide. A defect may be over with a new start;
 * nothing that memory holds is trusted any more, so nothing is drained, and what is durable is the handover.
 */
export async function restartAfter(context: Context, error: unknown): Promise<boolean> {
  const { restarting, state, world } = context;
  if (isOperational(error) || restarting.generation === 0) return false;
  state.draining = true;
  world.log.critical('monitor', 'a defect in the daemon', { error });
  if (!restarting.ask({ by: 'defect', why: messageOf(error) }).accepted) return false;
  announceRestart(context);
  await handOver(context, world.clock.nowMs());
  return true;
}

/** Also of one that answers and has not counted itself yet. */
export const generationOf = ({ restarting, world }: Context): number =>
  restarting.generation > 0 ? restarting.generation : Number(world.journal.getNote(generationNote) ?? 0) + 1;

/** A daemon has recovered: it counts itself, and looks whether all is there that the one before it left. Until then it takes nothing new. */
export async function arrive(context: Context): Promise<void> {
  const { restarting, world } = context;
  restarting.generation = generationOf(context);
  await world.journal.setNote(generationNote, String(restarting.generation));
  await tellBlocked(context);
  await tellGivenWay(context);
  const left = parsedJson(world.journal.getNote(handoverNote) ?? '') as Handover | null;
  if (left?.v !== 1) return;
  restarting.intake = { kind: 'validating' };
  // Before the first pass: what is told and delivered from now on is missing for good reason.
  const lost = lostSince(context, left);
  context.tasks.start(
    'restart:validate',
    () => validate(context, left, lost),
    (error) => hold(context, left, [messageOf(error)]),
  );
}

async function validate(context: Context, left: Handover, lost: readonly string[]): Promise<void> {
  const { restarting, world, changes, stop } = context;
  for (;;) {
    const wrong = [...lost, ...(await storeProblems(context, left))];
    if (wrong.length === 0) return passed(context, left, 'looked');
    hold(context, left, wrong);
    await changes.until(() => restarting.isResumed, world.clock.nowMs() + lookAgainMs, stop);
    if (stop.aborted) return;
    if (restarting.isResumed) return passed(context, left, 'person');
  }
}

/** What this daemon alone could have taken away and should have found. */
function lostSince(context: Context, left: Handover): readonly string[] {
  const { world, ledger, outside, owner } = context;
  const wrong: string[] = [];
  const holder = parsedJson(world.files.readText(`${world.home.lock}.holder`) ?? '') as { pid?: number } | null;
  if (holder !== null && holder.pid !== owner.pid) wrong.push(`the lock of this home names process ${holder.pid}`);
  const runs = left.runs.filter((runId) => !ledger.has(runId) && !isElsewhere(context, runId));
  if (runs.length > 0) wrong.push(`${runs.length} of ${left.runs.length} live runs were not found again: ${runs.slice(0, 3).join(', ')}`);
  const there = new Set(untoldPrefixes.flatMap((prefix) => world.journal.notes(prefix).map(({ key }) => key)));
  const untold = left.untold.filter((key) => !there.has(key));
  if (untold.length > 0) wrong.push(`${untold.length} of ${left.untold.length} notes and deliveries that wait are gone`);
  for (const name of breakerNames) {
    const [was, is] = [left.breakers[name], outside.of(name).state];
    // What opened on the way is no loss; what was open and is not remembered would call what it kept from being called.
    if (was !== undefined && was !== 'closed' && breakerWord(was) !== breakerWord(is))
      wrong.push(`breaker ${name} is ${is} and was ${was}`);
  }
  return wrong;
}

/** It ended meanwhile, or another process has it now. */
function isElsewhere({ world, owner }: Context, runId: string): boolean {
  const entry = world.journal.get(runId);
  return entry !== null && (hasEnded(entry.fact) || (entry.owner.pid !== owner.pid && world.processes.alive(entry.owner) !== 'no'));
}

/** One that probes is open to whoever starts anew. */
const breakerWord = (state: string): string => (state === 'half-open' ? 'open' : state);

async function storeProblems({ world, stop }: Context, { storeAnswered }: Handover): Promise<readonly string[]> {
  if (!storeAnswered) return [];
  const late = new AbortController();
  const asked = world.store.ping().then(
    () => null,
    (error: unknown) => `the store does not answer: ${messageOf(error)}`,
  );
  const waited = world.clock
    .sleep(pingWithinMs, AbortSignal.any([late.signal, stop]))
    .then(() => `the store does not answer within ${pingWithinMs} ms`);
  const problem = await Promise.race([asked, waited]);
  late.abort();
  return problem === null ? [] : [problem];
}

/** Told once; the same look later opens it again, or a person does. */
function hold(context: Context, left: Handover, wrong: readonly string[]): void {
  const { restarting, world } = context;
  const why = wrong.join('; ');
  const isNew = restarting.intake.kind !== 'held';
  restarting.intake = { kind: 'held', sinceMs: restarting.intake.kind === 'held' ? restarting.intake.sinceMs : world.clock.nowMs(), why };
  if (!isNew) return;
  const fields = { generation: restarting.generation, by: left.by, reason: why };
  world.log.critical('monitor', 'restart not validated: nothing new is taken', { ...fields, hint: 'todo daemon resume' });
  noteEvent(context, { kind: 'healing', what: 'restart_failed', detail: JSON.stringify(fields) });
  deliverAlert(context, 'restart failed', 'CRITICAL', 'the daemon restarted and does not find all that it left', fields);
}

async function passed(context: Context, left: Handover, by: 'looked' | 'person'): Promise<void> {
  const { restarting, world } = context;
  const fields = {
    generation: restarting.generation,
    starts: restarting.generation - left.generation,
    by: left.by,
    reason: left.why,
    opened: by,
    runs: left.runs.length,
    untold: left.untold.length,
    from: left.version,
    to: context.version,
    gapMs: world.clock.nowMs() - left.leftAtMs,
    quietMs: world.clock.nowMs() - left.pausedAtMs,
  };
  await world.journal.dropNotes([handoverNote]);
  restarting.intake = { kind: 'open' };
  restarting.isResumed = false;
  world.log.info('monitor', 'restart validated', fields);
  noteEvent(context, { kind: 'healing', what: 'restart_validated', detail: JSON.stringify(fields) });
  context.state.claimDueMs = 0;
  context.wakeup.ring();
}

/** A person has looked at it. False: nothing is held. */
export function resume(context: Context): boolean {
  const { restarting, changes } = context;
  if (restarting.intake.kind !== 'held') return false;
  restarting.isResumed = true;
  changes.tell();
  return true;
}

const liveRuns = ({ ledger }: Context): readonly string[] =>
  ledger
    .all()
    .filter(({ fact }) => !hasEnded(fact))
    .map(({ ref }) => ref.runId);
