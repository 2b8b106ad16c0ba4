/** What is done about a store that stays slow, one after the other (H-35). */
export const careSteps = ['reset', 'optimize', 'restart'] as const;
export type CareStep = (typeof careSteps)[number];

export type Care =
  | { readonly state: 'well' }
  | {
      readonly state: 'slow';
      readonly sinceMs: number;
      /** When trouble was last seen. */
      readonly seenMs: number;
      /** How many of the steps were taken. */
      readonly taken: number;
      /** When the next one may be: what was done before has had its time to help. */
      readonly dueMs: number;
    };

export type CareMove = { readonly care: Care; readonly begins: boolean; readonly step: CareStep | null; readonly ends: boolean };

/** `past`: there was some since the last look, or the store is away; what it is like now is not known. */
export type Trouble = 'none' | 'past' | 'now';

/**
 * One look. A step is taken only while there is trouble, `graceMs` after the one before; the steps are taken once each, and begin again when the
 * store was well for twice as long. Times by the monotonic clock.
 */
export function careNext(care: Care, { nowMs, trouble, graceMs }: { nowMs: number; trouble: Trouble; graceMs: number }): CareMove {
  if (care.state === 'well') {
    if (trouble !== 'now') return { care, begins: false, step: null, ends: false };
    return {
      care: { state: 'slow', sinceMs: nowMs, seenMs: nowMs, taken: 0, dueMs: nowMs + graceMs },
      begins: true,
      step: null,
      ends: false,
    };
  }
  if (trouble === 'none') {
    const ends = nowMs - care.seenMs >= 2 * graceMs;
    return { care: ends ? { state: 'well' } : care, begins: false, step: null, ends };
  }
  const seen = { ...care, seenMs: nowMs };
  const step = trouble === 'now' && nowMs >= care.dueMs ? (careSteps[care.taken] ?? null) : null;
  if (step === null) return { care: seen, begins: false, step: null, ends: false };
  return { care: { ...seen, taken: care.taken + 1, dueMs: nowMs + graceMs }, begins: false, step, ends: false };
}
