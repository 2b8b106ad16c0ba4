// Reports and outputs of any kind and size on a server that is set up as old ones are: small packets, latin1, a sloppy mode, a zone of its own.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { createWordpressTable, insertRow, othersOf } from '../store/wordpress-table.ts';
import { type Json, testHome } from './harness.ts';

let server: Mariadb;
before(async () => {
  server = await startMariadb(['--max-allowed-packet=1M', '--character-set-server=latin1', '--sql-mode=', '--default-time-zone=+05:30']);
});
after(() => server?.stop());

async function query(sql: string, values: readonly (string | number | null)[] = []): Promise<Json> {
  const connection = await server.connect();
  try {
    return (await connection.query({ sql, values: [...values], dateStrings: true }))[0];
  } finally {
    await connection.end();
  }
}

const isOver = (todo: Json): boolean => ['completed', 'failed', 'blocked', 'dead-lettered'].includes(todo.status);
const behavior = { quiet_after: 0.05 };
/** More lines than the server takes at once, in many scripts. */
const talks = `head -c 1500000 /dev/zero | tr '\\\\0' x | fold -w 100; printf 'ä € 漢 🙂\\n'; "$TODO_MARKER" done "ä 漢 🙂"`;
function whole(todo: Json): string {
  const path = join(dirname(todo.report), 'output.txt');
  return (existsSync(path) ? readFileSync(path) : gunzipSync(readFileSync(`${path}.gz`))).toString();
}

test('a report larger than the server takes at once is there in part, the whole is in the archive, and times are exact', async (t) => {
  const home = await testHome(t, { behavior, store: { url: server.url(), table_prefix: 'own_' } });
  const fromMs = Date.now();
  await home.daemon();
  const { number } = await home.add(talks);
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.equal(todo.status, 'completed');
  assert.match(todo.summary, /ä 漢 🙂/);
  await home.until('closed', () => home.log('completion').some((line) => line.event === 'closed'));
  const [row] = await query('SELECT output, report_html, truncated FROM own_completion');
  const noted = JSON.parse(row.truncated).output;
  assert.equal(noted.bytes, Buffer.byteLength(row.output));
  assert.equal(noted.whole.bytes, Buffer.byteLength(whole(todo)));
  assert.ok(noted.bytes > 900_000 && noted.whole.bytes > 1_500_000, JSON.stringify(noted));
  assert.ok(whole(todo).startsWith(row.output), 'its first part');
  assert.match(whole(todo), /ä € 漢 🙂/);
  assert.ok(todo.createdAtMs >= fromMs - 1000 && todo.createdAtMs <= Date.now() + 1000, 'UTC, whatever the zone of the server');
  assert.ok(todo.runs[0].startedAtMs >= fromMs - 1000 && todo.runs[0].startedAtMs <= Date.now() + 1000);
});

for (const charset of ['latin1', 'utf8mb3']) {
  test(`[C-69] their table in ${charset} on such a server: the completion ends, what cannot be stored is by number or a mark, and a note says so`, async (t) => {
    const table = `wp_${charset}`;
    await query(createWordpressTable(table, { charset }));
    const home = await testHome(t, {
      behavior,
      store: { url: server.url(), table_prefix: `${charset}_`, map: { preset: 'wordpress', table, defaults: { agent: 'shell' } } },
    });
    const marker = 'printf "ä € 漢 🙂\\n"; "$TODO_MARKER" done "ä € 漢 🙂"';
    writeFileSync(join(home.work, 'words.sh'), marker);
    writeFileSync(join(home.work, 'many.sh'), talks);
    const ids: number[] = [];
    for (const prompt of ['sh words.sh', 'sh many.sh']) {
      const { sql, values } = insertRow(table, {
        title: 'a',
        status: 'offen',
        bearbeiten: 1,
        working_directory: home.work,
        claude_prompt: prompt,
      });
      ids.push((await query(sql, values)).insertId);
    }
    const others = await query(othersOf(table));
    await home.daemon();
    const todos = [];
    await home.until('both have ended in their table', async () =>
      (await query(`SELECT status FROM ${table}`)).every((row: Json) => row.status === 'completed'),
    );
    for (const id of ids) todos.push(await home.untilTodo(id, 'ended', isOver));
    assert.deepEqual(
      todos.map(({ status }) => status),
      ['completed', 'completed'],
    );
    const [words, many] = await query(`SELECT * FROM ${table} ORDER BY id`);
    const wide = charset === 'utf8mb3';
    assert.match(words.claude_text_output, wide ? /ä € 漢 \?/ : /ä € \? \?/);
    assert.match(words.claude_summary, wide ? /ä € 漢 \?/ : /ä € \? \?/);
    assert.match(words.claude_html_output, wide ? /ä € 漢 &#128578;/ : /ä € &#28450; &#128578;/);
    assert.match(whole(todos[0]), /ä € 漢 🙂/, 'the archive has all of it');
    assert.ok(many.claude_text_output.length > 900_000 && many.claude_text_output.length < 1_048_576);
    assert.deepEqual(await query(othersOf(table)), others);
    const notes = await query(`SELECT detail FROM ${charset}_audit WHERE what = 'fitted to the columns' ORDER BY at_ms`);
    assert.ok(notes.length >= 1);
    assert.ok(JSON.parse(notes[0].detail).columns.claude_text_output.replaced > 0);
  });
}
