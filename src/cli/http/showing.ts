import { shownBreakers } from '../../daemon/breaker-events.ts';
import type { Engine } from '../../daemon/engine.ts';
import { healthNow } from '../../daemon/health-now.ts';
import { shownBy } from '../../daemon/shown.ts';
import type { Shown } from '../../observe/shown.ts';
import { actionsOf, healingConfigNow } from './actions.ts';
import { dashboardFile } from './dashboard-file.ts';
import { detailOf } from './detail.ts';
import { type AtHand, overviews } from './overview.ts';
import { lookAt, lookBehind } from './parts.ts';
import { processFamilies } from './process-families.ts';
import { reports } from './reports.ts';
import { statusPage } from './status-page.ts';
import { todosOf } from './todos.ts';

/** Of a daemon that is busy all the time; and of one in which nothing is known to happen: other hosts may share its store. */
const looks = { gapMs: 1_000, everyMs: 10_000 } as const;

/** What a daemon shows, over HTTP and to `todo metrics`. Loaded when it is first asked for. */
export function showingOf(engine: Engine, onDefect: (error: unknown) => void): Shown {
  const { context } = engine;
  const { world, state } = context;
  const needs = {
    world,
    get config() {
      return context.config;
    },
    ask: (request: Parameters<Engine['request']>[0]) => engine.request(request, context.stop),
    away: () => (state.store.reachable === 'no' ? (state.store.error ?? 'it does not answer') : null),
    secrets: () => context.secrets,
  };
  const parts = lookBehind({
    ...{ ...looks, clock: world.clock, onDefect },
    // The store goes with the daemon.
    use: async (look) => (state.draining ? undefined : await look({ world, config: context.config })),
  });
  const put = overviews(context.startedAtMs);
  const overview = () => put(atHandOf(engine), parts(state.passes + state.asked));
  return shownBy(context, {
    overview,
    lookAnew: parts.anew,
    todos: todosOf(needs),
    todo: (ref) => detailOf(ref, needs),
    ...reports((work) => work(needs), world),
    look: (name) => lookAt(name, { world, config: context.config }),
    healed: (limit) => world.store.healingEvents({ todoId: null, limit }),
    healingConfig: async () => healingConfigNow(engine),
    statusPage: () => statusPage(overview(), world.digest),
    actions: actionsOf(engine),
    families: processFamilies,
    dashboardFile,
  });
}

function atHandOf(engine: Engine): AtHand {
  const { context } = engine;
  const { pid, startedAtMs, draining, lastPassAtMs, store, live } = engine.status();
  const { status, components, lookedAtMs } = healthNow(context);
  return {
    atMs: context.world.clock.nowMs(),
    version: context.version,
    host: context.world.host.id,
    daemon: { pid, startedAtMs, draining, lastPassAtMs, store },
    acts: true,
    health: { status, components, lookedAtMs },
    live,
    breakers: shownBreakers(context),
  };
}
