import type { Component } from '../core/control.ts';
import { messageOf, OperationalError } from '../core/errors.ts';
import { sampled } from '../core/health-history.ts';
import { inMs } from '../core/seconds.ts';
import { lookAtDependencies } from '../healing/dependencies.ts';
import { lookAtHealth } from '../healing/health.ts';
import type { Context } from './context.ts';
import { statusOf } from './requests.ts';
import { runnersHealth } from './runners.ts';
import { sinceOf } from './watched.ts';

/** Nobody waits for this look; what does not answer by then is unknown. */
const lookWithinMs = 5000;

/** Every resource.probe_interval the daemon looks at what it needs and over everything: what it finds is what status, API and metrics tell, at once. */
export function watchHealth(context: Context): void {
  const { health, world, config, tasks, state } = context;
  const nowMs = world.clock.monotonicMs();
  if (state.draining || tasks.busy('health') || nowMs < health.dueMs) return;
  health.dueMs = nowMs + inMs(config.resource.probe_interval);
  tasks.start(
    'health',
    () => lookNow(context),
    (error) => world.log.warn('monitor', 'health could not be looked at', { reason: messageOf(error) }),
  );
}

export const healthDueMs = ({ health, tasks, state }: Context): number =>
  state.draining || tasks.busy('health') ? Number.POSITIVE_INFINITY : health.dueMs;

async function lookNow(context: Context): Promise<void> {
  const { health, world, config } = context;
  const chain = runnersHealth(context);
  health.dependencies = [...(await lookAtDependencies(dependencyNeeds(context))), ...(chain === null ? [] : [chain])];
  const found = await lookAtHealth({
    world: sightOf(context),
    config,
    daemon: statusOf(context),
    liveEntries: context.ledger.all(),
    withinMs: lookWithinMs,
  });
  for (const component of found.components) remember(context, component);
  health.latest = {
    health: { ...found, components: found.components.map((it) => ({ ...it, sinceMs: sinceOf(health, it) })) },
    atMs: world.clock.nowMs(),
  };
}

/** Agents of todos that live here; for others nothing is missing. */
function dependencyNeeds({ world, config, adapters, ledger }: Context) {
  const live = ledger.all();
  return {
    world,
    config,
    adapters,
    inUse: new Set(live.map(({ todo }) => todo.agent)),
    tmuxInUse: live.some(({ kind }) => kind === 'tmux'),
  };
}

/** A store that is away is asked by its link alone: each call more would only keep its breaker busy. */
function sightOf({ world, state }: Context): Parameters<typeof lookAtHealth>[0]['world'] {
  if (state.store.reachable !== 'no') return world;
  const away = async (): Promise<never> => {
    throw new OperationalError('STORE_UNREACHABLE', { operation: 'asking', subject: 'the store', why: state.store.error ?? 'it is away' });
  };
  const { driver } = world.store;
  return { ...world, store: { driver, ping: away, nowMs: away, inProgress: away, list: away, find: away, getRun: away } };
}

/** What changes is told once, and stands in the history. */
function remember({ health, watch, world }: Context, component: Component): void {
  const { name, status, reason } = component;
  const before = health.since.get(name);
  if (before?.status === status) return;
  const sinceMs = Math.min(component.sinceMs, world.clock.nowMs());
  health.since.set(name, { status, sinceMs });
  if (before === undefined && status === 'healthy') return;
  const row = { id: world.random.uuidv7(), host: world.host.id, component: name, status, reason, atMs: world.clock.nowMs() };
  watch.rows.push(sampled(row, {}));
  world.log.info('monitor', 'health changed', { component: name, was: before?.status ?? null, status, reason });
}
