// What the healing tables are asked for is found by an index, on both engines; and one try is one row, however often it is sent.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Store } from '../../src/world.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { mysqlStore } from './mysql-fixture.ts';
import { sqliteFixture } from './sqlite-fixture.ts';

const questions: readonly [sql: string, index: string][] = [
  ["SELECT id FROM self_healing_events WHERE type = 'breaker_opened' AND at_ms >= 900 ORDER BY at_ms", 'self_healing_events_i3'],
  ["SELECT id FROM self_healing_events WHERE todo_id = 't7'", 'self_healing_events_i1'],
  ["SELECT id FROM retry_attempts WHERE todo_id = 't7'", 'retry_attempts_i1'],
  ["SELECT id FROM retry_attempts WHERE status = 'waiting' AND next_at_ms <= 30 ORDER BY next_at_ms", 'retry_attempts_i3'],
];

async function fill(store: Store): Promise<void> {
  await store.open();
  for (let n = 0; n < 300; n++) {
    const about = { todoId: `t${n % 50}`, runId: null, atMs: n, detail: 'x' };
    await store.note({ ...about, kind: 'healing', what: n % 20 === 0 ? 'breaker_opened' : `event ${n}` });
    const failed = { of: 'completion', errorClass: 'network', attempt: 1, attemptsMax: null, nextAtMs: n % 3 === 0 ? n : null } as const;
    await store.note({ ...about, kind: 'retry', id: `r${n}`, what: 'record', failed });
  }
}

/** Twice is the same as once. */
async function sendsTwice(store: Store, count: () => Promise<number> | number): Promise<void> {
  const before = await count();
  const failed = { of: 'delivery', errorClass: 'network', attempt: 2, attemptsMax: 4, nextAtMs: 9 } as const;
  for (let time = 0; time < 2; time++)
    await store.note({ kind: 'retry', id: 'the same', todoId: null, runId: null, atMs: 1, what: 'webhook', detail: '{}', failed });
  assert.equal(await count(), before + 1);
}

test('[H-74] (I) on SQLite each question to the healing tables goes by its index; one try is one row', async (t) => {
  const fixture = sqliteFixture();
  t.after(() => fixture.end());
  const file = fixture.file();
  const store = fixture.store(file);
  await fill(store);
  for (const [sql, index] of questions) {
    const plan = file.database
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => String(row['detail']));
    assert.ok(
      plan.some((line) => line.includes(`USING INDEX ${index}`) || line.includes(`USING COVERING INDEX ${index}`)),
      `${sql}: ${plan.join('; ')}`,
    );
  }
  await sendsTwice(store, () => Number(file.database.prepare('SELECT count(*) AS n FROM retry_attempts').get()!['n']));
});

test('a recovery session told twice is one row, with what was away, why, how long and what was drained', async (t) => {
  const fixture = sqliteFixture();
  t.after(() => fixture.end());
  const file = fixture.file();
  const store = fixture.store(file);
  await store.open();
  const session = { host: 'h/1', why: 'connect ECONNREFUSED', outcome: 'drained', endedAtMs: 9 };
  for (let time = 0; time < 2; time++)
    await store.note({
      kind: 'recovery',
      id: 's1',
      todoId: null,
      runId: null,
      atMs: 5,
      what: 'store',
      detail: '{"completions":3}',
      session,
    });
  const rows = file.database.prepare('SELECT * FROM recovery_sessions').all();
  assert.deepEqual(
    rows.map((row) => ({ ...row })),
    [
      {
        id: 's1',
        host: 'h/1',
        action: 'drain',
        subject: 'store',
        todo_id: null,
        run_id: null,
        why: 'connect ECONNREFUSED',
        outcome: 'drained',
        detail: '{"completions":3}',
        started_at_ms: 5,
        ended_at_ms: 9,
      },
    ],
  );
});

describe('on MariaDB', () => {
  let server: Mariadb;
  before(async () => {
    server = await startMariadb();
  });
  after(() => server?.stop());

  test('[H-74] (I) on MariaDB each question to the healing tables goes by its index; one try is one row', async (t) => {
    const store = mysqlStore(server.url());
    const admin = await server.connect();
    t.after(async () => {
      await admin.end();
      await store.close();
    });
    await admin.query(`USE ${server.database}`);
    const ask = async (sql: string) => (await admin.query(sql))[0] as Record<string, unknown>[];
    await fill(store);
    await ask('ANALYZE TABLE retry_attempts, self_healing_events');
    for (const [sql, index] of questions) {
      const [row] = await ask(`EXPLAIN ${sql}`);
      assert.equal(row?.['key'], index, sql);
    }
    await sendsTwice(store, async () => Number((await ask('SELECT count(*) AS n FROM retry_attempts'))[0]!['n']));
  });
});
