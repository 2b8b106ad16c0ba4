import type { HttpResponse } from '../core/http.ts';
import { within } from './counted.ts';
import type { Asked, Page } from './page.ts';
import { json, type Problem } from './respond.ts';
import type { Shown } from './shown.ts';

/** All of a daemon, and the overview of the dashboard. `?fresh=1`: what is asked of the store is asked now, some times a minute. */
export const statusPages: readonly Page[] = [
  { paths: ['/status', '/api/status', '/api/v1/system/status'], needs: 'viewer', answer: status },
  { method: 'DELETE', paths: ['/api/status/cache'], needs: 'operator', answer: reset },
  { paths: ['/api/overview'], needs: 'viewer', answer: overview },
];

/** What the process knows by itself is of this moment; what it asks of the store is kept (`server.status_cache`), and says so. */
async function status(shown: Shown, asked: Asked): Promise<HttpResponse | Problem> {
  const fresh = isFresh(asked);
  const no = fresh ? await tooFresh(asked) : null;
  if (no !== null) return no;
  const { value, asOfMs, problem, lookedAtMs, isKept } = await asked.counts.get(fresh);
  return json(
    200,
    {
      schemaVersion: 1,
      kind: 'status',
      ...shown.status(),
      todos: { value, asOfMs, problem },
      from_cache: isKept,
      cached_at: new Date(lookedAtMs).toISOString(),
      cache_age_seconds: Math.max(0, Math.round((asked.nowMs - lookedAtMs) / 100) / 10),
    },
    { 'x-cache': isKept ? 'hit' : 'miss' },
  );
}

async function reset(_: Shown, { counts }: Asked): Promise<HttpResponse> {
  await counts.forget();
  return json(200, { schemaVersion: 1, kind: 'cache-reset' });
}

/** Whoever asks for it by hand waits for what hangs, but not for long. */
const waitsMs = 2_000;

async function overview(shown: Shown, asked: Asked): Promise<HttpResponse | Problem> {
  if (isFresh(asked)) {
    const no = await tooFresh(asked);
    if (no !== null) return no;
    await within(waitsMs, shown.lookAnew(), asked.clock);
  }
  return json(200, shown.overview());
}

const isFresh = ({ request }: Asked): boolean => request.query.get('fresh') === '1';

const tooFresh = ({ by, door, request }: Asked): Promise<Problem | null> =>
  door.limits([
    { what: 'fresh', who: by.session ?? (by.via === 'token' ? by.via : request.from), perMinute: door.settings.freshPerMinute },
  ]);
