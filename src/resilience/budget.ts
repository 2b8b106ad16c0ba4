/**
 * Bounds the retries of all calls together, so that a dependency which is down is not asked more than one that is up.
 * A bucket of tokens: a retry takes some, calls or successes bring some back.
 */
export type BudgetRule = {
  readonly startTokens: number;
  readonly capacity: number;
  /** Brought by each first call, whatever becomes of it. */
  readonly perCall: number;
  /** Brought by each success. */
  readonly perSuccess: number;
  /** Taken for one plain retry (a rule's `budgetCost` 1). */
  readonly unitCost: number;
};

export const budgets = {
  /** Retries are at most a fifth of the calls, and three. The capacity keeps a long good time from paying for a storm. */
  share: { startTokens: 3, capacity: 100, perCall: 0.2, perSuccess: 0, unitCost: 1 },
  /** The rule of the AWS clients: 500 tokens, 14 a retry; only successes bring some back. */
  tokens: { startTokens: 500, capacity: 500, perCall: 0, perSuccess: 1, unitCost: 14 },
} as const satisfies Record<string, BudgetRule>;

export class RetryBudget {
  readonly #rule: BudgetRule;
  #tokens: number;

  constructor(rule: BudgetRule) {
    this.#rule = rule;
    this.#tokens = Math.min(rule.startTokens, rule.capacity);
  }

  /** How many plain retries it would pay now. */
  get retries(): number {
    // Deposits of 0.2 do not add up exactly in binary.
    return (this.#tokens + 1e-9) / this.#rule.unitCost;
  }

  called(): void {
    this.#add(this.#rule.perCall);
  }

  succeeded(): void {
    this.#add(this.#rule.perSuccess);
  }

  /** False, and nothing is taken, when there is not enough. */
  take(cost: number): boolean {
    if (cost > this.retries) return false;
    this.#tokens = Math.max(0, this.#tokens - cost * this.#rule.unitCost);
    return true;
  }

  #add(tokens: number): void {
    this.#tokens = Math.min(this.#rule.capacity, this.#tokens + tokens);
  }
}
