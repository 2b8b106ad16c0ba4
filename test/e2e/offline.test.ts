// The network to the store is cut: work goes on here, looks are answered from what was seen last, and what waited goes through once. On MariaDB behind a proxy.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';

const behind = mariadbBehindProxy();

const behavior = { quiet_after: 0.1, term_grace: 1, health_check_interval: 0.5 };
const slots = { total: 20, agent: 20, project: 20 };
const waits = (pipe: string): string => `mkfifo ${pipe}; read word < ${pipe}; echo original of ${pipe}`;
const go = (home: TestHome, pipe: string): void => writeFileSync(join(home.work, pipe), 'on\n');

async function rows(sql: string): Promise<Json[]> {
  const connection = await behind.server.connect();
  try {
    return (await connection.query(sql))[0] as Json[];
  } finally {
    await connection.end();
  }
}

test('[H-10] [H-20] [H-72] the network is cut: runs end here and wait, looks are answered from the snapshot, over kill -9; then all goes through in order and once', async (t) => {
  const home = await testHome(t, {
    behavior,
    slots,
    monitoring: { rescan: 0.2 },
    policies: { record: { max_retries: 100, initial_delay: 0.1, max_delay: 0.2 } },
    // One connection: what is sent first is written first, so that the order can be read from the rows.
    store: { url: behind.server.url(behind.proxy.port), table_prefix: 'o_', pool: 1 },
  });
  const first = await home.daemon();
  const pipes = ['a', 'b', 'c'];
  for (const pipe of pipes) await home.add(waits(pipe));
  const held = await home.add('true', '--hold');
  for (const n of [1, 2, 3]) await home.untilTodo(n, 'runs', (todo) => todo.status === 'running');
  const snapshot = join(home.folder, 'snapshot.json');
  const seen = (): Json => JSON.parse(existsSync(snapshot) ? readFileSync(snapshot, 'utf8').split('\n')[0]! : '{"todos":[]}');
  const inOrder = ['open', 'running', 'running', 'running'];
  const known = await home.until('all of it was seen', () => {
    const now = seen();
    return now.todos.map((it: Json) => it.todo.status).join() === inOrder.join() ? now : null;
  });
  assert.equal(statSync(snapshot).mode & 0o777, 0o600);

  await behind.away();
  for (const [index, pipe] of pipes.entries()) {
    go(home, pipe);
    await home.until('it ended here', () => home.log('completion').some((line) => line.event === 'reported' && line.todo === index + 1));
  }
  const list = await home.json(['list']);
  assert.deepEqual([list.stale, list.asOfMs, list.truncated], [true, known.atMs, false]);
  assert.match(list.storeError, /STORE_UNREACHABLE/);
  assert.deepEqual(
    list.todos.map((todo: Json) => [todo.number, todo.status, todo.runs.length]),
    [[4, 'open', 0], ...[3, 2, 1].map((n) => [n, 'finishing', 1])],
    'runs that this home holds are shown from its journal',
  );
  const [line, ...table] = (await home.todo(['list'])).stdout.split('\n');
  assert.match(line ?? '', /^Stale: as of .* ago\), because the store is away: STORE_UNREACHABLE/);
  assert.ok(table.some((it) => it.includes('finishing')));
  const shown = await home.json(['show', held.id.slice(0, 30)]);
  assert.deepEqual([shown.stale, shown.todo.number, shown.todo.held, shown.comments], [true, held.number, true, null]);
  const story = await home.json(['why', '1']);
  assert.deepEqual([story.stale, story.events.at(-1).fact], [true, 'failed-attempt']);
  assert.ok(story.events.some((it: Json) => it.fact === 'reported'));
  const status = await home.json(['status']);
  assert.deepEqual([status.stale, status.waiting, status.live.length, status.store.reachable], [true, 0, 3, 'no']);
  const missing = await home.json(['show', '77'], { code: 69 });
  assert.equal(missing.code, 'STORE_UNREACHABLE');
  assert.match(missing.message, /todo 77: it is not in the snapshot of .*, and the store is away/);
  const [recovering] = (await home.json(['retry', 'status'])).recovering;
  assert.deepEqual([recovering.subject, recovering.backAtMs], ['store', null]);

  first.process.kill('SIGKILL');
  await first.ended;
  assert.equal((await home.json(['list'])).stale, true, 'also without a daemon');
  await home.daemon();
  await behind.back();
  for (const n of [1, 2, 3]) await home.untilTodo(n, 'completed', (todo) => todo.status === 'completed');
  assert.equal((await home.json(['list'])).stale, undefined);
  const [session] = await home.until('the session is told', async () => {
    const found = await rows('SELECT * FROM signoff_test.o_recovery_sessions');
    return found.length > 0 ? found : null;
  });
  assert.deepEqual([session.id, session.action, session.subject, session.outcome], [recovering.id, 'drain', 'store', 'drained']);
  const drained = JSON.parse(session.detail);
  assert.deepEqual([drained.completions, drained.dead], [3, 0]);
  assert.ok(session.started_at_ms <= drained.backAtMs && drained.backAtMs <= session.ended_at_ms);
  assert.deepEqual((await home.json(['retry', 'status'])).recovering, []);
  const records = await rows(
    'SELECT t.number, c.output FROM signoff_test.o_completion c JOIN signoff_test.o_todo t ON t.id = c.todo_id ORDER BY c.recorded_at_ms, t.number',
  );
  assert.deepEqual(
    records.map((row) => [Number(row.number), String(row.output).trim()]),
    pipes.map((pipe, index) => [index + 1, `original of ${pipe}`]),
    'in the order of their age, once each, with what the agents said then',
  );
});
