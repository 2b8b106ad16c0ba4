import type { Config } from './config.ts';
import type { Entry } from './entry.ts';
import { fallbackRunner } from './runners.ts';
import { inMs } from './seconds.ts';
import type { Says } from './words.ts';

/** The provider refuses work until a time; null: it did not say until when. From structured fields of the agent only, never from text. */
export type UsageLimit = { readonly resetsAtMs: number | null };

/**
 * What a run says that met a usage limit. It is no failure and no attempt: the todo waits until the limit ends, or `resource.wait` where nobody
 * says when; at most `resource.limits_max` times in a row, since a provider that never takes work is for a person to see.
 */
export function afterLimit(
  { limit, why, nowMs, before }: { readonly limit: UsageLimit; readonly why: string; readonly nowMs: number; readonly before: number },
  { resource }: Pick<Config, 'resource'>,
): { readonly says: Extract<Says, 'parked' | 'blocked'>; readonly reason: string; readonly notBeforeMs: number | null } {
  const reason = `usage limit: ${why}`;
  if (resource.usage_limits === 'block')
    return { says: 'blocked', reason: `${reason} (resource.usage_limits is block; release it when the limit is over)`, notBeforeMs: null };
  if (before >= resource.limits_max)
    return { says: 'blocked', reason: `${reason}; met ${before + 1} times in a row (resource.limits_max)`, notBeforeMs: null };
  const latestMs = nowMs + inMs(resource.wait_max);
  const notBeforeMs = Math.min(latestMs, Math.max(nowMs, limit.resetsAtMs ?? nowMs + inMs(resource.wait)));
  return { says: 'parked', reason, notBeforeMs };
}

/** How many runs of a todo in a row have met one, or a refused key, or nobody to work on it, the newest last; of what the journal remembers. */
export function limitsInARow(
  entries: readonly (Pick<Entry, 'signal' | 'startedAtMs'> & { readonly todo?: Pick<Entry['todo'], 'agent'> })[],
): number {
  const newestFirst = entries.toSorted((a, b) => b.startedAtMs - a.startedAtMs);
  const other = newestFirst.findIndex(
    ({ signal, todo }) => signal?.limit === undefined && signal?.fault === undefined && todo?.agent !== fallbackRunner,
  );
  return other < 0 ? newestFirst.length : other;
}
