import assert from 'node:assert/strict';
import { mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Entry, Fact, Owner } from '../../src/core/entry.ts';
import { openJournal } from '../../src/platform/journal.ts';
import { createCommitter, openDatabase } from '../../src/platform/sqlite.ts';
import type { Journal } from '../../src/world.ts';

const me: Owner = { pid: 11, startTicks: 1100, bootId: 'boot' };
const other: Owner = { pid: 12, startTicks: 1200, bootId: 'boot' };

/** Only what the journal looks at; the rest of an entry is kept as it comes. */
const entry = (
  runId: string,
  more: Partial<{ fact: Fact; owner: Owner; todoId: string; startedAtMs: number; round: number }> = {},
): Entry =>
  ({
    v: 1,
    owner: more.owner ?? me,
    fact: more.fact ?? 'running',
    startedAtMs: more.startedAtMs ?? 1,
    round: more.round ?? 1,
    ref: { todoId: more.todoId ?? 'todo', runId, fence: 1 },
  }) as Entry;

/** A home's journal; `open` gives it to one more process. */
function home() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-journal-'));
  const path = join(at.path, 'todo.db');
  const opened: { close(): void }[] = [];
  const clock = { now: 1000, nowMs: () => clock.now };
  const open = (): Journal => {
    const db = openDatabase(path);
    opened.push(db);
    return openJournal(db, createCommitter(db), clock);
  };
  return {
    path,
    clock,
    open,
    [Symbol.dispose]() {
      for (const db of opened) db.close();
      at.remove();
    },
  };
}

const runsOf = (entries: readonly Entry[]): string[] => entries.map(({ ref }) => ref.runId);

test('what was saved is read back, oldest first, without what is closed', async () => {
  using at = home();
  const journal = at.open();
  await Promise.all([
    journal.save(entry('r2', { startedAtMs: 2 })),
    journal.save(entry('r1', { startedAtMs: 1 })),
    journal.save(entry('r3', { startedAtMs: 3, fact: 'closed' })),
    journal.save(entry('r4', { startedAtMs: 4, fact: 'dead-lettered' })),
  ]);
  assert.deepEqual(runsOf(journal.live()), ['r1', 'r2', 'r4']);
  assert.deepEqual(journal.get('r3'), entry('r3', { startedAtMs: 3, fact: 'closed' }));
  assert.equal(journal.get('none'), null);
});

test('the runs of a todo come newest first, closed ones too', async () => {
  using at = home();
  const journal = at.open();
  await Promise.all([
    journal.save(entry('r1', { startedAtMs: 1, fact: 'closed' })),
    journal.save(entry('r2', { startedAtMs: 2 })),
    journal.save(entry('r3', { todoId: 'another' })),
  ]);
  assert.deepEqual(runsOf(journal.ofTodo('todo')), ['r2', 'r1']);
});

test('an entry is written by its owner only, and by its new one after it was adopted', async () => {
  using at = home();
  const journal = at.open();
  const theirs = at.open();
  await journal.save(entry('r1'));
  await assert.rejects(theirs.save(entry('r1', { owner: other, fact: 'closed' })), { code: 'NOT_OWNER' });
  assert.equal(await theirs.adopt('r1', other, other), false, 'the wrong former owner');
  assert.equal(await theirs.adopt('r1', me, other), true);
  assert.equal(await journal.adopt('r1', me, me), false, 'somebody else was quicker');
  assert.deepEqual(journal.get('r1')?.owner, other);
  await assert.rejects(journal.save(entry('r1')), { code: 'NOT_OWNER' });
  await theirs.save(entry('r1', { owner: other, round: 2 }));
  assert.equal(journal.get('r1')?.round, 2);
});

test('each look sees what another process of the home has written since the last one', async () => {
  using at = home();
  const daemon = at.open();
  const run = at.open();
  await run.save(entry('r1', { owner: other, round: 1 }));
  assert.deepEqual(runsOf(daemon.live()), ['r1']);
  for (let round = 2; round < 10; round++) {
    await run.save(entry('r1', { owner: other, round }));
    assert.equal(daemon.live()[0]?.round, round);
    assert.equal(daemon.get('r1')?.round, round);
  }
  await run.save(entry('r1', { owner: other, fact: 'closed' }));
  assert.deepEqual(daemon.live(), []);
  assert.equal(daemon.get('r1')?.fact, 'closed');
});

test('rows that did not change are not parsed again', async () => {
  using at = home();
  const journal = at.open();
  await Promise.all([journal.save(entry('r1')), journal.save(entry('r2'))]);
  const [before1, before2] = journal.live();
  await journal.save(entry('r2', { round: 2 }));
  const [after1, after2] = journal.live();
  assert.equal(after1, before1);
  assert.notEqual(after2, before2);
});

test('closed entries are forgotten by their age, others never', async () => {
  using at = home();
  const journal = at.open();
  await Promise.all([journal.save(entry('old', { fact: 'closed' })), journal.save(entry('live'))]);
  at.clock.now = 2000;
  await journal.save(entry('young', { fact: 'closed' }));
  assert.deepEqual([journal.closed(0), journal.closed(1500), journal.closed(3000)], [['old', 'young'], ['young'], []]);
  journal.forget(1500);
  assert.equal(journal.get('old'), null);
  assert.notEqual(journal.get('young'), null);
  assert.notEqual(journal.get('live'), null);
});

test('notes last', async () => {
  using at = home();
  assert.equal(at.open().getNote('last-sweep'), null);
  await at.open().setNote('last-sweep', '1');
  await at.open().setNote('last-sweep', '2');
  assert.equal(at.open().getNote('last-sweep'), '2');
});

test('a journal of a newer program is refused and left as it is', () => {
  using at = home();
  at.open();
  const db = openDatabase(at.path);
  db.exec('UPDATE journal_schema SET version = 99');
  db.close();
  assert.throws(() => at.open(), { code: 'JOURNAL_NEWER', message: /version 99/ });
});

test('a journal that cannot be written says so and stops nobody from reading it', async () => {
  using at = home();
  await at.open().save(entry('r1'));
  const db = openDatabase(at.path);
  const journal = openJournal(db, createCommitter(db, { patienceMs: 1 }), at.clock);
  const holder = openDatabase(at.path);
  holder.exec('BEGIN IMMEDIATE');
  await assert.rejects(journal.save(entry('r2')), { code: 'JOURNAL_UNWRITABLE' });
  assert.deepEqual(runsOf(journal.live()), ['r1']);
  holder.close();
  db.exec('PRAGMA max_page_count = 1');
  await assert.rejects(journal.save({ ...entry('r2'), conversationId: 'x'.repeat(100_000) }), { code: 'DISK_FULL' });
  db.close();
});
