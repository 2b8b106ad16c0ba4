// The store in the home's own file when statements fail, the disk is full, the file is busy, and other processes want the same todos.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { StatementSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isOperational } from '../../src/core/errors.ts';
import type { RunRef } from '../../src/core/todo.ts';
import { createCommitter, type Database } from '../../src/platform/sqlite.ts';
import type { Store } from '../../src/world.ts';
import { aClaim, aRecord, aTodo, claimed } from './conformance.ts';
import { sqliteFixture } from './sqlite-fixture.ts';

let fixture: ReturnType<typeof sqliteFixture>;
let shared: ReturnType<typeof fixture.file>;
let store: Store;
beforeEach(async () => {
  fixture = sqliteFixture();
  shared = fixture.file();
  store = fixture.store(shared);
  await store.open();
});
afterEach(() => fixture.end());

async function ready(): Promise<RunRef> {
  await store.add(aTodo());
  return (await claimed(store)).ref;
}

const codeOf = async (operation: Promise<unknown>): Promise<string> => {
  try {
    return `no error: ${JSON.stringify(await operation)}`;
  } catch (error) {
    if (!isOperational(error)) throw error;
    return error.code;
  }
};

async function whatIsThere({ todoId, runId }: RunRef): Promise<'recorded' | 'nothing'> {
  const [todo, run, back] = [await store.find(todoId), await store.getRun(runId), await store.readBack(runId)];
  const ended = [todo?.status === 'completed', todo?.runId === null, todo?.summary !== null, run?.outcome === 'done', back !== null];
  assert.equal(new Set(ended).size, 1, `half a record: ${JSON.stringify(ended)}`);
  return back === null ? 'nothing' : 'recorded';
}

/** The same file; its writes count down, and one of them fails in SQLite's way. */
function failing(database: Database, errcode: number) {
  const state = { writes: 0, failAt: Number.POSITIVE_INFINITY };
  const prepare = (sql: string): StatementSync => {
    const statement = database.prepare(sql);
    const run: StatementSync['run'] = (...values: never[]) => {
      if (++state.writes === state.failAt)
        throw Object.assign(new Error(`planned error ${errcode}`), { code: 'ERR_SQLITE_ERROR', errcode });
      return statement.run(...values);
    };
    return { run, all: statement.all.bind(statement) } as unknown as StatementSync;
  };
  return { state, prepare };
}

test('[C-15] SQLite: whichever statement of a record fails, for whatever reason, nothing of it is there', async () => {
  for (const [errcode, code] of [
    [10, 'STORE_IN_DOUBT'],
    [13, 'STORE_FULL'],
    [19, 'STORE_REFUSED'],
  ] as const) {
    const { state, prepare } = failing(shared.database, errcode);
    const broken = fixture.store({ ...shared, database: { ...shared.database, prepare } });
    const first = await ready();
    state.writes = 0;
    assert.equal(await broken.record(aRecord(first)), 'recorded');
    const writes = state.writes;
    assert.ok(writes >= 3);
    for (let failAt = 1; failAt <= writes; failAt++) {
      const ref = await ready();
      Object.assign(state, { writes: 0, failAt });
      assert.equal(await codeOf(broken.record(aRecord(ref))), code);
      assert.equal(await whatIsThere(ref), 'nothing', `after statement ${failAt} of ${writes}`);
      assert.equal(await broken.record(aRecord(ref)), 'recorded');
      assert.equal(await whatIsThere(ref), 'recorded');
    }
  }
});

test('[C-15] SQLite: a record that is refused takes back its own statements and none of those that share its commit', async () => {
  const refs = [await ready(), await ready(), await ready()];
  shared.database.exec(
    `CREATE TRIGGER no_completion BEFORE INSERT ON completion WHEN NEW.run_id = '${refs[1]!.runId}' BEGIN SELECT RAISE(ABORT, 'not today'); END`,
  );
  const answers = await Promise.all(refs.map((ref) => codeOf(store.record(aRecord(ref)))));
  assert.deepEqual(answers, ['no error: "recorded"', 'STORE_REFUSED', 'no error: "recorded"']);
  assert.deepEqual(
    [await whatIsThere(refs[0]!), await whatIsThere(refs[1]!), await whatIsThere(refs[2]!)],
    ['recorded', 'nothing', 'recorded'],
  );
});

test('a file that may not grow is full: nothing half, and it goes on when there is room', async () => {
  const ref = await ready();
  const pages = Number(shared.database.prepare('PRAGMA page_count').get()?.['page_count']);
  shared.database.exec(`PRAGMA max_page_count = ${pages + 10}`);
  const sent = aRecord(ref, { output: 'x'.repeat(1024 * 1024) });
  assert.equal(await codeOf(store.record(sent)), 'STORE_FULL');
  assert.equal(await whatIsThere(ref), 'nothing');
  shared.database.exec('PRAGMA max_page_count = 1000000');
  assert.equal(await store.record(sent), 'recorded');
});

test('a file that another process is writing to is waited for', async () => {
  const ref = await ready();
  const other = fixture.file();
  other.database.exec('BEGIN IMMEDIATE');
  const record = store.record(aRecord(ref));
  const seen = await Promise.race([record, new Promise((resolve) => setImmediate(() => setImmediate(() => resolve('waiting'))))]);
  assert.equal(seen, 'waiting');
  other.database.exec('COMMIT');
  assert.equal(await record, 'recorded');
});

test('completions that end in one turn share one commit', async () => {
  const refs: RunRef[] = [];
  for (let i = 0; i < 64; i++) refs.push(await ready());
  let commits = 0;
  const counting: Database = {
    ...shared.database,
    exec(sql) {
      if (sql === 'COMMIT') commits++;
      shared.database.exec(sql);
    },
  };
  const grouped = fixture.store({ database: shared.database, committer: createCommitter(counting) });
  const answers = await Promise.all(refs.map((ref) => grouped.record(aRecord(ref))));
  assert.deepEqual(new Set(answers), new Set(['recorded']));
  assert.equal(commits, 1);
});

test('looking for work where there is none writes nothing', async () => {
  let commits = 0;
  const committer = {
    ...shared.committer,
    write<T>(work: () => T): Promise<T> {
      commits++;
      return shared.committer.write(work);
    },
  };
  const idle = fixture.store({ database: shared.database, committer });
  await idle.open();
  await idle.blockDependents();
  await idle.renew([], 1000);
  const result = await idle.claim({
    runId: 'r',
    tokenSha256: '',
    host: 'h',
    kind: 'by-todo',
    leaseMs: 1,
    todoId: null,
    slots: null,
    agents: null,
    externalLeaseMs: null,
  });
  assert.equal(result.kind, 'nothing');
  assert.equal(commits, 0);
});

test('a file that is only looked at takes no writes, and says so', async () => {
  await store.close();
  await assert.rejects(
    async () => {
      shared.database.exec('PRAGMA query_only = 1');
      await store.add(aTodo());
    },
    { code: 'STORE_READ_ONLY' },
  );
  shared.database.exec('PRAGMA query_only = 0');
});

test('completed is never made by a change', async () => {
  const todo = await store.add(aTodo());
  for (const status of ['completed', 'running', 'claimed', 'stalled', 'dead-lettered'] as const) {
    await assert.rejects(store.change(todo.id, ['open'], { status }), /never changed to/);
  }
  assert.deepEqual(await store.find(todo.id), todo);
});

test('a todo that somebody set to in progress outside of us is taken by hand, and by nobody else', async () => {
  const todo = await store.add(aTodo());
  shared.database.exec(`UPDATE todo SET status = 'running' WHERE id = '${todo.id}'`);
  assert.deepEqual(
    (await store.inProgress()).map(({ run }) => run),
    [null],
  );
  assert.equal((await store.claim(aClaim())).kind, 'nothing');
  assert.equal((await store.claim(aClaim({ todoId: todo.id }))).kind, 'refused');
  const { ref } = await claimed(store, { todoId: todo.id, kind: 'external' });
  assert.equal((await store.claim(aClaim({ todoId: todo.id, kind: 'external' }))).kind, 'refused', 'now it has a run');
  assert.equal(await store.record(aRecord(ref)), 'recorded');
});

test('three processes that take from one file take each todo once', async () => {
  const todos = 60;
  for (let i = 0; i < todos; i++) await store.add(aTodo());
  const script = fileURLToPath(new URL('claim-all.ts', import.meta.url));
  const taken = await Promise.all(
    ['a', 'b', 'c'].map(async (host) => {
      const process_ = spawn(process.execPath, [script, join(fixture.folder, 'todo.db'), host], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      process_.stdout.on('data', (chunk) => {
        said += chunk;
      });
      const [exit] = await once(process_, 'close');
      assert.equal(exit, 0);
      return said.split('\n').filter(Boolean);
    }),
  );
  assert.equal(new Set(taken.flat()).size, todos);
  assert.equal(taken.flat().length, todos);
  for (const { todo, run } of await store.inProgress()) assert.equal(todo.runId, run?.id);
});

test('another process that keeps the file from us is counted and named, until we may write again', { timeout: 60_000 }, async () => {
  assert.deepEqual([store.figures().busy, (await store.care!.obstacles()).found], [0, []]);
  const script = `const db = new (require('node:sqlite').DatabaseSync)(process.argv[1]); db.exec('BEGIN IMMEDIATE'); console.log('has it'); process.stdin.on('data', () => process.exit())`;
  const holder = spawn(process.execPath, ['-e', script, shared.database.path], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  assert.equal(await codeOf(store.add(aTodo())), 'STORE_TIMEOUT');
  assert.equal(store.figures().busy, 1);
  const [obstacle] = (await store.care!.obstacles()).found;
  assert.deepEqual([obstacle?.kind, obstacle?.holder], ['busy', holder.pid]);
  assert.match(obstacle!.text, new RegExp(`^process ${holder.pid} \\(.+\\) has kept the file from us for .*; we gave up 1 time since`));
  const ended = once(holder, 'exit');
  holder.stdin.write('end');
  await ended;
  assert.match(await codeOf(store.add(aTodo())), /^no error/);
  assert.deepEqual((await store.care!.obstacles()).found, []);
});
