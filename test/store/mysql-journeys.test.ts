// How often an operation goes to a real MariaDB and back. On this machine nobody would notice one more; at 200 ms each it is what a claim costs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RunRef } from '../../src/core/todo.ts';
import type { Store } from '../../src/world.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';
import { aClaim, aRecord, aTodo, claimed } from './conformance.ts';
import { mysqlStore } from './mysql-fixture.ts';

let server: Mariadb;
let proxy: TcpProxy;
let store: Store;

before(async () => {
  server = await startMariadb();
  proxy = await startTcpProxy(server.port);
  store = mysqlStore(server.url(proxy.port), { poolSize: 1 });
  await store.open();
});
after(async () => {
  await store?.close();
  await proxy?.stop();
  await server?.stop();
});

/** Statements that were sent, in order. The look at the server itself, every few seconds, belongs to no operation. */
async function sent(work: () => Promise<unknown>): Promise<readonly string[]> {
  const found: string[] = [];
  proxy.plan(({ sql }) => {
    if (!sql.startsWith('SHOW VARIABLES')) found.push(sql);
    return 'pass';
  });
  await work();
  return found;
}

/** Its statements are prepared by the first time, which nobody counts. */
async function journeys(work: () => Promise<unknown>): Promise<number> {
  await work();
  return (await sent(work)).length;
}

const ofHost = (host: string) => ({ host, slots: { total: 50, agent: 50, project: 50 }, agents: ['shell'] });

test('a claim, a look for nothing, leases, a word and a completion are few journeys each, however many todos there are', async () => {
  for (let n = 0; n < 30; n++) await store.add(aTodo({ project: `/${n}` }));
  assert.equal(await journeys(() => claimed(store, ofHost('one/1'))), 10);
  const refs: RunRef[] = [];
  for (let n = 0; n < 24; n++) refs.push((await claimed(store, ofHost('two/2'))).ref);
  assert.equal(await journeys(() => store.renew(refs, 60_000)), 4, 'begin, time, all of them, commit');
  assert.equal(await journeys(() => store.renew([...refs, { ...refs[0]!, fence: 7 }], 60_000)), 5, 'and which of them');
  assert.equal(await journeys(() => store.mark(refs.pop()!, 'running', 1, null)), 7);
  const ended: RunRef[] = [];
  assert.equal(await journeys(() => store.record(aRecord(ended[ended.push(refs.pop()!) - 1]!))), 6);
  assert.equal(await journeys(() => store.readBack(ended[0]!.runId)), 1);
  assert.equal(await journeys(() => store.missing([ended[0]!.runId])), 1);
  while ((await store.claim(aClaim(ofHost('three/3')))).kind === 'claimed');
  assert.equal(await journeys(() => store.claim(aClaim(ofHost('three/3')))), 3, 'what is here, the queue, when there will be something');
});
