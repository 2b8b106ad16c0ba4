import type { Engine } from '../../daemon/engine.ts';
import { shownBy } from '../../daemon/shown.ts';
import type { Shown } from '../../observe/shown.ts';
import { dashboardFile } from './dashboard-file.ts';
import { processFamilies } from './process-families.ts';
import { todosOf } from './todos.ts';

/** What a daemon shows, over HTTP and to `todo metrics`. Loaded when it is first asked for. */
export function showingOf(engine: Engine): Shown {
  const { context } = engine;
  const todos = todosOf({
    world: context.world,
    config: context.config,
    ask: (request) => engine.request(request, context.stop),
    away: () => (context.state.store.reachable === 'no' ? (context.state.store.error ?? 'it does not answer') : null),
  });
  return shownBy(context, { todos, families: processFamilies, dashboardFile });
}
