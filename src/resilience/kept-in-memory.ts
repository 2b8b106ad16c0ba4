import type { Kept, NearPlace } from '../core/kept.ts';
import type { Clock } from '../world.ts';

/** What comes above is forgotten, the oldest first: a crowd that tries to get in cannot fill the memory. */
const entriesMax = 10_000;

export function keptInMemory(clock: Pick<Clock, 'nowMs'>): NearPlace {
  const kept = new Map<string, Kept>();

  function get(key: string): Kept | null {
    const found = kept.get(key) ?? null;
    return found !== null && found.untilMs > clock.nowMs() ? found : null;
  }

  function set(entry: Kept): void {
    if (!kept.has(entry.key) && kept.size >= entriesMax) makeRoom();
    kept.set(entry.key, entry);
  }

  function makeRoom(): void {
    const nowMs = clock.nowMs();
    for (const [key, { untilMs }] of kept) if (untilMs <= nowMs) kept.delete(key);
    for (const key of kept.keys()) {
      if (kept.size < entriesMax) return;
      kept.delete(key);
    }
  }

  return {
    name: 'memory',
    get,
    put(entry) {
      if (get(entry.key)?.value !== null) set(entry);
    },
    count(key, untilMs) {
      const before = get(key);
      const now = Number(before?.value ?? 0) + 1;
      set({ key, value: String(now), untilMs: before?.untilMs ?? untilMs });
      return now;
    },
    all: (prefix) => [...kept.keys()].flatMap((key) => (key.startsWith(prefix) ? (get(key) ?? []) : [])),
  };
}
