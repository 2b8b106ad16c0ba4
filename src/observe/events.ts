import type { Overview } from '../core/dashboard.ts';
import type { HttpResponse } from '../core/http.ts';
import { respond } from './respond.ts';
import type { Shown } from './shown.ts';

/** Server-sent events: `overview` at first, after each change, and so often that silence means something is wrong. */
export function events(shown: Shown, gone: AbortSignal): HttpResponse {
  return respond(200, 'text/event-stream; charset=utf-8', stream(shown, gone), { 'x-accel-buffering': 'no' });
}

/** Also a page that knows nothing new must know that it is up to date. */
const quietMs = 15_000;
/** What was looked at behind the answers is told so soon after it. */
const lookEveryMs = 1_000;

type Event = { readonly id: number; readonly text: string };

/** One of these for all who listen: the event is made once, and whoever reads slowly gets the newest when he is ready, never a queue. */
type Hub = { latest: Event | null; listeners: number; waiting: Set<() => void>; failed: unknown };
const hubs = new WeakMap<Shown, Hub>();

async function* stream(shown: Shown, gone: AbortSignal): AsyncGenerator<string> {
  const hub = hubs.get(shown) ?? { latest: null, listeners: 0, waiting: new Set(), failed: null };
  hubs.set(shown, hub);
  hub.listeners += 1;
  if (hub.listeners === 1) void publish(shown, hub);
  try {
    yield 'retry: 2000\n\n';
    for (let sent = 0; !gone.aborted; ) {
      if (hub.failed !== null) throw hub.failed;
      if (hub.latest !== null && hub.latest.id !== sent) {
        sent = hub.latest.id;
        yield hub.latest.text;
      } else await next(hub, gone);
    }
  } finally {
    hub.listeners -= 1;
    if (hub.listeners === 0) hubs.delete(shown);
  }
}

/** Until the last one who listens is gone. */
async function publish(shown: Shown, hub: Hub): Promise<void> {
  try {
    let sent = '';
    for (let sentMs = 0; hub.listeners > 0; ) {
      const overview = shown.overview();
      const seen = withoutClocks(overview);
      if (seen !== sent || overview.atMs - sentMs >= quietMs || overview.atMs < sentMs) {
        const id = (hub.latest?.id ?? 0) + 1;
        hub.latest = { id, text: `id: ${id}\nevent: overview\ndata: ${JSON.stringify(overview)}\n\n` };
        sent = seen;
        sentMs = overview.atMs;
        for (const wake of [...hub.waiting]) wake();
      }
      await shown.changed(lookEveryMs);
    }
  } catch (error) {
    hub.failed = error;
    for (const wake of [...hub.waiting]) wake();
  }
}

/** What moves while nothing happens is no change. */
function withoutClocks({ atMs: _, daemon, health, breakers, ...rest }: Overview): string {
  const { lastPassAtMs: _pass, store, ...more } = daemon ?? { lastPassAtMs: 0, store: null };
  const { pool: _pool, queries: _queries, ...link } = store ?? {};
  // Reasons say how long ago something was.
  const components = health.components.map(({ evidence: _evidence, reason, ...it }) => [it, reason.replaceAll(/\d+/g, '')]);
  // Kept by the monotonic clock, said by the other one: two looks are a millisecond apart now and then.
  const states = breakers.map(({ sinceMs: _since, retryAfterMs: _retry, ...it }) => it);
  const parts = Object.entries(rest).map(([, it]) => (isPart(it) ? [it.value, it.problem] : it));
  return JSON.stringify([more, link, health.status, components, states, parts]);
}

const isPart = (it: unknown): it is { readonly value: unknown; readonly problem: string | null } =>
  typeof it === 'object' && it !== null && 'asOfMs' in it;

function next(hub: Hub, gone: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      hub.waiting.delete(wake);
      gone.removeEventListener('abort', wake);
      resolve();
    };
    hub.waiting.add(wake);
    gone.addEventListener('abort', wake, { once: true });
    if (gone.aborted) wake();
  });
}
