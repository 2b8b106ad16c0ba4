import { backoffMs } from '../core/backoff.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import { type Context, commandDigest, type Needs, set, to, type Wishes } from './context.ts';
import { keepIncident } from './incident.ts';
import { type Ending, live } from './life.ts';
import { allowed, askedBackoff, type Cause, ofToday, permanent, type Restart, shortLifeMs, tempFail } from './limits.ts';
import { rotateOutput } from './output.ts';
import { heldTryMs, type Settings } from './settings.ts';
import { type Child, readState, type State } from './state.ts';
import { tagName } from './tag.ts';

/** How a watch ended: the command by itself with 0, or a person. */
export type Watched = { readonly why: 'ended' | 'stopped' };

/** An address that somebody else answers at, before we started anything. */
const freeLookMs = 1000;
/** After a stop: until nothing answers there any more. */
const freeWithinMs = 10_000;
const againMs = 250;

/**
 * Keeps a command running until it ends by itself with 0, or a person stops the watch. What an earlier watchdog of that name left is adopted
 * (the same command, still alive) or ended. REFUSED where somebody else answers at its address.
 */
export async function supervise(needs: Needs, settings: Settings, wishes: Wishes): Promise<Watched> {
  const before = readState(needs.paths.state, needs.files);
  const context: Context = { needs, settings, wishes, state: begin(before, needs, settings) };
  const adopted = await takeOver(context, before?.commandSha256 === context.state.commandSha256);
  let child = adopted;
  let restarted: string | null = null;
  for (;;) {
    child ??= await start(context);
    const ending: Ending | { readonly kind: 'not-started'; readonly why: string } =
      child === null ? { kind: 'not-started', why: context.state.why ?? '' } : await life(context, child, child === adopted, restarted);
    if (ending.kind === 'leave') return leave(context, child);
    const incident = await over(context, child, ending);
    if (ending.kind === 'exit' && ending.exitCode === 0 && !settings.always) {
      to(context, 'ended', 'it ended by itself with 0', { child: null });
      return { why: 'ended' };
    }
    child = null;
    restarted = describe(ending);
    const next = await decide(context, ending, incident);
    if (next === 'leave') return leave(context, null);
  }
}

function begin(before: State | null, { clock, digest, processes }: Needs, settings: Settings): State {
  const nowMs = clock.nowMs();
  return {
    v: 1,
    name: settings.name,
    commandSha256: commandDigest(settings, digest),
    watchdog: processes.self(),
    child: before?.child ?? null,
    phase: before?.phase ?? 'ended',
    sinceMs: nowMs,
    why: null,
    restarts: ofToday(before?.restarts ?? [], nowMs),
    forgottenMs: before?.forgottenMs ?? 0,
    isHeld: before?.isHeld ?? false,
    startedAs: settings.startedAs,
    startsMs: before?.commandSha256 === commandDigest(settings, digest) ? before.startsMs : [],
  };
}

/** The command of a dead watchdog goes on under this one; what is left of another is ended. Null: nothing runs. */
async function takeOver(context: Context, isSame: boolean): Promise<Child | null> {
  const { needs, settings, state } = context;
  const left = state.child;
  if (left !== null) {
    if (isSame && needs.processes.alive(left.process) === 'yes') {
      to(context, 'starting', 'adopted from a watchdog that died');
      return left;
    }
    const fields = { name: state.name, pid: left.process.pid, reason: 'a watchdog died and left it' };
    needs.log.warn('monitor', 'watchdog: ending what an earlier one left', fields);
    needs.tell({ what: 'watchdog.ending what an earlier one left', detail: fields });
    await endTree(context, left);
    set(context, { child: null });
  }
  const holder = await whoAnswers(context);
  if (holder !== null)
    throw new OperationalError('REFUSED', {
      operation: 'watching',
      subject: settings.argv.join(' '),
      why: `somebody answers at its address before it was started: ${holder}`,
      hint: 'Stop that process first, or give the address that this command listens at.',
    });
  return null;
}

/** Null: it could not be started, and `state.why` says why. */
async function start(context: Context): Promise<Child | null> {
  const { needs, settings } = context;
  const tag = needs.random.uuidv4();
  rotateOutput(needs.paths.output, needs);
  try {
    const startedAtMs = needs.clock.nowMs();
    const process = needs.processes.start({
      argv: settings.argv,
      cwd: settings.cwd,
      env: { ...settings.env, [tagName]: tag },
      outputPath: needs.paths.output,
    });
    const child = { process, tag, startedAtMs };
    // A number that is used again: how the one before it ended is not its end. And whoever asked for a start until now has got one.
    needs.takeEnd(process.pid);
    context.wishes.takeRestart();
    to(context, 'starting', null, { child });
    return child;
  } catch (error) {
    if (!isOperational(error)) throw error;
    set(context, { why: error.message });
    return null;
  }
}

/** One life, and what its good days change. */
async function life(context: Context, child: Child, isAdopted: boolean, restarted: string | null): Promise<Ending> {
  const { needs } = context;
  return live(context, child, isAdopted, {
    steady() {
      // An earlier watchdog may have given it up.
      if (restarted === null && !context.state.isHeld) return;
      const fields = { name: context.state.name, pid: child.process.pid, after: restarted };
      needs.log.info('monitor', 'watchdog: recovered', fields);
      needs.tell({ what: 'watchdog.recovered', detail: fields });
      if (!context.state.isHeld) return;
      needs.page(`${context.state.name} is back`, fields);
      set(context, { isHeld: false, forgottenMs: needs.clock.nowMs() });
    },
    forgive: () => set(context, { forgottenMs: needs.clock.nowMs() }),
  });
}

type Ended = Exclude<Ending, { kind: 'leave' }> | { readonly kind: 'not-started'; readonly why: string };

/** Evidence first, then the whole tree: nothing of it is left when this returns true. */
async function over(context: Context, child: Child | null, ending: Ended): Promise<Over> {
  if (child === null) return { path: null, clean: true, ranMs: 0 };
  const why = describe(ending);
  const ranMs = context.needs.clock.nowMs() - child.startedAtMs;
  const path = ending.kind === 'asked' ? null : await keepIncident(context, child, ending.kind, why);
  to(context, 'stopping', why);
  const none = await endTree(context, child);
  const clean = none && (await addressIsFree(context));
  if (clean) set(context, { child: null });
  return { path, clean, ranMs };
}

type Over = { readonly path: string | null; readonly clean: boolean; readonly ranMs: number };

/** Waits until it may be started again, and nothing is in its way. */
async function decide(context: Context, ending: Ended, over: Over): Promise<'again' | 'leave'> {
  for (let next = await pauseOrHold(context, ending, over); ; ) {
    if (next === 'leave') return 'leave';
    const obstacle = await inTheWay(context);
    if (obstacle === null) return 'again';
    next = await hold(context, obstacle, over.path);
  }
}

/** Who came while nothing of ours ran has the address now, and a second one would only fail; what could not be ended before may be by now. */
async function inTheWay(context: Context): Promise<string | null> {
  const { child } = context.state;
  if (child !== null) {
    if (!(await endTree(context, child))) return 'something of it could not be ended';
    set(context, { child: null });
  }
  const holder = await whoAnswers(context);
  return holder === null ? null : `somebody else answers at its address: ${holder}`;
}

/** How often in a row, each time after a short life. */
const asks = new WeakMap<Context, number>();

function askedDelay(context: Context, ranMs: number): number {
  const times = ranMs < shortLifeMs ? (asks.get(context) ?? 0) + 1 : 1;
  asks.set(context, times);
  return backoffMs(askedBackoff, times, context.needs.random.next);
}

async function pauseOrHold(context: Context, ending: Ended, { path, clean, ranMs }: Over): Promise<'again' | 'leave'> {
  const { needs, settings, wishes } = context;
  const why = describe(ending);
  if (!clean) return hold(context, 'something of it could not be ended, or holds its address', path);
  if (ending.kind === 'asked') return 'again';
  if (context.state.isHeld) return hold(context, `tried again: ${why}`, path);
  if (ending.kind === 'exit' && ending.exitCode === tempFail)
    return pause(context, askedDelay(context, ranMs), 'it asked to be started again (75)');
  if (ending.kind === 'exit' && ending.exitCode === permanent)
    return hold(context, 'it said that it must not be started again (125)', path);
  const nowMs = needs.clock.nowMs();
  const may = allowed([...context.state.restarts, ...needs.itsOwn()], context.state.forgottenMs, settings, nowMs, needs.random.next);
  const restart: Restart = { atMs: nowMs, cause: causeOf(ending), why };
  if (may.kind === 'hold') return hold(context, `${may.why}; last: ${why}`, path);
  set(context, { restarts: ofToday([...context.state.restarts, restart], nowMs) });
  const detail = { name: context.state.name, cause: restart.cause, reason: why, inMs: may.delayMs, evidence: path };
  needs.log.warn('monitor', 'watchdog: restart', detail);
  needs.tell({ what: 'watchdog.restart', detail });
  return wishes.stop.aborted ? 'leave' : pause(context, may.delayMs, why);
}

async function pause(context: Context, delayMs: number, why: string): Promise<'again' | 'leave'> {
  to(context, 'backoff', why);
  return (await waited(context, delayMs)) === 'left' ? 'leave' : 'again';
}

/** It stays stopped, a person is told once, and now and then it is tried: what was in its way may have gone. */
async function hold(context: Context, why: string, evidence: string | null): Promise<'again' | 'leave'> {
  const { needs, state } = context;
  to(context, 'held', why, { isHeld: true });
  if (!state.isHeld) {
    const detail = { name: state.name, reason: why, evidence, command: context.settings.argv[0] ?? '' };
    const hint = `It is tried again every ${heldTryMs / 60_000} minutes; now: kill -HUP ${needs.processes.self().pid}`;
    needs.log.critical('monitor', 'watchdog: gave up', { ...detail, hint });
    needs.page(`${state.name} is held: ${why}`, detail);
  }
  const how = await waited(context, heldTryMs);
  // Somebody has looked into it: it has all its restarts again.
  if (how === 'asked') set(context, { isHeld: false, forgottenMs: needs.clock.nowMs() });
  return how === 'left' ? 'leave' : 'again';
}

/** Until then, or a person's wish. */
async function waited({ needs, wishes }: Context, ms: number): Promise<'over' | 'asked' | 'left'> {
  const { clock, bell } = needs;
  const endsMs = clock.monotonicMs() + ms;
  for (;;) {
    if (wishes.stop.aborted) return 'left';
    if (wishes.takeRestart() !== null) return 'asked';
    const left = endsMs - clock.monotonicMs();
    if (left <= 0) return 'over';
    await bell.sleepUntil(clock.nowMs() + left, wishes.stop);
  }
}

async function leave(context: Context, child: Child | null): Promise<Watched> {
  const { needs, settings } = context;
  if (child !== null) {
    to(context, 'stopping', 'a person stopped the watch');
    if (await endTree(context, child)) set(context, { child: null });
    else needs.log.error('monitor', 'watchdog: something of it could not be ended', { name: settings.name, pid: child.process.pid });
  }
  to(context, 'ended', 'a person stopped the watch');
  return { why: 'stopped' };
}

const endTree = ({ needs, settings, wishes }: Context, { tag }: Child): Promise<boolean> =>
  needs.processes.endTagged(
    tagName,
    tag,
    wishes.stop.aborted ? settings.leaveMs : settings.graceMs,
    settings.ends === 'all' ? 'all' : 'tagged',
  );

/** Its port is nobody's any more. True too where it has no address. */
async function addressIsFree(context: Context): Promise<boolean> {
  const { clock } = context.needs;
  const endsMs = clock.monotonicMs() + freeWithinMs;
  for (;;) {
    if ((await whoAnswers(context)) === null) return true;
    if (clock.monotonicMs() >= endsMs) return false;
    await clock.sleep(againMs);
  }
}

async function whoAnswers({ needs, settings: { probe } }: Context): Promise<string | null> {
  if (probe.kind !== 'http' && probe.kind !== 'daemon') return null;
  const answer = await (probe.kind === 'http' ? needs.http(probe.url, freeLookMs) : needs.daemon(freeLookMs));
  if (answer.kind === 'none') return null;
  return answer.kind === 'late' ? 'it takes connections and says nothing' : `it answers ${answer.status}`;
}

const causeOf = ({ kind }: Exclude<Ended, { kind: 'asked' }>): Cause => (kind === 'exit' ? 'crash' : kind);

function describe(ending: Ended): string {
  if (ending.kind !== 'exit') return ending.why;
  if (ending.osSignal !== null) return `it was ended by ${ending.osSignal}`;
  return ending.exitCode === null ? 'it has ended' : `it exited with ${ending.exitCode}`;
}
