// The same contract over somebody's existing table: what holds for our own holds for theirs.
import type { Connection } from 'mysql2/promise';
import { storeMapOf } from '../../src/core/store-map.ts';
import { tableNames } from '../../src/store/schema.ts';
import type { Store } from '../../src/world.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { conformance } from './conformance.ts';
import { mysqlStore } from './mysql-fixture.ts';
import { createWordpressTable } from './wordpress-table.ts';

const table = 'wp_todos';
const map = storeMapOf({ preset: 'wordpress', table });

let server: Mariadb;
let admin: Connection;
const stores: Store[] = [];

const open = (): Store => {
  const store = mysqlStore(server.url(), { map });
  stores.push(store);
  return store;
};

conformance('MariaDB, an existing table', {
  async start() {
    server = await startMariadb();
    admin = await server.connect();
    await admin.query(createWordpressTable(table));
    await open().open();
  },
  async stop() {
    await Promise.all(stores.map((store) => store.close()));
    await server?.stop();
  },
  async fresh() {
    for (const name of tableNames) if (name !== 'store_meta') await admin.query(`DELETE FROM ${name}`);
    await admin.query(`DELETE FROM ${table}`);
    return stores[0]!;
  },
  another: async () => open(),
});
