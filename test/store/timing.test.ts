import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sqliteDialect } from '../../src/store/dialect.ts';
import type { Driver } from '../../src/store/driver.ts';
import { timed } from '../../src/store/timing.ts';
import { type Result, rowOf, runNow, type Work } from '../../src/store/work.ts';

const about = { operation: 'counting', subject: 'sheep' };
const result: Result = { rows: [{ n: 1 }], affected: 0 };

/** A driver whose statements take as long as their text says, by a clock that the test turns. */
function atPace(t: { mock: { method: typeof import('node:test').mock.method } }, journeyMs = 0) {
  let nowMs = 1_000_000;
  t.mock.method(performance, 'now', () => nowMs);
  const run = async <T>(_about: unknown, work: () => Work<T>): Promise<T> =>
    runNow(work(), ({ sql }) => {
      const [, ms = '0'] = /(\d+) ms/.exec(sql) ?? [];
      nowMs += Number(ms);
      if (/FAIL/.test(sql)) throw Object.assign(new Error('no'), { code: 'STORE_TIMEOUT' });
      return result;
    });
  const driver: Driver = {
    name: 'sqlite',
    dialect: sqliteDialect,
    read: run,
    write: run,
    define: run,
    // biome-ignore lint/correctness/useYield: no statement
    *now() {
      return 0;
    },
    nowSql: () => ({ sql: '0', values: [] }),
    valueBytesMax: async () => 1,
    figures: () => ({ active: 1, idle: 2, limit: 3, journeyMs }),
    care: {
      obstacles: async () => ({ found: [], blind: null }),
      reset: async () => '',
      optimize: async () => '',
      conditions: async () => [],
    },
    close: async () => {},
  };
  return { driver, turn: (ms: number) => (nowMs += ms) };
}

const told = () => {
  const lines: { event: string; fields: Record<string, unknown> }[] = [];
  return { lines, log: { warn: (_room: string, event: string, fields = {}) => void lines.push({ event, fields }) } };
};

function* of(...statements: string[]): Work<void> {
  for (const sql of statements) yield* rowOf(sql);
}

test('each operation is counted by how long it took, and the slow ones are told with their slowest statement', async (t) => {
  const { driver } = atPace(t);
  const { lines, log } = told();
  const it = timed(driver, { log, note: null });
  await it.read(about, () => of('SELECT 3 ms'));
  await it.read(about, () => of('SELECT 100 ms'));
  await it.write(about, () => of('UPDATE a 20 ms', 'UPDATE  b\n 90 ms', 'UPDATE c 1 ms'));
  await it.write(about, () => of('UPDATE 1000 ms'));
  await assert.rejects(it.read(about, () => of('SELECT 1 ms', 'SELECT FAIL 29999 ms')));
  assert.deepEqual(
    lines.map(({ event, fields }) => [event, fields['durationMs'], fields['statement'], fields['statementMs'], fields['error']]),
    [
      ['slow query', 111, 'UPDATE b 90 ms', 90, null],
      ['slow_query', 1000, 'UPDATE 1000 ms', 1000, null],
      ['slow_query', 30000, 'SELECT FAIL 29999 ms', 29999, 'STORE_TIMEOUT'],
    ],
  );
  const { queries, active } = it.figures();
  assert.equal(active, 1);
  assert.deepEqual([queries?.slow, queries?.verySlow], [3, 2]);
  assert.match(queries?.lastSlow ?? '', /counting sheep took 30000 ms/);
  const { count, sumMs, buckets } = queries!.kinds['read']!;
  assert.deepEqual([count, sumMs], [3, 30103]);
  const atMost = (ms: number) => buckets[queries!.boundsMs.indexOf(ms)];
  assert.deepEqual([atMost(2), atMost(5), atMost(50), atMost(100), atMost(10_000), atMost(30_000)], [0, 1, 1, 2, 2, 3]);
});

test('what only takes long because the server is far away is slow, but not held up; nobody is far enough to excuse more', async (t) => {
  for (const [journeyMs, statements, heldUp] of [
    [0, ['SELECT 300 ms', 'SELECT 300 ms', 'SELECT 300 ms', 'SELECT 300 ms'], 1],
    [200, ['SELECT 300 ms', 'SELECT 300 ms', 'SELECT 300 ms', 'SELECT 300 ms'], 0],
    [200, ['SELECT 200 ms', 'SELECT 4000 ms', 'SELECT 200 ms'], 1],
    [800, ['SELECT 1600 ms', 'SELECT 1600 ms', 'SELECT 1600 ms', 'UPDATE 1600 ms', 'UPDATE 1600 ms'], 0],
    [60_000, ['SELECT 60000 ms'], 1],
    [200, ['SELECT 200 ms', 'SELECT FAIL 200 ms'], 1],
  ] as const) {
    const it = timed(atPace(t, journeyMs).driver, { log: told().log, note: null });
    await it.read(about, () => of(...statements)).catch(() => {});
    assert.equal(it.figures().queries?.heldUp, heldUp, `${statements} at ${journeyMs} ms`);
    t.mock.restoreAll();
  }
});

test('an operation under way is held up for as long as the way to the server does not explain; who comes late waits for a connection, too', async (t) => {
  const { driver, turn } = atPace(t, 100);
  const first = Promise.withResolvers<void>();
  const waits = async (work: () => Work<unknown>, end: Promise<void>): Promise<never> => {
    work().next();
    await end;
    throw Object.assign(new Error('no'), { code: 'STORE_UNREACHABLE' });
  };
  const it = timed(
    { ...driver, read: (_, work) => waits(work, first.promise), write: (_, work) => waits(work, Promise.withResolvers<void>().promise) },
    { log: told().log, note: null },
  );
  const heldUpForMs = () => it.figures().queries?.heldUpForMs;
  const three = [1, 2, 3].map(() => it.read(about, () => of('SELECT 1')).catch(() => {}));
  turn(1200);
  assert.equal(heldUpForMs(), 0, 'connecting and one statement');
  turn(300);
  assert.equal(heldUpForMs(), 300);
  void it.write(about, () => of('UPDATE 1'));
  turn(2400);
  assert.equal(heldUpForMs(), 2700);
  first.resolve();
  await Promise.all(three);
  assert.equal(heldUpForMs(), 0, 'there are three connections: the fourth may take twice as long');
  turn(5);
  assert.equal(heldUpForMs(), 5);
});

test('slow operations leave one row in ten seconds, which says how many it stands for, and never before the store answers', async (t) => {
  const { driver, turn } = atPace(t);
  const { log } = told();
  const rows: { what: string; times: number; longestMs: number }[] = [];
  const note = async ({ what, detail }: { what: string; detail: string }) => {
    const { times, longestMs } = JSON.parse(detail);
    rows.push({ what, times, longestMs });
  };
  const it = timed(driver, { log, note });
  await assert.rejects(it.write(about, () => of('UPDATE FAIL 5000 ms')));
  assert.deepEqual(rows, [], 'a store that does not answer is asked for nothing more');
  await it.read(about, () => of('SELECT 1 ms'));
  assert.deepEqual(rows, [{ what: 'slow_query', times: 1, longestMs: 5000 }]);
  for (const ms of [1000, 3000, 2000]) await it.read(about, () => of(`SELECT ${ms} ms`));
  assert.equal(rows.length, 1, 'six seconds later');
  turn(4000);
  await it.read(about, () => of('SELECT 1 ms'));
  assert.deepEqual(rows[1], { what: 'slow_query', times: 3, longestMs: 3000 });
});

test('a server that is slow at everything does not fill the log', async (t) => {
  const { driver, turn } = atPace(t);
  const { lines, log } = told();
  const it = timed(driver, { log, note: null });
  for (let n = 0; n < 200; n++) await it.read(about, () => of('SELECT 150 ms'));
  assert.equal(lines.length, 20);
  for (let n = 0; n < 3; n++) await it.write({ ...about, operation: 'another' }, () => of('UPDATE 150 ms'));
  assert.deepEqual(
    [lines.length, lines.at(-1)?.fields['operation'], lines.at(-1)?.fields['leftOut']],
    [21, 'another', 180],
    'nor hides another',
  );
  turn(60_000);
  await it.read(about, () => of('SELECT 150 ms'));
  assert.equal(lines.at(-1)?.fields['leftOut'], 2);
});
