import type { Backoff } from './backoff.ts';
import { backoffMs, conflictBackoff, noJitter, recordBackoff } from './backoff.ts';
import type { Config } from './config.ts';
import type { Entry, Fact } from './entry.ts';
import { hasEnded, layerOf } from './entry.ts';
import type { ErrorCode, Retry } from './errors.ts';
import { retryOf } from './errors.ts';
import { stamp } from './signal.ts';

/** What one step came to. */
export type StepResult =
  /** The next fact holds; `changes` is what it carries. */
  | { readonly kind: 'done'; readonly fact: Fact; readonly changes?: Partial<Entry>; readonly reason?: string }
  /** A look showed that an earlier fact does not hold: back to the fact before it. */
  | { readonly kind: 'disproved'; readonly backTo: Fact; readonly reason: string; readonly changes?: Partial<Entry> }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly reason: string };

/** Looks may disprove this often before a person must look. Each disproof is followed by a whole new write. */
const disprovedMax = 5;
/** Tries of a conflict (`soon`) before it counts as a failure of its round. */
const boundedTriesMin = 3;

/**
 * The one place where a completion moves. Pure: facts only grow by 'done', only shrink by 'disproved', and an ended one never moves.
 * A done step leaves `attempt` at 1: the attempt at the next step, counted before it runs.
 */
export function advance(
  entry: Entry,
  result: StepResult,
  config: Config,
  at: { nowMs: number; durationMs: number; random: () => number },
): Entry {
  if (hasEnded(entry.fact)) throw new Error(`a ${entry.fact} completion cannot move (run ${entry.ref.runId})`);
  switch (result.kind) {
    case 'done':
      return {
        ...entry,
        ...result.changes,
        fact: result.fact,
        attempt: 1,
        defects: 0,
        nextAttemptAtMs: 0,
        lastError: null,
        timeline: stamp(entry, {
          atMs: at.nowMs,
          fact: result.fact,
          layer: layerOf(result.fact),
          durationMs: at.durationMs,
          reason: result.reason ?? null,
        }),
      };
    case 'disproved': {
      const moved: Entry = {
        ...entry,
        ...result.changes,
        fact: result.backTo,
        attempt: 1,
        disproved: entry.disproved + 1,
        nextAttemptAtMs: 0,
        timeline: stamp(entry, {
          atMs: at.nowMs,
          fact: 'disproved',
          layer: layerOf(entry.fact),
          durationMs: at.durationMs,
          reason: result.reason,
        }),
      };
      return moved.disproved > disprovedMax ? giveUp(moved, `disproved ${moved.disproved} times: ${result.reason}`) : moved;
    }
    case 'failed': {
      const retry = retryOf(result.code);
      const failed: Entry = {
        ...entry,
        attempt: entry.attempt + 1,
        lastError: { code: result.code, message: result.reason, atMs: at.nowMs },
        nextAttemptAtMs: at.nowMs + backoffMs(backoffOf(retry, config), entry.attempt, at.random),
        timeline: stamp(entry, { atMs: at.nowMs, fact: 'failed-attempt', durationMs: at.durationMs, reason: result.reason }),
      };
      if (retry === 'forever') return failed;
      const tries = Math.max(boundedTriesMin, config.behavior.max_retries);
      return retry === 'never' || entry.attempt >= tries ? giveUp(failed, result.reason) : failed;
    }
    default:
      return result satisfies never;
  }
}

const giveUp = (entry: Entry, reason: string): Entry => ({ ...entry, givenUp: reason, attempt: 1, nextAttemptAtMs: 0 });

/** 2^attempt seconds within a round of max_retries tries; after the round one try with each sweep, at the latest each minute. */
function backoffOf(retry: Retry, { behavior }: Config): Backoff {
  if (retry === 'soon') return conflictBackoff;
  if (!behavior.exponential_backoff) return { firstMs: 2000, factor: 1, maxMs: 2000, jitter: noJitter };
  const restMs = Math.min(recordBackoff.round.restMs, behavior.health_check_interval * 1000);
  return { ...recordBackoff, round: { tries: behavior.max_retries, restMs } };
}

/** True at the moment a whole round of tries has failed for the first time: the one alarm. */
export const firstRoundFailed = (entry: Pick<Entry, 'attempt'>, config: Config): boolean =>
  entry.attempt === config.behavior.max_retries + 1;
