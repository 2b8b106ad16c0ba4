// `todo store migrate`: a store of some thousand todos from SQLite to MariaDB, row by row, killed half-way and called again.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createCommitter, openDatabase } from '../../src/platform/sqlite.ts';
import { tablesNow } from '../../src/store/schema.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';
import { aClaim, aRecord, aTodo } from '../store/conformance.ts';
import { type Json, type TestHome, testHome, todoProgram } from './harness.ts';
import { onTerminal } from './terminal.ts';

let server: Mariadb;
let proxy: TcpProxy;
before(async () => {
  server = await startMariadb(['--max-allowed-packet=2M', '--default-time-zone=+05:30', '--sql-mode=', '--character-set-server=latin1']);
  proxy = await startTcpProxy(server.port);
});
after(async () => {
  await proxy?.stop();
  await server?.stop();
});

const sha256 = (text: string | Uint8Array): string => createHash('sha256').update(text).digest('hex');

/** Todos with runs, records and notes, of every kind of text; written by the real store. */
async function filled(home: TestHome, count: number): Promise<void> {
  const database = openDatabase(join(home.folder, 'todo.db'));
  const committer = createCommitter(database);
  const store = createSqliteStore({
    database,
    committer,
    prefix: '',
    clock: { nowMs: () => Date.now() },
    random: { uuidv7: () => randomUUID() },
    digest: { sha256 },
    log: { info() {}, warn() {} },
  });
  await store.open();
  const each = async (at: number): Promise<void> => {
    const todo = await store.add(aTodo({ title: `todo ${at} 漢 🙂`, prompt: `line\n'"\\\0${at}`, priority: at % 10 }));
    if (at % 5 === 4) return;
    const runId = randomUUID();
    const claimed = await store.claim(aClaim({ runId, todoId: todo.id }));
    assert.equal(claimed.kind, 'claimed');
    const output = at % 1000 === 7 ? 'ä🙂\0'.repeat(400_000) : `output ${at}`;
    await store.record(aRecord({ todoId: todo.id, runId, fence: 1 }, { output, summary: `summary ${at}` }));
    await store.note({ kind: 'audit', todoId: todo.id, runId, atMs: at, what: 'checked', detail: `{"n":${at}}` });
  };
  for (let from = 0; from < count; from += 100) await Promise.all(Array.from({ length: 100 }, (_, at) => each(from + at)));
  await store.close();
  database.close();
}

const digestOfFile = (home: TestHome): string => sha256(readFileSync(join(home.folder, 'todo.db')));
const rowsAt = async (sql: string): Promise<Json[]> => {
  const connection = await server.connect();
  try {
    return (await connection.query(sql))[0] as Json[];
  } finally {
    await connection.end();
  }
};
const count = async (table: string): Promise<number> => Number((await rowsAt(`SELECT COUNT(*) AS n FROM ${table}`))[0].n);

test('three thousand todos with runs, records and notes arrive row by row, though the move is killed half-way; the source stays as it was', async (t) => {
  const home = await testHome(t);
  const todos = 3000;
  await filled(home, todos);
  const before = digestOfFile(home);
  const to = ['store', 'migrate', '--to', server.url(proxy.port), '--prefix', 'm_'];

  const looked = await home.json(to);
  assert.deepEqual([looked.applied, looked.copied, looked.there, looked.rows > todos * 3], [false, 0, 0, true]);
  await assert.rejects(count('m_todo'), /m_todo/, 'a look makes nothing');

  // Killed with the tenth page of runs on its way.
  let inserts = 0;
  const first = home.start([...to, '--apply']);
  proxy.plan((command) => {
    if (/^INSERT INTO `m_run`/.test(command.sql) && ++inserts === 10) first.process.kill('SIGKILL');
    return 'pass';
  });
  assert.equal((await first.ended).signal, 'SIGKILL');
  proxy.plan(() => 'pass');
  const half = await count('m_run');
  assert.ok(half > 0 && half < 2400, `${half} runs are there`);

  // Half-moved is no store yet, and of no other home.
  const asStore = { env: { TODO_STORE_URL: server.url(), TODO_STORE_TABLE_PREFIX: 'm_' } };
  assert.equal(digestOfFile(home), before, 'a move that was killed has changed nothing of the source');
  const early = await home.todo(['add', 'too early'], asStore);
  assert.equal(early.code, 78);
  assert.match(early.stderr, /not all of it is there/);
  const other = await testHome(t);
  await filled(other, 100);
  const foreign = await other.todo([...to, '--apply']);
  assert.equal(foreign.code, 1);
  assert.match(foreign.stderr, /half-moved from another store/);

  // Whoever adds has made the journal of this home, which lies in the same file.
  const made = digestOfFile(home);
  const fromMs = performance.now();
  const again = await home.json([...to, '--apply']);
  t.diagnostic(`${again.copied} rows copied and ${again.rows} compared in ${Math.round(performance.now() - fromMs)} ms`);
  assert.deepEqual([again.applied, again.verified, again.rows, again.there], [true, true, looked.rows, looked.rows]);
  assert.ok(again.copied < again.rows - todos, `${again.copied} of ${again.rows} rows were copied by the second call`);
  assert.equal(again.inPart, 3, 'outputs larger than the server takes at once are there in part, as a record of them would be');
  assert.equal(digestOfFile(home), made, 'the source is byte by byte what it was');

  // An independent look: each row of each table by value, but for the three that do not fit.
  const source = openDatabase(join(home.folder, 'todo.db'), { readOnly: true });
  const target = await server.connect();
  for (const { name, key, columns } of tablesNow().filter((table) => table.name !== 'store_meta')) {
    const names = columns
      .map((column) => column.name)
      .filter((column) => !(name === 'completion' && ['output', 'truncated'].includes(column)));
    const ours = source.prepare(`SELECT ${names.map((it) => `"${it}"`).join(', ')} FROM "${name}" ORDER BY "${key}"`).all();
    const [theirs] = await target.query(`SELECT ${names.map((it) => `\`${it}\``).join(', ')} FROM m_${name} ORDER BY BINARY \`${key}\``);
    assert.deepEqual(
      (theirs as Json[]).map((row) => sha256(JSON.stringify(row))),
      ours.map((row) => sha256(JSON.stringify(row))),
      name,
    );
  }
  await target.end();
  source.close();

  const third = await home.json([...to, '--apply']);
  assert.deepEqual([third.copied, third.verified], [0, true], 'once more changes nothing');
  const [{ title }] = await rowsAt('SELECT title FROM m_todo WHERE number = 42');
  await rowsAt("UPDATE m_todo SET title = 'another' WHERE number = 42");
  const differs = await home.todo([...to, '--apply']);
  assert.equal(differs.code, 1, 'a row that reads back as another is told, and not written over');
  assert.match(differs.stderr, /table todo: row .* reads back as another/);
  await rowsAt(`UPDATE m_todo SET title = '${title}' WHERE number = 42`);
  const list = await home.json(['list', '--limit', '5000'], asStore);
  assert.equal(list.todos.length, todos);
  const { todo } = await home.json(['add', 'goes on', '--hold'], asStore);
  assert.equal(todo.number, todos + 1, 'numbers go on');
  const used = await home.todo([...to, '--apply']);
  assert.equal(used.code, 1, 'a store that is in use is not written to');
  assert.match(used.stderr, /todos of its own/);
  assert.equal(await count('m_todo'), todos + 1);
});

test('nothing is moved while a daemon lives or a todo is worked on, and a home without a store says so', async (t) => {
  const home = await testHome(t);
  const to = ['store', 'migrate', '--to', server.url(), '--prefix', 'n_'];
  const none = await home.todo(to);
  assert.equal(none.code, 78);
  assert.match(none.stderr, /no store here yet/);
  const daemon = await home.daemon();
  const { number } = await home.add('while [ ! -e go ]; do sleep 0.05; done');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  const locked = await home.todo([...to, '--apply']);
  assert.equal(locked.code, 75);
  assert.match(locked.stderr, /LOCKED/);
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  const busy = await home.todo([...to, '--apply']);
  assert.equal(busy.code, 75);
  assert.match(busy.stderr, new RegExp(`todo ${number} is being worked on`));
  assert.deepEqual(await rowsAt("SHOW TABLES LIKE 'n\\_%'"), []);
  assert.equal((await home.todo(['store', 'migrate'])).code, 64);
});

test('on a terminal a move names the table that it is at and how far it is, and ends with what to do next', async (t) => {
  const home = await testHome(t);
  await filled(home, 600);
  const command = `'${todoProgram}' store migrate --to '${server.url()}' --prefix p_ --apply`;
  const { raw, exitCode } = await onTerminal(command, { TODO_HOME: home.folder, HOME: home.work });
  assert.equal(exitCode, 0, raw);
  assert.match(raw, /(copying|verifying) [a-z_]+: \d+ of \d+/);
  assert.match(raw, /All \d+ rows are there and read back the same/);
  assert.match(raw, /Use it: set "store"/);
});
