import assert from 'node:assert/strict';
import { existsSync, mkdtempDisposableSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCommitter, type Database, openDatabase } from '../../src/platform/sqlite.ts';
import { startProgram } from './program.ts';

const folder = () => mkdtempDisposableSync(join(tmpdir(), 'todo-sqlite-'));

/** How often a transaction was committed, beside the database itself. */
function counting(db: Database): { readonly db: Database; readonly commits: () => number } {
  let commits = 0;
  const exec = (sql: string): void => {
    if (sql === 'COMMIT') commits++;
    db.exec(sql);
  };
  const counted = Object.create(db, { exec: { value: exec }, inTransaction: { get: () => db.inTransaction } }) as Database;
  return { db: counted, commits: () => commits };
}

function openWithTable(path: string): Database {
  const db = openDatabase(path);
  db.exec('CREATE TABLE IF NOT EXISTS acked (id TEXT PRIMARY KEY)');
  return db;
}

const insert = (db: Database, id: string) => (): void => void db.prepare('INSERT INTO acked (id) VALUES (?)').run(id);
const idsIn = (db: Database): string[] =>
  db
    .prepare('SELECT id FROM acked ORDER BY id')
    .all()
    .map((row) => String(row['id']));

test('writes that are asked for in one turn share one commit, and those of the next turn have another', async () => {
  using at = folder();
  const { db, commits } = counting(openWithTable(join(at.path, 'todo.db')));
  const committer = createCommitter(db);
  await Promise.all(Array.from({ length: 50 }, (_, n) => committer.write(insert(db, `a${n}`))));
  assert.equal(commits(), 1);
  await committer.write(insert(db, 'b'));
  assert.equal(commits(), 2);
  assert.equal(idsIn(db).length, 51);
  db.close();
});

test('a wave has at most 64 writes, so that nobody waits for everybody', async () => {
  using at = folder();
  const { db, commits } = counting(openWithTable(join(at.path, 'todo.db')));
  const committer = createCommitter(db);
  await Promise.all(Array.from({ length: 65 }, (_, n) => committer.write(insert(db, `a${n}`))));
  assert.equal(commits(), 2);
  db.close();
});

test('a write that throws is rolled back and rejects alone; the others of its wave stand', async () => {
  using at = folder();
  const db = openWithTable(join(at.path, 'todo.db'));
  const committer = createCommitter(db);
  const failing = committer.write(() => {
    insert(db, 'half')();
    throw new Error('no');
  });
  const duplicate = committer.write(() => [insert(db, 'x'), insert(db, 'x')].map((it) => it()));
  const results = await Promise.allSettled([committer.write(insert(db, 'first')), failing, duplicate, committer.write(insert(db, 'last'))]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  assert.deepEqual(idsIn(db), ['first', 'last']);
  db.close();
});

test('a write sees what the ones before it in its wave have written, and gives its value back', async () => {
  using at = folder();
  const db = openWithTable(join(at.path, 'todo.db'));
  const committer = createCommitter(db);
  void committer.write(insert(db, 'a'));
  assert.deepEqual(await committer.write(() => idsIn(db)), ['a']);
  db.close();
});

test('when the commit fails nobody of the wave is told that it is durable', async () => {
  using at = folder();
  const db = openWithTable(join(at.path, 'todo.db'));
  db.exec('CREATE TABLE child (id TEXT REFERENCES acked (id) DEFERRABLE INITIALLY DEFERRED)');
  const committer = createCommitter(db);
  const orphan = committer.write(() => db.prepare("INSERT INTO child VALUES ('nobody')").run());
  const results = await Promise.allSettled([committer.write(insert(db, 'a')), orphan]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  assert.deepEqual(idsIn(db), []);
  await committer.write(insert(db, 'later'));
  assert.deepEqual(idsIn(db), ['later']);
  db.close();
});

test('a full disk is DISK_FULL for the whole wave, and the next write succeeds when there is room again', async () => {
  using at = folder();
  const db = openWithTable(join(at.path, 'todo.db'));
  const committer = createCommitter(db);
  db.exec('PRAGMA max_page_count = 5');
  const results = await Promise.allSettled([committer.write(insert(db, 'small')), committer.write(insert(db, 'x'.repeat(100_000)))]);
  for (const result of results) assert.equal(result.status === 'rejected' && result.reason.code, 'DISK_FULL');
  db.exec('PRAGMA max_page_count = 100000');
  await committer.write(insert(db, 'later'));
  assert.deepEqual(idsIn(db), ['later']);
  db.close();
});

test('while another process holds the database a write waits with the event loop running, then succeeds', async () => {
  using at = folder();
  const path = join(at.path, 'todo.db');
  const db = openWithTable(path);
  const other = openDatabase(path);
  other.exec('BEGIN IMMEDIATE');
  const committer = createCommitter(db);
  const written = committer.write(insert(db, 'a'));
  await new Promise((resolve) => setTimeout(resolve, 0));
  await new Promise((resolve) => setTimeout(resolve, 0));
  other.exec('COMMIT');
  await written;
  assert.deepEqual(idsIn(db), ['a']);
  other.close();
  db.close();
});

test('a database that stays held is STORE_CONFLICT, and nothing was written', async () => {
  using at = folder();
  const path = join(at.path, 'todo.db');
  const db = openWithTable(path);
  const other = openDatabase(path);
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(createCommitter(db, { patienceMs: 1 }).write(insert(db, 'a')), { code: 'STORE_CONFLICT' });
  other.exec('COMMIT');
  assert.deepEqual(idsIn(db), []);
  other.close();
  db.close();
});

test('flush commits at once what is queued', async () => {
  using at = folder();
  const db = openWithTable(join(at.path, 'todo.db'));
  const committer = createCommitter(db);
  const written = committer.write(insert(db, 'a'));
  committer.flush();
  assert.deepEqual(idsIn(db), ['a']);
  await written;
  db.close();
});

test('fifty writers in ten processes lose nothing and hear of every row', async () => {
  using at = folder();
  const path = join(at.path, 'todo.db');
  const db = openWithTable(path);
  const programs = Array.from({ length: 10 }, () => startProgram('commit-rows.ts', [path, '10']));
  const codes = await Promise.all(
    programs.map(async (program) => {
      program.process.stdout?.resume();
      return program.ended();
    }),
  );
  assert.deepEqual(new Set(codes), new Set([0]));
  assert.equal(idsIn(db).length, 500);
  db.close();
});

test('what was told to be durable is there after kill -9', async () => {
  using at = folder();
  const path = join(at.path, 'todo.db');
  openWithTable(path).close();
  const program = startProgram('commit-rows.ts', [path, '100000']);
  const acked: string[] = [];
  while (acked.length < 200) acked.push(await program.line());
  program.process.kill('SIGKILL');
  assert.equal(await program.ended(), 'SIGKILL');
  const db = openDatabase(path);
  const there = new Set(idsIn(db));
  assert.deepEqual(
    acked.filter((id) => !there.has(id)),
    [],
  );
  db.close();
});

test('each commit is flushed to the disk before it is told', () => {
  using at = folder();
  const db = openWithTable(join(at.path, 'todo.db'));
  assert.deepEqual({ ...db.prepare('PRAGMA journal_mode').get() }, { journal_mode: 'wal' });
  assert.deepEqual({ ...db.prepare('PRAGMA synchronous').get() }, { synchronous: 2 });
  assert.deepEqual({ ...db.prepare('PRAGMA foreign_keys').get() }, { foreign_keys: 1 });
  db.close();
});

test('the file is private, and looking at one that is not there makes none', () => {
  using at = folder();
  const path = join(at.path, 'todo.db');
  assert.throws(() => openDatabase(path, { readOnly: true }), { code: 'JOURNAL_UNWRITABLE' });
  assert.equal(existsSync(path), false);
  openWithTable(path).close();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const db = openDatabase(path, { readOnly: true });
  assert.deepEqual(idsIn(db), []);
  assert.throws(insert(db, 'a'));
  db.close();
});

test('a file that is no database is refused by name', () => {
  using at = folder();
  assert.throws(() => openDatabase(at.path), { code: 'JOURNAL_UNWRITABLE', subject: at.path });
});
