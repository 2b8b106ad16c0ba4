import type { Clock } from '../world.ts';
import type { RetryBudget } from './budget.ts';
import type { List, Timed, Timeouts } from './timeouts.ts';

export type HedgeRule = {
  /** Without an answer after this, the call is made once more beside the first. Best the 95th percentile of its answers. */
  readonly afterMs: number;
  /** Calls in all, the first one included. */
  readonly legs: number;
};

export type HedgeNeeds = { readonly clock: Pick<Clock, 'monotonicMs'>; readonly timeouts: Timeouts };

/**
 * Makes a call again while it is still under way, and takes the first success; all other legs are aborted. It is no retry: where the only leg
 * fails, that is the answer. Only for what may be done twice, which the type asks the caller to say.
 */
export function hedge<T>(
  call: (stop: AbortSignal) => PromiseLike<T>,
  rule: HedgeRule & { readonly idempotent: true },
  needs: HedgeNeeds,
  budget?: RetryBudget,
  stop?: AbortSignal,
): Promise<T> {
  if (rule.idempotent !== true) throw new TypeError('a call that is not idempotent cannot be hedged: both legs may arrive');
  return hedged(call, rule, needs, budget, stop);
}

export function hedged<T>(
  call: (stop: AbortSignal) => PromiseLike<T>,
  rule: HedgeRule,
  needs: HedgeNeeds,
  budget?: RetryBudget,
  stop?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    new Hedge(call, rule, needs, budget, stop, resolve, reject).start();
  });
}

class Hedge<T> implements Timed {
  readonly #call: (stop: AbortSignal) => PromiseLike<T>;
  readonly #rule: HedgeRule;
  readonly #needs: HedgeNeeds;
  readonly #budget: RetryBudget | undefined;
  readonly #stop: AbortSignal | undefined;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #running = new Set<AbortController>();
  readonly #onStop = (): void => this.#end(this.#stop?.reason, () => this.#reject(this.#stop?.reason));
  #legs = 0;
  #isOver = false;

  deadlineAtMs = 0;
  inList: List | null = null;
  before: Timed | null = null;
  after: Timed | null = null;

  constructor(
    call: (stop: AbortSignal) => PromiseLike<T>,
    rule: HedgeRule,
    needs: HedgeNeeds,
    budget: RetryBudget | undefined,
    stop: AbortSignal | undefined,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#call = call;
    this.#rule = rule;
    this.#needs = needs;
    this.#budget = budget;
    this.#stop = stop;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    if (this.#stop?.aborted) {
      this.#reject(this.#stop.reason);
      return;
    }
    this.#stop?.addEventListener('abort', this.#onStop);
    this.#leg();
  }

  onTimeout(): void {
    // An extra call is load like a retry: where those are used up, so are these.
    if (this.#budget === undefined || this.#budget.take(1)) this.#leg();
  }

  #leg(): void {
    const controller = new AbortController();
    this.#running.add(controller);
    this.#legs++;
    if (this.#legs < this.#rule.legs) this.#needs.timeouts.arm(this, this.#rule.afterMs, this.#needs.clock.monotonicMs());
    let answer: PromiseLike<T>;
    try {
      answer = this.#call(controller.signal);
    } catch (error) {
      this.#lost(controller, error);
      return;
    }
    answer.then(
      (value) => {
        if (this.#isOver) return;
        this.#running.delete(controller);
        this.#end(wonByAnother, () => this.#resolve(value));
      },
      (error: unknown) => this.#lost(controller, error),
    );
  }

  #lost(controller: AbortController, error: unknown): void {
    this.#running.delete(controller);
    if (!this.#isOver && this.#running.size === 0) this.#end(error, () => this.#reject(error));
  }

  /** Settled before the other legs are aborted: what their ends set off comes after. */
  #end(reason: unknown, settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#needs.timeouts.disarm(this);
    this.#stop?.removeEventListener('abort', this.#onStop);
    settle();
    for (const controller of this.#running) controller.abort(reason);
  }
}

const wonByAnother = new DOMException('another leg of the hedged call answered first', 'AbortError');
