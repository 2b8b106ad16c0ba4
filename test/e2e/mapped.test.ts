// The existing table of the earlier WordPress plugin, through the running daemon: rows put there by plain SQL are worked on and end with html,
// text and summary in their columns, once, whatever is killed and whoever changes a row meanwhile.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { createWordpressTable, insertRow, othersOf } from '../store/wordpress-table.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

let server: Mariadb;
before(async () => {
  // A zone with daylight saving, as the machine of a site has it: 'server' is this one.
  const ours = process.env['TZ'];
  process.env['TZ'] = 'America/New_York';
  server = await startMariadb();
  if (ours === undefined) delete process.env['TZ'];
  else process.env['TZ'] = ours;
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

let tables = 0;
type Place = {
  home: TestHome;
  table: string;
  prefix: string;
  put(prompt: string, fields?: Record<string, string | number | null>): Promise<number>;
  row(id: number): Promise<Json>;
  untilRow(id: number, what: string, fits: (row: Json) => boolean): Promise<Json>;
};

async function place(t: Parameters<typeof testHome>[0], config: Json = {}, map: Json = {}): Promise<Place> {
  const table = `wp_todos_${++tables}`;
  const prefix = `e${tables}_`;
  await query(createWordpressTable(table));
  const home = await testHome(t, {
    slots: { total: 4, agent: 4, project: 4 },
    ...config,
    behavior: { lease: 3, quiet_after: 0.05, ...config.behavior },
    store: {
      url: server.url(),
      table_prefix: prefix,
      map: { preset: 'wordpress', table, defaults: { agent: 'shell' }, ...map },
    },
  });
  const row = async (id: number) => (await query(`SELECT * FROM ${table} WHERE id = ?`, [id]))[0];
  return {
    home,
    table,
    prefix,
    row,
    async put(prompt, fields = {}) {
      const given = {
        title: 'by plain SQL',
        status: 'offen',
        bearbeiten: 1,
        working_directory: home.work,
        claude_prompt: prompt,
        ...fields,
      };
      const { sql, values } = insertRow(table, given);
      return (await query(sql, values)).insertId;
    },
    untilRow: (id, what, fits) =>
      home.until(what, async () => {
        const found = await row(id);
        return found !== undefined && fits(found) ? found : null;
      }),
  };
}

const recordsOf = async ({ prefix }: Place, id: number): Promise<number> =>
  Number(
    (await query(`SELECT COUNT(*) AS n FROM ${prefix}completion c JOIN ${prefix}todo t ON t.id = c.todo_id WHERE t.number = ?`, [id]))[0].n,
  );

/** As the site's own PHP would show a time of ours: in New York, whole seconds. */
const inNewYork = (atMs: number): string =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: 'America/New_York', dateStyle: 'short', timeStyle: 'medium' }).format(
    Math.floor(atMs / 1000) * 1000,
  );

test('[C-69] rows put there by plain SQL end with html, text and summary, each with the word that was agreed, and forty columns stay as they are', async (t) => {
  const there = await place(t);
  const { home, put, untilRow, row, table } = there;
  const done = await put('echo "the output: ü 漢 👍"; "$TODO_MARKER" done "all of it"', { priority: 'niedrig' });
  const failed = await put('echo broken; exit 3', { priority: 'mittel' });
  const parked = await put('"$TODO_MARKER" parked "the quota is used up"', { priority: 'mittel' });
  const forced = await put('echo begun; exec sleep 600', { priority: 'kritisch' });
  const held = await put('echo never', { bearbeiten: 0 });
  const cron = await put('echo never', { status: 'cron' });
  const before = await query(othersOf(table));
  await home.daemon();
  await untilRow(forced, 'the forced one runs', (found) => found.status === 'in_progress' && found.execution_started_at !== null);
  const shown = (await home.json(['show', String(forced)])).todo;
  assert.equal(shown.number, forced);
  await home.until('it runs', async () => (await home.show(forced)).status === 'running');
  await home.todo(['emergency', String(forced), '--reason', 'the site must go on']);
  const ended = {
    done: await untilRow(done, 'done', (found) => found.status === 'completed'),
    failed: await untilRow(failed, 'failed', (found) => found.status === 'blocked'),
    forced: await untilRow(forced, 'forced', (found) => found.status === 'completed'),
    parked: await untilRow(parked, 'parked', (found) => found.status === 'offen' && found.execution_started_at !== null),
  };
  const todo = await home.untilTodo(done, 'done', (it) => it.status === 'completed');
  assert.match(ended.done.claude_text_output, /the output: ü 漢 👍/);
  assert.equal(ended.done.claude_html_output, readFileSync(todo.report, 'utf8'));
  assert.match(ended.done.claude_summary, /all of it/);
  assert.equal(ended.done.completed_at, inNewYork(todo.endedAtMs), 'in the zone of their server');
  assert.equal(ended.done.execution_started_at, inNewYork(todo.runs[0].startedAtMs));
  assert.equal((await home.show(failed)).status, 'failed');
  assert.match(ended.failed.claude_text_output, /broken/);
  assert.match(ended.forced.claude_summary, /^the site must go on/, 'the reason first');
  assert.equal((await home.show(forced)).proof, 'forced');
  assert.equal((await home.show(parked)).status, 'parked');
  assert.deepEqual([(await row(held)).status, (await row(cron)).status], ['offen', 'cron']);
  for (const id of [done, failed, forced]) assert.equal(await recordsOf(there, id), 1, 'exactly one terminal record');
  assert.equal(await recordsOf(there, held), 0);
  assert.deepEqual(await query(othersOf(table)), before, 'what is not ours stays byte by byte');
  await home.json(['unhold', String(held)]);
  await untilRow(held, 'released, so it is worked on', (found) => found.bearbeiten === 1 && found.status === 'completed');
});

test('[C-69] a daemon that is killed in between, at whatever moment, loses and doubles nothing in their table', async (t) => {
  const there = await place(t);
  const { home, put, untilRow } = there;
  const ids: number[] = [];
  for (let at = 0; at < 6; at++) ids.push(await put(`echo "number ${at}"; "$TODO_MARKER" done "number ${at} is done"`));
  // Killed with the first claim, with the first report, with the first record.
  for (const event of [
    async () => (await query(`SELECT COUNT(*) AS n FROM ${there.table} WHERE status = 'in_progress'`))[0].n > 0,
    () => home.log('completion').some((line) => line.event === 'collected'),
    async () => (await query(`SELECT COUNT(*) AS n FROM ${there.table} WHERE status = 'completed'`))[0].n > 0,
  ]) {
    const daemon = await home.daemon();
    await home.until('the moment', event);
    daemon.process.kill('SIGKILL');
    await daemon.ended;
  }
  await home.daemon();
  for (const [at, id] of ids.entries()) {
    const ended = await untilRow(id, `number ${at} ended`, (found) => found.status === 'completed');
    assert.match(ended.claude_summary, new RegExp(`number ${at} is done`));
    assert.match(ended.claude_text_output, new RegExp(`number ${at}`));
    assert.equal(await recordsOf(there, id), 1);
  }
});

test('[I-17] a row that their own code sets back while an agent works: the agent is ended, its output archived, and the row has one result', async (t) => {
  const there = await place(t);
  const { home, put, untilRow, table } = there;
  const turns = join(home.work, 'turns');
  const id = await put(
    `echo turn >> ${turns}; if [ "$(wc -l < ${turns})" -eq 1 ]; then echo "first words"; exec sleep 600; fi; "$TODO_MARKER" done "second turn"`,
  );
  await home.daemon();
  await home.until('the agent works', async () => existsSync(turns) && (await home.show(id)).status === 'running');
  await query(`UPDATE ${table} SET status = 'offen' WHERE id = ?`, [id]);
  const ended = await untilRow(id, 'the second turn ended', (found) => found.status === 'completed');
  assert.match(ended.claude_summary, /second turn/);
  const todo = await home.untilTodo(
    id,
    'both runs are over',
    (it) => it.runs.length === 2 && it.runs.every((run: Json) => run.endedAtMs !== null),
  );
  assert.deepEqual(
    todo.runs.map((run: Json) => [run.fence, run.outcome]),
    [
      [1, 'superseded'],
      [2, 'done'],
    ],
  );
  assert.equal(await recordsOf(there, id), 1, 'one terminal record');
  assert.equal(readFileSync(turns, 'utf8'), 'turn\nturn\n', 'nothing ran a third time');
  const archive = dirname(dirname(todo.report));
  await home.until('the first run is in the archive', () => readdirSync(archive).some((name) => name.startsWith('orphaned_')));
  const kept = readdirSync(archive).find((name) => name.startsWith('orphaned_'))!;
  assert.match(readFileSync(join(archive, kept, 'output.txt'), 'utf8'), /first words/);
});

test('a row that is deleted while an agent works: the agent is ended, its output archived, and nothing comes back', async (t) => {
  const there = await place(t);
  const { home, put, table } = there;
  const id = await put('echo "some words"; touch begun; exec sleep 600');
  await home.daemon();
  await home.until('the agent works', () => existsSync(join(home.work, 'begun')));
  await query(`DELETE FROM ${table} WHERE id = ?`, [id]);
  await home.until('closed', () => home.log('completion').some((line) => line.event === 'closed'));
  assert.deepEqual(await query(`SELECT id FROM ${table}`), []);
  assert.equal(await recordsOf(there, id), 0);
});

test('[I-39] one schema, words as closed sets, times in UTC: a server in New York, a host in Kolkata, and every time is exact on both sides', async (t) => {
  const there = await place(t);
  const { home, put, untilRow } = there;
  const fromMs = Date.now();
  await home.daemon({ TZ: 'Asia/Kolkata' });
  // One row on each side of the spring change, as people wrote them there.
  const winter = await put('"$TODO_MARKER" done', { created_at: '2024-03-10 01:59:59' });
  const summer = await put('"$TODO_MARKER" done', { created_at: '2024-03-10 03:00:00' });
  for (const id of [winter, summer]) {
    const ended = await untilRow(id, 'ended', (found) => found.status === 'completed');
    const todo = await home.untilTodo(id, 'ended', (it) => it.status === 'completed');
    assert.ok(todo.endedAtMs >= fromMs && todo.endedAtMs <= Date.now(), 'UTC in our own table');
    assert.equal(ended.completed_at, inNewYork(todo.endedAtMs));
    assert.equal(ended.execution_started_at, inNewYork(todo.runs[0].startedAtMs));
    const [kept] = await query(`SELECT ended_at_ms FROM ${there.prefix}todo WHERE number = ?`, [id]);
    assert.equal(Number(kept.ended_at_ms), todo.endedAtMs);
    assert.equal((await home.show(id)).createdAtMs, id === winter ? Date.UTC(2024, 2, 10, 6, 59, 59) : Date.UTC(2024, 2, 10, 7, 0, 0));
  }
  await assert.rejects(query(`UPDATE ${there.table} SET status = 'fertig' WHERE id = ?`, [winter]), /truncated/i);
});

test('hostile names in a mapping are refused at once, each with its key, before anything is asked of a server', async (t) => {
  const home = await testHome(t, {
    store: {
      url: 'mysql://nobody@127.0.0.1:1/nothing',
      map: {
        preset: 'wordpress',
        table: 'todos; DROP TABLE users',
        columns: { html: '`x`', summary: "a'b", id: 'x'.repeat(64) },
        statuses: { running: 'offen', unknown: 'x' },
        time_zone: "UTC' OR 1",
      },
    },
  });
  const { code, stderr } = await home.todo(['list']);
  assert.equal(code, 78);
  for (const key of ['table', 'columns.html', 'columns.summary', 'columns.id', 'time_zone', 'statuses.unknown'])
    assert.match(stderr, new RegExp(`"store\\.map\\.${key.replace('.', '\\.')}"`), key);
  writeFileSync(
    join(home.folder, 'hooks', 'config.json'),
    JSON.stringify({
      store: { map: { preset: 'wordpress', table: 'wp_todos', columns: { html: 'status' }, statuses: { running: 'offen' } } },
    }),
  );
  const second = await home.todo(['list']);
  assert.equal(second.code, 78);
  for (const says of [/"store\.map"/, /"store\.map\.columns\.html"/, /"store\.map\.statuses\.running"/]) assert.match(second.stderr, says);
});

test('[C-69] todo store map --check shows mapping, columns, what is missing and what would be picked, and changes nothing', async (t) => {
  const there = await place(t);
  const { home, put, table, prefix } = there;
  await put('true');
  await put('true', { bearbeiten: 0 });
  await put('true', { status: 'cron' });
  const fits = await home.json(['store', 'map', '--check']);
  assert.deepEqual(
    [fits.kind, fits.status, fits.table, fits.missing, fits.problems, fits.warnings],
    ['store-map', 'healthy', table, [], [], []],
  );
  const of = (name: string) => fits.columns.find((column: Json) => column.name === name);
  assert.equal(fits.columns.length, 55);
  assert.equal(fits.columns.filter((column: Json) => column.as.length === 0).length, 40, 'forty are left alone');
  assert.deepEqual(
    [of('status').does, of('claude_prompt').does, of('claude_html_output').does, of('other_1').does],
    ['reads and writes', 'reads', 'writes', null],
  );
  const word = (each: string) => fits.words.find((it: Json) => it.word === each);
  assert.deepEqual([word('offen').ours, word('offen').rows, word('offen').picked], [['open', 'parked'], 2, 1]);
  assert.deepEqual([word('cron').ours, word('cron').rows, word('cron').picked], [[], 1, 0]);
  assert.deepEqual(word('blocked').ours, ['blocked', 'dead-lettered', 'failed']);
  const text = await home.todo(['store', 'map']);
  assert.equal(text.code, 0);
  for (const says of [/claude_html_output +longtext +html +writes/, /40 other columns stay as they are/, /cron +\(left alone\)/])
    assert.match(text.stdout, says);

  await query(`ALTER TABLE ${table} MODIFY claude_summary TEXT CHARACTER SET latin1`);
  const weaker = await home.json(['store', 'map', '--check'], { code: 1 });
  assert.equal(weaker.status, 'degraded');
  assert.match(weaker.warnings.join(), /claude_summary is latin1/);

  await query(
    `ALTER TABLE ${table} DROP COLUMN claude_text_output, MODIFY status ENUM('offen','in_progress','completed','cancelled','cron')`,
  );
  const broken = await home.json(['store', 'map', '--check'], { code: 2 });
  assert.deepEqual(broken.missing, ['claude_text_output']);
  assert.equal(broken.problems.length, 2, 'all at once');
  assert.match(broken.problems.join('; '), /no column claude_text_output \(text\); column status is enum.*, which has no blocked/);
  const refused = await home.todo(['list', '--json']);
  assert.equal(refused.code, 78);
  assert.deepEqual(await query(`SHOW TABLES LIKE '${prefix.replace('_', '\\_')}%'`), [], 'a look makes nothing');
  assert.equal((await query(`SELECT COUNT(*) AS n FROM ${table}`))[0].n, 3);

  await query(`DROP TABLE ${table}`);
  const gone = await home.json(['store', 'map', '--check'], { code: 2 });
  assert.match(gone.problems.join(), /there is no table/);
});

test('todo store map without a mapping says how to set one', async (t) => {
  const home = await testHome(t);
  const { code, stderr } = await home.todo(['store', 'map', '--check']);
  assert.equal(code, 64);
  assert.match(stderr, /store\.map is not set/);
  await home
    .todo(['store', 'map', '--check'], {
      env: { TODO_STORE_URL: 'mysql://nobody@127.0.0.1:1/none', TODO_STORE_MAP: '{"preset":"wordpress","table":"t"}' },
    })
    .then(({ code: away }) => assert.equal(away, 3));
});
