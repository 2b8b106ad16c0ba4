import type { HttpResponse } from '../core/http.ts';
import { apiPages } from './api-pages.ts';
import { dashboardFiles } from './dashboard-files.ts';
import { contentTypes, exposition, formatFor } from './exposition.ts';
import { healingPages } from './healing-pages.ts';
import { healthDocument } from './health-document.ts';
import { limitIn } from './limit-in.ts';
import type { Asked, Page } from './page.ts';
import { json, type Problem, respond } from './respond.ts';
import { sessionPages } from './session-pages.ts';
import type { Shown } from './shown.ts';
import { statusPages } from './status-pages.ts';

/** The first path is the name of the page in its own metrics. */
export const pages: readonly Page[] = [
  ...dashboardFiles,
  { paths: ['/livez'], needs: 'nobody', answer: (shown) => probe(shown.stuck(), 'live') },
  { paths: ['/startupz'], needs: 'local', answer: (shown) => probe(shown.starting(), 'started') },
  { paths: ['/readyz'], needs: 'local', answer: ready },
  { paths: ['/health', '/api/health', '/health/status'], needs: 'local', answer: health },
  { paths: ['/api/ai/health'], needs: 'viewer', answer: runners },
  { paths: ['/metrics', '/api/metrics'], needs: 'local', answer: metrics },
  ...statusPages,
  { paths: ['/api/health/history', '/health/history', '/health/metrics/history'], needs: 'viewer', answer: history },
  ...apiPages,
  ...healingPages,
  ...sessionPages,
];

const healthType = 'application/health+json; charset=utf-8';

const probe = (why: string | null, word: string): HttpResponse =>
  respond(
    why === null ? 200 : 503,
    healthType,
    `${JSON.stringify(why === null ? { status: 'pass', output: word } : { status: 'fail', output: why })}\n`,
  );

/** With a dependency away it may still be restarted for nothing: who restarts asks /livez, who sends work asks here. */
function ready(shown: Shown): HttpResponse {
  const reasons = shown.notReady();
  const body = { ready: reasons.length === 0, reasons: reasons.map(({ sinceMs, ...it }) => ({ ...it, since: isoOf(sinceMs) })) };
  return json(reasons.length === 0 ? 200 : 503, body);
}

function health(shown: Shown): HttpResponse {
  const document = healthDocument(shown.health(), shown);
  // Watchdogs restart on `fail`; to be degraded is no reason for that.
  return respond(document.status === 'fail' ? 503 : 200, healthType, `${JSON.stringify(document)}\n`);
}

/** The providers of work, as an earlier system named them. Of the last looks: nobody is asked for a request. */
function runners(shown: Shown): HttpResponse {
  const { overall, agents } = shown.runners();
  return json(200, { overall, providers: agents.map(({ agent, status, reason }) => ({ provider: agent, status, reason })) });
}

function metrics(shown: Shown, { request }: Asked): HttpResponse {
  const format = formatFor(request.headers['accept']);
  return respond(200, contentTypes[format], exposition(shown.families(), format));
}

const historyRows = { usual: 1000, most: 5000 };
const hourMs = 3_600_000;

/** From a time (UTC milliseconds, or as ISO 8601) to another, else of the last hour; of one component or of all. */
async function history(shown: Shown, { request: { query }, nowMs }: Asked): Promise<HttpResponse | Problem> {
  const [since, until] = [query.get('since') ?? query.get('from'), query.get('to')];
  const sinceMs = since === null ? nowMs - hourMs : timeIn(since);
  if (sinceMs === null) return { status: 400, code: 'BAD_DATA', message: `since must be a time, got ${since}` };
  const untilMs = until === null ? null : timeIn(until);
  if (until !== null && untilMs === null) return { status: 400, code: 'BAD_DATA', message: `to must be a time, got ${until}` };
  const limit = limitIn(query, historyRows);
  if (typeof limit === 'string') return { status: 400, code: 'BAD_DATA', message: limit };
  const component = query.get('component') ?? query.get('resource');
  const rows = await shown.history({ sinceMs, untilMs, component, limit });
  return json(200, {
    schemaVersion: 1,
    kind: 'health-history',
    sinceMs,
    untilMs,
    component,
    truncated: rows.length === limit,
    rows: rows.map(({ id: _id, host: _host, ...row }) => row),
  });
}

function timeIn(text: string): number | null {
  const atMs = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isSafeInteger(atMs) ? atMs : null;
}

const isoOf = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString());
