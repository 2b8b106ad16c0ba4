import { dirname, join } from 'node:path';
import type { ProcessId } from '../core/entry.ts';
import { messageOf } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import type { Run } from '../core/todo.ts';
import type { LivingStatus } from '../core/words.ts';
import type { Context } from './context.ts';

/** What the store and the watchdog know, counted. */
export type Census = {
  readonly todos: Readonly<Record<LivingStatus, number>>;
  readonly leases: readonly { readonly where: 'here' | 'elsewhere'; readonly state: 'held' | 'expired'; readonly runs: number }[];
  readonly hosts: { readonly taking: number; readonly drained: number };
  /** Null: none has ever watched this daemon. */
  readonly watchdog: WatchdogSeen | null;
};

export const restartCauses = ['crash', 'hang', 'unhealthy', 'not-started', 'itself'] as const;
type WatchdogSeen = {
  /** Null: it has ended its watch itself, and nobody misses it. */
  readonly isAlive: boolean | null;
  /** Of the last 24 hours. */
  readonly restarts: Readonly<Record<(typeof restartCauses)[number], number>>;
};

type Kept = { latest: Census | null; dueMs: number };
const keptOf = new WeakMap<Context, Kept>();

/**
 * As it was last counted; null: not yet, or the store is away. Whoever asks waits for nobody: what is older than a look at the health of everything is
 * counted anew behind the answer. Nobody asks, nobody counts.
 */
export function census(context: Context): Census | null {
  const kept = keptOf.get(context) ?? { latest: null, dueMs: Number.NEGATIVE_INFINITY };
  keptOf.set(context, kept);
  const { state, tasks, world, config } = context;
  if (state.store.reachable === 'no') {
    kept.latest = null;
    kept.dueMs = Number.NEGATIVE_INFINITY;
  } else if (!state.draining && world.clock.monotonicMs() >= kept.dueMs && !tasks.busy('census')) {
    kept.dueMs = world.clock.monotonicMs() + inMs(config.resource.probe_interval);
    tasks.start(
      'census',
      async () => {
        kept.latest = await count(context);
      },
      (error) => {
        kept.latest = null;
        world.log.warn('monitor', 'todos could not be counted for the metrics', { reason: messageOf(error) });
      },
    );
  }
  return kept.latest;
}

async function count(context: Context): Promise<Census> {
  const { store, host, files, home, processes, clock } = context.world;
  const [todos, rows, hosts, nowMs] = await Promise.all([store.living(), store.inProgress(), store.hosts(), store.nowMs()]);
  const drained = hosts.filter((it) => it.drained !== null).length;
  return {
    todos,
    leases: leasesOf(
      rows.flatMap(({ run }) => run ?? []),
      host.id,
      nowMs,
    ),
    hosts: { taking: hosts.length - drained, drained },
    watchdog: watchdogSeen(
      files.readText(join(dirname(home.database), 'watchdogs', 'daemon.json')),
      (it) => processes.alive(it) === 'yes',
      clock.nowMs(),
    ),
  };
}

/** By the store's clock. What a person works on has no lease that means anything. */
export function leasesOf(runs: readonly Pick<Run, 'kind' | 'host' | 'leaseUntilMs'>[], here: string, nowMs: number): Census['leases'] {
  const leased = runs.filter(({ kind }) => kind === 'child' || kind === 'tmux');
  return (['here', 'elsewhere'] as const).flatMap((where) =>
    (['held', 'expired'] as const).map((state) => ({
      where,
      state,
      runs: leased.filter(({ host, leaseUntilMs }) => (host === here) === (where === 'here') && leaseUntilMs > nowMs === (state === 'held'))
        .length,
    })),
  );
}

const dayMs = 86_400_000;

/** From what the watchdog of this daemon wrote of itself (watchdog/state.ts); null where that is nothing. */
export function watchdogSeen(text: string | null, isAlive: (watchdog: ProcessId) => boolean, nowMs: number): WatchdogSeen | null {
  const state = parsedJson(text ?? '');
  if (!isObject(state) || !isObject(state['watchdog']) || !Array.isArray(state['restarts'])) return null;
  const restarts = state['restarts'].filter((it) => isObject(it) && Number(it['atMs']) > nowMs - dayMs) as { readonly cause: unknown }[];
  const counted = restartCauses.map((cause) => [cause, restarts.filter((it) => it.cause === cause).length]);
  return {
    isAlive: state['phase'] === 'ended' ? null : isAlive(state['watchdog'] as unknown as ProcessId),
    restarts: Object.fromEntries(counted),
  };
}
