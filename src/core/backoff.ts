/** How a wait is spread, so that those who failed together do not come back together. `wait` is first × factor^(attempt − 1), at most the maximum. */
export type Jitter =
  | { readonly kind: 'none' }
  /** [0, wait) */
  | { readonly kind: 'full' }
  /** [wait ÷ 2, wait) */
  | { readonly kind: 'equal' }
  /** [first, 3 × the wait before), whatever the attempt. */
  | { readonly kind: 'decorrelated' }
  /** wait ± `by` × wait; 0.25 is ± 25 %. */
  | { readonly kind: 'spread'; readonly by: number };

export type Backoff = {
  /** After the first failed attempt. */
  readonly firstMs: number;
  /** Each wait is this many times the one before. */
  readonly factor: number;
  /** No wait is longer, jitter included. */
  readonly maxMs: number;
  readonly jitter: Jitter;
  /** After a whole round of tries each wait is `restMs`, without jitter. Absent: the waits grow up to the maximum. */
  readonly round?: { readonly tries: number; readonly restMs: number };
};

export const noJitter: Jitter = { kind: 'none' };
export const spread = (by: number): Jitter => ({ kind: 'spread', by });

/**
 * How long to wait after the attempt with this number (from 1) failed; whole milliseconds. The only place where a wait is computed.
 * `previousMs` is the wait before this one; only decorrelated jitter asks for it.
 */
export function backoffMs(backoff: Backoff, attempt: number, random: () => number, previousMs = backoff.firstMs): number {
  const { firstMs, factor, maxMs, round } = backoff;
  if (round !== undefined && attempt > round.tries) return round.restMs;
  // 0 × ∞ is no number.
  const waitMs = firstMs === 0 ? 0 : Math.min(maxMs, firstMs * factor ** (attempt - 1));
  return Math.round(jittered(backoff, waitMs, previousMs, random));
}

function jittered({ jitter, firstMs, maxMs }: Backoff, waitMs: number, previousMs: number, random: () => number): number {
  switch (jitter.kind) {
    case 'none':
      return waitMs;
    case 'full':
      return random() * waitMs;
    case 'equal':
      return waitMs / 2 + random() * (waitMs / 2);
    case 'decorrelated': {
      // The bound is lowered, not the draw: cut draws would all wait exactly the maximum, and come back together.
      const upToMs = Math.min(maxMs, Math.max(firstMs, previousMs * 3));
      return Math.min(firstMs, upToMs) + random() * Math.max(0, upToMs - firstMs);
    }
    case 'spread': {
      const drawn = Math.max(0, waitMs * (1 + (2 * random() - 1) * jitter.by));
      // Folded back at the maximum, for the same reason.
      return drawn > maxMs ? Math.max(0, 2 * maxMs - drawn) : drawn;
    }
    default:
      return jitter satisfies never;
  }
}

/** Tries against a store that is away: 2, 4, 8 s are one round, then one try with each sweep (C-13). */
export const recordBackoff = {
  firstMs: 2000,
  factor: 2,
  maxMs: 1_024_000,
  jitter: noJitter,
  round: { tries: 3, restMs: 60_000 },
} as const satisfies Backoff;

/** Somebody wrote at the same time: 20 to 200 ms later, whatever the attempt. */
export const conflictBackoff: Backoff = { firstMs: 110, factor: 1, maxMs: 200, jitter: spread(9 / 11) };

/** A run that was lost without an answer: 1, 2, 4, 8 s ± 25 %, at most 300 s (H-13). */
export const jobBackoff = { firstMs: 1000, factor: 2, maxMs: 300_000, jitter: spread(0.25) } as const satisfies Backoff;
