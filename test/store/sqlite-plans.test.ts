// What SQLite makes of the statements of a claim: it must find the few that run by an index, however many todos have ended.
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
