// Somebody's existing table as the table of todos: what is picked, what is written, what stays, and what happens when a person changes a row
// while an agent works on it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import { digestOf, sameRecord } from '../../src/core/record.ts';
import { storeMapOf } from '../../src/core/store-map.ts';
import type { StoreMapSettings } from '../../src/core/store-map-schema.ts';
import type { TerminalRecord } from '../../src/core/todo.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { startTcpProxy } from '../fixtures/tcp-proxy.ts';
import { aClaim, aRecord, aTodo, claimed, sha256 } from './conformance.ts';
import { mysqlStore } from './mysql-fixture.ts';
import { createWordpressTable, insertRow, othersOf } from './wordpress-table.ts';

let server: Mariadb;
let admin: Connection;
before(async () => {
  server = await startMariadb();
  admin = await server.connect();
});
after(() => server?.stop());

type Row = Record<string, string | number | Date | null>;
let tables = 0;

/** A table of its own for each test, and a store over it. */
async function place(
  t: { after(end: () => Promise<void>): void },
  { charset = 'utf8mb4', settings = {} as Partial<StoreMapSettings>, alter = '' } = {},
) {
  const table = `wp_todos_${++tables}`;
  await admin.query(createWordpressTable(table, { charset }));
  if (alter !== '') await admin.query(`ALTER TABLE ${table} ${alter}`);
  const map = storeMapOf({ preset: 'wordpress', table, ...settings });
  const store = mysqlStore(server.url(), { map, prefix: `p${tables}_` });
  t.after(() => store.close());
  await store.open();
  const put = async (fields: Record<string, string | number | null>): Promise<number> => {
    const { sql, values } = insertRow(table, {
      title: 'a todo',
      status: 'offen',
      bearbeiten: 1,
      working_directory: '/projects/one',
      claude_prompt: 'true',
      ...fields,
    });
    const [answer] = await admin.query(sql, values);
    return (answer as { insertId: number }).insertId;
  };
  const row = async (id: number): Promise<Row> => ((await admin.query(`SELECT * FROM ${table} WHERE id = ${id}`))[0] as Row[])[0]!;
  const set = async (id: number, change: string): Promise<void> =>
    void (await admin.query(`UPDATE ${table} SET ${change} WHERE id = ${id}`));
  const others = async (): Promise<unknown> => (await admin.query(othersOf(table)))[0];
  return { table, prefix: `p${tables}_`, map, store, put, row, set, others };
}

test('only released and open rows are taken, by priority and then by id, and a word that means nothing here is left alone', async (t) => {
  const { store, put, row } = await place(t);
  const low: number[] = [];
  for (let i = 0; i < 9; i++) low.push(await put({ priority: 'niedrig' }));
  const second = await put({ priority: 'hoch' });
  const third = await put({ priority: 'hoch', created_at: '2001-01-01 00:00:00' });
  const first = await put({ priority: 'kritisch' });
  const held = await put({ priority: 'kritisch', bearbeiten: 0 });
  const nobodys = await put({ priority: 'kritisch', bearbeiten: null });
  const cron = await put({ priority: 'kritisch', status: 'cron' });
  for (const status of ['in_progress', 'completed', 'blocked', 'cancelled']) await put({ priority: 'kritisch', status });
  assert.equal(await store.waiting(), 12);
  const order: number[] = [];
  for (let i = 0; i < 12; i++) order.push((await claimed(store)).todo.number);
  assert.deepEqual(order, [first, second, third, ...low]);
  assert.equal((await store.claim(aClaim())).kind, 'nothing');
  for (const [id, status] of [
    [held, 'offen'],
    [nobodys, 'offen'],
    [cron, 'cron'],
  ] as const)
    assert.equal((await row(id))['status'], status);
  assert.equal(await store.find(String(cron)), null, 'it is no todo of ours');
  assert.equal((await claimed(store, { todoId: String(held) })).todo.number, held, 'by its name, whatever its flag');
});

test('a row is read as it stands: prompt, folder, priority, times; and what nobody set has its default', async (t) => {
  const { store, put } = await place(t, { settings: { defaults: { agent: 'shell', working_directory: '/srv/work' } } });
  const one = await put({
    title: 'Über',
    description: 'what it is',
    claude_prompt: 'do it',
    priority: 'hoch',
    created_at: '2024-05-06 07:08:09',
  });
  const two = await put({ title: 'only a title', description: '', claude_prompt: null, working_directory: null });
  const three = await put({ description: 'described', claude_prompt: '' });
  const todo = await store.find(String(one));
  assert.deepEqual(
    [todo?.id, todo?.number, todo?.title, todo?.prompt, todo?.cwd, todo?.agent, todo?.priority, todo?.status, todo?.held, todo?.fence],
    [String(one), one, 'Über', 'do it', '/projects/one', 'shell', 2, 'open', false, 0],
  );
  assert.deepEqual([(await store.find(String(two)))?.prompt, (await store.find(String(two)))?.cwd], ['only a title', '/srv/work']);
  assert.equal((await store.find(String(three)))?.prompt, 'described');
});

test('each of our words stands in theirs as it was agreed, and ours stays the finer one', async (t) => {
  const { store, put, row } = await place(t);
  const theirs = async (id: number) => (await row(id))['status'];
  const ours = async (id: number) => (await store.find(String(id)))?.status;
  const id = await put({});
  const { ref } = await claimed(store);
  assert.deepEqual([await ours(id), await theirs(id)], ['claimed', 'in_progress']);
  for (const status of ['running', 'stalled'] as const) {
    await store.mark(ref, status, 1, null);
    assert.deepEqual([await ours(id), await theirs(id)], [status, 'in_progress']);
  }
  await store.deadLetter(ref, 'REPORT_FAILED three times');
  assert.deepEqual(
    [await ours(id), await theirs(id), (await row(id))['claude_summary']],
    ['dead-lettered', 'blocked', 'REPORT_FAILED three times'],
  );
  assert.equal((await row(id))['bearbeiten'], 1, 'whoever opens it again need not release it again');
  await store.requeue(ref);
  assert.deepEqual([await ours(id), await theirs(id)], ['running', 'in_progress']);
  await store.record(aRecord(ref, { outcome: 'parked', todoStatus: 'parked', proof: null, notBeforeMs: 5 }));
  assert.deepEqual([await ours(id), await theirs(id)], ['parked', 'offen']);
  for (const [todoStatus, outcome, word] of [
    ['failed', 'failed', 'blocked'],
    ['blocked', 'blocked', 'blocked'],
    ['cancelled', 'cancelled', 'cancelled'],
    ['completed', 'done', 'completed'],
  ] as const) {
    const each = await put({});
    const run = await claimed(store, { todoId: String(each) });
    await store.record(aRecord(run.ref, { todoStatus, outcome, proof: todoStatus === 'completed' ? 'verified' : null, reason: 'because' }));
    assert.deepEqual([await ours(each), await theirs(each)], [todoStatus, word]);
    assert.match(String((await row(each))['claude_summary']), /^because/);
  }
});

test('a whole life writes html, text, summary and times, and forty other columns stay byte by byte', async (t) => {
  const { store, put, row, others } = await place(t);
  const id = await put({ title: 'Ä', description: 'd', claude_prompt: 'p', priority: 'hoch' });
  await put({ title: 'another' });
  const before = await others();
  const started = await claimed(store);
  assert.equal((await row(id))['execution_started_at'] !== null, true);
  const sent = aRecord(started.ref, {
    proof: 'forced',
    outcome: 'forced',
    reason: 'no sign of life for 1800 s',
    summary: 'half of it',
    output: 'line\n漢🙂\n'.repeat(2000),
    reportHtml: `<p>${'ü🙂'.repeat(30_000)}</p>`,
    endedAtMs: Date.UTC(2024, 6, 1, 12, 0, 0, 999),
  });
  assert.equal(await store.record(sent), 'recorded');
  const ended = await row(id);
  assert.deepEqual(
    [ended['status'], ended['claude_html_output'], ended['claude_text_output'], ended['claude_summary']],
    ['completed', sent.reportHtml, sent.output, 'no sign of life for 1800 s — half of it'],
  );
  assert.deepEqual(await others(), before);
  const back = await store.readBack(started.ref.runId);
  assert.deepEqual(sameRecord(digestOf(sent, sha256), back!, sha256), { same: true });
  assert.equal(back?.changedByOthers, undefined);
});

test('a todo of ours is a row of theirs, released as it was said', async (t) => {
  const { store, row } = await place(t);
  const todo = await store.add(aTodo({ title: 'new', prompt: 'do 🙂', priority: 0, held: true }));
  const there = await row(todo.number);
  assert.deepEqual(
    [there['title'], there['claude_prompt'], there['status'], there['priority'], there['bearbeiten'], there['working_directory']],
    ['new', 'do 🙂', 'offen', 'kritisch', 0, '/projects/one'],
  );
  await store.change(todo.id, ['open'], { held: false });
  assert.equal((await row(todo.number))['bearbeiten'], 1, 'unhold');
  assert.equal((await claimed(store)).todo.id, todo.id);
});

test('a row that somebody sets back while an agent works: its run ends superseded and archived, the next has its own fence, one record stands', async (t) => {
  const { store, put, row, set } = await place(t);
  const id = await put({});
  const first = await claimed(store, { kind: 'child' });
  await store.mark(first.ref, 'running', 1, null);
  await set(id, "status = 'offen'");
  assert.equal((await store.claim(aClaim())).kind, 'nothing', 'nobody starts a second agent before the first was told');
  assert.equal((await store.claim(aClaim({ todoId: String(id) }))).kind, 'refused', 'nor by its name');
  assert.deepEqual(
    (await store.renew([first.ref], 60_000)).map(({ held }) => held),
    [false],
    'its holder hears of it',
  );
  assert.equal((await store.getRun(first.ref.runId))?.outcome, 'superseded');
  const second = await claimed(store);
  assert.equal(second.ref.fence, first.ref.fence + 1);
  assert.equal(await store.record(aRecord(first.ref, { summary: 'late' })), 'superseded');
  assert.equal(await store.mark(first.ref, 'running', 1, null), false);
  assert.equal(await store.record(aRecord(second.ref, { summary: 'in time' })), 'recorded');
  assert.equal(await store.record(aRecord(first.ref, { summary: 'late' })), 'superseded');
  assert.deepEqual([(await row(id))['status'], (await row(id))['claude_summary']], ['completed', 'in time']);
  assert.equal(await store.readBack(first.ref.runId), null);
});

test('who sets a row back again and again while agents work on it finds it blocked, with the reason', async (t) => {
  const { store, put, row, set } = await place(t);
  const id = await put({});
  for (let times = 1; times <= 4; times++) {
    const { ref } = await claimed(store);
    await set(id, "status = 'offen'");
    assert.equal(await store.mark(ref, 'running', 1, null), false);
  }
  assert.equal((await row(id))['status'], 'blocked');
  assert.match(String((await row(id))['claude_summary']), /set it to offen .*4th time/);
  assert.equal((await store.claim(aClaim())).kind, 'nothing');
  await set(id, "status = 'offen'");
  assert.equal((await claimed(store)).todo.resets, 0, 'a person looked at it: it begins anew');
});

test('a record that comes before anybody noticed that the row was set back is refused and kept out of the row', async (t) => {
  const { store, put, row, set } = await place(t);
  const id = await put({});
  const { ref } = await claimed(store);
  await set(id, "status = 'offen', claude_summary = 'do it another way'");
  assert.equal(await store.record(aRecord(ref)), 'superseded');
  assert.deepEqual([(await row(id))['status'], (await row(id))['claude_summary']], ['offen', 'do it another way']);
  const next = await claimed(store);
  assert.equal(await store.record(aRecord(next.ref)), 'recorded');
});

test('a row that somebody completes, cancels or deletes ends its run, and nothing is written to it', async (t) => {
  const { store, put, row, set, table, prefix } = await place(t);
  for (const [change, status, proof] of [
    ["status = 'completed'", 'completed', 'overridden'],
    ["status = 'cancelled'", 'cancelled', null],
    ["status = 'blocked'", 'blocked', null],
  ] as const) {
    const id = await put({});
    const { ref } = await claimed(store, { todoId: String(id) });
    await set(id, change);
    assert.equal(await store.record(aRecord(ref)), 'superseded');
    const todo = await store.find(String(id));
    assert.deepEqual([todo?.status, todo?.proof, todo?.runId, (await row(id))['claude_html_output']], [status, proof, null, null]);
    assert.equal((await store.getRun(ref.runId))?.outcome, 'superseded');
  }
  const id = await put({});
  const { ref } = await claimed(store);
  await admin.query(`DELETE FROM ${table} WHERE id = ${id}`);
  assert.deepEqual(
    (await store.renew([ref], 60_000)).map(({ held }) => held),
    [false],
  );
  assert.equal(await store.record(aRecord(ref)), 'superseded');
  assert.equal(await store.find(String(id)), null);
  const [kept] = await admin.query(`SELECT status, reason FROM ${prefix}todo WHERE number = ${id}`);
  assert.deepEqual((kept as Row[])[0], { status: 'cancelled', reason: `its row in ${table} was deleted` });
});

test('what was recorded stays confirmed though the row is opened again or deleted right after, and is worked on again', async (t) => {
  const { store, put, row, set, table } = await place(t);
  const id = await put({});
  const first = await claimed(store);
  const sent = aRecord(first.ref);
  await store.record(sent);
  await set(id, "status = 'offen', title = 'once more'");
  const confirmed = async (record: TerminalRecord) => sameRecord(digestOf(record, sha256), (await store.readBack(record.runId))!, sha256);
  assert.deepEqual(await confirmed(sent), { same: true });
  const second = await claimed(store);
  assert.deepEqual([second.todo.title, second.ref.fence], ['once more', 2]);
  assert.deepEqual(await confirmed(sent), { same: true }, 'also while it is worked on again');
  assert.equal(await store.record(sent), 'already');
  const again = aRecord(second.ref, { summary: 'better' });
  await store.record(again);
  assert.equal((await row(id))['claude_summary'], 'better');
  await admin.query(`DELETE FROM ${table} WHERE id = ${id}`);
  assert.deepEqual(await confirmed(again), { same: true });
});

test('a dead host and a row that was set back: the next claim ends the old run', async (t) => {
  const { store, put, set } = await place(t);
  const id = await put({});
  const dead = await claimed(store, { kind: 'child', leaseMs: 0 });
  await set(id, "status = 'offen'");
  const next = await claimed(store);
  assert.equal(next.ref.fence, 2);
  assert.equal((await store.getRun(dead.ref.runId))?.outcome, 'superseded');
});

for (const charset of ['latin1', 'utf8mb3']) {
  test(`a table in ${charset} takes every report: HTML by number, text with a mark, and a note says so`, async (t) => {
    const { store, put, row, others } = await place(t, { charset, alter: 'MODIFY claude_summary VARCHAR(40)' });
    const id = await put({});
    const before = await others();
    const { ref } = await claimed(store);
    const sent = aRecord(ref, { reportHtml: '<p>ä € 漢 🙂</p>', output: 'ä € 漢 🙂', summary: `🙂 ${'lang '.repeat(20)}` });
    assert.equal(await store.record(sent), 'recorded');
    const there = await row(id);
    const wide = charset === 'utf8mb3';
    assert.equal(there['claude_html_output'], wide ? '<p>ä € 漢 &#128578;</p>' : '<p>ä € &#28450; &#128578;</p>');
    assert.equal(there['claude_text_output'], wide ? 'ä € 漢 ?' : 'ä € ? ?');
    assert.equal(there['claude_summary'], `? ${'lang '.repeat(20)}`.slice(0, 40));
    assert.deepEqual(await others(), before);
    const back = await store.readBack(ref.runId);
    assert.deepEqual(back?.record, sent, 'our own table has all of it');
    assert.deepEqual(sameRecord(digestOf(sent, sha256), back!, sha256), { same: true });
    const note = (await store.notesOf(String(id))).find(({ what }) => what === 'fitted to the columns');
    const { columns, whole } = JSON.parse(note!.detail);
    assert.deepEqual(columns, {
      claude_html_output: { replaced: wide ? 1 : 2, cut: 0 },
      claude_text_output: { replaced: wide ? 1 : 2, cut: 0 },
      claude_summary: { replaced: 1, cut: 62 },
    });
    assert.equal(whole, sent.reportPath);
    await assert.rejects(store.add(aTodo({ prompt: 'do 🙂' })), { code: 'STORE_REFUSED', message: /claude_prompt/ });
  });
}

test('times are exact in the zone of their server, in another zone that was named, and in TIMESTAMP columns', async (t) => {
  const endedAtMs = Date.UTC(2024, 6, 1, 12, 0, 0, 999);
  const ended = async (zone: string, alter = '') => {
    const { store, put } = await place(t, { settings: { time_zone: zone }, alter });
    const id = await put({ created_at: '2024-01-02 03:04:05' });
    const created = (await store.find(String(id)))?.createdAtMs;
    const { ref } = await claimed(store);
    await store.record(aRecord(ref, { endedAtMs }));
    await admin.query("SET SESSION time_zone = '+02:00'");
    const [[shown]] = (await admin.query({
      sql: 'SELECT ?? AS at FROM ?? WHERE id = ?',
      values: ['completed_at', `wp_todos_${tables}`, id],
      dateStrings: true,
    } as never)) as unknown as [Row[]];
    await admin.query('SET SESSION time_zone = DEFAULT');
    return [shown?.['at'], created];
  };
  assert.deepEqual(await ended('+05:30'), ['2024-07-01 17:30:00', Date.UTC(2024, 0, 1, 21, 34, 5)]);
  assert.deepEqual(await ended('UTC'), ['2024-07-01 12:00:00', Date.UTC(2024, 0, 2, 3, 4, 5)]);
  const stamp = await ended('+05:30', 'MODIFY completed_at TIMESTAMP(3) NULL');
  assert.equal(stamp[0], '2024-07-01 14:00:00.999', 'a TIMESTAMP knows its zone, and milliseconds where it has them');
});

test('of the hour that is there twice, and the one that is not there, our own time is exact and theirs is what a clock there shows', async (t) => {
  const berlin = '/usr/share/zoneinfo/Europe/Berlin';
  if (!existsSync(berlin)) return t.skip('no time zones on this machine');
  await admin.query('USE mysql');
  await admin.query(execFileSync('mariadb-tzinfo-to-sql', [berlin, 'Europe/Berlin'], { encoding: 'utf8' }));
  await admin.query(`USE ${server.database}`);
  const { store, put, table } = await place(t, { settings: { time_zone: 'Europe/Berlin' } });
  for (const [endedAtMs, shows] of [
    [Date.UTC(2024, 9, 27, 0, 30), '2024-10-27 02:30:00'],
    [Date.UTC(2024, 9, 27, 1, 30), '2024-10-27 02:30:00'],
    [Date.UTC(2024, 2, 31, 0, 59, 59), '2024-03-31 01:59:59'],
    [Date.UTC(2024, 2, 31, 1, 0, 0), '2024-03-31 03:00:00'],
  ] as const) {
    const id = await put({});
    const { ref } = await claimed(store, { todoId: String(id) });
    await store.record(aRecord(ref, { endedAtMs }));
    const sql = `SELECT CAST(completed_at AS CHAR) AS at FROM ${table} WHERE id = ${id}`;
    assert.equal(((await admin.query(sql))[0] as Row[])[0]?.['at'], shows);
    assert.equal((await store.find(String(id)))?.endedAtMs, endedAtMs);
  }
});

test('a todo of ours waits for a row that was put there by plain SQL, also where a person ends it', async (t) => {
  const { store, put, set } = await place(t);
  const first = await put({ bearbeiten: 0 });
  const second = await store.add(aTodo({ after: String(first) }));
  assert.equal((await store.claim(aClaim())).kind, 'nothing');
  assert.equal((await store.claim(aClaim({ todoId: second.id }))).kind, 'refused');
  await set(first, "status = 'completed'");
  assert.equal((await claimed(store)).todo.id, second.id);
  const third = await put({ bearbeiten: 0 });
  const fourth = await store.add(aTodo({ after: String(third) }));
  await set(third, "status = 'cancelled'");
  assert.deepEqual(
    (await store.blockDependents()).map(({ id }) => id),
    [fourth.id],
  );
});

test('two hosts that claim at once, while a person writes to the same rows, share the rows and take none twice', async (t) => {
  const { store, put, prefix, map, table } = await place(t);
  const other = mysqlStore(server.url(), { map, prefix });
  t.after(() => other.close());
  for (let i = 0; i < 20; i++) await put({});
  const touching = Promise.all(
    Array.from({ length: 20 }, (_, i) => admin.query(`UPDATE ${table} SET title = 'touched' WHERE id = ${i + 1}`)),
  );
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? store : other).claim(aClaim({ host: `host/${i % 2}` }))),
  );
  await touching;
  const taken = answers.flatMap((answer) => (answer.kind === 'claimed' ? [answer.todo.number] : []));
  assert.equal(taken.length, 20);
  assert.equal(new Set(taken).size, 20);
  assert.deepEqual((await admin.query(`SELECT COUNT(*) AS n FROM ${table} WHERE status = 'in_progress'`))[0], [{ n: 20 }]);
});

test('a table that is altered while we work with it is looked at again: what is narrower now does not fail a completion', async (t) => {
  const { store, put, row, table } = await place(t);
  const id = await put({});
  const { ref } = await claimed(store);
  await admin.query(`ALTER TABLE ${table} MODIFY claude_summary VARCHAR(10) CHARACTER SET latin1`);
  assert.equal(await store.record(aRecord(ref, { summary: '漢 is too long for it' })), 'recorded');
  assert.equal((await row(id))['claude_summary'], '? is too l');
});

test('an answer that is lost after COMMIT is read back: theirs and ours are both there, once', async (t) => {
  const { put, row, map, prefix } = await place(t);
  const proxy = await startTcpProxy(server.port);
  const store = mysqlStore(server.url(proxy.port), { map, prefix });
  t.after(async () => {
    await store.close();
    await proxy.stop();
  });
  const loseNextCommit = () => {
    let lost = 0;
    proxy.plan(({ text }) => (/^commit/i.test(text) && lost++ === 0 ? 'lose-answer' : 'pass'));
  };
  const id = await put({});
  loseNextCommit();
  const { ref } = await claimed(store);
  assert.equal(ref.fence, 1, 'claimed once');
  const sent = aRecord(ref);
  loseNextCommit();
  await assert.rejects(store.record(sent), { code: 'STORE_IN_DOUBT' });
  assert.deepEqual(sameRecord(digestOf(sent, sha256), (await store.readBack(ref.runId))!, sha256), { same: true });
  assert.equal(await store.record(sent), 'already');
  assert.equal((await row(id))['status'], 'completed');
});

test('a table of quite other names, without a preset: our own words in a text column, priorities as numbers, nothing to release', async (t) => {
  await admin.query(
    'CREATE TABLE tasks (nr INT PRIMARY KEY AUTO_INCREMENT, was VARCHAR(80), zustand VARCHAR(20), auftrag MEDIUMTEXT, rang INT, ergebnis TEXT, extra INT DEFAULT 7)',
  );
  const map = storeMapOf({
    table: 'tasks',
    columns: { id: 'nr', title: 'was', status: 'zustand', prompt: ['auftrag'], priority: 'rang', text: 'ergebnis' },
    statuses: { open: 'neu' },
    defaults: { agent: 'shell', working_directory: '/srv' },
  });
  const store = mysqlStore(server.url(), { map, prefix: 'free_' });
  t.after(() => store.close());
  await store.open();
  await admin.query(
    "INSERT INTO tasks (was, zustand, auftrag, rang) VALUES ('later', 'neu', 'true', 7), ('first', 'neu', 'true', 1), ('mine', 'privat', 'x', 0)",
  );
  const { todo, ref } = await claimed(store);
  assert.deepEqual([todo.title, todo.priority, todo.cwd, todo.agent], ['first', 1, '/srv', 'shell']);
  await store.mark(ref, 'stalled', 1, null);
  const shown = async () => ((await admin.query('SELECT was, zustand, rang, ergebnis, extra FROM tasks WHERE nr = 2'))[0] as Row[])[0];
  assert.equal((await shown())?.['zustand'], 'stalled');
  assert.equal(await store.record(aRecord(ref, { output: 'x'.repeat(70_000) })), 'recorded');
  assert.deepEqual(await shown(), { was: 'first', zustand: 'completed', rang: 1, ergebnis: 'x'.repeat(65_535), extra: 7 });
  const added = await store.add(aTodo({ priority: 3 }));
  assert.deepEqual([added.priority, added.cwd, added.number], [3, '/projects/one', 4]);
  assert.equal((await store.list({ statuses: null, limit: 10 })).todos.length, 3, 'a word that we do not know is none of our todos');
});

test('a mapping that does not fit is refused at opening, with all that is wrong', async (t) => {
  const { table, prefix } = await place(t);
  const open = (settings: Partial<StoreMapSettings>, of = table, ours = `${prefix}x_`) => {
    const store = mysqlStore(server.url(), { map: storeMapOf({ preset: 'wordpress', table: of, ...settings }), prefix: ours });
    t.after(() => store.close());
    return store.open();
  };
  await assert.rejects(
    open({ columns: { html: 'nothing_such', completed_at: 'title' }, statuses: { cancelled: 'storniert' } }),
    (error: Error & { code: string }) => {
      assert.equal(error.code, 'STORE_SCHEMA');
      assert.match(error.message, /no column nothing_such \(html\)/);
      assert.match(error.message, /title is varchar\(255\), and must be DATETIME or TIMESTAMP/);
      assert.match(error.message, /status is enum.*has no storniert/);
      return true;
    },
  );
  await admin.query(createWordpressTable(`${table}_old`, { engine: 'MyISAM' }));
  await assert.rejects(open({}, `${table}_old`), /MyISAM, which knows no transactions/);
  await assert.rejects(open({}, 'nowhere'), /nowhere: there is no such table/);
  await assert.rejects(open({ time_zone: 'Mars/Olympus' }), /does not know the time zone Mars\/Olympus/);
  await assert.rejects(open({}, `${table}_old`, prefix), /belongs to another table/);
  const own = mysqlStore(server.url(), { prefix });
  t.after(() => own.close());
  await assert.rejects(own.open(), /store\.map is not set/);
});
