import type { Settings } from './settings.ts';

/** One check of the health: probes until one is good, `tries` at most. Times are of the monotonic clock. */
export type Check = { readonly sinceMs: number; readonly tries: number };

/** A probe goes out, in a check that goes on (null: in a new one). */
export const tried = (check: Check | null, nowMs: number): Check =>
  check === null ? { sinceMs: nowMs, tries: 1 } : { ...check, tries: check.tries + 1 };

/** What is to come after an answer: another try of the same check, or (`check` null) the next check. */
export function afterAnswer(
  check: Check | null,
  isGood: boolean,
  { tries, againMs, intervalMs }: Pick<Settings, 'tries' | 'againMs' | 'intervalMs'>,
  nowMs: number,
): { readonly check: Check | null; readonly dueMs: number } {
  if (check !== null && !isGood && check.tries < tries) return { check, dueMs: nowMs + Math.min(againMs, intervalMs) };
  return { check: null, dueMs: Math.max(nowMs, (check?.sinceMs ?? nowMs) + intervalMs) };
}
