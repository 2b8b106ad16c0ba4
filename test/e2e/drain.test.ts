// After an outage the daemon catches up in order and once each, however often the link is cut while it does. On MariaDB behind a proxy.
import assert from 'node:assert/strict';
import { closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command, Fate } from '../fixtures/tcp-proxy.ts';
import { type Json, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';

const behind = mariadbBehindProxy();

const todosMax = 30;
const cutsMax = 20;

test('[H-73] the drain after an outage goes by priority, then age; the link cut 20 times in it doubles and loses nothing', async (t) => {
  const home = await testHome(t, {
    // One connection: what is sent first is written first, so that the order can be read from the rows.
    store: { url: behind.server.url(behind.proxy.port), table_prefix: 'd_', pool: 1 },
    slots: { total: 100, agent: 100, project: 100 },
    behavior: { quiet_after: 0.1, max_retries: 100 },
    monitoring: { rescan: 0.2 },
    logging: { level: 'debug' },
  });
  const admin = await behind.server.connect();
  t.after(() => admin.end());
  const count = async (sql: string): Promise<number> => Number(((await admin.query(sql))[0] as { n: unknown }[])[0]?.n);
  const first = await home.daemon();
  const todos: Json[] = [];
  for (let index = 0; index < todosMax; index++)
    todos.push(
      await home.add(`mkfifo go 2>/dev/null; echo x >> started.$TODO_ID; read word < go; true`, '--priority', String((index * 7) % 10)),
    );
  await home.until(
    'all of them run',
    async () =>
      existsSync(join(home.work, 'go')) && (await count(`SELECT COUNT(*) AS n FROM d_todo WHERE status = 'running'`)) === todosMax,
  );

  await behind.proxy.refuse();
  const reported = () =>
    new Set(
      home
        .log('completion')
        .filter(({ event }) => event === 'reported')
        .map(({ run }) => run),
    ).size;
  await home.until('all of them wait for the store', () => {
    // Whoever comes to read later waits for the next writer.
    letGo(join(home.work, 'go'));
    return reported() === todosMax;
  });
  // What follows is read from the journal: a daemon that remembers nothing drains it.
  first.process.kill('SIGKILL');
  await first.ended;

  let cuts = 0;
  let commands = 0;
  let link: 'open' | 'cut' = 'cut';
  const recordedAtCut: number[] = [];
  // Counted are the commands of the drain: they name a run. In turn the one that is hit is lost, or it is done and its answer is lost.
  const namesRun = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-/;
  behind.proxy.plan(async ({ text }: Command): Promise<Fate> => {
    if (link === 'cut') return 'cut';
    if (!namesRun.test(text) || cuts === cutsMax) return 'pass';
    commands += 1;
    if (commands < 5 + ((cuts * 3) % 5)) return 'pass';
    link = 'cut';
    cuts += 1;
    recordedAtCut.push(await count('SELECT COUNT(*) AS n FROM d_completion'));
    return cuts % 2 === 0 ? 'cut' : 'lose-answer';
  });
  const lines = () => home.log('completion');
  const closed = () => lines().filter(({ event }) => event === 'closed').length;
  link = 'open';
  await behind.proxy.accept();
  await home.daemon();
  while (cuts < cutsMax) {
    const before = cuts;
    await home.until(`cut ${before + 1}`, () => cuts > before);
    const from = lines().length;
    // Nobody gets through until each that was under way has found out.
    await behind.proxy.refuse();
    await home.until('everything under way has failed', () => {
      const failed = lines()
        .slice(from)
        .filter(({ event }) => event === 'step failed' || event === 'step refused');
      return new Set(failed.map(({ run }) => run)).size >= todosMax - closed() - 1 || closed() === todosMax;
    });
    commands = 0;
    link = 'open';
    await behind.proxy.accept();
  }
  await home.until('all of them are closed', () => home.log('completion').filter(({ event }) => event === 'closed').length === todosMax);
  t.diagnostic(`recorded at each cut: ${recordedAtCut.join(' ')}`);
  assert.ok(
    recordedAtCut.every((n) => n < todosMax),
    'each cut fell into the drain',
  );
  assert.ok(new Set(recordedAtCut).size >= 8, 'and they fell into different parts of it');

  const [rows] = (await admin.query(
    `SELECT c.todo_id AS id, c.run_id AS run, c.recorded_at_ms AS atMs, t.priority AS priority, t.number AS number, t.status AS status, t.fence AS fence
     FROM d_completion c JOIN d_todo t ON t.id = c.todo_id ORDER BY c.recorded_at_ms, t.priority, t.number`,
  )) as unknown as [Json[]];
  assert.equal(new Set(rows.map(({ id }) => id)).size, todosMax, 'nothing is lost');
  assert.equal(rows.length, todosMax, 'and nothing is there twice');
  assert.ok(rows.every(({ status, fence }) => status === 'completed' && Number(fence) === 1));
  assert.equal(await count(`SELECT COUNT(*) AS n FROM d_run WHERE outcome = 'done'`), todosMax);
  for (const { id } of todos) assert.equal(readFileSync(join(home.work, `started.${id}`), 'utf8'), 'x\n');
  const wanted = todos
    .toSorted((a, b) => a.priority - b.priority || a.createdAtMs - b.createdAtMs || a.number - b.number)
    .map(({ number }) => number);
  assert.deepEqual(
    rows.map(({ number }) => Number(number)),
    wanted,
  );
});

/** Those that read the pipe now go on. */
function letGo(pipe: string): void {
  try {
    const writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    closeSync(writer);
  } catch (error) {
    // Nobody reads.
    if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
  }
}

test('[C-56] a word whose time comes while the store is away is said once it is back', async (t) => {
  behind.proxy.plan(() => 'pass');
  await behind.proxy.accept();
  const home = await testHome(t, {
    store: { url: behind.server.url(behind.proxy.port), table_prefix: 's_' },
    behavior: { quiet_after: 0.1 },
    monitoring: { rescan: 0.2 },
  });
  await home.daemon();
  const { number } = await home.add('true', '--hold');
  const { results } = await home.json(['done', String(number), '--in', '3s']);
  await behind.proxy.refuse();
  try {
    // It is due, it was tried, and it is still to be said.
    await home.until('it waits', () =>
      home.log('completion').find(({ event, verb }) => event === 'scheduled word waits' && verb === 'done'),
    );
    assert.ok(Date.now() >= results[0].scheduled.atMs);
  } finally {
    await behind.proxy.accept();
  }
  const todo = await home.untilTodo(number, 'it has ended', ({ endedAtMs }) => endedAtMs !== null);
  assert.deepEqual([todo.status, todo.proof, todo.runs.length], ['completed', 'overridden', 1]);
  await home.until('said, and off the list', () => home.log('completion').find(({ event }) => event === 'scheduled word said'));
  const { events } = await home.json(['show', String(number), '--history']);
  assert.ok(!events.some(({ what }: Json) => what.includes('refused')));
});
