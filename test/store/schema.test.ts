// The schema at start, on both engines: made where it is missing, mended where a table was dropped, refused where it is not ours.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import { schemaVersion, tableNames, tablesNow } from '../../src/store/schema.ts';
import type { Store } from '../../src/world.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Fate, startTcpProxy } from '../fixtures/tcp-proxy.ts';
import { aClaim, aRecord, aTodo, claimed } from './conformance.ts';
import { mysqlStore } from './mysql-fixture.ts';
import { type Logged, sqliteFixture } from './sqlite-fixture.ts';

type Place = {
  /** A store on the same database as all of this place. */
  store(choices?: { prefix?: string; logged?: Logged[] }): Store;
  sql(text: string): Promise<void>;
  columns(table: string): Promise<readonly string[]>;
  end(): Promise<void>;
};

let server: Mariadb;
let admin: Connection;
before(async () => {
  server = await startMariadb();
  admin = await server.connect();
});
after(() => server?.stop());

/** Tables that the third event says were made. */
const createdIn = (logged: readonly Logged[]): readonly string[] => (logged[2]?.fields?.['created'] ?? []) as string[];

async function sqlitePlace(): Promise<Place> {
  const fixture = sqliteFixture();
  const shared = fixture.file();
  return {
    store: (choices = {}) => fixture.store(shared, choices),
    sql: async (text) => shared.database.exec(text),
    columns: async (table) =>
      shared.database
        .prepare(`SELECT name FROM pragma_table_info('${table}')`)
        .all()
        .map((row) => String(row['name'])),
    end: async () => fixture.end(),
  };
}

async function mariadbPlace(): Promise<Place> {
  await admin.query(`DROP DATABASE ${server.database}; CREATE DATABASE ${server.database}; USE ${server.database}`);
  const stores: Store[] = [];
  return {
    store(choices = {}) {
      const store = mysqlStore(server.url(), choices);
      stores.push(store);
      return store;
    },
    sql: async (text) => void (await admin.query(text.replaceAll('"', '`'))),
    async columns(table) {
      const [rows] = await admin.query(
        `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = '${server.database}' AND table_name = '${table}'`,
      );
      return (rows as { name: string }[]).map(({ name }) => name);
    },
    end: async () => void (await Promise.all(stores.map((store) => store.close()))),
  };
}

for (const [engine, driver, make] of [
  ['SQLite', 'sqlite', sqlitePlace],
  ['MariaDB', 'mysql', mariadbPlace],
] as const) {
  describe(`schema on ${engine}`, () => {
    const at = (name: string, body: (place: Place) => Promise<void>) =>
      test(name, async () => {
        const place = await make();
        try {
          await body(place);
        } finally {
          await place.end();
        }
      });

    at(`[P-13] ${engine}: opening tells four events: starting, completed, initialized, ready with its driver`, async (place) => {
      for (const created of [tableNames.length, 0]) {
        const logged: Logged[] = [];
        await place.store({ logged }).open();
        assert.deepEqual(
          logged.map(({ event }) => event),
          ['store schema check starting…', 'store schema check completed', 'store initialized', 'store ready'],
        );
        assert.equal(createdIn(logged).length, created);
        assert.equal(logged[3]?.fields?.['driver'], driver);
      }
    });

    at(`[P-14] ${engine}: every table and column of the design is there after the first start, in less than two seconds`, async (place) => {
      const startedMs = performance.now();
      await place.store().open();
      assert.ok(performance.now() - startedMs < 2000);
      for (const table of tablesNow()) {
        assert.deepEqual([...(await place.columns(table.name))].sort(), table.columns.map(({ name }) => name).sort(), table.name);
      }
    });

    for (const dropped of tableNames) {
      at(
        `[P-14] ${engine}: after somebody dropped ${dropped} the next start makes it again, and the others keep their rows`,
        async (place) => {
          const store = place.store();
          await store.open();
          const first = await store.add(aTodo());
          const { ref } = await claimed(store);
          await store.record(aRecord(ref));
          await place.sql(`DROP TABLE "${dropped}"`);
          const logged: Logged[] = [];
          const again = place.store({ logged });
          await again.open();
          assert.deepEqual(createdIn(logged), [dropped]);
          assert.deepEqual(
            [...(await place.columns(dropped))].sort(),
            tablesNow()
              .find(({ name }) => name === dropped)!
              .columns.map(({ name }) => name)
              .sort(),
          );
          assert.equal((await again.find(first.id))?.id, dropped === 'todo' ? undefined : first.id);
          assert.equal(
            (await again.readBack(ref.runId))?.record.runId,
            ['todo', 'run', 'completion'].includes(dropped) ? undefined : ref.runId,
          );
          const next = await again.add(aTodo());
          assert.equal(next.number, dropped === 'todo' ? 2 : first.number + 1, 'numbers go on');
          assert.equal((await again.claim(aClaim())).kind, 'claimed');
        },
      );
    }

    at('a table that lost a column is refused, and the answer names both', async (place) => {
      await place.store().open();
      await place.sql('ALTER TABLE "completion" DROP COLUMN "output"');
      await assert.rejects(place.store().open(), { code: 'STORE_SCHEMA', message: /table completion has lost column output/ });
    });

    at('a schema that is newer than this program is refused with both versions', async (place) => {
      await place.store().open();
      await place.sql(`UPDATE store_meta SET value = ${schemaVersion + 1} WHERE name = 'version'`);
      await assert.rejects(place.store().open(), {
        code: 'STORE_SCHEMA',
        message: new RegExp(`version ${schemaVersion + 1}, this program knows ${schemaVersion}`),
      });
    });

    at("somebody else's tables are refused by name and left as they are", async (place) => {
      await place.sql(`CREATE TABLE "todo" (id INTEGER, was VARCHAR(9)); INSERT INTO "todo" (id, was) VALUES (1, 'theirs')`);
      await assert.rejects(place.store().open(), { code: 'STORE_SCHEMA', message: /table todo is not ours/ });
      assert.deepEqual(await place.columns('todo'), ['id', 'was']);
      assert.deepEqual(await place.columns('run'), []);
      await place.store({ prefix: 'signoff_' }).open();
      assert.ok((await place.columns('signoff_todo')).includes('fence'), 'beside them there is room under a prefix');
      assert.deepEqual(await place.columns('todo'), ['id', 'was']);
    });

    at('another application in store_meta is refused', async (place) => {
      await place.store().open();
      await place.sql(`UPDATE store_meta SET value = 7 WHERE name = 'application'`);
      await assert.rejects(place.store().open(), { code: 'STORE_SCHEMA', message: /store_meta is not ours/ });
    });

    at('many who open an empty database at once all find it whole', async (place) => {
      await Promise.all(Array.from({ length: 6 }, () => place.store().open()));
      const store = place.store();
      assert.equal((await store.add(aTodo())).number, 1);
    });

    at('stores with different prefixes share a database and nothing else', async (place) => {
      const one = place.store({ prefix: 'a_' });
      const two = place.store({ prefix: 'b_' });
      await one.open();
      await two.open();
      const todo = await one.add(aTodo());
      assert.equal(await two.find(todo.id), null);
      assert.equal((await two.add(aTodo())).number, 1);
    });

    at('a prefix that is no identifier is refused before anything is sent', async (place) => {
      for (const prefix of ['x"; DROP TABLE todo; --', 'a b', '1a', 'ä', '`', 'x'.repeat(64), "o'x", 'a.b']) {
        await assert.rejects(async () => await place.store({ prefix }).open(), { code: 'CONFIG_INVALID' }, prefix);
      }
    });
  });
}

test('MariaDB: whoever opens a database while another process is making its tables finds them, at whatever point', async () => {
  const proxy = await startTcpProxy(server.port);
  try {
    for (const place of [2, 6, 12, 20, 28, 36, 44]) {
      await admin.query(`DROP DATABASE ${server.database}; CREATE DATABASE ${server.database}; USE ${server.database}`);
      const [slow, quick] = [mysqlStore(server.url(proxy.port)), mysqlStore(server.url())];
      let met = false;
      proxy.plan(async (command): Promise<Fate> => {
        if (command.place !== place || met) return 'pass';
        met = true;
        await quick.open();
        assert.equal((await quick.add(aTodo())).number, 1, `at command ${place}`);
        return 'pass';
      });
      await slow.open();
      assert.equal((await slow.add(aTodo())).number, 2);
      await Promise.all([slow.close(), quick.close()]);
    }
  } finally {
    await proxy.stop();
  }
});

test('[P-60] one list of migrations: both databases have the same tables, columns and keys, and both can say so in the same words', async () => {
  const [sqlite, mariadb] = [await sqlitePlace(), await mariadbPlace()];
  try {
    await sqlite.store().open();
    await mariadb.store().open();
    for (const { name, columns } of tablesNow()) {
      const [ours, theirs] = [await sqlite.columns(name), await mariadb.columns(name)];
      assert.deepEqual(theirs.toSorted(), ours.toSorted(), name);
      assert.deepEqual(ours.toSorted(), columns.map((column) => column.name).sort(), name);
    }
    for (const place of [sqlite, mariadb]) {
      const store = place.store();
      const { ref } = await store.add(aTodo()).then(() => claimed(store));
      assert.equal(await store.record(aRecord(ref)), 'recorded');
      // What may be there once is refused twice by both.
      await assert.rejects(place.sql(`INSERT INTO "completion" SELECT * FROM "completion"`), /unique|duplicate/i);
      await assert.rejects(
        place.sql(
          `INSERT INTO "run" SELECT 'another', todo_id, fence, agent, kind, host, token_sha256, lease_until_ms, round, started_at_ms, ended_at_ms, outcome, said_by FROM "run"`,
        ),
        /unique|duplicate/i,
      );
      await assert.rejects(place.sql(`UPDATE "todo" SET title = NULL`), /null/i);
    }
  } finally {
    await sqlite.end();
    await mariadb.end();
  }
});
