// What a daemon shows over HTTP, to people, probes and a real Prometheus.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { freePort } from '../fixtures/free-port.ts';
import { promtoolSays, startPrometheus } from '../fixtures/prometheus.ts';
import { asking, login, session } from './browser.ts';
import { type Json, testHome, todoProgram } from './harness.ts';
import { get, served } from './http-get.ts';

test('a daemon with server.port serves on loopback, announces where, and keeps its secret private; without it nothing listens', async (t) => {
  const home = await testHome(t, { server: { port: 0 }, resource: { interval: 0.5 } });
  const daemon = await home.daemon();
  const { url, token } = await served(home);
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.equal(statSync(join(home.folder, 'http.token')).mode & 0o777, 0o600);
  assert.equal((await home.json(['daemon', 'status'])).server.url, url);
  assert.equal((await get(`${url}/livez`)).status, 200);
  assert.equal((await get(`${url}/startupz`)).status, 200);
  assert.equal((await get(`${url}/status`)).status, 401);
  const status = await get(`${url}/status`, { authorization: `Bearer ${token}` });
  assert.equal(status.json.daemon.pid, daemon.process.pid);
  assert.equal((await get(`${url}/health`, { host: 'rebound.example' })).status, 421);
  const measured = await home.until('what was measured is there', async () => {
    const { json } = await get(`${url}/api/health/history?component=daemon`, { authorization: `Bearer ${token}` });
    return json.rows.length > 0 && json;
  });
  assert.ok(measured.rows[0].figures.rss_mb.avg > 10);
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  assert.equal(existsSync(join(home.folder, 'http.json')), false, 'the address goes with the server');
  const silent = await testHome(t);
  await silent.daemon();
  assert.equal((await silent.json(['daemon', 'status'])).server, null);
  assert.doesNotMatch((await silent.todo(['daemon', 'status'])).stdout, /HTTP/);
  assert.equal(existsSync(join(silent.folder, 'http.token')), false);
});

test('[P-27] a real Prometheus scrapes the daemon, and its counters say what was completed; the page is clean for promtool in both ways to it', async (t) => {
  const home = await testHome(t, { server: { port: 0 } });
  await home.daemon();
  const { url } = await served(home);
  const prometheus = await startPrometheus(new URL(url).host);
  t.after(() => prometheus.stop());
  const value = async (expression: string): Promise<number | undefined> => (await prometheus.query(expression))[0]?.value;
  await seen('before the first todo', async () => (await value('todo_completions_total{outcome="done"}')) === 0);
  const { id } = await home.add('echo made', '--check', 'true');
  await home.untilTodo(id, 'completed', (todo) => todo.status === 'completed');
  await seen('the completed todo', async () => (await value('todo_completions_total{outcome="done"}')) === 1);
  assert.equal(await value('todo_completed_total{proof="verified"}'), 1);
  assert.equal(await value('todo_completion_duration_seconds_count'), 1);
  assert.equal(await value('up{job="todo"}'), 1);
  assert.equal(await value('sum(todo_health_status)'), 0);
  assert.equal(await value('todo_breaker_state{dependency="store",state="closed"}'), 1);
  await seen('its own visits', async () => ((await value('todo_http_requests_total{page="/metrics",code="200"}')) ?? 0) >= 1);
  assert.deepEqual(await prometheus.target(), { ...(await prometheus.target()), health: 'up', lastError: '' });

  const overHttp = await get(`${url}/api/metrics`);
  assert.equal(overHttp.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const { stdout: overSocket } = await home.todo(['metrics']);
  for (const text of [overHttp.text, overSocket]) {
    assert.match(text, /^todo_completions_total\{outcome="done"\} 1$/m);
    assert.equal(promtoolSays(text), '');
  }
  assert.notEqual(promtoolSays('# TYPE x_total gauge\nx_total 1\n'), '', 'the linter has teeth');
});

test('[P-47] SystemDegraded fires in a real Prometheus while a daemon is degraded, and ends with it', async (t) => {
  const home = await testHome(t, {
    server: { port: 0 },
    behavior: { enable_emergency_handlers: false },
    resource: { probe_interval: 0.5, interval: 0.5 },
  });
  await home.daemon();
  const { url, ask } = await served(home);
  const { stdout: shipped } = await home.todo(['metrics', '--rules']);
  assert.match(shipped, /- alert: SystemDegraded\n +expr: "todo_health_status == 1"\n +for: 5m\n/);
  // That five minutes are five minutes is proved beside (test/observe/alerts.test.ts).
  const rules = join(home.folder, 'alerts.yml');
  writeFileSync(rules, shipped.replaceAll(/for: \d+[mhd]$/gm, 'for: 2s'));
  const prometheus = await startPrometheus(new URL(url).host, { rules: [rules] });
  t.after(() => prometheus.stop());
  const firing = async (): Promise<string[]> =>
    (await prometheus.query('ALERTS{alertname="SystemDegraded",alertstate="firing"}')).map(({ metric }) => metric['component'] ?? '');
  await seen('it fires', async () => (await firing()).includes('timers'));
  await home.json(['config', 'set', 'behavior.enable_emergency_handlers', 'true']);
  await seen('it is over', async () => (await firing()).length === 0 && (await ask('/health')).json.checks.timers[0].health === 'healthy');
  assert.equal((await prometheus.query('ALERTS{alertname="TodoHeartbeat",alertstate="firing"}')).length, 1);
});

test('a port that somebody has: the daemon lives, says who has it, and serves when it is free', async (t) => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const home = await testHome(t, { server: { port } });
  await home.daemon();
  const said = await home.until('it says who has the port', () =>
    home.log('monitor').find(({ event }) => event === 'HTTP cannot be served yet'),
  );
  assert.match(said.reason, new RegExp(`^port ${port} is taken by process ${process.pid} \\(.*node`));
  const { components } = await home.json(['health'], { code: 1 });
  const server = components.find(({ name }: Json) => name === 'server');
  assert.deepEqual([server.status, server.reason], ['degraded', said.reason]);
  other.close();
  await once(other, 'close');
  assert.equal((await served(home)).url, `http://127.0.0.1:${port}`);
  assert.equal((await home.json(['health'])).status, 'healthy');
});

test('another address than this machine needs an explicit word', async (t) => {
  const home = await testHome(t, { server: { port: 0, host: '0.0.0.0' } });
  const { code, stderr } = await home.todo(['daemon', 'run']);
  assert.equal(code, 78);
  assert.match(stderr, /"server\.host": an address of this machine alone .*set server\.allow_remote/);
});

test('a watchdog keeps a daemon by its HTTP pages: one that is stopped (SIGSTOP) answers nothing and is started again, the port is its own again', async (t) => {
  const port = await freePort();
  const home = await testHome(t, { server: { port } });
  const options = ['--name', 'by-http', '--check-interval', '500ms', '--timeout', '2s', '--grace', '1s', '--steady', '500ms'];
  const probe = ['--health', `http://127.0.0.1:${port}/livez`];
  home.start(['watchdog', ...options, ...probe, '--', todoProgram, 'daemon', 'run', '--home', home.folder]);
  const { url } = await served(home);
  const watched = () => readLog(join(home.folder, 'logs', 'watchdog_logs', 'monitor.log'));
  await home.until('healthy by HTTP', () => watched().some(({ event }) => event === 'watchdog: healthy'));
  const first = await home.json(['daemon', 'status']);
  const gone = AbortSignal.timeout(1000);
  process.kill(first.pid, 'SIGSTOP');
  await assert.rejects(fetch(`${url}/livez`, { signal: gone }), 'nothing answers');
  await home.until('it is started again', () => watched().some(({ event }) => event === 'watchdog: recovered'));
  const next = await home.json(['daemon', 'status']);
  assert.notEqual(next.pid, first.pid);
  assert.equal((await get(`${url}/livez`)).status, 200, 'at the same address');
});

test('[W-28] the four links: watchdog to daemon by HTTP, a page to the daemon by HTTP and events, the starter to its watchdog as a process, the watchdog to its log', async (t) => {
  const port = await freePort();
  const home = await testHome(t, { server: { port } });
  const options = ['--name', 'by-http', '--check-interval', '300ms', '--timeout', '30s', '--debug'];
  const watchdog = home.start([
    'watchdog',
    ...options,
    '--health',
    `http://127.0.0.1:${port}/livez`,
    '--',
    todoProgram,
    'daemon',
    'run',
    '--home',
    home.folder,
  ]);
  const { url, token, ask } = await served(home);
  // Watchdog to daemon, and to its log: each probe is written down there, and the daemon has answered it.
  const probes = () =>
    readLog(join(home.folder, 'logs', 'watchdog_logs', 'monitor.log')).filter(({ event }) => event === 'watchdog: probe');
  await home.until('three good probes', () => probes().filter(({ verdict }) => verdict === 'good').length >= 3);
  const answered = /^todo_http_requests_total\{page="\/livez",code="200"\} (\d+)$/m.exec((await ask('/metrics')).text)?.[1];
  assert.ok(Number(answered) >= 3, `the daemon answered ${answered} of them`);
  // A page to the daemon: what is asked, and what comes by itself.
  assert.equal((await ask('/status')).json.daemon.live.length, 0);
  const seen = await follow(t, url, token);
  await seen(/^id: 1\nevent: overview\ndata: \{"schemaVersion":1,.*"daemon":\{"pid":\d+.*"live":\[\]/m);
  const go = join(home.work, 'go');
  execFileSync('mkfifo', [go]);
  const { number } = await home.add('read word < go; true');
  const text = await seen(new RegExp(`"number":${number},"title":"read word < go; true"`));
  assert.doesNotMatch(text, new RegExp(token), 'the secret is in no answer');
  writeFileSync(go, 'word\n');
  watchdog.process.kill('SIGTERM');
  await watchdog.ended;

  // The starter to its watchdog: a process that it has started and that ends with it.
  const other = await testHome(t, { behavior: { drain_timeout: 5 } });
  const starter = other.start(['start', '--all']);
  await starter.says('Ready after');
  const { children } = JSON.parse(readFileSync(join(other.folder, 'started.json'), 'utf8'));
  const pid = children.find(({ name }: Json) => name === 'watchdog').process.pid;
  assert.equal(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('watchdog'), true);
  assert.equal((await get(`${(await served(other)).url}/livez`)).status, 200, '--all: what it shows is there, at any free port');
  starter.process.kill('SIGINT');
  assert.equal((await starter.ended).code, 0);
  assert.equal(existsSync(`/proc/${pid}`), false);
});

test('[W-35] in production the daemon listens on 127.0.0.1 alone, and watches its home and nothing of its own program: a changed source starts nothing anew', async (t) => {
  const home = await testHome(t, { server: { port: 0 } });
  const { process: daemon } = await home.daemon();
  const { url } = await served(home);
  const ports = listeners(daemon.pid!);
  assert.deepEqual(ports, [`0100007F:${Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0')}`]);
  const inodes = watchedInodes(daemon.pid!);
  assert.ok(inodes.length > 0, 'the home is watched');
  const program = join(import.meta.dirname, '..', '..');
  const own = [
    'src',
    'dist',
    'bin',
    'package.json',
    ...['src', 'dist', 'bin'].flatMap((folder) => readdirSync(join(program, folder)).map((name) => join(folder, name))),
  ];
  const watched = own.filter((path) => inodes.includes(statSync(join(program, path)).ino.toString(16)));
  assert.deepEqual(watched, []);
  const still = await testHome(t, { server: { port: 0 }, monitoring: { watcher: false } });
  const { process: unwatching } = await still.daemon();
  assert.deepEqual(watchedInodes(unwatching.pid!), [], 'without a watcher nothing is watched');
  const { id } = await still.add('true');
  await still.untilTodo(id, 'completed all the same', ({ status }) => status === 'completed');
});

test('a home is shown without its daemon, from store and journal alone, and nothing in it changes', async (t) => {
  const home = await testHome(t);
  const { number } = await home.add('true');
  const observer = home.start(['start', '--dashboard-only']);
  const { url, ask } = await served(home, 'dashboard.json');
  assert.equal((await ask('/livez')).status, 200);
  const ready = await ask('/readyz');
  assert.deepEqual([ready.status, ready.json.reasons[0].reason], [503, 'no daemon of this home answers; nothing takes todos']);
  const health = await ask('/health');
  assert.deepEqual([health.json.health, health.json.checks.daemon[0].health], ['degraded', 'degraded']);
  assert.deepEqual(
    (await ask('/api/todos')).json.todos.map((it: Json) => [it.number, it.status]),
    [[number, 'open']],
  );
  assert.equal(promtoolSays((await ask('/metrics')).text), '');
  assert.equal((await get(`${url}/status`)).status, 401);
  assert.equal((await home.show(number)).status, 'open');
  const viewer = await login(home, url, 'viewer');
  assert.deepEqual(
    [(await session(url, viewer)).json.role, (await asking('GET', `${url}/api/todos`, viewer)).json.todos.length],
    ['viewer', 1],
  );
  assert.match(observer.stderr(), new RegExp(`serving HTTP url=${url}`));
  observer.process.kill('SIGTERM');
  assert.equal((await observer.ended).code, 0);
  assert.equal(existsSync(join(home.folder, 'dashboard.json')), false);
});

/** What comes by `/events`, until it has what is looked for. */
async function follow(t: TestContext, url: string, token: string): Promise<(what: RegExp) => Promise<string>> {
  const over = new AbortController();
  t.after(() => over.abort());
  const stream = await fetch(`${url}/events`, { headers: { authorization: `Bearer ${token}` }, signal: over.signal });
  assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  const pieces = stream.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let text = '';
  return async (what) => {
    while (!what.test(text)) {
      const { value, done } = await pieces.next();
      if (done) throw new Error(`the stream ended without ${what}:\n${text}`);
      text += value;
    }
    return text;
  };
}

/** Local addresses (hex) of the TCP sockets at which that process listens. */
function listeners(pid: number): string[] {
  const sockets = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1] ?? []);
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && sockets.includes(fields[9] ?? ''))
      .map((fields) => fields[1] ?? ''),
  );
}

/** Inodes (hex) that its inotify watches name. */
function watchedInodes(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fdinfo`).flatMap((fd) =>
    [...(tryRead(`/proc/${pid}/fdinfo/${fd}`) ?? '').matchAll(/^inotify wd:\S+ ino:(\S+)/gm)].map(([, inode]) => inode!),
  );
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return '';
  }
}

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function readLog(path: string): Json[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const lines = text.split('\n').slice(0, -1);
  return lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
}

/** Prometheus scrapes each second and tells nobody. */
async function seen(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await look()); looks++) {
    if (looks > 100) throw new Error(`not seen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
