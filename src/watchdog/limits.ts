import { type Backoff, backoffMs, noJitter, spread } from '../core/backoff.ts';
import { type Settings, windowMs } from './settings.ts';

/** Why a command had to be started again; `itself`: it restarted in place, for its own reasons. */
export type Cause = 'crash' | 'hang' | 'unhealthy' | 'not-started' | 'itself';

/** One restart, by the wall clock: it is read by the next watchdog. */
export type Restart = { readonly atMs: number; readonly cause: Cause; readonly why: string };

const dayMs = 86_400_000;
const firstMs = 1000;
const maxMs = 60_000;

export type Allowed = { readonly kind: 'restart'; readonly delayMs: number } | { readonly kind: 'hold'; readonly why: string };

/** Those of the window that no good run has made forgotten. */
const inWindow = (restarts: readonly Restart[], forgottenMs: number, nowMs: number): readonly Restart[] =>
  restarts.filter(({ atMs }) => atMs > forgottenMs && isWithin(atMs, windowMs, nowMs));

/** A clock that was set back makes no restart younger than now. */
const isWithin = (atMs: number, spanMs: number, nowMs: number): boolean => nowMs - atMs < spanMs;

/** For the next restart, with those that have been; `forgottenMs`: a good run ended here, and what was before counts for the day alone. */
export function allowed(
  restarts: readonly Restart[],
  forgottenMs: number,
  settings: Pick<Settings, 'restartsMax' | 'restartsADayMax'>,
  nowMs: number,
  random: () => number,
): Allowed {
  const recent = inWindow(restarts, forgottenMs, nowMs);
  const today = restarts.filter(({ atMs }) => isWithin(atMs, dayMs, nowMs));
  if (recent.length >= settings.restartsMax) {
    const causes = new Set(recent.map(({ cause }) => cause));
    const word = causes.size === 1 && causes.has('crash') ? 'crash-loop' : 'restart limit';
    return { kind: 'hold', why: `${word}: ${recent.length} restarts within ${windowMs / 60_000} minutes` };
  }
  if (today.length >= settings.restartsADayMax) return { kind: 'hold', why: `restart limit: ${today.length} restarts within 24 hours` };
  // What it restarted by itself was no failure: it uses up the budget, and makes nobody wait.
  const failed = recent.filter(({ cause }) => cause !== 'itself').length;
  return { kind: 'restart', delayMs: backoffMs({ firstMs, factor: 2, maxMs, jitter: spread(0.2) }, failed + 1, random) };
}

/** What the next watchdog needs of them. */
export const ofToday = (restarts: readonly Restart[], nowMs: number): readonly Restart[] =>
  restarts.filter(({ atMs }) => isWithin(atMs, dayMs, nowMs));

/** EX_TEMPFAIL (sysexits.h): "start me again", which is no crash. */
export const tempFail = 75;
/** "Never start me again", as systemd's RestartPreventExitStatus. */
export const permanent = 125;
/** For who asks to be started again, by how often it asked in a row after a short life (a lock that somebody has): nothing of it is counted as a crash. */
export const askedBackoff: Backoff = { firstMs: 1000, factor: 2, maxMs: 60_000, jitter: noJitter };
export const shortLifeMs = 10_000;
