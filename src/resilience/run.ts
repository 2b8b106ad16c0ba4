import type { ErrorCode } from '../core/errors.ts';
import { messageOf } from '../core/errors.ts';
import type { Clock } from '../world.ts';
import type { Breaker, CallOutcome, Permit } from './breaker.ts';
import { noPermit } from './breaker.ts';
import type { RetryBudget } from './budget.ts';
import type { Bulkhead, Waiting } from './bulkhead.ts';
import type { ErrorClass } from './error-class.ts';
import { saysUnhealthy } from './error-class.ts';
import { Refused, TimedOut, withoutStack } from './errors.ts';
import type { FailedAttempt, GivenUp } from './given-up.ts';
import { givenUpOf, givenUpSoFar, isAttemptSignal, markAttemptSignal, remember, wasGivenUpSince } from './given-up.ts';
import type { Policy } from './policy.ts';
import { retryDecision } from './policy.ts';
import { retryAfterOf } from './retry-after.ts';
import { tell } from './tell.ts';
import type { List, Timed, Timeouts } from './timeouts.ts';

/** One attempt, as the called function sees it. */
export type Call = {
  /** From 1. */
  readonly attempt: number;
  /** Aborted when nobody waits for this attempt any more: its time is over, its caller left, another leg won. Made when first asked for. */
  readonly stop: AbortSignal;
};

export type CallOptions = {
  /** At any moment ends the call within the same turn, by the signal's reason; nothing is called after it. */
  readonly stop?: AbortSignal | undefined;
  /** For all attempts and waits together. The policy's own deadline holds too. */
  readonly deadlineMs?: number;
  /** Twice is the same as once. Asked for by hedging, since both legs may have arrived. */
  readonly idempotent?: boolean;
};

export type GuardEvent =
  | {
      readonly kind: 'retry';
      readonly name: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly errorClass: ErrorClass;
      readonly alert: boolean;
      readonly error: unknown;
    }
  | { readonly kind: 'gave-up'; readonly name: string; readonly givenUp: GivenUp; readonly error: unknown };

/** What all runs of a guard share. */
export type RunParts = {
  readonly name: string;
  readonly policy: Policy | null;
  readonly budget: RetryBudget | null;
  readonly breaker: Breaker | null;
  readonly bulkhead: Bulkhead | null;
  readonly timeoutMs: number;
  readonly classify: (error: unknown) => ErrorClass;
  readonly codes: { readonly refused: ErrorCode; readonly timedOut: ErrorCode };
  readonly on: ((event: GuardEvent) => void) | null;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timeouts: Timeouts;
  /** Whether anything but the breaker asks what time it is: to look costs as much as all the rest of an undisturbed call. */
  readonly isTimed: boolean;
  /** Whether the signals of its attempts say "inside a retry". */
  readonly marks: boolean;
};

/** in line: for the bulkhead · calling · between: waits for its next attempt · over: its promise is settled. */
type Phase = 'in line' | 'calling' | 'between' | 'over';

/** One call of `run`, from its first attempt to its end. */
export class Run<T> implements Timed, Waiting {
  readonly #parts: RunParts;
  readonly #work: (call: Call) => T | PromiseLike<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  #policy: Policy | null;
  #stop: AbortSignal | undefined = undefined;
  #onStop: (() => void) | null = null;
  #phase: Phase = 'between';
  /** The one under way; an answer of any other is late. */
  #attempt: Attempt | null = null;
  #attempts = 0;
  #noTries = 0;
  #permit: Permit = noPermit;
  #holdsPlace = false;
  #attemptAtMs = 0;
  #endsAtMs = Number.POSITIVE_INFINITY;
  #previousMs: number | null = null;
  #failed: FailedAttempt[] | null = null;
  #givenUpBefore = 0;

  // The wheel's and the line's fields: a call waits for one deadline and in one line at a time.
  deadlineAtMs = 0;
  inList: List | null = null;
  before: Timed | null = null;
  after: Timed | null = null;
  isQueued = false;
  nextInLine: Waiting | null = null;
  previousInLine: Waiting | null = null;

  constructor(parts: RunParts, work: (call: Call) => T | PromiseLike<T>, resolve: (value: T) => void, reject: (error: unknown) => void) {
    this.#parts = parts;
    this.#work = work;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#policy = parts.policy;
  }

  start(options: CallOptions | undefined): void {
    const { breaker, clock, isTimed } = this.#parts;
    const nowMs = isTimed || options !== undefined || breaker?.asksTimeToAdmit ? clock.monotonicMs() : 0;
    if (options !== undefined && !this.#obey(options, nowMs)) return;
    const deadlineMs = this.#policy === null ? null : this.#policy.deadlineMs;
    if (deadlineMs !== null) this.#endsAtMs = Math.min(this.#endsAtMs, nowMs + deadlineMs);
    this.#parts.budget?.called();
    this.#enter(nowMs);
  }

  /** False where it was stopped before it began. */
  #obey({ stop, deadlineMs }: CallOptions, nowMs: number): boolean {
    if (deadlineMs !== undefined) this.#endsAtMs = nowMs + deadlineMs;
    if (stop === undefined) return true;
    this.#stop = stop;
    if (stop.aborted) {
      this.#finish();
      this.#reject(stop.reason);
      return false;
    }
    // One retry layer: inside an attempt of another one this is a single attempt, because that one knows the deadline and counts.
    if (isAttemptSignal(stop)) this.#policy = null;
    this.#onStop = () => this.#stopped();
    stop.addEventListener('abort', this.#onStop);
    return true;
  }

  /** The next attempt, into the bulkhead. */
  #enter(nowMs: number): void {
    const { breaker, bulkhead } = this.#parts;
    this.#attempts++;
    this.#attemptAtMs = nowMs;
    if (bulkhead === null) this.#admit(nowMs);
    else if (breaker?.refuses(nowMs)) this.#refuse(nowMs);
    else if (bulkhead.tryEnter()) {
      this.#holdsPlace = true;
      this.#admit(nowMs);
    } else if (bulkhead.enqueue(this)) {
      this.#phase = 'in line';
      const waitMs = Math.min(bulkhead.rule.maxWaitMs, this.#endsAtMs - nowMs);
      if (waitMs !== Number.POSITIVE_INFINITY) this.#parts.timeouts.arm(this, waitMs, nowMs);
    } else this.#fail(this.#refusal('full', null), 'refused', nowMs);
  }

  onEntered(): void {
    this.#parts.timeouts.disarm(this);
    this.#holdsPlace = true;
    this.#admit(this.#parts.clock.monotonicMs());
  }

  /** Past the breaker, and the call. */
  #admit(nowMs: number): void {
    const { breaker, timeouts, timeoutMs } = this.#parts;
    if (breaker !== null) {
      this.#permit = breaker.admit(nowMs);
      if (this.#permit === noPermit) {
        this.#refuse(nowMs);
        return;
      }
    }
    const attempt = new Attempt(this.#attempts, this.#parts.marks);
    this.#attempt = attempt;
    this.#phase = 'calling';
    this.#attemptAtMs = nowMs;
    this.#givenUpBefore = givenUpSoFar();
    const leftMs = Math.min(timeoutMs, this.#endsAtMs - nowMs);
    if (leftMs !== Number.POSITIVE_INFINITY) timeouts.arm(this, leftMs, nowMs);
    let answer: T | PromiseLike<T>;
    try {
      answer = this.#work(attempt);
    } catch (error) {
      this.#threw(attempt, error);
      return;
    }
    if (isThenable(answer))
      answer.then(
        (value) => this.#answered(attempt, value),
        (error: unknown) => this.#threw(attempt, error),
      );
    else this.#answered(attempt, answer);
  }

  #answered(attempt: Attempt, value: T): void {
    if (this.#attempt !== attempt) return;
    this.#finish();
    this.#resolve(value);
    this.#parts.budget?.succeeded();
    const { breaker, clock } = this.#parts;
    this.#endAttempt('success', breaker?.asksTimeToSettle ? clock.monotonicMs() : this.#attemptAtMs);
  }

  #threw(attempt: Attempt, error: unknown): void {
    if (this.#attempt !== attempt) return;
    const errorClass = this.#parts.classify(error);
    const nowMs = this.#parts.clock.monotonicMs();
    this.#endAttempt(saysUnhealthy[errorClass] ? 'failure' : 'ignored', nowMs);
    this.#fail(error, errorClass, nowMs);
  }

  onTimeout(nowMs: number): void {
    const { bulkhead, codes, name } = this.#parts;
    if (this.#phase === 'in line') {
      bulkhead?.abandon(this);
      this.#fail(this.#refusal('waited', null), 'refused', nowMs);
    } else {
      const error = new TimedOut(codes.timedOut, { subject: name, timeoutMs: Math.round(this.deadlineAtMs - this.#attemptAtMs) });
      this.#attempt?.abandon(error);
      this.#endAttempt('failure', nowMs);
      this.#fail(error, this.#parts.classify(error), nowMs);
    }
  }

  #stopped(): void {
    const reason: unknown = this.#stop?.reason;
    const { attempt, phase } = { attempt: this.#attempt, phase: this.#phase };
    this.#finish();
    this.#reject(reason);
    if (phase === 'in line') {
      this.#parts.timeouts.disarm(this);
      this.#parts.bulkhead?.abandon(this);
    } else if (phase === 'calling') {
      // First the call hears that it is over; then the next in line has its place.
      attempt?.abandon(reason);
      this.#endAttempt('ignored', this.#parts.clock.monotonicMs());
    }
  }

  #refuse(nowMs: number): void {
    const { breaker } = this.#parts;
    const because = breaker?.state === 'half-open' ? 'probing' : breaker?.state === 'isolated' ? 'isolated' : 'open';
    const error = this.#refusal(because, breaker?.retryAfterMs(nowMs) ?? null);
    this.#endAttempt('ignored', nowMs);
    this.#fail(error, 'refused', nowMs);
  }

  #refusal(because: Refused['because'], retryAfterMs: number | null): Refused {
    const { codes, name } = this.#parts;
    return withoutStack(() => new Refused(codes.refused, { subject: name, because, retryAfterMs }));
  }

  /** Gives back all that the attempt held. Last of all the place, because the next in line is called at once. */
  #endAttempt(outcome: CallOutcome, nowMs: number): void {
    const { timeouts, breaker, bulkhead } = this.#parts;
    this.#attempt = null;
    timeouts.disarm(this);
    if (breaker !== null && this.#permit !== noPermit) breaker.settle(this.#permit, outcome, nowMs - this.#attemptAtMs, nowMs);
    this.#permit = noPermit;
    if (!this.#holdsPlace) return;
    this.#holdsPlace = false;
    bulkhead?.leave();
  }

  /** The attempt failed: another one, or the end. */
  #fail(error: unknown, errorClass: ErrorClass, nowMs: number): void {
    const policy = this.#policy;
    if (this.#phase === 'over') return;
    if (policy === null) {
      this.#finish();
      this.#rejectSoon(error);
      return;
    }
    const { budget, random, clock } = this.#parts;
    const decision = wasGivenUpSince(error, this.#givenUpBefore)
      ? ({ kind: 'give-up', because: 'nested', deadLetter: policy.rules[errorClass].deadLetter, alert: false } as const)
      : retryDecision(
          policy,
          {
            errorClass,
            attempt: this.#attempts,
            noTries: this.#noTries,
            previousMs: this.#previousMs,
            retryAfterMs: retryAfterOf(error),
            leftMs: this.#endsAtMs - nowMs,
            tokens: budget?.retries ?? Number.POSITIVE_INFINITY,
          },
          random,
        );
    if (!policy.rules[errorClass].isTry) this.#noTries++;
    const delayMs = decision.kind === 'retry' ? decision.delayMs : null;
    this.#failed ??= [];
    const failed = this.#failed;
    failed.push({ atMs: clock.nowMs(), tookMs: nowMs - this.#attemptAtMs, errorClass, message: messageOf(error), delayMs });
    if (failed.length > attemptsKept) failed.splice(firstAttemptsKept, 1);
    if (decision.kind === 'retry') this.#retry(error, errorClass, decision.delayMs, decision);
    else this.#giveUp(error, errorClass, policy, decision);
  }

  #retry(
    error: unknown,
    errorClass: ErrorClass,
    delayMs: number,
    { cost, alert }: { readonly cost: number; readonly alert: boolean },
  ): void {
    const { budget, on, name } = this.#parts;
    budget?.take(cost);
    this.#phase = 'between';
    this.#previousMs = delayMs;
    void this.#waitAndEnter(delayMs);
    if (on !== null) tell(on, { kind: 'retry', name, attempt: this.#attempts, delayMs, errorClass, alert, error });
  }

  async #waitAndEnter(delayMs: number): Promise<void> {
    const { clock } = this.#parts;
    await clock.sleep(delayMs, this.#stop);
    if (this.#phase === 'between') this.#enter(clock.monotonicMs());
  }

  #giveUp(
    error: unknown,
    errorClass: ErrorClass,
    policy: Policy,
    decision: { readonly because: GivenUp['because']; readonly deadLetter: boolean; readonly alert: boolean },
  ): void {
    const { because, deadLetter, alert } = decision;
    const givenUp: GivenUp = {
      policy: policy.name,
      because,
      errorClass,
      deadLetter,
      alert,
      attempts: this.#attempts,
      failed: this.#failed ?? [],
    };
    // What a layer further in wrote down is the longer story.
    if (because !== 'nested' || givenUpOf(error) === null) remember(error, givenUp);
    this.#finish();
    this.#rejectSoon(error);
    const { on, name } = this.#parts;
    if (on !== null) tell(on, { kind: 'gave-up', name, givenUp, error });
  }

  /** When the caller has its promise and listens: a rejection that nobody listens to yet is written down by Node, which costs more than the call. */
  #rejectSoon(error: unknown): void {
    queueMicrotask(() => this.#reject(error));
  }

  #finish(): void {
    this.#phase = 'over';
    if (this.#onStop === null) return;
    this.#stop?.removeEventListener('abort', this.#onStop);
    this.#onStop = null;
  }
}

/** A call that is retried for days keeps how it began and how it stands. */
const attemptsKept = 50;
const firstAttemptsKept = 10;

class Attempt implements Call {
  readonly attempt: number;
  readonly #marks: boolean;
  #controller: AbortController | null = null;
  #abandoned: { readonly reason: unknown } | null = null;

  constructor(attempt: number, marks: boolean) {
    this.attempt = attempt;
    this.#marks = marks;
  }

  get stop(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#marks) markAttemptSignal(this.#controller.signal);
      if (this.#abandoned !== null) this.#controller.abort(this.#abandoned.reason);
    }
    return this.#controller.signal;
  }

  /** Nobody waits for it any more. */
  abandon(reason: unknown): void {
    this.#abandoned = { reason };
    this.#controller?.abort(reason);
  }
}

const isThenable = <T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> =>
  typeof answer === 'object' && answer !== null && 'then' in answer && typeof answer.then === 'function';
