import type { Component } from '../../core/control.ts';
import type { HealthStatus } from '../../core/words.ts';

/** How the page hears of the server: by its stream, by asking each half minute, or not at all at the moment. */
export type Way = 'stream' | 'poll' | 'none';

/** The server says something each 15 s at least, if only that there is nothing new. */
export const streamSilenceMsMax = 20_000;
export const pollEveryMs = 30_000;
/** An answer to the question that is asked each half minute may take its time. */
const pollSilenceMsMax = 45_000;

/** Whether what is shown may still be taken for how it is. */
export const isLive = ({ way, heardAtMs, nowMs }: { readonly way: Way; readonly heardAtMs: number; readonly nowMs: number }): boolean =>
  nowMs - heardAtMs <= (way === 'poll' ? pollSilenceMsMax : streamSilenceMsMax);

/** What the first line says. What is not known any more is unknown, whatever it was. */
export type BigState = {
  readonly status: HealthStatus;
  readonly sinceMs: number | null;
  /** The components that make it so, the longest in that state first. */
  readonly because: readonly Component[];
};

export function bigState(health: { readonly status: HealthStatus; readonly components: readonly Component[] }): BigState {
  const alike = health.components.filter(({ status }) => status === health.status).sort((a, b) => a.sinceMs - b.sinceMs);
  // It is healthy since the last of them became so, and anything else since the first.
  const sinceMs = (health.status === 'healthy' ? alike.at(-1) : alike[0])?.sinceMs ?? null;
  return { status: health.status, sinceMs, because: health.status === 'healthy' ? [] : alike };
}

const order: Readonly<Record<HealthStatus, number>> = { unhealthy: 0, unknown: 1, degraded: 2, healthy: 3 };

/** What a person should look at comes first. */
export const worstFirst = (components: readonly Component[]): readonly Component[] =>
  [...components].sort((a, b) => order[a.status] - order[b.status] || a.name.localeCompare(b.name));
