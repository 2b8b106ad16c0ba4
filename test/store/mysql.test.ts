import { type Connection, createConnection } from 'mysql2/promise';
import { tableNames } from '../../src/store/schema.ts';
import type { Store } from '../../src/world.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { conformance } from './conformance.ts';
import { mysqlAddress, mysqlStore } from './mysql-fixture.ts';

/** Another server of the family, at the reader's choice: its schema is emptied of tables with our prefix. */
const foreignUrl = process.env['TODO_TEST_MYSQL_URL'];
const prefix = `t${process.pid}_`;

let server: Mariadb | null = null;
let admin: Connection;
let url: string;
const stores: Store[] = [];

const open = (): Store => {
  const store = mysqlStore(url, { prefix });
  stores.push(store);
  return store;
};

conformance(foreignUrl === undefined ? 'MariaDB' : 'MySQL by TODO_TEST_MYSQL_URL', {
  proves: 'P-60',
  async start() {
    server = foreignUrl === undefined ? await startMariadb() : null;
    url = foreignUrl ?? server!.url();
    const { hosts, user, database, password } = mysqlAddress(url);
    admin = await createConnection({ ...hosts[0]!, user, database, password: password() });
    await open().open();
  },
  async stop() {
    await Promise.all(stores.map((store) => store.close()));
    for (const table of tableNames) await admin.query(`DROP TABLE IF EXISTS ${prefix}${table}`);
    await admin.end();
    await server?.stop();
  },
  async fresh() {
    for (const table of tableNames) if (table !== 'store_meta') await admin.query(`DELETE FROM ${prefix}${table}`);
    return stores[0]!;
  },
  another: async () => open(),
});
