import { type Context, set, to } from './context.ts';
import { rotateOutput } from './output.ts';
import { answered, asked, excuseOf, lostPatience, noSilence } from './patience.ts';
import { probe } from './probe.ts';
import { forgiveMs, startsKept, startupMsOf } from './settings.ts';
import { busyNow } from './signs.ts';
import type { Child } from './state.ts';
import { tagName } from './tag.ts';
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

/**
 * From a command's start (or its adoption) to its end. One probe at a time. `steady` is called once, when it has been good for `steadyMs`;
 * `forgive` when it has been good for so long that the restarts before it are forgotten.
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
  const bornEndsMs = bornMs + startupMsOf(settings, context.state.startsMs);
  const look = probe(settings, needs, child);
  let silence = noSilence;
  let goodSinceMs: number | null = null;
  let told: 'nothing' | 'steady' | 'forgiven' = 'nothing';
  let dueMs = bornMs;
  let under: { readonly verdict: Verdict | null } | null = null;

  const hear = (verdict: Verdict): void => {
    const nowMs = clock.monotonicMs();
    silence = answered(silence, verdict);
    if (verdict.kind === 'good') {
      if (goodSinceMs === null) {
        goodSinceMs = nowMs;
        if (context.state.phase === 'starting' && settings.probe.kind !== 'alive')
          set(context, { startsMs: [...context.state.startsMs, Math.round(nowMs - bornMs)].slice(-startsKept) });
      }
      to(context, verdict.degraded === null ? 'healthy' : 'degraded', verdict.degraded);
      return;
    }
    // While it starts nothing counts.
    if (context.state.phase === 'starting') silence = noSilence;
    else if (silence.bad > 1 || verdict.kind === 'hard') {
      goodSinceMs = null;
      to(context, 'unresponsive', verdict.why);
    }
  };

  for (;;) {
    if (wishes.stop.aborted) return { kind: 'leave' };
    const wish = wishes.takeRestart();
    if (wish !== null) return { kind: 'asked', why: wish };
    const end = needs.endOf(child.process.pid);
    if (end !== null) return { kind: 'exit', ...end };
    // Of one that we started the end is told, with its code, a moment after it is seen.
    if (isAdopted && needs.processes.alive(child.process) === 'no') return { kind: 'exit', exitCode: null, osSignal: null };

    if (under !== null && under.verdict !== null) {
      hear(under.verdict);
      under = null;
    }
    const nowMs = clock.monotonicMs();
    if (context.state.phase === 'starting' && nowMs >= bornEndsMs)
      return { kind: 'hang', why: `no good answer within ${Math.round((bornEndsMs - bornMs) / 1000)} s of its start` };
    const excuse = (): string | null => excuseOf(silence, busyNow(needs, child), clock.monotonicMs());
    const why = context.state.phase === 'starting' ? null : lostPatience(silence, settings, nowMs, excuse);
    if (why !== null) return { kind: silence.last?.kind === 'hard' ? 'unhealthy' : 'hang', why };
    if (goodSinceMs !== null && told === 'nothing' && nowMs - goodSinceMs >= settings.steadyMs) {
      told = 'steady';
      heard.steady();
    }
    if (goodSinceMs !== null && told === 'steady' && nowMs - goodSinceMs >= forgiveMs) {
      told = 'forgiven';
      heard.forgive();
    }
    if (under === null && nowMs >= dueMs) {
      rotateOutput(needs.paths.output, needs);
      dueMs = nowMs + (context.state.phase === 'starting' ? Math.min(startingMs, settings.intervalMs) : settings.intervalMs);
      if (context.state.phase !== 'starting') silence = asked(silence, nowMs, needs.processes.cpuMs(tagName, child.tag));
      const sent: { verdict: Verdict | null } = { verdict: null };
      under = sent;
      void look().then((verdict) => {
        sent.verdict = verdict;
        needs.bell.ring();
      });
    }
    const nextMs = Math.min(under === null ? dueMs : Number.POSITIVE_INFINITY, nowMs + Math.min(lookMs, settings.intervalMs / 4));
    await needs.bell.sleepUntil(clock.nowMs() + Math.max(1, nextMs - clock.monotonicMs()), wishes.stop);
  }
}
