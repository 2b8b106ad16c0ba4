// What a daemon shows over HTTP, to people, probes and a real Prometheus.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../fixtures/free-port.ts';
import { promtoolSays, startPrometheus } from '../fixtures/prometheus.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { get } from './http-get.ts';

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
  assert.equal(statSync(join(home.folder, 'http.json'), { throwIfNoEntry: false }), undefined, 'the address goes with the server');
  const silent = await testHome(t);
  await silent.daemon();
  assert.equal((await silent.json(['daemon', 'status'])).server, null);
  assert.doesNotMatch((await silent.todo(['daemon', 'status'])).stdout, /HTTP/);
  assert.equal(statSync(join(silent.folder, 'http.token'), { throwIfNoEntry: false }), undefined);
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

async function served(home: TestHome): Promise<{ url: string; token: string }> {
  const address = await home.until('it serves', async () => {
    const { server } = await home.json(['daemon', 'status']);
    return server?.url === null ? null : JSON.parse(readFileSync(join(home.folder, 'http.json'), 'utf8'));
  });
  return { url: address.url, token: readFileSync(join(home.folder, 'http.token'), 'utf8').trim() };
}

/** Prometheus scrapes each second and tells nobody. */
async function seen(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; !(await look()); looks++) {
    if (looks > 100) throw new Error(`not seen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
