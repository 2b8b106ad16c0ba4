import type { Clock } from '../world.ts';
import type { BreakerChange, BreakerLook, BreakerProfile, SavedBreaker } from './breaker.ts';
import { Breaker, parseSavedBreaker } from './breaker.ts';
import { tell } from './tell.ts';

export type BreakersNeeds = {
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>;
  readonly random: () => number;
  /** What was last handed out as `saved` for that name, as it was read; null or anything else starts closed. */
  readonly saved?: (name: string) => unknown;
  /** At each change of state: to be logged, shown, and written down under its name. */
  readonly on?: (event: NamedBreakerChange) => void;
};

export type NamedBreakerChange = BreakerChange & { readonly name: string; readonly saved: SavedBreaker };
export type NamedBreakerLook = BreakerLook & { readonly name: string };

/** Under which a breaker's state is kept. */
export const breakerNote = (name: string): string => `breaker:${name}`;

/** All breakers of a process by name, so that they can be listed, held open and reset, and go on where an earlier process stood. */
export class Breakers {
  readonly #needs: BreakersNeeds;
  readonly #breakers = new Map<string, Breaker>();

  constructor(needs: BreakersNeeds) {
    this.#needs = needs;
  }

  /** The breaker of that name; made, and restored, when first asked for. */
  of(name: string, profile: BreakerProfile): Breaker {
    const known = this.#breakers.get(name);
    if (known !== undefined) {
      if (known.profile !== profile) throw new Error(`breaker ${name} has another profile already`);
      return known;
    }
    const { clock, random, saved, on } = this.#needs;
    const breaker: Breaker = new Breaker(profile, clock.monotonicMs(), random, (change) =>
      tell(on, { ...change, name, saved: breaker.save(clock.monotonicMs(), clock.nowMs()) }),
    );
    const before = parseSavedBreaker(saved?.(name));
    if (before !== null) breaker.restore(before, clock.monotonicMs(), clock.nowMs());
    this.#breakers.set(name, breaker);
    return breaker;
  }

  /** Other numbers for the breaker of that name, where there is one yet. */
  retune(name: string, profile: BreakerProfile): void {
    this.#breakers.get(name)?.retune(profile, this.#needs.clock.monotonicMs());
  }

  /** The numbers of the breaker of that name; null: there is none yet. */
  profile(name: string): BreakerProfile | null {
    return this.#breakers.get(name)?.profile ?? null;
  }

  list(): readonly NamedBreakerLook[] {
    const nowMs = this.#needs.clock.monotonicMs();
    return [...this.#breakers].map(([name, breaker]) => ({ name, ...breaker.look(nowMs) }));
  }

  /** False where there is no breaker of that name. */
  isolate(name: string, why: string): boolean {
    const breaker = this.#breakers.get(name);
    breaker?.isolate(this.#needs.clock.monotonicMs(), why);
    return breaker !== undefined;
  }

  /** False where there is no breaker of that name. */
  reset(name: string, why: string): boolean {
    const breaker = this.#breakers.get(name);
    breaker?.reset(this.#needs.clock.monotonicMs(), why);
    return breaker !== undefined;
  }
}
