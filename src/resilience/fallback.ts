import type { ErrorCode } from '../core/errors.ts';
import { messageOf, OperationalError } from '../core/errors.ts';
import type { Clock } from '../world.ts';
import type { Breaker } from './breaker.ts';
import type { ErrorClass } from './error-class.ts';
import { classOf } from './error-class.ts';
import type { Guard } from './guard.ts';
import { retryAfterOf } from './retry-after.ts';
import type { Call } from './run.ts';
import { tell } from './tell.ts';

/** What is known of one who can answer before it is asked. */
export type Candidate<Q> = {
  readonly name: string;
  readonly breaker: Breaker | null;
  /** Whether it can do this at all. Absent: always. */
  readonly supports?: (request: Q) => boolean;
  /** What is against it now, as it was last found; null: nothing. It must be at hand: nobody waits here. */
  readonly unfit?: (request: Q) => Unfit | null;
};

export type Unfit = {
  readonly because: 'unsupported' | 'unhealthy' | 'cooling';
  readonly why: string;
  readonly retryAfterMs: number | null;
};

/** One of those who can answer. They are asked in the order of their list. */
export type Provider<Q, T> = Omit<Candidate<Q>, 'breaker'> & {
  readonly guard: Guard;
  /** Its answer is less than was asked for (a local stand-in, an older value). */
  readonly degraded?: boolean;
  readonly ask: (request: Q, call: Call) => T | PromiseLike<T>;
};

export type Skipped = {
  readonly provider: string;
  readonly outcome: 'skipped';
  readonly because: Unfit['because'] | 'open';
  readonly retryAfterMs: number | null;
  /** In words, where more is known than that. */
  readonly why?: string;
};

export type Tried =
  | Skipped
  | {
      readonly provider: string;
      readonly outcome: 'failed';
      readonly errorClass: ErrorClass;
      readonly message: string;
      readonly tookMs: number;
    };

export type Answer<T> = {
  readonly value: T;
  /** Who answered. */
  readonly provider: string;
  readonly degraded: boolean;
  /** Who was asked or passed over before, in order. */
  readonly tried: readonly Tried[];
};

/** Nobody answered. `cause` is the first failure; `retryAfterMs` the soonest moment at which one may be asked again. */
export class NobodyAnswered extends OperationalError {
  readonly tried: readonly Tried[];
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, about: { readonly subject: string; readonly tried: readonly Tried[]; readonly cause: unknown }) {
    const each = about.tried.map((it) => `${it.provider}: ${it.outcome === 'skipped' ? `skipped, ${it.why ?? it.because}` : it.message}`);
    super(code, {
      operation: 'asking',
      subject: about.subject,
      cause: about.cause,
      why: each.length > 0 ? each.join('; ') : 'nobody to ask',
    });
    this.name = 'NobodyAnswered';
    this.tried = about.tried;
    const waits = about.tried.flatMap((it) => (it.outcome === 'skipped' && it.retryAfterMs !== null ? [it.retryAfterMs] : []));
    this.retryAfterMs = waits.length > 0 ? Math.min(...waits) : null;
  }
}

export type FallbackParts<Q, T> = {
  readonly name: string;
  readonly providers: readonly Provider<Q, T>[];
  readonly code?: ErrorCode;
  readonly classify?: (error: unknown) => ErrorClass;
  /** A provider failed and the next one is asked. `alert` where a person must mend it (credentials). */
  readonly on?: (event: {
    readonly name: string;
    readonly provider: string;
    readonly errorClass: ErrorClass;
    readonly alert: boolean;
  }) => void;
};

/** These are wrong for every provider: the next one would only be wrong again. */
const sameEverywhere: ReadonlySet<ErrorClass> = new Set<ErrorClass>(['invalid', 'defect']);

/** Why this one is passed over; null: it may be asked. Changes nothing. */
export function passedOver<Q>({ name, breaker, supports, unfit }: Candidate<Q>, request: Q, nowMs: number): Skipped | null {
  const skip = (because: Skipped['because'], retryAfterMs: number | null, why?: string): Skipped => ({
    provider: name,
    outcome: 'skipped',
    because,
    retryAfterMs,
    ...(why === undefined ? {} : { why }),
  });
  if (supports !== undefined && !supports(request)) return skip('unsupported', null);
  const known = unfit?.(request) ?? null;
  if (known !== null) return skip(known.because, known.retryAfterMs, known.why);
  return breaker?.refuses(nowMs) ? skip('open', breaker.retryAfterMs(nowMs)) : null;
}

/** Who is to be asked, for work that takes too long to be asked for through a chain: nobody is asked here, and only what is known already counts. */
export function firstFit<Q, C extends Candidate<Q>>(
  candidates: readonly C[],
  request: Q,
  nowMs: number,
): { readonly chosen: C | null; readonly tried: readonly Skipped[] } {
  const tried: Skipped[] = [];
  for (const candidate of candidates) {
    const skipped = passedOver(candidate, request, nowMs);
    if (skipped === null) return { chosen: candidate, tried };
    tried.push(skipped);
  }
  return { chosen: null, tried };
}

/**
 * Asks one provider after the other until one answers. Passed over are those that cannot do it, those whose limit is used up until a known
 * time, and those whose breaker is open; such a one comes back by its breaker's probe, which is a call like any other.
 */
export class Fallback<Q, T> {
  readonly #parts: FallbackParts<Q, T>;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Until when a provider said that it has nothing to give. */
  readonly #coolUntilMs = new Map<string, number>();

  constructor(parts: FallbackParts<Q, T>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#parts = parts;
    this.#clock = clock;
  }

  async ask(request: Q, stop?: AbortSignal): Promise<Answer<T>> {
    const { providers, classify = classOf, on, name, code = 'NETWORK_FAILED' } = this.#parts;
    const tried: Tried[] = [];
    let cause: unknown;
    for (const provider of providers) {
      const fromMs = this.#clock.monotonicMs();
      const skipped = this.#skipped(provider, request, fromMs);
      if (skipped !== null) {
        tried.push(skipped);
        continue;
      }
      try {
        const value = await provider.guard.run((call) => provider.ask(request, call), { stop });
        return { value, provider: provider.name, degraded: provider.degraded ?? false, tried };
      } catch (error) {
        if (stop?.aborted) throw stop.reason;
        const errorClass = classify(error);
        if (sameEverywhere.has(errorClass)) throw error;
        cause ??= error;
        const nowMs = this.#clock.monotonicMs();
        tried.push({ provider: provider.name, outcome: 'failed', errorClass, message: messageOf(error), tookMs: nowMs - fromMs });
        const coolMs = errorClass === 'quota_exhausted' ? retryAfterOf(error) : null;
        if (coolMs !== null) this.#coolUntilMs.set(provider.name, nowMs + coolMs);
        tell(on, { name, provider: provider.name, errorClass, alert: errorClass === 'auth' });
      }
    }
    throw new NobodyAnswered(code, { subject: name, tried, cause });
  }

  #skipped(provider: Provider<Q, T>, request: Q, nowMs: number): Skipped | null {
    const { name, guard, supports, unfit } = provider;
    if (supports !== undefined && !supports(request)) return passedOver({ name, breaker: null, supports }, request, nowMs);
    const coolMs = (this.#coolUntilMs.get(name) ?? 0) - nowMs;
    if (coolMs > 0) return { provider: name, outcome: 'skipped', because: 'cooling', retryAfterMs: coolMs };
    this.#coolUntilMs.delete(name);
    return passedOver({ name, breaker: guard.breaker, ...(unfit === undefined ? {} : { unfit }) }, request, nowMs);
  }
}
