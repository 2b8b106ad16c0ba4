import { createAsking } from './asking.ts';
import { afterAnswer, type Check, tried } from './check.ts';
import { type Context, set, to } from './context.ts';
import { rotateOutput } from './output.ts';
import { answered, asked, type Done, excuseOf, lostPatience, noSilence, type Silence, startsTooLong, without } from './patience.ts';
import { probe } from './probe.ts';
import { forgiveMs, startsKept, startupMsOf } from './settings.ts';
import { busyNow, doneBy } from './signs.ts';
import type { Child } from './state.ts';
import type { Verdict } from './verdict.ts';

/** How a life ended, or why it must end now. */
export type Ending =
  | { readonly kind: 'exit'; readonly exitCode: number | null; readonly osSignal: string | null }
  | { readonly kind: 'hang' | 'unhealthy'; readonly why: string }
  /** A person asked for another one. */
  | { readonly kind: 'asked'; readonly why: string }
  /** A person asked to stop. */
  | { readonly kind: 'leave' };

/** Who is adopted is nobody's child any more: its end is seen, not told. */
const lookMs = 1000;
/** Until its first good answer it is asked more often: who waits for it should not wait for us. */
const startingMs = 500;
/** A round that comes so much later than planned: this process itself stood still. */
const stoodStillMs = 1000;

/**
 * From a command's start (or its adoption) to its end. One probe at a time, and another one beside it where it is late. `steady` is called once, when it
 * has been good for `steadyMs`; `forgive` when it has been good for so long that the restarts before it are forgotten.
 */
export async function live(
  context: Context,
  child: Child,
  isAdopted: boolean,
  heard: { steady(): void; forgive(): void },
): Promise<Ending> {
  const { needs, settings, wishes } = context;
  const { clock } = needs;
  const bornMs = clock.monotonicMs();
  const startupMs = graceOf(context, child, isAdopted);
  const learns = !isAdopted && settings.probe.kind !== 'alive';
  const asking = createAsking(probe(settings, needs, child), settings.probeMs / 2, needs.bell.ring);
  const done = (): Done => doneBy(needs, child);
  const now = {
    birth: asked(noSilence, bornMs, done),
    silence: noSilence,
    goodSinceMs: null as number | null,
    told: 'nothing' as 'nothing' | 'steady' | 'forgiven',
    check: null as Check | null,
    dueMs: bornMs,
    plannedMs: bornMs,
  };
  const isStarting = (): boolean => context.state.phase === 'starting';
  const learn = (tookMs: number): void => set(context, { startsMs: [...context.state.startsMs, Math.round(tookMs)].slice(-startsKept) });

  const hear = (verdict: Verdict, nowMs: number): void => {
    needs.log.debug('monitor', 'watchdog: probe', {
      name: context.state.name,
      verdict: verdict.kind,
      why: verdict.kind === 'good' ? verdict.degraded : verdict.why,
    });
    // While it starts nothing bad counts.
    if (isStarting() && verdict.kind !== 'good') return;
    now.silence = answered(now.silence, verdict);
    if (verdict.kind === 'good') {
      now.goodSinceMs ??= nowMs;
      if (isStarting() && learns) learn(nowMs - bornMs);
      to(context, verdict.degraded === null ? 'healthy' : 'degraded', verdict.degraded);
    } else if (now.silence.bad >= settings.tries) {
      now.goodSinceMs = null;
      to(context, 'unresponsive', verdict.why);
    }
    Object.assign(now, afterAnswer(now.check, verdict.kind === 'good', settings, nowMs));
  };

  const ask = (nowMs: number): void => {
    rotateOutput(needs.paths.output, needs);
    if (isStarting()) now.dueMs = nowMs + Math.min(startingMs, settings.intervalMs);
    else {
      now.check = tried(now.check, nowMs);
      now.silence = asked(now.silence, nowMs, done);
    }
    asking.send(nowMs);
  };

  const stoodStill = (missedMs: number): void => {
    needs.log.info('monitor', 'watchdog: it stood still itself', { name: settings.name, ms: Math.round(missedMs) });
    now.birth = without(now.birth, missedMs);
    now.silence = without(now.silence, missedMs);
    if (now.goodSinceMs !== null) now.goodSinceMs += missedMs;
  };

  /** What must end it now; null: nothing. */
  const enough = (nowMs: number): Ending | null => {
    const excuse = (since: Silence) => () => excuseOf(since, busyNow(needs, child), nowMs);
    if (isStarting()) {
      const why = startsTooLong(now.birth, startupMs, nowMs, excuse(now.birth));
      if (why !== null && learns) learn(startupMs);
      return why === null ? null : { kind: 'hang', why };
    }
    const why = lostPatience(now.silence, settings, nowMs, excuse(now.silence));
    return why === null ? null : { kind: now.silence.last?.kind === 'hard' ? 'unhealthy' : 'hang', why };
  };

  for (;;) {
    if (wishes.stop.aborted) return { kind: 'leave' };
    const wish = wishes.takeRestart();
    // A start that is under way is what was asked for.
    if (wish !== null && isStarting()) needs.log.info('monitor', 'watchdog: it starts already', { name: settings.name, asked: wish });
    else if (wish !== null) return { kind: 'asked', why: wish };
    const end = needs.takeEnd(child.process.pid);
    if (end !== null) return { kind: 'exit', ...end };
    // Of one that we started the end is told, with its code, a moment after it is seen.
    if (isAdopted && needs.processes.alive(child.process) === 'no') return { kind: 'exit', exitCode: null, osSignal: null };

    const nowMs = clock.monotonicMs();
    if (nowMs - now.plannedMs >= stoodStillMs) stoodStill(nowMs - now.plannedMs);
    for (const verdict of asking.heard(nowMs)) hear(verdict, nowMs);
    const ending = enough(nowMs);
    if (ending !== null) return ending;
    const goodMs = now.goodSinceMs === null ? 0 : nowMs - now.goodSinceMs;
    if (now.told === 'nothing' && now.goodSinceMs !== null && goodMs >= settings.steadyMs) {
      now.told = 'steady';
      heard.steady();
    }
    if (now.told === 'steady' && goodMs >= forgiveMs) {
      now.told = 'forgiven';
      heard.forgive();
    }
    if (asking.mayAsk() && nowMs >= now.dueMs) ask(nowMs);
    const enoughMs = now.silence.sinceMs === null ? Number.POSITIVE_INFINITY : now.silence.sinceMs + settings.timeoutMs;
    const looks = [nowMs + Math.min(lookMs, settings.intervalMs / 4), now.dueMs, enoughMs];
    now.plannedMs = Math.min(...looks.filter((atMs) => atMs > nowMs));
    await needs.bell.sleepUntil(clock.nowMs() + (now.plannedMs - nowMs), wishes.stop);
  }
}

/** Of an adopted one what is left of its start, or the time that a silence may take: it may be long past it. */
function graceOf({ needs: { clock }, settings, state }: Context, child: Child, isAdopted: boolean): number {
  const startupMs = startupMsOf(settings, state.startsMs);
  return isAdopted ? Math.max(settings.timeoutMs, startupMs - (clock.nowMs() - child.startedAtMs)) : startupMs;
}
