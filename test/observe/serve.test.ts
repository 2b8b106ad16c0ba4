// The server as a function: who is let in, and what each page says, without a socket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayAct, type Role, roles, type TodoDetail } from '../../src/core/dashboard.ts';
import { OperationalError } from '../../src/core/errors.ts';
import type { HttpRequest, HttpResponse } from '../../src/core/http.ts';
import { pageNames } from '../../src/daemon/tally.ts';
import type { Door } from '../../src/observe/door.ts';
import { type Access, methodOf, type Page } from '../../src/observe/page.ts';
import { pages } from '../../src/observe/pages.ts';
import { asset, json } from '../../src/observe/respond.ts';
import { serve } from '../../src/observe/serve.ts';
import { sessionPrefix, sessionsIn } from '../../src/observe/sessions.ts';
import type { Shown, ShownHealth } from '../../src/observe/shown.ts';
import { digest } from '../../src/platform/digest.ts';
import { random } from '../../src/platform/random.ts';
import { keepIn } from '../../src/resilience/kept.ts';
import { keptInMemory } from '../../src/resilience/kept-in-memory.ts';
import { FakeClock } from '../resilience/fake-clock.ts';
import { anOverview } from './an-overview.ts';

const token = 'a'.repeat(43);
const me = '127.0.0.1:8420';
const cookieName = 'todo-8420-00000000';

test('who is asked under another name, by a page of another site, or in another way, refuses: on every page alike', async () => {
  for (const { paths } of pages)
    for (const path of paths) {
      assert.equal((await ask(path, { host: 'evil.example:8420', authorization: `Bearer ${token}` })).status, 421, path);
      assert.equal((await ask(path, { 'sec-fetch-site': 'cross-site', authorization: `Bearer ${token}` })).status, 403, path);
      assert.equal((await ask(path, { authorization: `Bearer ${token}` }, { method: 'PATCH' })).status, 405, path);
    }
  const notServed = await ask('/health', {}, { method: 'POST' });
  assert.deepEqual([notServed.status, notServed.headers['allow']], [405, 'GET, HEAD']);
  const { status, error } = await ask('/etc/passwd');
  assert.equal(status, 404);
  assert.deepEqual(Object.keys(error), ['code', 'message', 'statusCode', 'details', 'timestamp', 'path', 'requestId']);
});

/** Whoever adds a page says here who may ask for it. */
const needs: Readonly<Record<string, Access>> = {
  'GET /': 'nobody',
  'GET /dashboard/:name': 'nobody',
  'GET /livez': 'nobody',
  'GET /startupz': 'local',
  'GET /readyz': 'local',
  'GET /health': 'local',
  'GET /api/health': 'local',
  'GET /metrics': 'local',
  'GET /api/metrics': 'local',
  'GET /status': 'viewer',
  'GET /api/status': 'viewer',
  'GET /api/v1/system/status': 'viewer',
  'DELETE /api/status/cache': 'operator',
  'GET /api/overview': 'viewer',
  'GET /api/status.html': 'viewer',
  'GET /api/todos': 'viewer',
  'GET /api/todos/:id': 'viewer',
  'GET /api/todos/:id/report': 'viewer',
  'GET /r/:key/report.html': 'nobody',
  'POST /api/todos/actions': 'operator',
  'POST /api/dead-letters/:id/requeue': 'operator',
  'POST /retry-manager/requeue/:id': 'operator',
  'POST /api/breakers/:name': 'operator',
  'POST /api/heal': 'operator',
  'POST /health/trigger-healing': 'operator',
  'POST /self-healing/trigger-check': 'operator',
  'GET /health/status': 'local',
  'GET /health/history': 'viewer',
  'GET /health/metrics/history': 'viewer',
  'GET /health/metrics': 'viewer',
  'GET /self-healing/status': 'viewer',
  'GET /self-healing/history': 'viewer',
  'GET /self-healing/config': 'viewer',
  'PUT /self-healing/config': 'admin',
  'POST /health/thresholds/update': 'admin',
  'GET /circuit-breakers/status': 'viewer',
  'POST /circuit-breakers/:name/reset': 'operator',
  'GET /retry-manager/status': 'viewer',
  'GET /retry-manager/dead-letter-queue': 'viewer',
  'GET /api/health/history': 'viewer',
  'GET /api/ai/health': 'viewer',
  'GET /events': 'viewer',
  'GET /api/events': 'viewer',
  'POST /api/login-codes': 'admin',
  'POST /api/login': 'nobody',
  'POST /api/logout': 'viewer',
  'GET /api/session': 'viewer',
  'GET /api/sessions': 'viewer',
  'DELETE /api/sessions/:id': 'viewer',
};

test('every page × every role × every method, from this machine and from elsewhere: who may not is told so, and nobody else', async () => {
  const clock = new FakeClock();
  const sessions = sessionsOn(clock);
  const loggedIn = async (role: Role): Promise<HttpRequest['headers']> => {
    const { code } = sessions.newCode({ role, actor: 'ann' })!;
    const { secret } = (await sessions.login(code, '127.0.0.1'))!;
    return { cookie: `other=1; ${cookieName}=${secret}`, 'sec-fetch-site': 'same-origin' };
  };
  const askers: { role: Role | null; known: () => Promise<HttpRequest['headers']> }[] = [
    { role: null, known: async () => ({}) },
    { role: null, known: async () => ({ authorization: `Bearer ${'b'.repeat(43)}` }) },
    { role: null, known: async () => ({ cookie: `${cookieName}=${'b'.repeat(43)}` }) },
    { role: 'admin', known: async () => ({ authorization: `Bearer ${token}` }) },
    ...roles.map((role) => ({ role, known: () => loggedIn(role) })),
  ];
  const rows = pages.flatMap((page) => page.paths.map((path) => ({ path, method: methodOf(page) })));
  assert.deepEqual(rows.map(({ method, path }) => `${method} ${path}`).toSorted(), Object.keys(needs).toSorted(), 'a row for every page');
  const byPath = Map.groupBy(rows, ({ path }) => path);
  const wrong: string[] = [];
  for (const [path, at] of byPath)
    for (const { role, known } of askers)
      for (const isOpen of [false, true])
        for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']) {
          const served = at.some((it) => it.method === (method === 'HEAD' ? 'GET' : method));
          const wanted = needs[`${method === 'HEAD' ? 'GET' : method} ${path}`] ?? 'nobody';
          const least = wanted === 'nobody' || (wanted === 'local' && !isOpen) ? null : wanted === 'local' ? 'viewer' : wanted;
          const may = least === null || mayAct(role, least);
          const expected = !served ? 405 : may ? 'answered' : role === null ? 401 : 403;
          const { status, error } = await ask(
            path.replace(/:\w+/, 'x'),
            { ...(await known()), 'x-todo-request': '1' },
            { method, isOpen, sessions, cookie: { name: cookieName } },
          );
          const refused = /^(needs a login|this needs the role \w+, and yours)/.test(error?.message ?? '');
          const seen = status === 405 || refused ? status : 'answered';
          if (seen !== expected) wrong.push(`${method} ${path} as ${role}, open ${isOpen}: ${seen}, not ${expected}`);
        }
  assert.deepEqual(wrong, []);
});

test('health in the words of the standard: degraded and unknown are no reason to restart, unhealthy is', async () => {
  const said = async (status: ShownHealth['status']) => {
    const answer = await ask('/health', {}, {}, { health: () => healthOf(status) });
    const body = JSON.parse(answer.text);
    return [answer.status, body.status, body.health, body.checks.store[0].status, body.checks.store[0].whatToDo];
  };
  assert.deepEqual(await said('healthy'), [200, 'pass', 'healthy', 'pass', 'todo store check']);
  assert.deepEqual(await said('degraded'), [200, 'warn', 'degraded', 'warn', 'todo store check']);
  assert.deepEqual(await said('unknown'), [200, 'warn', 'unknown', 'warn', 'todo store check']);
  assert.deepEqual(await said('unhealthy'), [503, 'fail', 'unhealthy', 'fail', 'todo store check']);
});

test('live, started and ready are three questions', async () => {
  const away = [{ dependency: 'store', reason: 'connect ECONNREFUSED', sinceMs: 0 }];
  const shown = { notReady: () => away };
  assert.equal((await ask('/livez', {}, {}, shown)).status, 200, 'a store that is away is no reason to restart');
  const ready = await ask('/readyz', {}, {}, shown);
  assert.equal(ready.status, 503);
  assert.deepEqual(JSON.parse(ready.text).reasons, [
    { dependency: 'store', reason: 'connect ECONNREFUSED', since: '1970-01-01T00:00:00.000Z' },
  ]);
  assert.equal((await ask('/startupz', {}, {}, { starting: () => 'it takes up what an earlier daemon left' })).status, 503);
  const stuck = await ask('/livez', {}, {}, { stuck: () => 'its last pass was 5 min ago' });
  assert.deepEqual([stuck.status, JSON.parse(stuck.text)], [503, { status: 'fail', output: 'its last pass was 5 min ago' }]);
});

test('todos: bounds are told, and an answer from the snapshot says so', async () => {
  const authorized = { authorization: `Bearer ${token}` };
  assert.equal((await ask('/api/todos?limit=0', authorized)).status, 400);
  assert.match((await ask('/api/todos?status=opne', authorized)).error.message, /no status opne; known: open, /);
  const asked: unknown[] = [];
  const stale = { asOfMs: 0, why: 'the store is away' };
  const answer = await ask(
    '/api/todos?limit=7&status=open,finishing&q=100%25&agent=claude&project=/one&before=9',
    authorized,
    {},
    {
      async todos(what) {
        asked.push(what);
        return { todos: [], truncated: true, next: 5, stale };
      },
    },
  ); // prettier-ignore
  assert.deepEqual(asked, [{ limit: 7, statuses: ['open', 'finishing'], before: 9, text: '100%', agent: 'claude', project: '/one' }]);
  assert.equal(answer.headers['x-cache'], 'stale');
  const { storeError, next, truncated, asOf } = JSON.parse(answer.text);
  assert.deepEqual([storeError, next, truncated, asOf], ['the store is away', '5', true, '1970-01-01T00:00:00.000Z']);
  for (const query of ['before=x', 'before=-1', 'limit=1001', `q=${'x'.repeat(201)}`])
    assert.equal((await ask(`/api/todos?${query}`, authorized)).status, 400, query);
});

test('what was measured: since a time or of the last hour, and a store that is away is said, no defect', async () => {
  const authorized = { authorization: `Bearer ${token}` };
  assert.equal((await ask('/api/health/history?since=yesterday', authorized)).status, 400);
  assert.equal((await ask('/api/health/history?limit=6000', authorized)).status, 400);
  const asked: unknown[] = [];
  const shown: Partial<Shown> = {
    async history(question) {
      asked.push(question);
      return [];
    },
  };
  await ask('/api/health/history?since=2030-01-01T00:00:00Z&component=daemon&limit=5', authorized, {}, shown);
  await ask('/api/health/history', authorized, {}, shown);
  await ask('/health/history?from=5&to=2030-01-01T00:00:00Z&resource=cpu', authorized, {}, shown);
  assert.equal((await ask('/health/history?to=tomorrow', authorized)).status, 400);
  assert.deepEqual(asked[0], { sinceMs: Date.UTC(2030, 0), untilMs: null, component: 'daemon', limit: 5 });
  assert.deepEqual(asked[2], { sinceMs: 5, untilMs: Date.UTC(2030, 0), component: 'cpu', limit: 1000 });
  assert.equal((asked[1] as { component: null }).component, null);
  const defects: unknown[] = [];
  const away = new OperationalError('STORE_UNREACHABLE', { operation: 'reading', subject: 'measurements', why: 'it is away' });
  const answer = await ask(
    '/api/health/history',
    authorized,
    { onDefect: (error) => defects.push(error) },
    { history: () => Promise.reject(away) },
  );
  assert.deepEqual([answer.status, answer.error.code, defects], [503, 'STORE_UNREACHABLE', []]);
});

test('a defect behind a page is told to the log and not to the asker, and each answer is counted by its page', async () => {
  const defects: unknown[] = [];
  const counted: [string, number][] = [];
  const door = {
    onDefect: (error: unknown) => defects.push(error),
    served: (page: string, status: number) => counted.push([page, status]),
  };
  const broken = new Error('secret inside');
  const answer = await ask('/health', {}, door, {
    health() {
      throw broken;
    },
  });
  assert.equal(answer.status, 500);
  assert.doesNotMatch(answer.text, /secret/);
  assert.deepEqual(defects, [broken]);
  await ask('/nothing/there?at=all', {}, door);
  assert.deepEqual(counted, [
    ['/health', 500],
    ['other', 404],
  ]);
});

test('[P-20] every page whose answer throws is a 500 in the one body for errors, told to the log, and the server goes on', async () => {
  const atOnce = () => {
    throw new Error('secret inside');
  };
  const later = () => Promise.reject(new Error('secret inside'));
  const headers = { authorization: `Bearer ${token}`, 'x-todo-request': '1' };
  for (const page of pages)
    for (const [path, answering] of page.paths.flatMap((it) =>
      [atOnce, later].map((throws) => [it.replace(/:\w+/, 'x'), throws] as const),
    )) {
      const defects: unknown[] = [];
      const onDefect = (error: unknown) => defects.push(error);
      const answer = await ask(path, headers, { method: methodOf(page), table: [{ ...page, answer: answering }], onDefect });
      assert.deepEqual([answer.status, answer.error.code, defects.length], [500, 'INTERNAL', 1], `${methodOf(page)} ${path}`);
      assert.doesNotMatch(answer.text, /secret inside/);
    }
});

test('what changes something is taken from no form and no page of another origin, and as JSON only', async () => {
  const seen: unknown[] = [];
  const table: Page[] = [
    { paths: ['/api/things/:id'], needs: 'nobody', answer: (_, { params }) => json(200, params) },
    {
      method: 'POST',
      paths: ['/api/things/:id'],
      needs: 'operator',
      answer: (_, { params, body, by }) => {
        seen.push([params, body, by]);
        return json(200, null);
      },
    },
    { method: 'POST', paths: ['/api/things/all'], needs: 'nobody', answer: () => json(200, 'all') },
  ];
  const known = { authorization: `Bearer ${token}` };
  const ours = { ...known, 'x-todo-request': '1' };
  const send = async (headers: HttpRequest['headers'], more: Partial<Pick<HttpRequest, 'body' | 'flaw'>> = {}) => {
    const { status, error } = await ask('/api/things/a%2Fb', headers, { method: 'POST', table, body: '{"x":1}', ...more });
    return [status, error?.code ?? null];
  };
  assert.deepEqual(await send(ours), [200, null]);
  assert.deepEqual(seen, [[{ id: 'a/b' }, { x: 1 }, { role: 'admin', actor: 'token', via: 'token', session: null, expiresAtMs: null }]]);
  const rows: [HttpRequest['headers'], number][] = [
    [{ ...ours, origin: `http://${me}` }, 200],
    [{ ...ours, 'sec-fetch-site': 'same-origin', cookie: 'x=1' }, 200],
    [{ ...ours, origin: 'http://127.0.0.1:9999' }, 403],
    [{ ...ours, origin: 'null' }, 403],
    [{ ...ours, origin: me }, 403],
    [{ ...ours, 'sec-fetch-site': 'same-site' }, 403],
    [{ ...ours, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, 403],
    [{ ...ours, cookie: 'x=1' }, 403],
    [known, 403],
    [{ ...known, 'x-todo-request': '0' }, 403],
    [{ 'x-todo-request': '1' }, 401],
  ];
  for (const [headers, status] of rows) assert.equal((await send(headers))[0], status, JSON.stringify(headers));
  assert.deepEqual(await send(ours, { body: null, flaw: 'too-large' }), [413, 'TOO_LARGE']);
  assert.deepEqual(await send(ours, { body: null, flaw: 'not-json' }), [415, 'NOT_JSON']);
  assert.deepEqual(await send(ours, { body: null, flaw: 'not-text' }), [400, 'BAD_DATA']);
  assert.deepEqual(await send(ours, { body: '{' }), [400, 'BAD_DATA']);
  assert.equal((await ask('/api/things/all', ours, { method: 'POST', table })).text, '"all"\n', 'a plain path comes first');
  assert.deepEqual((await ask('/api/things/7', {}, { method: 'DELETE', table })).headers['allow'], 'GET, HEAD, POST');
  for (const path of ['/api/things/', '/api/things/%zz', '/api/things/7/more'])
    assert.equal((await ask(path, {}, { table })).status, 404, path);
});

test('a file of the dashboard: its own policy, bytes as they are, and a browser may be led to it from elsewhere', async () => {
  const bytes = new Uint8Array([0xff, 0x00, 0x7f]);
  const table: Page[] = [
    {
      paths: ['/'],
      needs: 'nobody',
      byLink: true,
      answer: () => asset('text/html; charset=utf-8', '<!doctype html>', { immutable: false }),
    },
    { paths: ['/assets/:name'], needs: 'nobody', answer: () => asset('font/woff2', bytes, { immutable: true }) },
  ];
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const page = await ask('/', link, { table });
  assert.deepEqual([page.status, page.headers['cache-control']], [200, 'no-cache']);
  assert.match(
    page.headers['content-security-policy'] ?? '',
    /^default-src 'none'; script-src 'self'; .*require-trusted-types-for 'script'$/,
  );
  assert.equal((await ask('/', { ...link, 'sec-fetch-dest': 'iframe' }, { table })).status, 403);
  const file = await ask('/assets/x', {}, { table });
  assert.equal(file.body, bytes);
  assert.equal(file.headers['cache-control'], 'public, max-age=31536000, immutable');
  assert.equal((await ask('/assets/x', link, { table })).status, 403, 'a file is no page');
});

test('each page is counted under its own name', () => {
  for (const { paths } of pages) assert.ok(pageNames.includes(paths[0] ?? ''), `${paths[0]} is missing in daemon/tally.ts`);
  const rows = pages.flatMap((page) => page.paths.map((path) => `${methodOf(page)} ${path}`));
  assert.deepEqual(rows, [...new Set(rows)], 'one page for each method of a path');
});

test('no answer may be kept, framed, sniffed or read across sites', async () => {
  const { headers } = await ask('/health');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.match(headers['content-security-policy'] ?? '', /default-src 'none'.*frame-ancestors 'none'/);
  assert.equal(
    Object.keys(headers).some((name) => name.startsWith('access-control-')),
    false,
  );
});

async function ask(
  target: string,
  headers: HttpRequest['headers'] = {},
  {
    method = 'GET',
    body = null,
    flaw = null,
    table,
    ...door
  }: Partial<Door> & Partial<Pick<HttpRequest, 'method' | 'body' | 'flaw'>> & { readonly table?: readonly Page[] } = {},
  shown: Partial<Shown> = {},
) {
  const clock = new FakeClock();
  const handler = serve(
    { ...usual, ...shown },
    {
      isOpen: false,
      hosts: new Set([me]),
      tokenSha256: digest.sha256(token),
      cookie: { name: cookieName },
      sessions: sessionsOn(clock),
      limits: async () => null,
      settings: { loginsPerMinute: 10, freshPerMinute: 6, statusCacheMs: 15_000 },
      served() {},
      onDefect() {},
      ...door,
    },
    { clock, random, digest },
    table,
  );
  const { pathname: path, searchParams: query } = new URL(target, `http://${me}`);
  const gone = new AbortController();
  gone.abort();
  const request = { method, path, query, headers: { host: me, ...headers }, body, flaw, from: '127.0.0.1' };
  const response = await handler(request, gone.signal);
  const text = await textOf(response);
  return { ...response, text, error: response.status >= 400 && text.startsWith('{"success"') ? JSON.parse(text).error : null };
}

function sessionsOn(clock: FakeClock) {
  const near = [keptInMemory(clock)];
  const keep = keepIn({ near, far: null, lasting: sessionPrefix, onChange() {} }, { clock, random });
  return sessionsIn(keep, { idleMs: 60_000, maxMs: 600_000 }, { clock, random, digest });
}

async function textOf({ body }: HttpResponse): Promise<string> {
  if (typeof body === 'string') return body;
  return body instanceof Uint8Array ? new TextDecoder().decode(body) : (await Array.fromAsync(body)).join('');
}

const healthOf = (status: ShownHealth['status']): ShownHealth => ({
  status,
  components: [{ name: 'store', status, reason: 'as it is', sinceMs: 0, whatToDo: 'todo store check' }],
  findings: [],
  lookedAtMs: 0,
});

const usual: Shown = {
  version: '1',
  pid: 1,
  stuck: () => null,
  starting: () => null,
  notReady: () => [],
  health: () => healthOf('healthy'),
  runners: () => ({ overall: 'healthy', agents: [] }),
  status: () => ({}),
  lookAnew: async () => {},
  counts: async () => ({}),
  todos: async () => ({ todos: [], truncated: false, next: null, stale: null }),
  overview: anOverview,
  todo: async () => ({}) as TodoDetail,
  linkReport: async () => ({ key: 'key', expiresAtMs: 1 }),
  linkedReport: async () => ({ html: '', policy: '' }),
  look: async () => ({ count: 0, items: [] }) as never,
  healed: async () => [],
  healingConfig: async () => ({ version: '1', values: {}, needsRestart: [] }),
  statusPage: () => ({ html: '', policy: '' }),
  actions: null,
  history: async () => [],
  families: () => [],
  dashboardFile: async () => new TextEncoder().encode('a file'),
  changed: async () => {},
};
