import type { ErrorClass } from './error-class.ts';
import type { GaveUpBecause } from './policy.ts';

/** One attempt that failed. */
export type FailedAttempt = {
  /** UTC, when it ended. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly errorClass: ErrorClass;
  readonly message: string;
  /** The wait that followed; null after the last. */
  readonly delayMs: number | null;
};

/** The history of a call that was given up: what a dead letter keeps. */
export type GivenUp = {
  readonly policy: string;
  /** nested: a retry further in gave up already; one layer decides. */
  readonly because: GaveUpBecause | 'nested';
  readonly errorClass: ErrorClass;
  readonly deadLetter: boolean;
  readonly alert: boolean;
  /** Calls made. */
  readonly attempts: number;
  /** The first and the latest ones, where there were very many. */
  readonly failed: readonly FailedAttempt[];
};

const histories = new WeakMap<object, { readonly givenUp: GivenUp; readonly at: number }>();
let count = 0;

/** Errors stay what they are, so their history stands beside them. Null for what no retry layer gave up. */
export function givenUpOf(error: unknown): GivenUp | null {
  return (typeof error === 'object' && error !== null && histories.get(error)?.givenUp) || null;
}

export function remember(error: unknown, givenUp: GivenUp): void {
  if (typeof error === 'object' && error !== null) histories.set(error, { givenUp, at: ++count });
}

/** A point in the order of things given up; see `wasGivenUpSince`. */
export const givenUpSoFar = (): number => count;

/**
 * Whether a retry layer gave this very error up, or one in its chain of causes, after that point: then it happened within the call that failed
 * now. Before that point it is only the same object thrown again.
 */
export function wasGivenUpSince(error: unknown, point: number): boolean {
  if (count === point) return false;
  for (let it = error, depth = 0; typeof it === 'object' && it !== null && depth < causesMax; it = (it as Error).cause, depth++)
    if ((histories.get(it)?.at ?? 0) > point) return true;
  return false;
}

/** Chains are short; one that is longer may be a ring. */
const causesMax = 10;

/** Signals that a retry layer gave to an attempt of its own. Whoever calls through another retry with one is inside that attempt. */
const attemptSignals = new WeakSet<AbortSignal>();
export const markAttemptSignal = (signal: AbortSignal): void => void attemptSignals.add(signal);
export const isAttemptSignal = (signal: AbortSignal | undefined): boolean => signal !== undefined && attemptSignals.has(signal);
