import type { Entry } from './entry.ts';

/** Files carry fractions of a millisecond, and clocks are corrected by less than this all day. */
const aheadMaxMs = 1000;

/**
 * A clock that was set back leaves dates that lie ahead, and what is timed from them would wait for as long as the step was: a word for its
 * quiet, a silence for its timer. They become now. Null where there is nothing to do.
 */
export function redated(
  { startedAtMs, lastSignAtMs, signal }: Pick<Entry, 'startedAtMs' | 'lastSignAtMs' | 'signal'>,
  nowMs: number,
): Pick<Entry, 'startedAtMs' | 'lastSignAtMs' | 'signal'> | null {
  const atMost = (atMs: number): number => (atMs > nowMs + aheadMaxMs ? nowMs : atMs);
  const signalAtMs = atMost(signal?.atMs ?? 0);
  if (atMost(startedAtMs) === startedAtMs && atMost(lastSignAtMs) === lastSignAtMs && signalAtMs === (signal?.atMs ?? 0)) return null;
  return {
    startedAtMs: atMost(startedAtMs),
    lastSignAtMs: atMost(lastSignAtMs),
    signal: signal === null ? null : { ...signal, atMs: signalAtMs },
  };
}
