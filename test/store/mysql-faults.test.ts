// A real MariaDB that is killed, stopped, cut off and swallowed at each moment of a record. Whatever happens: what was committed is never called
// a failure, nothing is ever there by half, and who comes again finds or makes exactly one record.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Connection } from 'mysql2/promise';
import { isOperational } from '../../src/core/errors.ts';
import { digestOf, sameRecord } from '../../src/core/record.ts';
import type { RunRef, TerminalRecord } from '../../src/core/todo.ts';
import { random } from '../../src/platform/random.ts';
import { mysqlDriver } from '../../src/store/mysql.ts';
import { rowOf } from '../../src/store/work.ts';
import type { Store } from '../../src/world.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Command, type Fate, startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';
import { aClaim, aRecord, aTodo, claimed, sha256 } from './conformance.ts';
import { type MysqlStoreChoices, manualClock, mysqlAddress, mysqlStore, realClock } from './mysql-fixture.ts';

let server: Mariadb;
let admin: Connection;
let proxy: TcpProxy;
/** Straight to the server: what is really there. */
let truth: Store;
const stores: Store[] = [];

const through = (choices: MysqlStoreChoices = {}): Store => {
  const store = mysqlStore(server.url(proxy.port), choices);
  stores.push(store);
  return store;
};

const direct = async (): Promise<void> => {
  admin = await server.connect();
  // It is killed now and then.
  admin.on('error', () => {});
  truth = mysqlStore(server.url());
};

const backUp = async (): Promise<void> => {
  await server.restart();
  admin.destroy();
  await truth.close();
  await direct();
};

before(async () => {
  server = await startMariadb();
  proxy = await startTcpProxy(server.port);
  await direct();
  await truth.open();
});
after(async () => {
  await truth?.close();
  await proxy?.stop();
  await server?.stop();
});
beforeEach(async () => {
  // Whatever the case before left, also when it failed in its middle.
  server.thaw();
  if (!server.running()) await backUp();
  await proxy.accept();
  proxy.plan(() => 'pass');
  await Promise.all(stores.splice(0).map((store) => store.close()));
});

/** A todo with a live run and a store whose connection stands and has prepared its statements, so that each command that follows is the operation's own. */
async function ready(choices: MysqlStoreChoices = {}): Promise<{ store: Store; ref: RunRef; sent: TerminalRecord }> {
  const store = through({ poolSize: 1, ...choices });
  await truth.add(aTodo());
  const { ref } = await claimed(store);
  return { store, ref, sent: aRecord(ref, { output: 'x'.repeat(1000) }) };
}

const codeOf = async (operation: Promise<unknown>): Promise<string> => {
  try {
    return `no error: ${JSON.stringify(await operation)}`;
  } catch (error) {
    if (!isOperational(error)) throw error;
    assert.ok(!error.message.includes(server.password), 'no password in an error');
    return error.code;
  }
};

/** Either all of the record is there or nothing of it. */
async function whatIsThere({ todoId, runId }: RunRef): Promise<'recorded' | 'nothing'> {
  const [todo, run, back] = [await truth.find(todoId), await truth.getRun(runId), await truth.readBack(runId)];
  const ended = [
    todo?.status === 'completed',
    todo?.runId === null,
    todo?.endedAtMs !== null,
    todo?.summary !== null,
    run?.outcome === 'done',
    run?.endedAtMs !== null,
    back !== null,
  ];
  assert.equal(new Set(ended).size, 1, `half a record: ${JSON.stringify(ended)}`);
  return back === null ? 'nothing' : 'recorded';
}

/** Coming again always ends in exactly this record. */
async function comesToAnEnd(store: Store, sent: TerminalRecord): Promise<void> {
  const before = await store.readBack(sent.runId);
  assert.equal(await store.record(sent), before === null ? 'recorded' : 'already');
  const back = await store.readBack(sent.runId);
  assert.deepEqual(sameRecord(digestOf(sent, sha256), back!, sha256), { same: true });
  assert.equal(await whatIsThere(sent), 'recorded');
}

const isCommit = ({ text }: Command): boolean => text.startsWith('COMMIT');
const at =
  (where: (command: Command) => boolean, fate: Fate) =>
  (command: Command): Fate =>
    where(command) ? fate : 'pass';

describe('an answer that is lost', () => {
  test('after the server committed is in doubt, never a failure, and reading back shows the record', async () => {
    const { store, ref, sent } = await ready();
    proxy.plan(at(isCommit, 'lose-answer'));
    assert.equal(await codeOf(store.record(sent)), 'STORE_IN_DOUBT');
    proxy.plan(() => 'pass');
    assert.equal(await whatIsThere(ref), 'recorded');
    const back = await store.readBack(ref.runId);
    assert.deepEqual(sameRecord(digestOf(sent, sha256), back!, sha256), { same: true });
    assert.equal(await store.record(sent), 'already');
  });

  test('before COMMIT arrived is in doubt too, and reading back shows for certain that nothing is there', async () => {
    const { store, ref, sent } = await ready();
    proxy.plan(at(isCommit, 'cut'));
    assert.equal(await codeOf(store.record(sent)), 'STORE_IN_DOUBT');
    proxy.plan(() => 'pass');
    assert.equal(await store.readBack(ref.runId), null);
    assert.equal(await whatIsThere(ref), 'nothing');
    assert.equal(await store.record(sent), 'recorded');
  });

  test('while COMMIT is still on its way is in doubt, and reading back waits for it to arrive', async () => {
    const clock = manualClock();
    const { store, ref, sent } = await ready({ clock });
    const held = Promise.withResolvers<void>();
    const deliver = Promise.withResolvers<Fate>();
    proxy.plan((command) => {
      if (!isCommit(command)) return 'pass';
      held.resolve();
      return deliver.promise;
    });
    const record = codeOf(store.record(sent));
    await held.promise;
    clock.expire();
    assert.equal(await record, 'STORE_IN_DOUBT');
    proxy.plan(() => 'pass');
    const back = store.readBack(ref.runId);
    await Promise.race([
      untilALockIsWaitedFor(),
      back.then((seen) => assert.notEqual(seen, null, 'told that nothing is there, and then it came')),
    ]);
    deliver.resolve('pass');
    assert.deepEqual(sameRecord(digestOf(sent, sha256), (await back)!, sha256), { same: true });
  });

  test('of a claim is found again by its run: one todo is taken, once', async () => {
    const store = through({ poolSize: 1 });
    await store.ping();
    for (const fate of ['lose-answer', 'cut'] as const) {
      const todo = await truth.add(aTodo({ priority: 0 }));
      await truth.add(aTodo());
      let commits = 0;
      proxy.plan((command) => (isCommit(command) && ++commits === 1 ? fate : 'pass'));
      const { run, ref } = await claimed(store, { slots: { total: 99, agent: 99, project: 99 } });
      assert.equal(commits, 2);
      assert.equal(ref.todoId, todo.id);
      assert.deepEqual(
        (await truth.runsOf(todo.id)).map(({ id }) => id),
        [run.id],
      );
      await truth.record(aRecord(ref));
      await truth.record(aRecord((await claimed(truth)).ref));
      assert.equal((await truth.inProgress()).filter(({ run: of }) => of?.host === run.host && of.id === run.id).length, 0);
    }
  });

  test('of a claim that cannot be asked again stays in doubt', async () => {
    const store = through({ poolSize: 1 });
    const todo = await truth.add(aTodo());
    await store.ping();
    proxy.plan((command) => {
      if (!isCommit(command)) return 'pass';
      void proxy.refuse();
      return 'cut';
    });
    assert.equal(await codeOf(store.claim(aClaim({ todoId: todo.id }))), 'STORE_IN_DOUBT');
    await proxy.accept();
  });
});

test('[C-15] MariaDB: a connection that breaks at any command of a record leaves all of it or nothing', async () => {
  const clean = await ready();
  const commands: Command[] = [];
  proxy.plan((command) => {
    commands.push(command);
    return 'pass';
  });
  assert.equal(await clean.store.record(clean.sent), 'recorded');
  proxy.plan(() => 'pass');
  assert.ok(commands.length >= 6 && isCommit(commands.at(-1)!), `a record has ${commands.length} commands`);
  await clean.store.close();
  const seen: string[] = [];
  for (const fate of ['cut', 'lose-answer'] as const) {
    for (let broken = 0; broken < commands.length; broken++) {
      const { store, ref, sent } = await ready();
      proxy.plan(({ place }) => (place === broken ? fate : 'pass'));
      const code = await codeOf(store.record(sent));
      proxy.plan(() => 'pass');
      // The server notices the cut by itself; reading back by value waits for it.
      const there = (await truth.readBack(ref.runId)) !== null ? 'recorded' : 'nothing';
      assert.equal(await whatIsThere(ref), there);
      // Before the transaction had begun another connection was taken; then it is rolled back for certain; at COMMIT nobody knows.
      const told = broken === 0 ? 'no error' : broken < commands.length - 1 ? 'STORE_UNREACHABLE' : 'STORE_IN_DOUBT';
      assert.equal(code.split(':')[0], told, `${fate} at command ${broken} of ${commands.length}`);
      await comesToAnEnd(store, sent);
      await store.close();
      seen.push(`${code.split(':')[0]} ${there}`);
    }
  }
  assert.deepEqual([...new Set(seen)].sort(), [
    'STORE_IN_DOUBT nothing',
    'STORE_IN_DOUBT recorded',
    'STORE_UNREACHABLE nothing',
    'no error recorded',
  ]);
});

test('[C-15] MariaDB: a statement that fails half-way takes back those before it', async () => {
  const { store, ref, sent } = await ready();
  await admin.query(
    `CREATE TRIGGER no_completion BEFORE INSERT ON completion FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not today'`,
  );
  assert.equal(await codeOf(store.record(sent)), 'STORE_REFUSED');
  await admin.query('DROP TRIGGER no_completion');
  assert.equal(await whatIsThere(ref), 'nothing');
  await comesToAnEnd(store, sent);
});

describe('a server that is killed', () => {
  test('before a record is unreachable, and takes it when it is back', async () => {
    const { store, ref, sent } = await ready();
    await server.kill9();
    assert.equal(await codeOf(store.record(sent)), 'STORE_UNREACHABLE');
    assert.equal(await codeOf(store.readBack(ref.runId)), 'STORE_UNREACHABLE');
    await backUp();
    assert.equal(await whatIsThere(ref), 'nothing');
    await comesToAnEnd(store, sent);
  });

  test('in the middle of a record has nothing of it afterwards', async () => {
    const { store, ref, sent } = await ready();
    proxy.plan(async ({ text, place }): Promise<Fate> => {
      if (place < 4 || text.startsWith('COMMIT')) return 'pass';
      await server.kill9();
      return 'pass';
    });
    assert.equal(await codeOf(store.record(sent)), 'STORE_UNREACHABLE');
    proxy.plan(() => 'pass');
    await backUp();
    assert.equal(await whatIsThere(ref), 'nothing');
    await comesToAnEnd(store, sent);
  });

  test('after it committed, before its answer came, has the record afterwards', async () => {
    const { store, ref, sent } = await ready();
    proxy.plan(at(isCommit, 'swallow-answer'));
    const answered = proxy.met('swallow-answer');
    const record = codeOf(store.record(sent));
    await answered;
    await server.kill9();
    assert.equal(await record, 'STORE_IN_DOUBT');
    proxy.plan(() => 'pass');
    await backUp();
    assert.equal(await whatIsThere(ref), 'recorded');
    await comesToAnEnd(store, sent);
  });
});

describe('a server that stops answering', () => {
  test('before COMMIT was sent: the deadline destroys the connection and nothing was written', async () => {
    const clock = manualClock();
    const { store, ref, sent } = await ready({ clock });
    server.freeze();
    const sentFirst = proxy.met('pass');
    const record = codeOf(store.record(sent));
    await sentFirst;
    const deserted = proxy.deserted();
    clock.expire();
    assert.equal(await record, 'STORE_TIMEOUT');
    await deserted;
    assert.equal(store.figures().active, 0);
    server.thaw();
    proxy.plan(() => 'pass');
    await comesToAnEnd(store, sent);
    assert.equal(await whatIsThere(ref), 'recorded');
  });

  test('when COMMIT was sent: in doubt, and reading back waits until it is known', async () => {
    const clock = manualClock();
    const { store, ref, sent } = await ready({ clock });
    const frozen = new Promise<void>((resolve) =>
      proxy.plan((command) => {
        if (!isCommit(command)) return 'pass';
        server.freeze();
        resolve();
        return 'pass';
      }),
    );
    const record = codeOf(store.record(sent));
    await frozen;
    const deserted = proxy.deserted();
    clock.expire();
    assert.equal(await record, 'STORE_IN_DOUBT');
    await deserted;
    server.thaw();
    proxy.plan(() => 'pass');
    const back = await store.readBack(ref.runId);
    assert.equal(await whatIsThere(ref), back === null ? 'nothing' : 'recorded', 'what was read back stays true');
    await comesToAnEnd(store, sent);
  });

  test('into a black hole: each operation ends at its deadline, and its connection with it', async () => {
    const operations: readonly ((store: Store, ref: RunRef) => Promise<unknown>)[] = [
      (store) => store.ping(),
      (store) => store.list({ statuses: null, limit: 1 }),
      (store) => store.claim(aClaim()),
      (store, ref) => store.renew([ref], 60_000),
      (store, ref) => store.record(aRecord(ref)),
      (store, ref) => store.readBack(ref.runId),
      (store) => store.add(aTodo()),
      (store) => store.open(),
    ];
    for (const operation of operations) {
      const clock = manualClock();
      const { store, ref } = await ready({ clock });
      const swallowed = proxy.met('swallow');
      proxy.plan(() => 'swallow');
      const answer = codeOf(operation(store, ref));
      await swallowed;
      const deserted = proxy.deserted();
      clock.expire();
      assert.equal(await answer, 'STORE_TIMEOUT', operation.toString());
      await deserted;
      assert.deepEqual(poolOf(store), { active: 0, idle: 0, limit: 1 });
      proxy.plan(() => 'pass');
      assert.equal((await store.find(ref.todoId))?.status, 'claimed');
      await truth.record(aRecord(ref));
      await store.close();
    }
  });

  test('who waits for a connection of the pool waits no longer than the deadline either', async () => {
    const clock = manualClock();
    const { store } = await ready({ clock });
    const swallowed = proxy.met('swallow');
    proxy.plan(() => 'swallow');
    const answers = Promise.all([store.ping(), store.ping(), store.ping()].map(codeOf));
    await swallowed;
    clock.expire();
    assert.deepEqual(await answers, ['STORE_TIMEOUT', 'STORE_TIMEOUT', 'STORE_TIMEOUT']);
    proxy.plan(() => 'pass');
    await store.ping();
    assert.ok(store.figures().active + store.figures().idle <= 1);
  });

  test('a lock that is held too long ends in a timeout or a conflict, and nothing was written', async () => {
    const { store, ref, sent } = await ready({ deadlineMs: 1500 });
    await admin.query('START TRANSACTION');
    await admin.query(`SELECT * FROM todo WHERE id = '${ref.todoId}' FOR UPDATE`);
    assert.match(await codeOf(store.record(sent)), /STORE_TIMEOUT|STORE_CONFLICT/);
    await admin.query('ROLLBACK');
    assert.equal(await whatIsThere(ref), 'nothing');
    await comesToAnEnd(store, sent);
  });
});

test('a deadlock that the store loses is run again from its start', async () => {
  const { store, ref, sent } = await ready();
  const others = [];
  for (let i = 0; i < 30; i++) others.push((await truth.add(aTodo())).id);
  await admin.query('START TRANSACTION');
  // The heavier transaction wins.
  await admin.query(`UPDATE todo SET title = 'heavy' WHERE id IN (${others.map((id) => `'${id}'`).join(',')})`);
  await admin.query(`UPDATE todo SET title = 'locked' WHERE id = '${ref.todoId}'`);
  let rolledBack = 0;
  const waits = new Promise<void>((resolve) =>
    proxy.plan(({ text, place }) => {
      if (text.startsWith('ROLLBACK')) rolledBack++;
      if (place >= 3) resolve();
      return 'pass';
    }),
  );
  const record = store.record(sent);
  await waits;
  await untilALockIsWaitedFor();
  await admin.query(`UPDATE run SET round = 1 WHERE id = '${ref.runId}'`);
  await admin.query('COMMIT');
  assert.equal(await record, 'recorded');
  assert.equal(rolledBack, 1);
  assert.equal((await truth.find(ref.todoId))?.title, 'locked');
});

async function untilALockIsWaitedFor(): Promise<void> {
  for (;;) {
    const [rows] = await admin.query(`SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'`);
    if (Number((rows as { Value: string }[])[0]!.Value) > 0) return;
  }
}

describe('a server that refuses', () => {
  test('connections: unreachable at once, and served again when it listens', async () => {
    const { store, ref, sent } = await ready();
    await proxy.refuse();
    assert.equal(await codeOf(store.record(sent)), 'STORE_UNREACHABLE');
    assert.equal(await codeOf(store.ping()), 'STORE_UNREACHABLE');
    await proxy.accept();
    await comesToAnEnd(store, sent);
    assert.equal(await whatIsThere(ref), 'recorded');
  });

  test('the account: access, without the password in the text', async () => {
    const url = (account: string, database = server.database) => `mysql://${account}@127.0.0.1:${server.port}/${database}`;
    for (const wrong of [
      url('signoff:wr0ng'),
      url('nobody:wr0ng'),
      url(`signoff:${encodeURIComponent(server.password)}`, 'no_such_database'),
    ]) {
      const store = mysqlStore(wrong);
      await assert.rejects(
        store.open(),
        (error) =>
          isOperational(error) && error.code === 'STORE_ACCESS' && !/wr0ng/.test(error.message) && !error.message.includes(server.password),
      );
      await store.close();
    }
  });

  test('writes while it is read-only: told so, and goes on afterwards', async () => {
    await admin.query(
      `CREATE USER 'small'@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT, INSERT, UPDATE ON ${server.database}.* TO 'small'@'127.0.0.1'`,
    );
    const todo = await truth.add(aTodo());
    const store = mysqlStore(`mysql://small:x@127.0.0.1:${server.port}/${server.database}`);
    await admin.query('SET GLOBAL read_only = 1');
    assert.equal(await codeOf(store.claim(aClaim({ todoId: todo.id }))), 'STORE_READ_ONLY');
    assert.equal((await store.find(todo.id))?.status, 'open', 'reading goes on');
    await admin.query('SET GLOBAL read_only = 0');
    assert.equal((await store.claim(aClaim({ todoId: todo.id }))).kind, 'claimed');
    await store.close();
  });
});

test('the next server of the address serves while the first is away', async (t) => {
  const second = await startTcpProxy(server.port);
  t.after(() => second.stop());
  const hosts = `127.0.0.1:${proxy.port},127.0.0.1:${second.port}`;
  const store = mysqlStore(server.url().replace(`127.0.0.1:${server.port}`, hosts), { poolSize: 2 });
  t.after(() => store.close());
  await store.ping();
  assert.deepEqual([proxy.clients(), second.clients()], [1, 0], 'in order of preference');
  await proxy.refuse();
  const todo = await store.add(aTodo());
  assert.equal(second.clients(), 1);
  await proxy.accept();
  await second.refuse();
  assert.equal((await store.find(todo.id))?.id, todo.id);
  assert.equal(proxy.clients(), 1);
  await proxy.refuse();
  assert.equal(await codeOf(store.ping()), 'STORE_UNREACHABLE');
  await proxy.accept();
});

test('[C-16] MariaDB: what is too large for the server is stored in part with length and digest, and is the same by both', async () => {
  await admin.query('SET GLOBAL max_allowed_packet = 1048576');
  const { store, ref } = await ready();
  // The first letter moves all that follow, so that the bound falls inside a character.
  const sent = aRecord(ref, {
    output: `x${'🙂é'.repeat(600_000)}`,
    reportHtml: `<p>${'r'.repeat(900_000)}</p>`,
    evidence: 'e'.repeat(900_000),
  });
  assert.equal(await store.record(sent), 'recorded');
  await admin.query('SET GLOBAL max_allowed_packet = 16777216');
  const back = await store.readBack(ref.runId);
  assert.deepEqual(Object.keys(back!.truncated), ['output']);
  assert.ok(sent.output.startsWith(back!.record.output) && back!.record.output.length > 200_000);
  assert.equal(back!.truncated['output']?.bytes, Buffer.byteLength(back!.record.output));
  assert.equal(back!.record.reportHtml, sent.reportHtml);
  assert.deepEqual(sameRecord(digestOf(sent, sha256), back!, sha256), { same: true });
  await admin.query(`UPDATE completion SET output = CONCAT('x', output) WHERE run_id = '${ref.runId}'`);
  assert.equal(sameRecord(digestOf(sent, sha256), (await store.readBack(ref.runId))!, sha256).same, false, 'a changed part is seen');
});

test('a snapshot is of one moment, nobody who changes a table has to wait for it, and what it can no longer answer it says', async (t) => {
  const driver = mysqlDriver({
    address: mysqlAddress(server.url(proxy.port)),
    clock: realClock,
    random: { uuidv7: random.uuidv7, next: () => 0 },
    log: { info: () => {}, warn: () => {} },
    deadlineMs: 30_000,
    poolSize: 1,
  });
  t.after(() => driver.close());
  await truth.add(aTodo());
  const snapshot = await driver.snapshot({ operation: 'reading', subject: 'all' });
  const count = async (table: string): Promise<number> =>
    Number((await snapshot.read({ operation: 'counting', subject: table }, () => rowOf(`SELECT COUNT(*) AS n FROM ${table}`)))?.['n']);
  const before = [await count('todo'), await count('run')];
  await truth.add(aTodo());
  await claimed(truth);
  assert.deepEqual([await count('todo'), await count('run')], before, 'what came later is not in it');
  assert.equal(await count('comment'), 0);

  await admin.query('SET SESSION lock_wait_timeout = 2');
  await admin.query('ALTER TABLE comment FORCE');
  assert.equal(await codeOf(count('comment')), 'STORE_CONFLICT', 'the table is another one now');
  assert.equal(await codeOf(count('todo')), 'STORE_UNREACHABLE', 'an error ends the snapshot: what follows would be of another moment');
  await snapshot[Symbol.asyncDispose]();

  const cut = await driver.snapshot({ operation: 'reading', subject: 'all' });
  await proxy.refuse();
  await proxy.accept();
  const read = cut.read({ operation: 'counting', subject: 'todo' }, () => rowOf('SELECT COUNT(*) AS n FROM todo'));
  assert.equal(await codeOf(read), 'STORE_UNREACHABLE', 'and nothing is read anew over another connection');
});

test('[P-15] connections are pooled and bounded, and figures show them', async () => {
  // The store of the test before has closed its connections; the proxy may not have heard of it.
  await proxy.deserted();
  const store = through({ poolSize: 3 });
  assert.deepEqual(poolOf(store), { active: 0, idle: 0, limit: 3 });
  let most = 0;
  proxy.plan(() => {
    most = Math.max(most, store.figures().active);
    assert.ok(proxy.clients() <= 3);
    return 'pass';
  });
  const added = await Promise.all(Array.from({ length: 30 }, () => store.add(aTodo())));
  assert.equal(new Set(added.map(({ number }) => number)).size, 30);
  assert.equal(most, 3);
  assert.equal(proxy.clients(), 3);
  assert.deepEqual(poolOf(store), { active: 0, idle: 3, limit: 3 });
  const deserted = proxy.deserted();
  await store.close();
  await deserted;
});

test('a process whose server fell silent ends by itself: nothing waits for a goodbye', async () => {
  const script = fileURLToPath(new URL('ping-twice.ts', import.meta.url));
  const child = spawn(process.execPath, [script, server.url(proxy.port)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (line === 'connected') proxy.plan(() => 'swallow');
    if (line === 'connected') child.kill('SIGUSR2');
  }
  assert.deepEqual(await exited, [0, null]);
  assert.deepEqual(said, ['connected', 'STORE_TIMEOUT']);
});

test('closing does not wait for a server that does not answer', async () => {
  const { store } = await ready();
  const swallowed = proxy.met('swallow');
  proxy.plan(() => 'swallow');
  const pending = codeOf(store.ping());
  await swallowed;
  const deserted = proxy.deserted();
  await store.close();
  await deserted;
  assert.match(await pending, /STORE_/);
});

function poolOf(store: Store) {
  const { active, idle, limit } = store.figures();
  return { active, idle, limit };
}
