// What a daemon shows over HTTP, to people, probes and a real Prometheus.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../fixtures/free-port.ts';
import { promtoolSays, startPrometheus } from '../fixtures/prometheus.ts';
import { type Json, testHome, todoProgram } from './harness.ts';
import { get, served } from './http-get.ts';

test('a daemon with server.port serves on loopback, announces where, and keeps its secret private; without it nothing listens', async (t) => {
  const home = await testHome(t, { server: { port: 0 } });
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

test('who looks on gets each change as an event, and how it is at first', async (t) => {
  const home = await testHome(t, { server: { port: 0 } });
  await home.daemon();
  const { url, token } = await served(home);
  const over = new AbortController();
  t.after(() => over.abort());
  const stream = await fetch(`${url}/events`, { headers: { authorization: `Bearer ${token}` }, signal: over.signal });
  assert.equal(stream.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  let text = '';
  const pieces = stream.body!.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  const until = async (what: RegExp): Promise<void> => {
    while (!what.test(text)) {
      const { value, done } = await pieces.next();
      if (done) throw new Error(`the stream ended without ${what}:\n${text}`);
      text += value;
    }
  };
  await until(/^id: 1\nevent: status\ndata: \{"daemon":\{"pid":\d+.*"live":\[\]/m);
  const { number } = await home.add('read word < go; true');
  await until(new RegExp(`"number":${number},"title":"read word < go; true"`));
  assert.doesNotMatch(text, new RegExp(token), 'the secret is in no answer');
});

test('a home is shown without its daemon, from store and journal alone, and nothing in it changes', async (t) => {
  const home = await testHome(t);
  const { number } = await home.add('true');
  const fixture = join(import.meta.dirname, '..', 'fixtures', 'serve-home.ts');
  const env = { ...process.env, TODO_HOME: home.folder };
  const observer = spawn(process.execPath, [fixture], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => observer.kill('SIGKILL'));
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
  observer.kill('SIGTERM');
  assert.deepEqual(await once(observer, 'exit'), [0, null]);
  assert.equal(existsSync(join(home.folder, 'dashboard.json')), false);
});

function readLog(path: string): Json[] {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  return text.split('\n').flatMap((line) => (line.startsWith('{') && line.endsWith('}') ? [JSON.parse(line)] : []));
}

/** Prometheus scrapes each second and tells nobody. */
async function seen(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await look()); looks++) {
    if (looks > 100) throw new Error(`not seen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
