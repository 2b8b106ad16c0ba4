// A store that is held up by somebody else: who holds what is told, what can be done is done, and all goes on when it is let go.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

let server: Mariadb;
before(async () => {
  server = await startMariadb();
});
after(() => server?.stop());

const isOver = (todo: Json): boolean => ['completed', 'failed', 'blocked', 'dead-lettered'].includes(todo.status);
const storeOf = (health: Json): Json => health.components.find((it: Json) => it.name === 'store');
const health = async (home: TestHome): Promise<Json> => JSON.parse((await home.todo(['health', '--json'])).stdout);

let homes = 0;
async function lockedHome(t: TestContext): Promise<{ home: TestHome; holder: Connection; holderId: number; prefix: string }> {
  const prefix = `l${++homes}_`;
  const home = await testHome(t, {
    behavior: { database_timeout: 2, quiet_after: 0.1 },
    monitoring: { rescan: 0.2 },
    store: { url: server.url(), table_prefix: prefix },
  });
  const holder = await server.connect();
  t.after(() => holder.destroy());
  const [[row]] = (await holder.query('SELECT CONNECTION_ID() AS id')) as unknown as [[Json]];
  return { home, holder, holderId: Number(row.id), prefix };
}

const held = (home: TestHome): Json[] => home.log('monitor').filter((line) => line.heldBy !== undefined);

async function rowsOf(sql: string): Promise<Json[]> {
  const connection = await server.connect();
  try {
    return (await connection.query(sql))[0] as Json[];
  } finally {
    await connection.end();
  }
}

test('[H-34] [H-35] tables locked by another client: told who holds them, connections reset, statistics renewed, the daemon restarted; completions wait and go on', async (t) => {
  const { home, holder, holderId, prefix } = await lockedHome(t);
  await home.daemon();
  const command = 'while [ ! -e go ]; do sleep 0.05; done; echo "kept: $TODO_ID"';
  const todos = [await home.add(command), await home.add(command)];
  await home.untilTodo(todos[0].number, 'running', (todo) => todo.status === 'running');
  await holder.query(`LOCK TABLES ${prefix}todo WRITE, ${prefix}run WRITE, ${prefix}completion WRITE`);
  writeFileSync(join(home.work, 'go'), '');
  const said = (event: string): Promise<Json> => home.until(event, () => home.log('monitor').find((line) => line.event === event));
  // On a busy machine the store is slow by itself as well, and nobody holds it then.
  const waits = new RegExp(
    `waits? for a table lock, for \\d.*: .*probably held by connection ${holderId} \\(signoff@127\\.0\\.0\\.1:\\d+, asleep\\)`,
  );
  await home.until('who holds the tables', () => held(home).some((line) => waits.test(line.heldBy.join())));
  const reset = await said('store connections opened anew');
  assert.match(reset.result, /^\d+ connections? closed, one opened anew$/);
  const optimized = await said('store statistics renewed');
  assert.match(optimized.result, /renewed \(signoff_test\.l\d+_\w+: Lock wait timeout exceeded|it did not work: /);
  const advised = await home.until('the advice', () => home.log('emergency').find((line) => line.event?.startsWith('restart advised')));
  assert.deepEqual([advised.level, advised.result], ['CRITICAL', 'this daemon restarts']);
  const starts = (): Json[] => home.log('monitor').filter((line) => line.event === 'daemon starting');
  await home.until('it has restarted', () => starts().length === 2);
  assert.equal(starts()[0].pid, starts()[1].pid, 'in place');
  // It did not help, and is not done a second time.
  const done = new RegExp(`connection ${holderId} .*done about it: \\d+ connections? closed.*restart: not done: restart\\.cooldown`);
  await home.until('what was done, in health', async () => done.test(storeOf(await health(home)).reason));
  assert.equal(starts().length, 2);

  await holder.query('UNLOCK TABLES');
  for (const { number } of todos) {
    const todo = await home.untilTodo(number, 'ended', isOver);
    assert.deepEqual([todo.status, todo.proof, todo.runs.length], ['completed', 'unverified', 1]);
  }
  const records = await rowsOf(`SELECT todo_id, output FROM ${prefix}completion`);
  assert.deepEqual(records.map((row) => row.todo_id).sort(), todos.map(({ id }) => id).sort());
  for (const { todo_id, output } of records) assert.ok(output.includes(`kept: ${todo_id}`));
  const rows = await home.until('the rows about it', async () => {
    const found = await rowsOf(`SELECT what FROM ${prefix}self_healing_events WHERE what LIKE 'store-%' ORDER BY at_ms, id`);
    return found.some(({ what }) => what === 'store-restart') ? found.map(({ what }) => what) : null;
  });
  // A busy machine may have been slow before, by itself.
  const at = rows.indexOf('store-reset');
  assert.deepEqual(rows.slice(at - 1, at + 3), ['store-slow', 'store-reset', 'store-optimize', 'store-restart'], rows.join());
  await home.until('healthy again', async () => (await home.todo(['health'])).code === 0);
});

test('[H-34] a transaction that somebody leaves open is found by its connection, and so is the row lock that it holds', async (t) => {
  const { home, holder, holderId, prefix } = await lockedHome(t);
  await home.daemon();
  const { id, number } = await home.add('while [ ! -e go ]; do sleep 0.05; done');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  await holder.query(`START TRANSACTION; UPDATE ${prefix}todo SET priority = priority WHERE id = '${id}'`);
  writeFileSync(join(home.work, 'go'), '');
  const keeps = new RegExp(`connection ${holderId} \\(.*\\) has held a row lock for .* kept waiting: UPDATE`);
  await home.until('who holds the row', () => held(home).some((line) => keeps.test(line.heldBy.join())));
  const long = await home.until('the long transaction, in health', async () => {
    const { reason, status } = storeOf(await health(home));
    return /transaction open/.test(reason) ? { reason, status } : null;
  });
  assert.match(
    long.reason,
    new RegExp(`connection ${holderId} \\(signoff@.*, asleep\\) has had a transaction open for \\d.*, with \\d+ rows locked`),
  );
  assert.notEqual(long.status, 'healthy');
  await holder.query('ROLLBACK');
  assert.equal((await home.untilTodo(number, 'ended', isOver)).status, 'completed');
});
