import type { ErrorCode } from '../core/errors.ts';
import type { Clock } from '../world.ts';
import type { Breaker } from './breaker.ts';
import type { RetryBudget } from './budget.ts';
import type { Bulkhead } from './bulkhead.ts';
import type { ErrorClass } from './error-class.ts';
import { classOf } from './error-class.ts';
import type { HedgeRule } from './hedge.ts';
import { hedged } from './hedge.ts';
import type { Policy } from './policy.ts';
import type { Call, CallOptions, GuardEvent, RunParts } from './run.ts';
import { Run } from './run.ts';
import type { Timeouts } from './timeouts.ts';

export type GuardParts = {
  /** What is called, in errors and events: store, engine, smtp … */
  readonly name: string;
  /** Absent: one attempt. */
  readonly policy?: Policy;
  readonly budget?: RetryBudget;
  readonly breaker?: Breaker;
  readonly bulkhead?: Bulkhead;
  /** For one attempt, without the time in the bulkhead's line. Absent: as long as it takes. */
  readonly timeoutMs?: number;
  /** Only for calls that say they are idempotent. */
  readonly hedge?: HedgeRule;
  /** Absent: `classOf`. */
  readonly classify?: (error: unknown) => ErrorClass;
  /** What a call that was not made, or not answered, is called in the error table. */
  readonly codes?: { readonly refused: ErrorCode; readonly timedOut: ErrorCode };
  readonly on?: (event: GuardEvent) => void;
};

export type GuardNeeds = {
  readonly clock: Clock;
  readonly random: () => number;
  /** One for the whole process. */
  readonly timeouts: Timeouts;
};

export interface Guard {
  readonly name: string;
  readonly breaker: Breaker | null;
  readonly bulkhead: Bulkhead | null;
  /** Rejects with what the last attempt threw, with `Refused`, `TimedOut`, or the reason of `stop`. `givenUpOf(error)` has the history. */
  run<T>(work: (call: Call) => T | PromiseLike<T>, options?: CallOptions): Promise<T>;
}

/**
 * Puts the parts around a call, in the one order in which each does its work:
 *
 *     total deadline ▸ retry ▸ hedge ▸ breaker looks ▸ bulkhead ▸ breaker admits ▸ timeout ▸ the call
 *
 * - The total deadline is outermost: waits count.
 * - Retry stands outside of the breaker: each attempt is a result of its own, and an open breaker ends the retrying.
 * - Each leg of a hedge takes a place and is seen by the breaker: two calls are two calls.
 * - The bulkhead stands inside retry, so that who waits for a next attempt holds no place; and outside of the breaker's permit, so that nobody in
 *   line holds the one probe. The breaker is looked at before the line too: nobody queues for what is refused anyway.
 * - The timeout is innermost: the time in line is not the other side's slowness, so it neither times out nor counts as slow.
 */
export function newGuard(parts: GuardParts, needs: GuardNeeds): Guard {
  const whole = plainGuard(parts, needs, parts.policy !== undefined);
  return parts.hedge === undefined ? whole : withHedge(whole, parts, parts.hedge, needs);
}

/** Retry around the hedge, all else around each of its legs. A call that does not say it is idempotent goes the plain way. */
function withHedge(whole: Guard, parts: GuardParts, hedge: HedgeRule, needs: GuardNeeds): Guard {
  const { breaker: _breaker, bulkhead: _bulkhead, timeoutMs: _timeoutMs, ...around } = parts;
  const { policy: _policy, budget, on: _on, ...each } = parts;
  const outer = plainGuard(around, needs, parts.policy !== undefined);
  const leg = plainGuard(each, needs, parts.policy !== undefined);
  return {
    name: parts.name,
    breaker: whole.breaker,
    bulkhead: whole.bulkhead,
    run(work, options) {
      if (options?.idempotent !== true) return whole.run(work, options);
      const once = (attempt: number) => (stop: AbortSignal) => leg.run((inner) => work({ attempt, stop: inner.stop }), { stop });
      return outer.run((call) => hedged(once(call.attempt), hedge, needs, budget, call.stop), options);
    },
  };
}

const defaultCodes = { refused: 'NETWORK_FAILED', timedOut: 'NETWORK_FAILED' } as const;

function plainGuard(parts: GuardParts, { clock, random, timeouts }: GuardNeeds, marks: boolean): Guard {
  const shared: RunParts = {
    name: parts.name,
    policy: parts.policy ?? null,
    budget: parts.budget ?? null,
    breaker: parts.breaker ?? null,
    bulkhead: parts.bulkhead ?? null,
    timeoutMs: parts.timeoutMs ?? Number.POSITIVE_INFINITY,
    classify: parts.classify ?? classOf,
    codes: parts.codes ?? defaultCodes,
    on: parts.on ?? null,
    clock,
    random,
    timeouts,
    isTimed: parts.policy !== undefined || parts.bulkhead !== undefined || parts.timeoutMs !== undefined,
    marks,
  };
  return {
    name: shared.name,
    breaker: shared.breaker,
    bulkhead: shared.bulkhead,
    run: (work, options) =>
      new Promise((resolve, reject) => {
        new Run(shared, work, resolve, reject).start(options);
      }),
  };
}
