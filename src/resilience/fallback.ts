import type { ErrorCode } from '../core/errors.ts';
import { messageOf, OperationalError } from '../core/errors.ts';
import type { Clock } from '../world.ts';
import type { ErrorClass } from './error-class.ts';
import { classOf } from './error-class.ts';
import type { Guard } from './guard.ts';
import { retryAfterOf } from './retry-after.ts';
import type { Call } from './run.ts';
import { tell } from './tell.ts';

/** One of those who can answer. They are asked in the order of their list. */
export type Provider<Q, T> = {
  readonly name: string;
  readonly guard: Guard;
  /** Whether it can do this at all. Absent: always. */
  readonly supports?: (request: Q) => boolean;
  /** Its answer is less than was asked for (a local stand-in, an older value). */
  readonly degraded?: boolean;
  readonly ask: (request: Q, call: Call) => T | PromiseLike<T>;
};

export type Tried =
  | {
      readonly provider: string;
      readonly outcome: 'skipped';
      readonly because: 'unsupported' | 'cooling' | 'open';
      readonly retryAfterMs: number | null;
    }
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
    const each = about.tried.map((it) => `${it.provider}: ${it.outcome === 'skipped' ? `skipped, ${it.because}` : it.message}`);
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

  #skipped({ name, guard, supports }: Provider<Q, T>, request: Q, nowMs: number): Tried | null {
    const skip = (because: 'unsupported' | 'cooling' | 'open', retryAfterMs: number | null): Tried => ({
      provider: name,
      outcome: 'skipped',
      because,
      retryAfterMs,
    });
    if (supports !== undefined && !supports(request)) return skip('unsupported', null);
    const coolMs = (this.#coolUntilMs.get(name) ?? 0) - nowMs;
    if (coolMs > 0) return skip('cooling', coolMs);
    this.#coolUntilMs.delete(name);
    if (guard.breaker?.refuses(nowMs)) return skip('open', guard.breaker.retryAfterMs(nowMs));
    return null;
  }
}
