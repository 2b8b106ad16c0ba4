import { isOperational } from '../core/errors.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import type { Keep } from '../resilience/kept.ts';
import type { Clock } from '../world.ts';
import type { Shown } from './shown.ts';

/** What was asked of the store, and when. */
export type Counted = {
  readonly value: Readonly<Record<string, number>> | null;
  readonly asOfMs: number | null;
  /** Why there is nothing newer; null: nothing is wrong. */
  readonly problem: string | null;
  readonly lookedAtMs: number;
};

export type Counts = {
  /** With `fresh` the store is asked now, whatever is kept. */
  get(fresh: boolean): Promise<Counted & { readonly isKept: boolean }>;
  /** The next one asks the store. */
  forget(): Promise<void>;
};

type Needs = {
  readonly shown: Pick<Shown, 'counts'>;
  readonly keep: Keep;
  readonly maxAgeMs: number;
  readonly clock: Pick<Clock, 'nowMs' | 'sleep'>;
  readonly onDefect: (error: unknown) => void;
};

/** A store that is well answers in less. Only the one who finds the answer too old waits, and for no longer; with `fresh` it is a person. */
const waitsMs = { usually: 50, fresh: 2_000 };
/** An old answer says how old it is, and is better than none. */
const keptMs = 86_400_000;
const key = 'answer:counts';

/** How many todos there are, kept where sessions are: a page that is asked for often asks the store seldom, and one that hangs holds up nobody. */
export function countsIn({ shown, keep, maxAgeMs, clock, onDefect }: Needs): Counts {
  let looking: Promise<Counted | null> | null = null;

  async function look(): Promise<Counted | null> {
    try {
      const counted = await ask();
      await keep.put(key, JSON.stringify(counted), counted.lookedAtMs + keptMs);
      return counted;
    } catch (error) {
      onDefect(error);
      return null;
    } finally {
      looking = null;
    }
  }

  async function ask(): Promise<Counted> {
    try {
      const value = await shown.counts();
      const nowMs = clock.nowMs();
      return { value, asOfMs: nowMs, problem: null, lookedAtMs: nowMs };
    } catch (error) {
      if (!isOperational(error)) throw error;
      const before = parsed(await keep.get(key));
      return { value: before?.value ?? null, asOfMs: before?.asOfMs ?? null, problem: error.message, lookedAtMs: clock.nowMs() };
    }
  }

  return {
    async get(fresh) {
      const kept = parsed(await keep.get(key));
      const ageMs = kept === null ? Number.POSITIVE_INFINITY : clock.nowMs() - kept.lookedAtMs;
      if (!fresh && kept !== null && ageMs >= 0 && ageMs < maxAgeMs) return { ...kept, isKept: true };
      const waitMs = fresh ? waitsMs.fresh : looking === null ? waitsMs.usually : 0;
      looking ??= look();
      const found = await within(waitMs, looking, clock);
      if (found !== null) return { ...found, isKept: false };
      if (kept !== null) return { ...kept, isKept: true };
      return { value: null, asOfMs: null, problem: 'the store has not answered yet', lookedAtMs: clock.nowMs(), isKept: false };
    },
    forget: () => keep.put(key, '', clock.nowMs() + keptMs),
  };
}

/** Null: not yet. */
export async function within<T>(ms: number, work: Promise<T>, clock: Pick<Clock, 'sleep'>): Promise<T | null> {
  const done = new AbortController();
  try {
    return await Promise.race([work, clock.sleep(ms, done.signal).then(() => null)]);
  } finally {
    done.abort();
  }
}

function parsed(text: string | null): Counted | null {
  const value = text === null ? null : parsedJson(text);
  return isObject(value) && typeof value['lookedAtMs'] === 'number' ? (value as unknown as Counted) : null;
}
