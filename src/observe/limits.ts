import type { Keep } from '../resilience/kept.ts';
import type { Clock } from '../world.ts';
import type { Problem } from './respond.ts';

export type Limit = { readonly what: string; readonly who: string; readonly perMinute: number };
/** Null: there is room, and one less now. */
export type Limits = (asked: readonly Limit[]) => Promise<Problem | null>;

const minuteMs = 60_000;
const blockedMax = 1_000;

/** So often a minute, by the clock's minute. Who has used it up costs nothing any more: nothing is written until the next one begins. */
export function limitsIn(keep: Keep, clock: Pick<Clock, 'nowMs'>): Limits {
  const blocked = new Map<string, number>();
  return async (asked) => {
    const nowMs = clock.nowMs();
    const minute = Math.floor(nowMs / minuteMs);
    const untilMs = (minute + 1) * minuteMs;
    for (const { what, who, perMinute } of asked) {
      const key = `tries:${what}:${who}:${minute}`;
      if (blocked.has(key) || (await keep.count(key, untilMs)) > perMinute) {
        if (blocked.size >= blockedMax) blocked.clear();
        blocked.set(key, untilMs);
        return tooMany(what, perMinute, Math.ceil((untilMs - nowMs) / 1000));
      }
    }
    return null;
  };
}

const tooMany = (what: string, perMinute: number, afterS: number): Problem => ({
  status: 429,
  code: 'TOO_MANY',
  message: `${what}: at most ${perMinute} a minute; again in ${afterS} s`,
  headers: { 'retry-after': String(afterS) },
});
