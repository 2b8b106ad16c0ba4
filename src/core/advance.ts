import type { Backoff } from './backoff.ts';
import { backoffMs, conflictBackoff, noJitter, recordBackoff } from './backoff.ts';
import type { Config } from './config.ts';
import { fingerprintOf } from './dead-letter.ts';
import type { Death, Entry, Fact } from './entry.ts';
import { hasEnded, layerOf } from './entry.ts';
import type { ErrorCode, Retry } from './errors.ts';
import { retryOf } from './errors.ts';
import { inMs } from './seconds.ts';
import { stamp } from './signal.ts';

/** What one step came to. */
export type StepResult =
  /** The next fact holds; `changes` is what it carries. */
  | { readonly kind: 'done'; readonly fact: Fact; readonly changes?: Partial<Entry>; readonly reason?: string }
  /** A look showed that an earlier fact does not hold: back to the fact before it. */
  | { readonly kind: 'disproved'; readonly backTo: Fact; readonly reason: string; readonly changes?: Partial<Entry> }
  | {
      readonly kind: 'failed';
      readonly code: ErrorCode;
      readonly reason: string;
      readonly errorClass?: string;
      readonly causes?: readonly string[];
    }
  /** A call that the step needs was never made (an open breaker): no attempt was spent. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly reason: string; readonly retryAfterMs: number | null };

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
  at: { nowMs: number; durationMs: number; random: () => number; isPaid?: boolean },
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
        // Written again at once; when that does not show either, the look may have gone to a node that is behind, and needs time.
        nextAttemptAtMs: entry.disproved === 0 ? 0 : at.nowMs + backoffMs(backoffOf('forever', config), entry.disproved, at.random),
        timeline: stamp(entry, {
          atMs: at.nowMs,
          fact: 'disproved',
          layer: layerOf(entry.fact),
          durationMs: at.durationMs,
          reason: result.reason,
        }),
      };
      const reason = `disproved ${moved.disproved} times: ${result.reason}`;
      return moved.disproved > disprovedMax ? giveUp(moved, { reason, code: null, errorClass: 'permanent', atMs: at.nowMs }) : moved;
    }
    case 'failed': {
      const waits = backoffOf(retryOf(result.code), config);
      // Where the retries of all are used up for now, each waits as the last one of a round does.
      const attempt = at.isPaid === false ? Math.max(entry.attempt, roundTries(config)) : entry.attempt;
      const waitMs = backoffMs(waits, attempt, at.random);
      const failed: Entry = {
        ...entry,
        attempt: entry.attempt + 1,
        lastError: {
          code: result.code,
          message: result.reason,
          atMs: at.nowMs,
          ...(result.causes === undefined ? {} : { causes: result.causes }),
          ...(result.errorClass === undefined ? {} : { errorClass: result.errorClass }),
        },
        nextAttemptAtMs: at.nowMs + waitMs,
        timeline: stamp(entry, { atMs: at.nowMs, fact: 'failed-attempt', durationMs: at.durationMs, reason: result.reason }),
      };
      const tries = triesOf(result.code, config);
      if (tries === null) return failed;
      const { code, reason, errorClass = 'permanent', causes = [] } = result;
      return entry.attempt >= tries ? giveUp(failed, { reason, code, errorClass, causes, atMs: at.nowMs }) : failed;
    }
    case 'refused':
      return {
        ...entry,
        lastError: entry.lastError ?? { code: result.code, message: result.reason, atMs: at.nowMs, errorClass: 'refused' },
        nextAttemptAtMs: at.nowMs + refusedWaitMs(result.retryAfterMs),
      };
    default:
      return result satisfies never;
  }
}

/** Until what a breaker refused is tried again: its wait, or a while where only a command closes it; whoever closes it wakes us. */
export const refusedWaitMs = (retryAfterMs: number | null): number => Math.max(refusedMinMs, retryAfterMs ?? refusedLookMs);
const refusedLookMs = 30_000;
const refusedMinMs = 100;

/** Deaths kept: more often nobody should requeue the same. */
const deathsMax = 20;

export function giveUp(
  entry: Entry,
  why: {
    readonly reason: string;
    readonly code: string | null;
    readonly errorClass: string;
    readonly causes?: readonly string[];
    readonly atMs: number;
  },
): Entry {
  // Its burial failed: that waits as any step does, and is no second death.
  if (entry.givenUp !== null) return entry;
  const { reason, code, errorClass, causes = [], atMs } = why;
  const fingerprint = fingerprintOf(errorClass, entry.fact, reason);
  const death: Death = { atMs, errorClass, code, message: reason, causes, at: entry.fact, fingerprint, attempts: attemptsOf(entry) };
  return { ...entry, givenUp: reason, attempt: 1, nextAttemptAtMs: 0, deaths: [...(entry.deaths ?? []), death].slice(-deathsMax) };
}

/** The tries since the last fact, or the last requeue, as the timeline has them. */
function attemptsOf({ timeline }: Pick<Entry, 'timeline'>): Death['attempts'] {
  const since = timeline.findLastIndex(({ fact }) => fact !== 'failed-attempt' && fact !== 'late-signal' && fact !== 'adopted');
  const failed = timeline.slice(since + 1).filter(({ fact }) => fact === 'failed-attempt');
  return failed.map(({ atMs, reason }, index) => {
    const next = failed[index + 1];
    const delayMs = next === undefined ? null : Math.max(0, next.atMs - atMs - (next.durationMs ?? 0));
    return { atMs, message: reason ?? '', delayMs };
  });
}

/** 2^attempt seconds within a round of max_retries tries; after the round one try with each sweep, at the latest each minute. */
const backoffOf = (retry: Retry, config: Config): Backoff => (retry === 'soon' ? conflictBackoff : recordBackoffOf(config));

export function recordBackoffOf(config: Config): Backoff {
  const { behavior } = config;
  const { initial_delay, max_delay, backoff_factor } = config.policies.record;
  if (!behavior.exponential_backoff) return { firstMs: 2000, factor: 1, maxMs: 2000, jitter: noJitter };
  const maxMs = max_delay === undefined ? recordBackoff.maxMs : inMs(max_delay);
  const firstMs = Math.min(maxMs, initial_delay === undefined ? recordBackoff.firstMs : inMs(initial_delay));
  const restMs = Math.min(recordBackoff.round.restMs, behavior.health_check_interval * 1000);
  return {
    firstMs,
    factor: backoff_factor ?? recordBackoff.factor,
    maxMs,
    jitter: noJitter,
    round: { tries: roundTries(config), restMs },
  };
}

/** Tries of a step that fails so, until it is given up; null where it never is. */
export function triesOf(code: ErrorCode, config: Config): number | null {
  const retry = retryOf(code);
  if (retry === 'forever') return null;
  return retry === 'never' ? 1 : Math.max(boundedTriesMin, roundTries(config));
}

/** Policy `record`: tries of one round. */
export const roundTries = ({ behavior, policies: { record } }: Pick<Config, 'behavior' | 'policies'>): number =>
  record.max_retries ?? behavior.max_retries;

/** True at the moment a whole round of tries has failed for the first time: the one alarm. */
export const firstRoundFailed = (entry: Pick<Entry, 'attempt'>, config: Config): boolean => entry.attempt === roundTries(config) + 1;
