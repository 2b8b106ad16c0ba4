import { isObject, parsedJson } from './shape.ts';

/**
 * What a process leaves that ended itself because its event loop stood still. Times by the wall clock. `stack`: where the main thread was, innermost
 * first; null where not even an interrupt reached it, then `kernel` says what it waits for, where that may be seen.
 */
export type Blocked = {
  readonly v: 1;
  readonly pid: number;
  readonly atMs: number;
  readonly blockedMs: number;
  readonly stack: readonly string[] | null;
  readonly kernel: string | null;
};

/** `blocked-<time>-<pid>.json`, in the folder of the logs. */
export const blockedName = /^blocked-(\d+)-\d+\.json$/;

/** Null where that is no whole one. */
export function parseBlocked(text: string | null): Blocked | null {
  const found = parsedJson(text ?? '');
  return isObject(found) && found['v'] === 1 ? (found as Blocked) : null;
}
