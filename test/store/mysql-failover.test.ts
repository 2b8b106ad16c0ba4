// Several servers of one address: which is asked, which is written to, and when another takes its place.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import { isOperational } from '../../src/core/errors.ts';
import { judge } from '../../src/store/mysql-errors.ts';
import { memberOf, whyNot } from '../../src/store/mysql-session.ts';
import type { Store } from '../../src/world.ts';
import { freePort } from '../fixtures/free-port.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';
import { aTodo } from './conformance.ts';
import { mysqlStore } from './mysql-fixture.ts';

let first: Mariadb;
let second: Mariadb;
let toFirst: TcpProxy;
let admins: [Connection, Connection];
before(async () => {
  first = await startMariadb();
  second = await startMariadb();
  toFirst = await startTcpProxy(first.port);
  admins = [await first.connect(), await second.connect()];
  for (const server of [first, second]) {
    const store = mysqlStore(server.url());
    await store.open();
    await store.close();
  }
});
after(async () => {
  for (const admin of admins ?? []) admin.destroy();
  await toFirst?.stop();
  await Promise.all([first?.stop(), second?.stop()]);
});
beforeEach(async () => {
  await toFirst.accept();
  for (const admin of admins) await admin.query('SET GLOBAL read_only = 0; DELETE FROM todo');
});

const both = (): string => first.url().replace(`127.0.0.1:${first.port}`, `127.0.0.1:${toFirst.port},127.0.0.1:${second.port}`);
const titles = async (admin: Connection): Promise<string[]> => {
  const [rows] = await admin.query('SELECT title FROM todo ORDER BY number');
  return (rows as { title: string }[]).map(({ title }) => title);
};
const add = (store: Store, title: string) => store.add(aTodo({ title }));
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    if (!isOperational(error)) throw error;
    return `${error.code}: ${error.message}`;
  }
};

test('a server that was demoted gets no more writes, also from an account that may write to it all the same', async (t) => {
  const store = mysqlStore(both());
  t.after(() => store.close());
  await add(store, 'before');
  await admins[0].query('SET GLOBAL read_only = 1');
  // A look that is due: connections that stood already are looked at again.
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + 6000);
  await add(store, 'after');
  assert.deepEqual([await titles(admins[0]), await titles(admins[1])], [['before'], ['after']]);
  assert.equal(store.figures().server, `127.0.0.1:${second.port}`);
});

test('writes never fall onto a read-only server: they wait, reads go on there, and the first that takes writes is used', async (t) => {
  const store = mysqlStore(both());
  t.after(() => store.close());
  await admins[1].query('SET GLOBAL read_only = 1');
  await add(store, 'on the first');
  await toFirst.refuse();
  const said = await codeOf(add(store, 'nowhere'));
  assert.match(
    said,
    /^STORE_UNREACHABLE: .*127\.0\.0\.1:\d+: connect ECONNREFUSED.*; 127\.0\.0\.1:\d+: it takes no writes: read_only is ON/,
  );
  assert.deepEqual(await titles(admins[1]), []);
  await store.ping();
  assert.deepEqual((await store.list({ statuses: null, limit: 10 })).todos, [], 'read from the second');
  await admins[1].query('SET GLOBAL read_only = 0');
  await add(store, 'on the second');
  assert.deepEqual([await titles(admins[0]), await titles(admins[1])], [['on the first'], ['on the second']]);
});

test('the one in use stays in use when a preferred one is back; when it fails the order is walked from its start', async (t) => {
  const store = mysqlStore(both());
  t.after(() => store.close());
  await toFirst.refuse();
  await add(store, 'one');
  await toFirst.accept();
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + 120_000);
  await add(store, 'two');
  assert.deepEqual(
    [await titles(admins[0]), await titles(admins[1])],
    [[], ['one', 'two']],
    'no return by itself: the first may lack rows',
  );
  await admins[1].query('SET GLOBAL read_only = 1');
  t.mock.method(performance, 'now', () => now() + 240_000);
  await add(store, 'three');
  assert.deepEqual([await titles(admins[0]), await titles(admins[1])], [['three'], ['one', 'two']]);
});

test('what a member of a cluster says of itself decides whether it is asked', () => {
  const of = (known: Record<string, string>, status: Record<string, string> = {}) =>
    memberOf(new Map(Object.entries(known)), new Map(Object.entries(status)));
  const ready = { wsrep_ready: 'ON', wsrep_cluster_status: 'Primary' };
  const judged = (member: ReturnType<typeof of>, wanted: 'read' | 'write') => {
    const error = whyNot(member, wanted);
    return error === null ? null : judge(error, 'nothing');
  };
  const cases = [
    [of({ read_only: 'OFF' }), null, null],
    [of({ read_only: 'ON' }), null, 'STORE_READ_ONLY'],
    [of({ read_only: 'NO_LOCK' }), null, 'STORE_READ_ONLY'],
    [of({ read_only: 'OFF', super_read_only: 'ON' }), null, 'STORE_READ_ONLY'],
    [of({ read_only: 'OFF', innodb_read_only: 'ON' }), null, 'STORE_READ_ONLY'],
    [of({ wsrep_on: 'ON' }, ready), null, null],
    [of({ wsrep_on: 'ON', read_only: 'ON' }, ready), null, 'STORE_READ_ONLY'],
    [of({ wsrep_on: 'ON' }, { ...ready, wsrep_ready: 'OFF' }), 'STORE_READ_ONLY', 'STORE_READ_ONLY'],
    [of({ wsrep_on: 'ON' }, { ...ready, wsrep_cluster_status: 'non-Primary' }), 'STORE_READ_ONLY', 'STORE_READ_ONLY'],
    [of({ wsrep_on: 'ON' }), 'STORE_READ_ONLY', 'STORE_READ_ONLY'],
    [of({ wsrep_on: 'OFF' }), null, null],
  ] as const;
  for (const [member, read, write] of cases)
    assert.deepEqual([judged(member, 'read'), judged(member, 'write')], [read, write], JSON.stringify(member));
});

describe('a real Galera member', () => {
  let member: Mariadb;
  let one: TcpProxy;
  let other: TcpProxy;
  let admin: Connection;
  before(async () => {
    const options = `gmcast.listen_addr=tcp://127.0.0.1:${await freePort()}`;
    member = await startMariadb([
      '--wsrep-on=ON',
      // Comes with MariaDB's server.
      '--wsrep-provider=/usr/lib/galera/libgalera_smm.so',
      '--wsrep-cluster-address=gcomm://',
      `--wsrep-provider-options=${options}`,
      '--binlog-format=ROW',
    ]);
    [one, other] = await Promise.all([startTcpProxy(member.port), startTcpProxy(member.port)]);
    admin = await member.connect();
    const store = mysqlStore(member.url());
    await store.open();
    await store.close();
  });
  after(async () => {
    admin?.destroy();
    await one?.stop();
    await other?.stop();
    await member?.stop();
  });

  test('that is cut off from its cluster is not used, for reads neither, and is used again when it is ready', async (t) => {
    const store = mysqlStore(member.url());
    t.after(() => store.close());
    await add(store, 'before');
    await admin.query("SET GLOBAL wsrep_cluster_address = 'gcomm://127.0.0.1:1?pc.wait_prim=no'");
    assert.match(await codeOf(add(store, 'cut off')), /^STORE_READ_ONLY: /);
    assert.match(await codeOf(store.list({ statuses: null, limit: 1 })), /^STORE_READ_ONLY: .*(wsrep_ready is OFF|not yet prepared node)/);
    // A fresh connection takes the handshake happily; only the question shows it.
    const late = mysqlStore(member.url());
    t.after(() => late.close());
    assert.match(await codeOf(late.ping()), /^STORE_READ_ONLY: .*not a ready member of its cluster: wsrep_ready is OFF/);
    await admin.query("SET GLOBAL wsrep_cluster_address = 'gcomm://'");
    const deadline = Date.now() + 20_000;
    const isReady = async () => ((await admin.query("SHOW STATUS LIKE 'wsrep_ready'"))[0] as { Value: string }[])[0]?.Value === 'ON';
    while (!(await isReady()) && Date.now() < deadline);
    await add(store, 'after');
    await late.ping();
    assert.deepEqual(await titles(admin), ['before', 'after']);
  });

  test('that is preferred is taken again a minute later, because in a cluster every member has every row', async (t) => {
    const hosts = `127.0.0.1:${one.port},127.0.0.1:${other.port}`;
    const store = mysqlStore(member.url().replace(`127.0.0.1:${member.port}`, hosts));
    t.after(() => store.close());
    await one.refuse();
    await store.ping();
    assert.equal(store.figures().server, `127.0.0.1:${other.port}`);
    await one.accept();
    await store.ping();
    assert.equal(store.figures().server, `127.0.0.1:${other.port}`, 'not at once');
    const now = performance.now.bind(performance);
    t.mock.method(performance, 'now', () => now() + 61_000);
    const deadline = Date.now() + 20_000;
    while (store.figures().server !== `127.0.0.1:${one.port}` && Date.now() < deadline) await store.ping();
    assert.equal(store.figures().server, `127.0.0.1:${one.port}`);
  });
});
