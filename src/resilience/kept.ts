import { type Backoff, backoffMs, spread } from '../core/backoff.ts';
import { isOperational, messageOf } from '../core/errors.ts';
import { type FarPlace, type Kept, type KeptPlace, type KeptState, type NearPlace, settled } from '../core/kept.ts';
import type { World } from '../world.ts';

export type Keep = {
  get(key: string): Promise<string | null>;
  put(key: string, value: string, untilMs: number): Promise<void>;
  /** Gone in every place, and told to those that are away before they are used again. */
  drop(key: string, untilMs: number): Promise<void>;
  /** One more of these; how many that is. */
  count(key: string, untilMs: number): Promise<number>;
  /** Those that are not gone. */
  all(prefix: string): readonly { readonly key: string; readonly value: string }[];
  state(): KeptState;
  /** Looks after the far place until the stop: learns that it is away although nobody asks, and that it is back. */
  watch(stop: AbortSignal): Promise<void>;
};

export type KeepParts = {
  /** The best first; the last one never fails. */
  readonly near: readonly NearPlace[];
  readonly far: { readonly name: KeptPlace; connect(): Promise<FarPlace> } | null;
  /** What begins so is told to a place that comes back. The rest is counts and answers of a minute. */
  readonly lasting: string;
  /** Told when what it says of itself is another place. */
  readonly onChange: (state: KeptState) => void;
};

/** So often it is asked whether it is there while nobody needs it. */
const lookEveryMs = 5_000;
/** What answers once between two falls is not back: so often in a row, each time after a while. */
const proofs = { times: 3, apartMs: 300 };
const again: Backoff = { firstMs: 500, factor: 2, maxMs: 5_000, jitter: spread(0.2) };
const toldMs = 60_000;
/** A near place that failed is let alone for so long. */
const restMs = 5_000;

/**
 * What several places keep at once: written to every one that answers, read from the first that does, and what is gone in one of them is
 * gone. A place that was away is told all that lasts before anything is asked of it again, so nothing that was taken back comes back with it.
 * Nobody waits for a place that is away: the request that finds it out waits for its bound, those after it for nothing.
 */
export function keepIn(parts: KeepParts, { clock, random }: Pick<World, 'clock' | 'random'>): Keep {
  const { far, lasting } = parts;
  const near = nearPlaces(parts, clock);
  let place: FarPlace | null = null;
  let away = far === null ? null : `${far.name} was not asked yet`;
  let isNew = true;
  /** Of what lasts: whoever tells it all sees whether more came meanwhile. */
  let writes = 0;
  /** Ends where a question found out sooner than the next look. */
  let nap = new AbortController();
  let state: KeptState = look(clock.nowMs(), 0);

  function look(sinceMs: number, fallbacks: number): KeptState {
    const { name, problem } = near.first();
    const wanted = far?.name ?? parts.near[0]?.name ?? name;
    return { in: place?.name ?? name, wanted, problem: place === null ? (away ?? problem) : null, sinceMs, fallbacks };
  }

  function changed(): void {
    const next = look(state.sinceMs, state.fallbacks);
    if (next.in === state.in && next.problem === state.problem) return;
    const fell = next.problem !== null && (state.problem === null || isNew);
    state = { ...next, sinceMs: clock.nowMs(), fallbacks: state.fallbacks + (fell ? 1 : 0) };
    parts.onChange(state);
  }

  /** Null: it is away. Whoever finds that out first says so; the others were asked at the same time. */
  async function ask<T>(question: (place: FarPlace) => Promise<T>): Promise<{ readonly answer: T } | null> {
    const asked = place;
    if (asked === null) return null;
    try {
      return { answer: await question(asked) };
    } catch (error) {
      if (!isOperational(error)) throw error;
      asked.close();
      if (place === asked) {
        place = null;
        away = messageOf(error);
        changed();
        nap.abort();
      }
      return null;
    }
  }

  function write(kept: Kept): void {
    if (kept.key.startsWith(lasting)) writes += 1;
    near.put(kept);
    changed();
  }

  /** Until nothing came meanwhile; then there is no moment between the last word and the first question. */
  async function tellAll(to: FarPlace): Promise<void> {
    for (let from = -1; from !== writes; ) {
      from = writes;
      // One word more, always: a place that answers and takes nothing (it is full, or a replica) is not back.
      await to.put([{ key: 'told', value: '', untilMs: clock.nowMs() + toldMs }, ...near.all(lasting)]);
    }
  }

  async function watch(stop: AbortSignal): Promise<void> {
    let attempt = 0;
    while (!stop.aborted) {
      if (place !== null || far === null) {
        nap = new AbortController();
        await clock.sleep(lookEveryMs, AbortSignal.any([stop, nap.signal]));
        await ask((it) => it.ping());
        if (state.problem !== null) near.get(lasting);
        changed();
        continue;
      }
      const candidate = await proven(far, stop);
      if (candidate !== null) {
        place = candidate;
        away = null;
        // Who falls again and again is waited for longer than who falls once.
        attempt = Math.floor(attempt / 2);
        changed();
        isNew = false;
      } else await clock.sleep(backoffMs(again, ++attempt, random.next), stop);
    }
    const last: FarPlace | null = place;
    place = null;
    (last as FarPlace | null)?.close();
  }

  /** One that answers again and again and knows all that lasts; null: it does not. The first of all has nothing to prove. */
  async function proven({ connect }: NonNullable<KeepParts['far']>, stop: AbortSignal): Promise<FarPlace | null> {
    let candidate: FarPlace | null = null;
    try {
      candidate = await connect();
      for (let time = isNew ? proofs.times : 1; time <= proofs.times && !stop.aborted; time++) {
        await candidate.ping();
        if (time < proofs.times) await clock.sleep(proofs.apartMs, stop);
      }
      await tellAll(candidate);
      return candidate;
    } catch (error) {
      candidate?.close();
      if (!isOperational(error)) throw error;
      away = messageOf(error);
      changed();
      isNew = false;
      return null;
    }
  }

  return {
    async get(key) {
      const here = near.get(key);
      changed();
      if (here !== null && here.value === null) return null;
      const there = await ask((it) => it.get(key));
      // Known here, too, from now on: it is listed, and stays when the far place goes.
      if (there?.answer && here === null) write(there.answer);
      return settled(there?.answer ?? null, here)?.value ?? null;
    },
    async put(key, value, untilMs) {
      const kept = { key, value, untilMs };
      write(kept);
      await ask((it) => it.put([kept]));
    },
    async drop(key, untilMs) {
      const gone = { key, value: null, untilMs };
      write(gone);
      await ask((it) => it.put([gone]));
    },
    async count(key, untilMs) {
      const here = near.count(key, untilMs);
      const there = await ask((it) => it.count(key, untilMs));
      return Math.max(here, there?.answer ?? 0);
    },
    all: (prefix) => near.all(prefix).flatMap(({ key, value }) => (value === null ? [] : [{ key, value }])),
    state: () => state,
    watch,
  };
}

/** The places of this machine as one. Which of them failed is tried again after a rest, and told first what the others kept meanwhile. */
function nearPlaces({ near, lasting }: KeepParts, clock: Pick<World['clock'], 'monotonicMs'>) {
  const resting = new Map<NearPlace, { readonly untilMs: number; readonly why: string }>();

  /** Undefined: it does not answer. */
  function answerOf<T>(place: NearPlace, question: (place: NearPlace) => T): { readonly answer: T } | undefined {
    const rest = resting.get(place);
    if (rest !== undefined && rest.untilMs > clock.monotonicMs()) return undefined;
    try {
      if (rest !== undefined) for (const other of near) if (other !== place) for (const kept of other.all(lasting)) place.put(kept);
      const answer = question(place);
      resting.delete(place);
      return { answer };
    } catch (error) {
      if (!isOperational(error)) throw error;
      resting.set(place, { untilMs: clock.monotonicMs() + restMs, why: messageOf(error) });
      return undefined;
    }
  }

  const each = <T>(question: (place: NearPlace) => T): T[] => near.flatMap((place) => answerOf(place, question)?.answer ?? []);

  return {
    get: (key: string): Kept | null => each((it) => it.get(key)).reduce<Kept | null>(settled, null),
    put: (kept: Kept): void => void each((it) => it.put(kept)),
    count: (key: string, untilMs: number): number => Math.max(0, ...each((it) => it.count(key, untilMs))),
    all(prefix: string): readonly Kept[] {
      const found = new Map<string, Kept>();
      for (const kept of each((it) => it.all(prefix)).flat()) found.set(kept.key, settled(found.get(kept.key) ?? null, kept) ?? kept);
      return [...found.values()];
    },
    /** The best that answered when it was last asked; why that is not the best there is. */
    first(): { readonly name: KeptPlace; readonly problem: string | null } {
      const at = near.find((place) => !resting.has(place)) ?? near.at(-1);
      const why = near.length > 0 && at !== near[0] ? resting.get(near[0]!)?.why : undefined;
      return { name: at?.name ?? 'memory', problem: why ?? null };
    },
  };
}
