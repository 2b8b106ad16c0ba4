// What SQLite makes of the statements of a claim and of the list: it must find the few that run, and the newest, by an index, however many have ended.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Database } from '../../src/platform/sqlite.ts';
import { createCommitter } from '../../src/platform/sqlite.ts';
import { aClaim } from './conformance.ts';
import { sqliteFixture } from './sqlite-fixture.ts';

const fixture = sqliteFixture();
after(() => fixture.end());

/** Enough that statistics and no statistics differ. */
const todos = 5_000;

test('statistics that somebody had made are dropped when the store is slow, and a claim reads no table from end to end again', async () => {
  const { database } = fixture.file();
  const asked = new Set<string>();
  const heard: Database = {
    ...database,
    prepare(sql) {
      asked.add(sql);
      return database.prepare(sql);
    },
  };
  const store = fixture.store({ database: heard, committer: createCommitter(database) });
  await store.open();
  database.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${todos})
     INSERT INTO todo (id, number, title, prompt, cwd, project, agent, checks, priority, rounds, held, status, fence, attempts, resets, created_at_ms, updated_at_ms)
     SELECT printf('019a0000-0000-7000-8000-%012d', i), i, '', '', '/', '/' || i, 'shell', '[]', 5, 1, 0, iif(i % 2, 'open', 'completed'), 0, 0, 0, i, i FROM n`,
  );
  database.exec(
    `INSERT INTO run (id, todo_id, fence, agent, kind, host, token_sha256, lease_until_ms, round, started_at_ms, ended_at_ms, outcome)
     SELECT 'run of ' || id, id, 0, agent, 'child', 'here/1', '', 0, 1, 0, 1, 'done' FROM todo WHERE status = 'completed'`,
  );
  asked.clear();
  const slots = { total: 4, agent: 2, project: 1 };
  assert.equal((await store.claim(aClaim({ slots }))).kind, 'claimed');
  const readWhole = (): readonly string[] =>
    [...asked]
      .filter((sql) => /^\s*SELECT/.test(sql))
      .flatMap((sql) => {
        const values = Array.from(sql.matchAll(/\?/g), () => 0);
        return database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
      })
      .map(({ detail }) => String(detail))
      .filter((step) => /^SCAN [tr]\b/.test(step));

  assert.deepEqual(readWhole(), []);
  database.exec('ANALYZE');
  assert.notDeepEqual(readWhole(), [], 'statistics would do no harm, then nothing needs to be dropped');
  assert.match(await store.care!.optimize(), /^statistics of \d+ indexes dropped$/);
  assert.deepEqual(readWhole(), []);
  assert.equal(await store.care!.optimize(), 'nothing to renew: SQLite plans without statistics');
});

test('of 100,000 todos each page of the list is found by number without reading or sorting all; only a text that is rare is looked for in all of them', async (t) => {
  const { database } = fixture.file('many.db');
  const asked: string[] = [];
  const heard: Database = {
    ...database,
    prepare(sql) {
      asked.push(sql);
      return database.prepare(sql);
    },
  };
  const store = fixture.store({ database: heard, committer: createCommitter(database) });
  await store.open();
  database.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
     INSERT INTO todo (id, number, title, prompt, cwd, project, agent, checks, priority, rounds, held, status, fence, attempts, resets, created_at_ms, updated_at_ms, summary)
     SELECT printf('019a0000-0000-7000-8000-%012d', i), i, 'Fix the parser of module ' || i, printf('%.*c', 500, 'p'), '/', '/' || (i % 7), 'shell', '[]', 5, 1, 0,
       iif(i % 1000 = 0, 'open', iif(i % 5000 = 1, 'failed', 'completed')), 0, 0, 0, i, i, 'all tests pass' FROM n`,
  );
  const plan = (): string[] =>
    asked.splice(0).flatMap((sql) => {
      const values = Array.from(sql.matchAll(/\?/g), () => 0);
      return database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...values)
        .map(({ detail }) => String(detail));
    });
  const pageOf = async (filter: Omit<Parameters<typeof store.list>[0], 'limit'>) => {
    asked.length = 0;
    const fromMs = performance.now();
    const { todos } = await store.list({ limit: 100, ...filter });
    const tookMs = performance.now() - fromMs;
    t.diagnostic(`${JSON.stringify(filter)}: ${todos.length} in ${tookMs.toFixed(1)} ms`);
    assert.ok(tookMs < 1000, `${JSON.stringify(filter)} took ${tookMs} ms`);
    return { numbers: todos.map(({ number }) => number), plan: plan() };
  };
  const byNumber = 'SCAN t USING INDEX todo_i1';
  const first = await pageOf({ statuses: null });
  assert.deepEqual([first.numbers.length, first.numbers[0], first.plan], [100, 100_000, [byNumber]]);
  const deep = await pageOf({ statuses: null, before: 50_000 });
  assert.deepEqual([deep.numbers[0], deep.plan], [49_999, ['SEARCH t USING INDEX todo_i1 (number<?)']]);
  const many = await pageOf({ statuses: ['completed', 'failed'] });
  assert.equal(many.numbers.length, 100);
  assert.ok(many.plan.includes(byNumber) && !many.plan.some((step) => step.startsWith('USE TEMP B-TREE')), many.plan.join());
  const few = await pageOf({ statuses: ['failed'] });
  assert.equal(few.numbers.length, 20);
  assert.ok(
    few.plan.some((step) => /^SEARCH t USING INDEX todo_i\d \(status=\?\)$/.test(step)) && !few.plan.includes(byNumber),
    few.plan.join(),
  );
  assert.deepEqual((await pageOf({ statuses: null, text: 'MODULE 777', project: '/0' })).numbers.slice(0, 2), [77_798, 77_791]);
  assert.deepEqual((await pageOf({ statuses: null, text: 'nowhere to be found' })).numbers, []);
  asked.length = 0;
  assert.deepEqual(await store.byStatus(), { completed: 99_880, failed: 20, open: 100 });
  assert.match(plan().join(), /^SCAN t USING COVERING INDEX todo_i\d$/);
});
