// The real HTTP server, its real guard and the dashboard as it was built; what is told over /api is made up, and can be made to fail.
import { dashboardFile } from '../../../src/cli/http/dashboard-file.ts';
import type { ActionRequest, Overview, SessionInfo, TodoDetail, TodoLine, TodoPage } from '../../../src/core/dashboard.ts';
import type { HttpResponse } from '../../../src/core/http.ts';
import { dashboardFiles } from '../../../src/observe/dashboard-files.ts';
import type { Page } from '../../../src/observe/page.ts';
import { json, type Problem, respond } from '../../../src/observe/respond.ts';
import { serve } from '../../../src/observe/serve.ts';
import { sessionPrefix, sessionsIn } from '../../../src/observe/sessions.ts';
import type { Shown } from '../../../src/observe/shown.ts';
import { clock } from '../../../src/platform/clock.ts';
import { digest } from '../../../src/platform/digest.ts';
import { type HttpServer, listenHttp } from '../../../src/platform/http-server.ts';
import { random } from '../../../src/platform/random.ts';
import { keepIn } from '../../../src/resilience/kept.ts';
import { keptInMemory } from '../../../src/resilience/kept-in-memory.ts';
import { degradedOverview, healthyOverview, todoDetail } from './documents.ts';

export type FakeServer = {
  readonly url: string;
  session: SessionInfo | null;
  overview: (atMs: number) => Overview;
  todos: readonly TodoLine[];
  detail: (line: TodoLine, atMs: number) => TodoDetail;
  /** The store is away: this is what was last seen of it. */
  stale: Pick<TodoPage, 'stale' | 'asOf' | 'storeError'>;
  /** refused: it answers, but there is no stream for us. */
  stream: 'open' | 'refused';
  /** Streams that are open now. */
  readonly streams: () => number;
  /** What was asked for with a body, with its idempotency key. */
  readonly acts: { path: string; body: unknown; key: string | undefined }[];
  readonly asked: string[];
  answerAct: (path: string, body: unknown) => HttpResponse | Problem;
  /** Tells who listens. */
  tell(): void;
  /** As if the process were gone, and back again at the same address. */
  stop(): Promise<void>;
  start(): Promise<void>;
};

const tokenSha256 = digest.sha256('no token is used here');
const unauthorized: Problem = { status: 401, code: 'UNAUTHORIZED', message: 'nobody is logged in' };

export const someone = (role: SessionInfo['role']): SessionInfo => ({
  role,
  actor: 'ada',
  expiresAtMs: Date.now() + 3_600_000,
  via: 'cookie',
  keptIn: 'sqlite',
});

export async function fakeServer(): Promise<FakeServer> {
  let server: HttpServer | null = null;
  let changed = Promise.withResolvers<void>();
  let open = 0;
  const hosts = new Set<string>();
  const now = (): Overview => fake.overview(Date.now());
  const known =
    (answer: Page['answer']): Page['answer'] =>
    (shown, asked) => {
      fake.asked.push(`${asked.request.path}?${asked.request.query}`);
      return fake.session === null ? unauthorized : answer(shown, asked);
    };
  const acting = (path: string): Page => ({
    method: 'POST',
    paths: [path],
    needs: 'nobody',
    answer: known((_, { request, body }) => {
      fake.acts.push({ path: request.path, body, key: request.headers['idempotency-key'] });
      return fake.answerAct(request.path, body);
    }),
  });
  const looking = (path: string, answer: Page['answer']): Page => ({ paths: [path], needs: 'nobody', answer: known(answer) });
  async function* stream(gone: AbortSignal): AsyncGenerator<string> {
    open++;
    try {
      while (!gone.aborted) {
        yield `event: overview\ndata: ${JSON.stringify(now())}\n\n`;
        const over = Promise.withResolvers<void>();
        gone.addEventListener('abort', () => over.resolve(), { once: true });
        await Promise.race([changed.promise, over.promise]);
      }
    } finally {
      open--;
    }
  }
  const table: readonly Page[] = [
    ...dashboardFiles,
    looking('/api/session', () => json(200, fake.session)),
    {
      method: 'POST',
      paths: ['/api/login'],
      needs: 'nobody',
      answer: (_, { body }) => {
        fake.acts.push({ path: '/api/login', body, key: undefined });
        if ((body as { code?: string }).code !== 'good-code')
          return { status: 401, code: 'BAD_CODE', message: 'this code is used or too old' };
        fake.session = someone('operator');
        return json(200, fake.session);
      },
    },
    {
      method: 'POST',
      paths: ['/api/logout'],
      needs: 'nobody',
      answer: () => {
        fake.session = null;
        return json(200, {});
      },
    },
    looking('/api/overview', () => json(200, now())),
    looking('/api/events', (_, { gone }) =>
      fake.stream === 'open'
        ? respond(200, 'text/event-stream; charset=utf-8', stream(gone))
        : { status: 503, code: 'TOO_MANY', message: 'there are too many streams' },
    ),
    looking('/api/todos', (_, { request }) => json(200, { ...pageOf(fake.todos, request.query), ...fake.stale })),
    looking('/api/todos/:id', (_, { params }) => {
      const line = fake.todos.find(({ id, number }) => id === params['id'] || String(number) === params['id']);
      return line === undefined
        ? { status: 404, code: 'NOT_FOUND', message: 'there is no such todo' }
        : json(200, fake.detail(line, Date.now()));
    }),
    looking('/api/todos/:id/report', () => json(200, { schemaVersion: 1, kind: 'report-link', url: '/reports/once', expiresAtMs: 0 })),
    {
      paths: ['/reports/:name'],
      needs: 'nobody',
      byLink: true,
      answer: () => respond(200, 'text/html; charset=utf-8', '<!doctype html><title>The report</title>'),
    },
    acting('/api/todos/actions'),
    acting('/api/dead-letters/:id/requeue'),
    acting('/api/breakers/:name'),
    acting('/api/heal'),
  ];
  const handler = serve(
    { dashboardFile } as Shown,
    {
      isOpen: false,
      hosts,
      tokenSha256,
      cookie: { name: 'todo-made-up' },
      sessions: sessionsIn(
        keepIn({ near: [keptInMemory(clock)], far: null, lasting: sessionPrefix, onChange() {} }, { clock, random }),
        { idleMs: 60_000, maxMs: 600_000 },
        { clock, random, digest },
      ),
      limits: async () => null,
      settings: { loginsPerMinute: 10, freshPerMinute: 6, statusCacheMs: 15_000 },
      served() {},
      onDefect: (error) => {
        throw error;
      },
    },
    { clock, random, digest },
    table,
  );
  const fake: FakeServer = {
    url: '',
    session: someone('operator'),
    overview: healthyOverview,
    todos: [],
    detail: (line, atMs) => todoDetail(line, atMs),
    stale: {},
    stream: 'open',
    streams: () => open,
    acts: [],
    asked: [],
    answerAct: (path, body) =>
      path === '/api/todos/actions' ? json(200, allDone(body as ActionRequest, fake.todos)) : json(200, { plans: [], results: [] }),
    tell() {
      changed.resolve();
      changed = Promise.withResolvers<void>();
    },
    async stop() {
      await server?.close();
      server = null;
    },
    async start() {
      const port = fake.url === '' ? 0 : Number(new URL(fake.url).port);
      server = await listenHttp('127.0.0.1', port, handler, (error) => {
        throw error;
      });
      hosts.add(`127.0.0.1:${server.port}`);
      (fake as { url: string }).url = `http://127.0.0.1:${server.port}`;
    },
  };
  await fake.start();
  return fake;
}

export { degradedOverview, healthyOverview };

/** As the contract says it: newest first, before a number, what fits. */
function pageOf(todos: readonly TodoLine[], query: URLSearchParams): TodoPage {
  const limit = Number(query.get('limit') ?? 100);
  const before = Number(query.get('before') ?? Number.POSITIVE_INFINITY);
  const statuses = (query.get('status') ?? '').split(',').filter((it) => it !== '');
  const q = (query.get('q') ?? '').toLowerCase();
  const found = todos.filter(
    ({ number, status, title, agent, project }) =>
      number < before &&
      (statuses.length === 0 || statuses.includes(status)) &&
      (q === '' || title.toLowerCase().includes(q) || String(number) === q) &&
      (query.get('agent') ?? agent) === agent &&
      (query.get('project') ?? project) === project,
  );
  const page = found.slice(0, limit);
  const isMore = found.length > limit;
  return { schemaVersion: 1, kind: 'todos', todos: page, truncated: isMore, next: isMore ? String(page.at(-1)!.number) : null };
}

function allDone({ todos: which }: ActionRequest, todos: readonly TodoLine[]) {
  const query = new URLSearchParams({ limit: '1000' });
  if ('matching' in which) for (const [name, value] of Object.entries(which.matching)) query.set(name, String(value));
  const ids = 'ids' in which ? which.ids : pageOf(todos, query).todos.map(({ id }) => id);
  return {
    schemaVersion: 1,
    kind: 'action',
    results: ids.map((id) => ({ id, number: null, ok: true, status: 'open', code: null, message: null })),
    truncated: false,
  };
}
