import type { ControlReply } from '../../core/control.ts';
import type { Engine } from '../../daemon/engine.ts';
import { type HealthWatch, watchHealth } from '../../daemon/health-watch.ts';
import { shownBy } from '../../daemon/shown.ts';
import { exposition, type Format } from '../../observe/exposition.ts';
import type { Shown } from '../../observe/shown.ts';
import { processFamilies } from './process-families.ts';
import { todosOf } from './todos.ts';

export type Showing = { readonly shown: Shown; readonly health: HealthWatch };

/** What a daemon shows, over HTTP and to `todo metrics`. Loaded when it is first asked for. */
export function showingOf(engine: Engine): Showing {
  const { context } = engine;
  const health = watchHealth(context);
  const todos = todosOf({
    world: context.world,
    config: context.config,
    ask: (request) => engine.request(request, context.stop),
    away: () => (context.state.store.reachable === 'no' ? (context.state.store.error ?? 'it does not answer') : null),
  });
  return { shown: shownBy(context, health, { todos, families: processFamilies }), health };
}

/** The same text as over HTTP, where there is no server; then nobody looks beforehand, so it looks now. */
export async function metricsReply({ shown, health }: Showing, format: Format, isServed: boolean): Promise<ControlReply> {
  if (!isServed) await health.look();
  return { ok: true, kind: 'metrics', text: exposition(shown.families(), format) };
}
