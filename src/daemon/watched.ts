import type { Component, Health, Watched } from '../core/control.ts';
import { inMs } from '../core/seconds.ts';
import type { Context } from './context.ts';
import { resources } from './resources.ts';

export type HealthMemory = {
  /** By the monotonic clock. */
  dueMs: number;
  /** What the daemon needs, as it was last found. */
  dependencies: readonly Component[];
  /** By component. */
  since: Map<string, { readonly status: Component['status']; readonly sinceMs: number }>;
  /** The last look over everything, and when it was done; null: none yet. */
  latest: { readonly health: Health; readonly atMs: number } | null;
};

export const newHealthMemory = (): HealthMemory => ({ dueMs: 0, dependencies: [], since: new Map(), latest: null });

/** For whoever asks the daemon how it is: `todo health`, API, metrics. */
export function watchedOf(context: Context): Watched | null {
  const { health, watch, config } = context;
  const measured = resources(context);
  if (measured === null) return null;
  const components = [...measured, ...health.dependencies].map((it) => ({ ...it, sinceMs: sinceOf(health, it) }));
  return {
    atMs: watch.last!.wallMs,
    everyMs: inMs(config.resource.interval),
    components,
    since: Object.fromEntries(health.since),
  };
}

/** Since when it has that status; what was never seen before has it since now. */
export const sinceOf = ({ since }: HealthMemory, { name, status, sinceMs }: Component): number => {
  const known = since.get(name);
  return known?.status === status ? Math.min(known.sinceMs, sinceMs) : sinceMs;
};
