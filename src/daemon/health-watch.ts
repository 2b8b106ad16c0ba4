import type { Component, Health } from '../core/control.ts';
import { isOperational, messageOf } from '../core/errors.ts';
import { livingDaemon, lookAtHealth, serverComponent, worst } from '../healing/health.ts';
import type { ShownHealth } from '../observe/shown.ts';
import type { Context } from './context.ts';
import { statusOf } from './requests.ts';

/** Nobody waits for a look of this kind, so a slow store gets the time to answer. */
const lookWithinMs = 5_000;
/** So often while nothing happens; what it costs is bounded by that. */
const lookEveryMs = 15_000;
/** Not sooner after the last one, however much happens. */
const lookAgainMs = 1_000;

export type HealthWatch = {
  /** As it is now: what this process knows by itself is of this moment, the rest of the last look. */
  now(): ShownHealth;
  /** Looks now; resolves when that look is over. */
  look(): Promise<void>;
  /** Looks until the stop: every 15 s, and when the store comes or goes. */
  watch(stop: AbortSignal): Promise<void>;
};

/** Looks beside the requests, so that none of them waits for a store that hangs. */
export function watchHealth(context: Context): HealthWatch {
  const { clock } = context.world;
  let last: Health & { readonly atMs: number } = { ...notYet(clock.nowMs()), atMs: clock.nowMs() };
  const since = new Map<string, { readonly status: string; readonly atMs: number }>();
  let underWay: Promise<void> | null = null;

  const look = (): Promise<void> => {
    underWay ??= lookOnce(context).then((health) => {
      underWay = null;
      last = { ...health, components: health.components.map((it) => sinceFirstSeen(it, since)), atMs: clock.nowMs() };
    });
    return underWay;
  };
  return {
    look,
    now() {
      const components = withImmediate(last.components, context).map((it) => sinceFirstSeen(it, since));
      return { status: worst(components), components, findings: last.findings, lookedAtMs: last.atMs };
    },
    async watch(stop) {
      while (!stop.aborted) {
        await look();
        const seen = standing(context);
        const { changes } = context;
        await clock.sleep(lookAgainMs, stop);
        await changes.until(() => standing(context) !== seen, clock.nowMs() + lookEveryMs - lookAgainMs, stop);
      }
    },
  };
}

/** What makes a look worth its while before its time. */
const standing = ({ state, config }: Context): string =>
  `${state.store.reachable} ${state.draining} ${state.drained} ${state.lastSweepAtMs} ${config.behavior.enable_emergency_handlers}`;

async function lookOnce(context: Context): Promise<Health> {
  const { world, config } = context;
  let liveEntries = null;
  try {
    liveEntries = world.journal.live();
  } catch (error) {
    if (!isOperational(error)) throw error;
    world.log.warn('monitor', 'the journal could not be looked at', { reason: messageOf(error) });
  }
  return lookAtHealth({ world, config, daemon: statusOf(context), liveEntries, withinMs: lookWithinMs });
}

function notYet(nowMs: number): Health {
  const reason = 'not looked at yet';
  return { status: 'unknown', components: [{ name: 'store', status: 'unknown', reason, sinceMs: nowMs }], findings: [] };
}

/** What is known here without asking anybody says over what was seen before. */
function withImmediate(components: readonly Component[], context: Context): readonly Component[] {
  const status = statusOf(context);
  const { store, server } = status;
  const now: Component[] = [livingDaemon(status, context.config, context.world.clock.nowMs())];
  if (store.reachable === 'no')
    now.push({ name: 'store', status: 'unknown', reason: store.error ?? 'it does not answer', sinceMs: store.sinceMs });
  now.push(...serverComponent(server ?? null));
  return [
    ...components.map((it) => now.find(({ name }) => name === it.name) ?? it),
    ...now.filter(({ name }) => !components.some((it) => it.name === name)),
  ];
}

/** A component is as it is since it was first seen so, not since the last look. */
function sinceFirstSeen(it: Component, since: Map<string, { readonly status: string; readonly atMs: number }>): Component {
  const before = since.get(it.name);
  const atMs = before?.status === it.status ? Math.min(before.atMs, it.sinceMs) : it.sinceMs;
  since.set(it.name, { status: it.status, atMs });
  return { ...it, sinceMs: atMs };
}
