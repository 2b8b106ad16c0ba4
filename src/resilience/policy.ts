import type { Backoff } from '../core/backoff.ts';
import { backoffMs, jobBackoff, noJitter, recordBackoff, spread } from '../core/backoff.ts';
import type { ErrorClass } from './error-class.ts';
import { errorClasses } from './error-class.ts';

/** What is done about one class of errors. */
export type Rule = {
  /** Calls in all, the first one included; Infinity never gives up. */
  readonly attempts: number;
  /** False: waiting for a limit or an open breaker takes none of the attempts that other failures have. */
  readonly isTry: boolean;
  readonly backoff: Backoff;
  /** What a retry takes from the budget; 1 is that of a plain one, 0 waits so long that it is no storm. */
  readonly budgetCost: number;
  /** Given up, it is kept as a dead letter. False: whoever called decides what becomes of it. */
  readonly deadLetter: boolean;
  /** A person should hear of the first one, not only of the last. */
  readonly alert: boolean;
};

export type Policy = {
  readonly name: string;
  /** From the first call to the last answer, waits included; null = as long as it takes. */
  readonly deadlineMs: number | null;
  /** The other side's "come back after" is obeyed up to this; who asks for more gets no further try from here. */
  readonly retryAfterMaxMs: number;
  readonly rules: Readonly<Record<ErrorClass, Rule>>;
};

/** One attempt that failed, as `retryDecision` sees it. */
export type Failure = {
  readonly errorClass: ErrorClass;
  /** Number of the attempt that failed, from 1. */
  readonly attempt: number;
  /** Of those before it, how many were no tries (`isTry`). */
  readonly noTries: number;
  /** The wait before that attempt; null before the first. */
  readonly previousMs: number | null;
  /** What the other side asked for; null when it did not. */
  readonly retryAfterMs: number | null;
  /** Of the total deadline; Infinity without one. */
  readonly leftMs: number;
  /** In the retry budget; Infinity without one. */
  readonly tokens: number;
};

export type GaveUpBecause =
  /** No try helps against this class. */
  | 'class'
  | 'attempts'
  /** The wait would end after the total deadline. */
  | 'deadline'
  /** The other side asks for a longer wait than the policy makes. */
  | 'retry-after'
  /** Too many retries already, by all calls together. */
  | 'budget';

export type Decision =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly cost: number; readonly alert: boolean }
  | { readonly kind: 'give-up'; readonly because: GaveUpBecause; readonly deadLetter: boolean; readonly alert: boolean };

/** Whether and when a failed call is made again. Pure; the one place where it is decided. */
export function retryDecision(policy: Policy, failure: Failure, random: () => number): Decision {
  const rule = policy.rules[failure.errorClass];
  const giveUp = (because: GaveUpBecause): Decision => ({
    kind: 'give-up',
    because,
    deadLetter: rule.deadLetter,
    alert: rule.alert || rule.deadLetter,
  });
  if (rule.attempts <= 1) return giveUp('class');
  const attempt = rule.isTry ? failure.attempt - failure.noTries : failure.attempt;
  if (attempt >= rule.attempts) return giveUp('attempts');
  if (failure.retryAfterMs !== null && failure.retryAfterMs > policy.retryAfterMaxMs) return giveUp('retry-after');
  const waitMs = backoffMs(rule.backoff, attempt, random, failure.previousMs ?? rule.backoff.firstMs);
  const delayMs = failure.retryAfterMs === null ? waitMs : Math.max(failure.retryAfterMs, rule.isTry ? waitMs : noTryMinMs);
  // A wait that ends with the deadline leaves no time for the call: whoever waits for us hears it now.
  if (delayMs >= failure.leftMs) return giveUp('deadline');
  if (rule.budgetCost > failure.tokens) return giveUp('budget');
  return { kind: 'retry', delayMs, cost: rule.budgetCost, alert: rule.alert };
}

/** Where the end of a limit is known it replaces our guess. Not less than this, since no number of attempts ends it. */
const noTryMinMs = 1000;

type Base = {
  readonly attempts: number;
  readonly backoff: Backoff;
  readonly deadLetter?: boolean;
  readonly deadlineMs?: number;
  readonly retryAfterMaxMs?: number;
  readonly rules?: Partial<Record<ErrorClass, Partial<Rule>>>;
};

/** A policy from what is true of all its classes, and what is not. */
export function policyOf(name: string, base: Base): Policy {
  const rule: Rule = {
    attempts: base.attempts,
    isTry: true,
    backoff: base.backoff,
    budgetCost: 1,
    deadLetter: base.deadLetter ?? false,
    alert: false,
  };
  return {
    name,
    deadlineMs: base.deadlineMs ?? null,
    retryAfterMaxMs: base.retryAfterMaxMs ?? base.backoff.maxMs,
    rules: Object.fromEntries(
      errorClasses.map((errorClass) => [errorClass, { ...rule, ...everywhere(rule)[errorClass], ...base.rules?.[errorClass] }]),
    ) as Record<ErrorClass, Rule>,
  };
}

/** What the classes mean in every policy. */
const everywhere = (rule: Rule): Partial<Record<ErrorClass, Partial<Rule>>> => ({
  // Room is not made within a second.
  resource: {
    backoff: { ...rule.backoff, firstMs: Math.min(rule.backoff.maxMs, rule.backoff.firstMs * resourceFactor) },
    alert: true,
  },
  quota_exhausted: { alert: true, budgetCost: 0 },
  permanent: { attempts: 1, deadLetter: true, alert: true },
  auth: { attempts: 1, alert: true },
  invalid: { attempts: 1, deadLetter: true, alert: true },
  refused: { attempts: 1, deadLetter: false },
  defect: { attempts: 1, alert: true },
});

const resourceFactor = 5;
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** A limit whose end nobody names. */
const limitBackoff: Backoff = { firstMs: 30 * minuteMs, factor: 1, maxMs: 60 * minuteMs, jitter: spread(0.25) };

/**
 * The named policies, with the numbers of their rows. `attempts` counts calls: "max_retries 3" is four of them.
 * Jitter is ± 25 % for jobs and ± 20 % for calls; none where a row promises the waits themselves or their sum.
 */
export const policies = {
  /** Used where no narrower one exists (P-04): 1, 2, 4 s. */
  default: policyOf('default', { attempts: 4, backoff: { firstMs: 1000, factor: 2, maxMs: 10_000, jitter: spread(0.2) } }),
  /**
   * Work that is queued (H-13): 1, 2, 4, 8 s ± 25 %, five tries, then dead letter. A limit and an open breaker are no tries:
   * they wait for their time however often.
   */
  job: policyOf('job', {
    attempts: 5,
    backoff: jobBackoff,
    deadLetter: true,
    retryAfterMaxMs: 8 * dayMs,
    rules: {
      quota_exhausted: { attempts: Number.POSITIVE_INFINITY, isTry: false, backoff: limitBackoff },
      refused: { attempts: Number.POSITIVE_INFINITY, isTry: false, budgetCost: 0 },
    },
  }),
  /** One call of a service while somebody waits (H-14): 0.5, 0.75 s ± 20 %, three tries. */
  api: policyOf('api', { attempts: 3, backoff: { firstMs: 500, factor: 1.5, maxMs: 60_000, jitter: spread(0.2) } }),
  /** A completion's write to a store that is away (C-13): rounds without end, as `core/advance.ts` makes them. */
  record: policyOf('record', {
    attempts: Number.POSITIVE_INFINITY,
    backoff: recordBackoff,
    retryAfterMaxMs: Number.POSITIVE_INFINITY,
    rules: {
      auth: { attempts: Number.POSITIVE_INFINITY },
      resource: { backoff: recordBackoff },
      refused: { attempts: Number.POSITIVE_INFINITY, budgetCost: 0 },
    },
  }),
  /** A worker's line to its engine (E-01): 1, 2, 4, 8, 16, 30 s, six retries. */
  'link.reconnect': policyOf('link.reconnect', {
    attempts: 7,
    backoff: { firstMs: 1000, factor: 2, maxMs: 30_000, jitter: spread(0.2) },
  }),
  /** The first token (E-11): ten tries whose waits are 151 s together. */
  'token.initial': policyOf('token.initial', {
    attempts: 10,
    backoff: { firstMs: 1000, factor: 2, maxMs: 30_000, jitter: noJitter },
  }),
  /** A new token for an old one (E-05): 1, 2, 4 … 60 s, never given up: without it every dependant would die. */
  'token.refresh': policyOf('token.refresh', {
    attempts: Number.POSITIVE_INFINITY,
    backoff: { firstMs: 1000, factor: 2, maxMs: 60_000, jitter: noJitter },
    rules: {
      resource: { backoff: { firstMs: 1000, factor: 2, maxMs: 60_000, jitter: noJitter } },
      auth: { attempts: Number.POSITIVE_INFINITY },
    },
  }),
} as const satisfies Record<string, Policy>;

export type PolicyName = keyof typeof policies;

/** The four fields that a person may set (P-05). Absent ones stay as they are. */
export type PolicySettings = {
  /** Tries after the first; 0 never retries. */
  readonly maxRetries?: number;
  readonly initialDelayMs?: number;
  readonly maxDelayMs?: number;
  readonly factor?: number;
};

/** The policy with other numbers. Classes that are never retried, or for ever, stay so; the limits of a quota are not ours to set. */
export function tuned(policy: Policy, { maxRetries, initialDelayMs, maxDelayMs, factor }: PolicySettings): Policy {
  const wrong = [
    maxRetries !== undefined && !(Number.isInteger(maxRetries) && maxRetries >= 0) ? 'maxRetries must be a whole number from 0' : '',
    initialDelayMs !== undefined && !(initialDelayMs >= 0) ? 'initialDelayMs must not be negative' : '',
    maxDelayMs !== undefined && !(maxDelayMs >= 0) ? 'maxDelayMs must not be negative' : '',
    factor !== undefined && !(factor >= 1) ? 'factor must be at least 1' : '',
  ].filter(Boolean);
  if (wrong.length > 0) throw new RangeError(`policy ${policy.name}: ${wrong.join('; ')}`);
  const tune = (errorClass: ErrorClass, rule: Rule): Rule => {
    if (rule.attempts <= 1 || rule.backoff === limitBackoff) return rule;
    const maxMs = maxDelayMs ?? rule.backoff.maxMs;
    const firstMs = initialDelayMs === undefined ? rule.backoff.firstMs : initialDelayMs * (errorClass === 'resource' ? resourceFactor : 1);
    return {
      ...rule,
      attempts: maxRetries === undefined || rule.attempts === Number.POSITIVE_INFINITY ? rule.attempts : maxRetries + 1,
      backoff: { ...rule.backoff, firstMs: Math.min(firstMs, maxMs), maxMs, factor: factor ?? rule.backoff.factor },
    };
  };
  return {
    ...policy,
    retryAfterMaxMs: Math.max(policy.retryAfterMaxMs, maxDelayMs ?? 0),
    rules: Object.fromEntries(errorClasses.map((it) => [it, tune(it, policy.rules[it])])) as Record<ErrorClass, Rule>,
  };
}
