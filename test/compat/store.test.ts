// Stores that earlier programs wrote are opened, read and written by this one. The files stay as they are for ever (make-store.ts).
import assert from 'node:assert/strict';
import { copyFileSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { schemaVersion } from '../../src/store/schema.ts';
import type { Store } from '../../src/world.ts';
import { startMariadb } from '../fixtures/mariadb.ts';
import { aClaim, aRecord } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';
import { sqliteFixture } from '../store/sqlite-fixture.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));
const kept = (ending: string): readonly string[] => globSync(`store-v*.${ending}`, { cwd: folder }).sort();

const versionOf = (name: string): number => Number(/^store-v(\d+)\./.exec(name)![1]);

async function showsWhatWasWritten(store: Store, version: number): Promise<void> {
  await store.open();
  const { todos } = await store.list({ statuses: null, limit: 100 });
  const by = (title: string) => {
    const todo = todos.find((one) => one.title === title);
    assert.ok(todo, title);
    return todo;
  };
  assert.deepEqual(
    todos.map(({ number, title, status, proof, held }) => [number, title, status, proof, held]).sort((a, b) => Number(a[0]) - Number(b[0])),
    [
      [1, 'completed', 'completed', 'verified', false],
      [2, 'failed', 'failed', null, false],
      [3, 'open', 'open', null, false],
      [4, 'held', 'open', null, true],
      [5, 'parked', 'parked', null, false],
      [6, 'running', 'running', null, false],
      [7, 'dead-lettered', 'dead-lettered', null, true],
      [8, 'cancelled', 'cancelled', null, false],
    ],
  );
  const done = by('completed');
  assert.deepEqual(
    [done.prompt, done.checks, done.session, done.timeoutMs, done.rounds, done.fence, done.attempts],
    [`prompt of completed 🙂\0'"\\`, ['npm test'], 'tmux', 5000, 2, 2, 1],
  );
  const runs = await store.runsOf(done.id);
  assert.deepEqual(
    runs.map(({ fence, outcome }) => [fence, outcome]),
    [
      [1, 'lost'],
      [2, 'done'],
    ],
  );
  const back = await store.readBack(runs[1]!.id);
  assert.deepEqual([back?.record.output, back?.record.endedAtMs, back?.truncated], ['output 🙂\0\n'.repeat(100), 1_790_000_000_001, {}]);
  const notes = (await store.notesOf(done.id)).filter(({ what }) => what === 'a note');
  assert.deepEqual(notes, [{ kind: 'audit', runId: null, atMs: 1_790_000_000_000, what: 'a note', detail: '{"n":1}' }]);
  // Comments and attachments came with version 2: an older store has none, and takes some now.
  const comments = (await store.commentsOf(done.id)).map(({ author, text }) => [author, text]);
  const attachments = await store.attachmentsOf(done.id);
  assert.deepEqual(comments, version < 2 ? [] : [['a person', 'a comment 🙂\0']]);
  assert.deepEqual(
    attachments.map(({ name, sizeBytes }) => [name, sizeBytes]),
    version < 2 ? [] : [['picture.png', 4]],
  );
  if (attachments[0]) assert.deepEqual([...(await store.attached(attachments[0].sha256))!], [0, 255, 128, 10]);
  await store.comment({ id: '019c0000-0000-7000-8000-000000000002', todoId: done.id, runId: null, atMs: 1, author: 'now', text: 'today' });
  assert.equal((await store.commentsOf(done.id))[0]?.text, 'today');
  assert.equal(by('parked').notBeforeMs, 1_790_000_000_009);
}

async function goesOn(store: Store): Promise<void> {
  const taken = await store.claim(aClaim());
  assert.ok(taken.kind === 'claimed' && taken.todo.title === 'open');
  const ref = { todoId: taken.todo.id, runId: taken.run.id, fence: taken.run.fence };
  assert.equal(await store.record(aRecord(ref)), 'recorded');
  const [expired] = await store.expired();
  assert.equal(expired?.todo.title, 'running');
  const dead = await store.find('7');
  assert.equal(await store.requeue({ todoId: dead!.id, runId: dead!.runId!, fence: dead!.fence }), true);
  assert.equal((await store.add({ ...taken.todo, id: '019c0000-0000-7000-8000-000000000001' })).number, 9);
}

test('a store of each schema version is kept, for each engine', () => {
  const versions = Array.from({ length: schemaVersion }, (_, at) => at + 1);
  assert.deepEqual(
    kept('db'),
    versions.map((version) => `store-v${version}.db`),
    'run: node test/compat/make-store.ts',
  );
  assert.deepEqual(
    kept('mariadb.sql'),
    versions.map((version) => `store-v${version}.mariadb.sql`),
    'run: node test/compat/make-store.ts',
  );
});

describe('SQLite', () => {
  for (const name of kept('db')) {
    test(`${basename(name)} is opened, read and written`, async () => {
      const fixture = sqliteFixture();
      try {
        copyFileSync(join(folder, name), join(fixture.folder, name));
        const store = fixture.store(fixture.file(name));
        await showsWhatWasWritten(store, versionOf(name));
        await goesOn(store);
      } finally {
        fixture.end();
      }
    });
  }
});

describe('MariaDB', () => {
  for (const name of kept('mariadb.sql')) {
    test(`${basename(name)} is opened, read and written`, async () => {
      const server = await startMariadb();
      const admin = await server.connect();
      await admin.query(readFileSync(join(folder, name), 'utf8'));
      const store = mysqlStore(server.url());
      try {
        await showsWhatWasWritten(store, versionOf(name));
        await goesOn(store);
      } finally {
        await store.close();
        await admin.end();
        await server.stop();
      }
    });
  }
});
