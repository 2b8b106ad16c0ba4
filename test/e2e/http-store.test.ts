// What is shown over HTTP while the store hangs or is gone, on a real MariaDB: answers come as quickly as ever, and say how old they are.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Json, testHome } from './harness.ts';
import { served } from './http-get.ts';

let server: Mariadb;
before(async () => {
  server = await startMariadb();
});
after(async () => {
  await server?.stop();
});

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const config = (prefix: string): Json => ({
  server: { port: 0 },
  store: { url: server.url(), table_prefix: prefix },
  behavior: { database_timeout: 2, health_check_interval: 1 },
  monitoring: { rescan: 0.2 },
  resource: { probe_interval: 1 },
  // Here it shall tell of the store that hangs, not start itself anew for it.
  restart: { per_hour: 0 },
});

test('[P-20] [P-30] MariaDB is stopped: the list of todos goes on answering within 100 ms, from the snapshot, and says so; when it is back the list is fresh', async (t) => {
  const home = await testHome(t, config('list_'));
  await home.daemon();
  const { ask } = await served(home);
  for (const title of ['one', 'two', 'three']) await home.add(`echo ${title}`, '--hold');
  const fresh = await ask('/api/todos');
  assert.deepEqual(
    [fresh.headers['x-cache'], fresh.json.todos.map((it: Json) => it.number), fresh.json.stale],
    ['miss', [3, 2, 1], undefined],
  );
  await home.until('the overview has looked', async () => (await ask('/api/overview')).json.todos.value?.open === 3);
  const snapshot = join(home.folder, 'snapshot.json');
  await home.until('the snapshot has them', () => existsSync(snapshot) && readFileSync(snapshot, 'utf8').includes('"number":3'));
  await server.kill9();
  await home.until('the breaker is open', async () => {
    const { json } = await ask('/status');
    return json.breakers.find(({ name }: Json) => name === 'store').state === 'open';
  });
  const answers = [];
  for (let turn = 0; turn < 15; turn++) answers.push(await ask('/api/todos?limit=2&status=open'));
  for (const { status, headers, json } of answers) {
    assert.deepEqual(
      [status, headers['x-cache'], json.stale, json.todos.map((it: Json) => it.number), json.truncated],
      [200, 'stale', true, [3, 2], true],
    );
    assert.ok(Date.parse(json.asOf) <= Date.now());
    assert.match(json.storeError, /breaker|ECONNREFUSED/);
  }
  // The same question narrowed, one todo, and what was last seen of all.
  assert.deepEqual(
    (await ask('/api/todos?q=TWO')).json.todos.map((it: Json) => it.title),
    ['echo two'],
  );
  assert.deepEqual((await ask('/api/todos?before=3&limit=1')).json.next, '2');
  const { json: one } = await ask('/api/todos/2');
  assert.deepEqual([one.stale, one.todo.title, one.notes, one.events[0].fact], [true, 'echo two', null, 'added']);
  const past = await home.until('the overview says that it is past', async () => {
    const { json } = await ask('/api/overview');
    return json.todos.problem !== null && json;
  });
  assert.deepEqual([past.todos.value, past.breakers.find(({ name }: Json) => name === 'store').state], [{ open: 3 }, 'open']);
  assert.ok(past.todos.asOfMs < past.atMs);
  const tookMs = median(answers.map((it) => it.tookMs));
  assert.ok(tookMs < 100, `half of them took more than ${tookMs} ms`);
  // What only the store knows is an error of one shape, and the server goes on.
  for (const path of ['/self-healing/history', '/api/health/history', '/self-healing/status']) {
    const { status, json } = await ask(path);
    assert.deepEqual([status, json.success, json.error.statusCode, json.error.path], [503, false, 503, path]);
  }
  const ready = await ask('/readyz');
  assert.deepEqual([ready.status, ready.json.reasons.map((it: Json) => it.dependency)], [503, ['store']]);
  assert.equal((await ask('/livez')).status, 200, 'a store that is away is no reason to restart');

  await server.restart();
  await home.until('it is fresh again', async () => (await ask('/api/todos')).headers['x-cache'] === 'miss');
  assert.equal((await ask('/readyz')).status, 200);
});

test('[P-31] [W-10] a store that hangs holds up no page: health, readiness and metrics answer at once and tell of it', async (t) => {
  const home = await testHome(t, config('hang_'));
  await home.daemon();
  const { ask } = await served(home);
  await home.until('it is well', async () => (await ask('/health')).json.health === 'healthy');
  server.freeze();
  try {
    const seen = await home.until('it is told', async () => {
      const health = await ask('/health');
      return health.json.checks.store[0].health === 'healthy' ? null : health;
    });
    assert.deepEqual([seen.status, seen.json.status], [200, 'warn']);
    assert.match(seen.json.checks.store[0].whatToDo, /todo store check/);
    for (const path of ['/health', '/readyz', '/api/metrics', '/livez', '/status', '/api/overview', '/api/status.html']) {
      const took = [];
      for (let turn = 0; turn < 15; turn++) took.push((await ask(path)).tookMs);
      assert.ok(median(took) < 50, `${path} took ${median(took)} ms; the store hangs for two seconds`);
    }
    assert.match((await ask('/metrics')).text, /^todo_store_up 0$/m);
  } finally {
    server.thaw();
  }
  await home.until('it is well again', async () => (await ask('/health')).json.health === 'healthy');
});
