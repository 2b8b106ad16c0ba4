// `todo backup` and `todo restore`: the drill. A daemon works; the home is backed up, lost, restored, and a daemon goes on with nothing missing.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { programs } from '../programs.ts';
import { aTodo } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';
import { endRuns, type Json, type Started, type TestHome, testHome } from './harness.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const node = join(root, 'node_modules', 'node', 'bin', 'node');

let server: Mariadb;
before(async () => {
  server = await startMariadb([]);
});
after(() => server?.stop());

test('[P-56] the drill: a working home is backed up, wiped and restored; every todo, run, record and archive is there, and a daemon goes on', async (t) => {
  const { home, daemon, waiting, backupTo } = await workingHome(t);
  const seen = await home.json(['backup', backupTo('b')]);
  const before = await everything(home);
  assert.deepEqual(seen.counts, { todos: 5, runs: 4, records: 3, live: 1, archives: 3 });
  assert.equal((await home.show(waiting)).status, 'running', 'the daemon works on');

  await wipe(home, daemon);
  const restored = await home.json(['restore', backupTo('b')]);
  assert.deepEqual([restored.counts, restored.aside, restored.config], [seen.counts, [], 'restored']);
  assert.deepEqual(await everything(home), before);
  await home.daemon();
  writeFileSync(join(home.work, 'go'), '');
  const ended = await home.untilTodo(waiting, 'the todo that was live is worked on again and ends', (it) => it.status === 'completed');
  assert.deepEqual([ended.proof, ended.runs.length], ['verified', 2], 'its agent died with the home: another attempt');
  const held = (await everything(home)).todos.find((it: Json) => it.title === 'held');
  assert.deepEqual([held.status, held.held], ['open', true]);
});

test('[P-56] the same from one file, for a home whose todos are in MySQL and whose database was lost as well', async (t) => {
  const { home, daemon, waiting, backupTo } = await workingHome(t, { store: { url: server.url(), table_prefix: 'b_' } });
  const seen = await home.json(['backup', backupTo('b.tar.gz')]);
  assert.deepEqual(seen.counts, { todos: 5, runs: 4, records: 3, live: 1, archives: 3 });
  assert.equal(seen.store.kind, 'copied');
  assert.doesNotMatch(JSON.stringify(seen), /p@ss/);
  assert.equal(statSync(backupTo('b.tar.gz')).mode & 0o777, 0o600);
  const before = await everything(home);

  await home.json(['add', 'later', '--agent', 'shell', '--prompt', 'true', '--cwd', home.work, '--hold']);
  await wipe(home, daemon);
  const inUse = await home.json(['restore', backupTo('b.tar.gz')], { code: 1 });
  assert.equal(inUse.code, 'REFUSED', 'the rows there are newer than the backup: they are not written over');
  assert.ok(!existsSync(join(home.folder, 'todo.db')));
  const connection = await server.connect();
  const [tables] = await connection.query("SHOW TABLES LIKE 'b\\_%'");
  for (const row of tables as Record<string, string>[]) await connection.query(`DROP TABLE ${Object.values(row)[0]}`);
  await connection.end();
  const restored = await home.json(['restore', backupTo('b.tar.gz')]);
  assert.ok(restored.storeRows > 10);
  assert.deepEqual(await everything(home), before);
  await home.daemon();
  writeFileSync(join(home.work, 'go'), '');
  await home.untilTodo(waiting, 'the todo that was live ends', (it) => it.status === 'completed');
});

test('[P-56] what is in MySQL is backed up as of one moment: todos, runs and records agree, while another host and somebody else write', async (t) => {
  const settings = { store: { url: server.url(), table_prefix: 's_' } };
  const home = await testHome(t, settings);
  const here = await home.daemon();
  const { number } = await home.add('true', '--check', 'true');
  const ended = await home.untilTodo(number, 'it ended', (it) => it.status === 'completed');
  here.process.kill('SIGTERM');
  await here.ended;

  const store = mysqlStore(server.url(), { prefix: 's_' });
  t.after(() => store.close());
  for (let i = 0; i < 300; i++) await store.add(aTodo({ held: true, title: 'stamped' }));
  const writer = await stamping(ended.id);
  const other = await testHome(t, settings);
  await other.daemon();
  for (let i = 0; i < 8; i++) await other.add('sleep 0.2', '--check', 'true');
  const stampedBefore = await writer.reached(1);

  const at = join(home.folder, '..', 'b');
  await home.json(['backup', at]);
  const stampedAfter = await writer.stop();
  const copy = new DatabaseSync(join(at, 'store.db'), { readOnly: true });
  t.after(() => copy.close());
  const all = (sql: string): Json[] => copy.prepare(sql.replaceAll(/\b(todo|run|completion)\b/g, 's_$1')).all();

  const stamps = [
    ...all(`SELECT DISTINCT summary AS stamp FROM todo WHERE title = 'stamped'`),
    ...all(`SELECT said_by AS stamp FROM run WHERE todo_id = '${ended.id}'`),
    ...all(`SELECT summary AS stamp FROM completion WHERE todo_id = '${ended.id}'`),
  ].map(({ stamp }) => Number(stamp));
  assert.deepEqual(stamps, [stamps[0], stamps[0], stamps[0]], 'one transaction stamps them all');
  assert.ok(stamps[0]! >= stampedBefore && stamps[0]! + 5 < stampedAfter, `${stamps[0]} of ${stampedBefore} to ${stampedAfter}`);
  assert.deepEqual(
    all(
      `SELECT t.number, t.status FROM todo t LEFT JOIN completion c ON c.todo_id = t.id WHERE (t.status = 'completed') <> (c.run_id IS NOT NULL)`,
    ),
    [],
    'whoever is completed has a record, and nobody else',
  );
  assert.deepEqual(
    all(
      `SELECT t.number FROM todo t LEFT JOIN run r ON r.id = t.run_id WHERE t.status = 'running' AND (r.id IS NULL OR r.ended_at_ms IS NOT NULL)`,
    ),
    [],
    'whoever runs has a run that has not ended',
  );
});

test('a backup that was damaged, extended or made to escape is refused, and nothing of it reaches the home', async (t) => {
  const { home, daemon, backupTo } = await workingHome(t);
  await home.json(['backup', backupTo('b')]);
  await wipe(home, daemon);
  const damages: [name: string, says: RegExp, damage: (folder: string) => void][] = [
    ['bit', /todo\.db is not what was backed up/, (folder) => flipByte(join(folder, 'todo.db'))],
    ['gone', /hooks\/config\.json is missing/, (folder) => rmSync(join(folder, 'hooks', 'config.json'))],
    ['more', /archive\/extra is not in its manifest/, (folder) => writeFileSync(join(folder, 'archive', 'extra'), '')],
    ['link', /archive\/link is not in its manifest/, (folder) => symlinkSync('/etc/passwd', join(folder, 'archive', 'link'))],
    ['sealed', /not what was sealed/, (folder) => edit(join(folder, 'manifest.json'), (text) => text.replace('"live": 1', '"live": 2'))],
    [
      'escape',
      /wants to put a file at archive\/\.\.\/\.\.\/x/,
      (folder) => {
        const text = edit(join(folder, 'manifest.json'), (it) => it.replace(/"path": "archive\/[^"]+"/, '"path": "archive/../../x"'));
        writeFileSync(join(folder, 'manifest.sha256'), `${createHash('sha256').update(text).digest('hex')}  manifest.json\n`);
      },
    ],
  ];
  for (const [name, says, damage] of damages) {
    const folder = backupTo(name);
    cpSync(backupTo('b'), folder, { recursive: true });
    damage(folder);
    const refused = await home.json(['restore', folder], { code: 65 });
    assert.match(refused.message, says, name);
  }
  const evil = backupTo('evil.tar');
  symlinkSync('/etc', backupTo('out'));
  execFileSync('tar', ['-cf', evil, '-C', join(backupTo('out'), '..'), './out']);
  assert.match((await home.json(['restore', evil], { code: 65 })).message, /something that no backup has/);
  assert.deepEqual(restOf(home), []);
});

test('a home in use is refused whatever is asked, one that is not empty without --force; with it the old home is kept aside whole', async (t) => {
  const { home, daemon, backupTo } = await workingHome(t);
  await home.json(['backup', backupTo('b')]);
  const another = await home.json(['backup', backupTo('.')]);
  assert.match(another.at, /\/backups\/signoff-\d{8}T\d{6}Z$/, 'in a folder that is not empty one of its own');
  writeFileSync(backupTo('b.tar'), '');
  assert.equal((await home.json(['backup', backupTo('b.tar')], { code: 1 })).code, 'REFUSED', 'nothing is written over');
  assert.equal((await home.json(['backup', join(home.folder, 'archive', 'b')], { code: 1 })).code, 'REFUSED', 'not into what is backed up');
  const busy = await home.json(['restore', backupTo('b'), '--force'], { code: 75 });
  assert.match(busy.message, /LOCKED.*held by process/);
  await kill(daemon);
  endRuns(home.folder);
  const extra = await home.add('true', '--hold');
  const before = await everything(home);
  const full = await home.json(['restore', backupTo('b')], { code: 1 });
  assert.match(full.message, /it is not empty/);
  assert.deepEqual(await everything(home), before);

  const forced = await home.json(['restore', backupTo('b'), '--force']);
  assert.equal((await home.json(['show', String(extra.number)], { code: 1 })).code, 'NOT_FOUND', 'it was added after the backup');
  const old = forced.aside.find((path: string) => path.includes('todo.db.before-restore-'));
  const todos = execFileSync(node, [
    '-e',
    `process.stdout.write(String(new (require('node:sqlite').DatabaseSync)(${JSON.stringify(old)}).prepare('SELECT COUNT(*) AS n FROM todo').get().n))`,
  ]);
  assert.equal(String(todos), '6', 'the old database is whole beside it');
  const { home: other } = await emptyBeside(t);
  const elsewhere = await other.json(['restore', backupTo('b')]);
  assert.equal(elsewhere.counts.todos, 5);
});

test('agents that still work for the home of the backup are not taken by a second one', async (t) => {
  const { home, backupTo } = await workingHome(t);
  await home.json(['backup', backupTo('b')]);
  const { home: other } = await emptyBeside(t);
  const refused = await other.json(['restore', backupTo('b')], { code: 1 });
  assert.match(refused.message, /REFUSED while restoring todo \d+: its agent \(pid \d+\) still works for the home/);
  assert.deepEqual(restOf(other), []);
});

test('[P-56] a backup or a restore that is killed at any of its renames leaves nothing half, and the next call is whole', async (t) => {
  const { home, daemon, backupTo } = await workingHome(t);
  await kill(daemon);
  endRuns(home.folder);
  const before = await everything(home);
  assert.equal(killedAt(1, ['backup', backupTo('b')], home), true, 'a backup has one rename, the last thing it does');
  assert.ok(!existsSync(backupTo('b')), 'what is not whole has not its name');
  await home.json(['backup', backupTo('b')]);
  assert.deepEqual(
    readdirSync(backupTo('.'))
      .filter((name) => name.includes('.part-'))
      .sort(),
    [],
    'and the rest of the one before is gone',
  );
  await wipe(home, null);
  let kills = 0;
  for (let at = 1; killedAt(at, ['restore', backupTo('b')], home); at++) {
    kills += 1;
    const isThere = existsSync(join(home.folder, 'todo.db'));
    if (isThere) assert.deepEqual(await everything(home), before, `killed at rename ${at}`);
    if (isThere) await wipe(home, null);
  }
  assert.ok(kills >= 5, `it was killed ${kills} times`);
  assert.deepEqual(await everything(home), before, 'the one that nobody killed, over what the others left');
  assert.deepEqual(
    readdirSync(home.folder).filter((name) => name.includes('restore-part')),
    [],
  );
});

/** Gives all stamped todos, and run and record of one that ended, the next number in one transaction, again and again. */
async function stamping(todoId: string) {
  const connection = await server.connect();
  const signs = new EventEmitter();
  let done = 0;
  let goesOn = true;
  const over = (async () => {
    while (goesOn) {
      const next = done + 1;
      await connection.query(
        `START TRANSACTION;
         UPDATE s_completion SET summary = '${next}' WHERE todo_id = '${todoId}';
         UPDATE s_run SET said_by = '${next}' WHERE todo_id = '${todoId}';
         UPDATE s_todo SET summary = '${next}' WHERE title = 'stamped';
         COMMIT`,
      );
      done = next;
      signs.emit('stamped');
    }
  })();
  return {
    async reached(count: number): Promise<number> {
      while (done < count) await once(signs, 'stamped');
      return done;
    },
    async stop(): Promise<number> {
      goesOn = false;
      await over;
      await connection.end();
      return done;
    },
  };
}

/** Five todos: three that ended, each in another way, one whose agent waits, one held; with a comment and a file. A daemon works on them. */
async function workingHome(t: TestContext, config: Json = {}) {
  const home = await testHome(t, { behavior: { check_timeout: 30 }, run: { retry_delay: 0.1 }, ...config });
  const backups = join(home.folder, '..', 'backups');
  mkdirSync(backups);
  const daemon = await home.daemon();
  const good = await home.add('echo "what it printed"', '--check', 'true');
  const bad = await home.add('exit 3');
  const plain = await home.add('seq 1 50000');
  const waiting = await home.add(`until [ -e ${join(home.work, 'go')} ]; do sleep 0.1; done`, '--check', 'true');
  await home.json(['add', 'held', '--agent', 'shell', '--prompt', 'true', '--cwd', home.work, '--hold']);
  writeFileSync(join(home.work, 'file.txt'), 'attached');
  await home.json(['comment', String(good.number), 'looks good']);
  await home.json(['attach', String(good.number), join(home.work, 'file.txt')]);
  for (const { number } of [good, bad, plain])
    await home.untilTodo(number, 'it ended', (it) => ['completed', 'failed'].includes(it.status));
  await home.until('their completions are closed', () => home.log('completion').filter((it) => it.event === 'closed').length >= 3);
  await home.untilTodo(waiting.number, 'it runs', (it) => it.status === 'running');
  return { home, daemon, waiting: waiting.number as number, backupTo: (name: string) => join(backups, name) };
}

async function emptyBeside(t: TestContext): Promise<{ home: TestHome }> {
  const home = await testHome(t);
  rmSync(join(home.folder, 'hooks'), { recursive: true });
  return { home };
}

/** Todos with runs, and all files of the archive by digest: whatever may be lost. */
async function everything(home: TestHome): Promise<Json> {
  const { todos } = await home.json(['list']);
  const stories = await Promise.all(todos.map((it: Json) => home.json(['show', String(it.number), '--history'])));
  const archive = join(home.folder, 'archive');
  const files = existsSync(archive) ? readdirSync(archive, { recursive: true, encoding: 'utf8' }).sort() : [];
  const digests = files
    .filter((name) => statSync(join(archive, name)).isFile())
    .map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(archive, name)))
        .digest('hex'),
    ]);
  return { todos, stories, digests };
}

const kill = async (daemon: Started): Promise<void> => {
  daemon.process.kill('SIGKILL');
  await daemon.ended;
};

/** The machine is lost: daemon, agents, home. */
async function wipe(home: TestHome, daemon: Started | null): Promise<void> {
  if (daemon !== null) await kill(daemon);
  endRuns(home.folder);
  rmSync(home.folder, { recursive: true, maxRetries: 5 });
  mkdirSync(home.folder);
}

/** Files of a home that a restore would have brought. */
const restOf = ({ folder }: TestHome): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => /^(todo\.db|archive|runs|hooks)/.test(name) && statSync(join(folder, name)).isFile(),
  );

/** Runs `todo` until its n-th rename, and kills it there; false where it has fewer and ended well. */
function killedAt(at: number, args: readonly string[], { folder }: TestHome): boolean {
  const { status, signal, stderr } = spawnSync(
    programs().strace,
    [
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      'trace=rename',
      '-e',
      `inject=rename:signal=SIGKILL:when=${at}`,
      node,
      join(root, 'dist', 'todo.cjs'),
      ...args,
    ],
    {
      env: { PATH: process.env['PATH'], HOME: join(folder, '..', 'user'), TODO_HOME: folder, NODE_DISABLE_COMPILE_CACHE: '1' },
      encoding: 'utf8',
    },
  );
  if (status === 0) return false;
  assert.equal(signal, 'SIGKILL', `${status} ${stderr}`);
  return true;
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

function edit(path: string, change: (text: string) => string): string {
  const before = readFileSync(path, 'utf8');
  const text = change(before);
  assert.notEqual(text, before, 'the damage is done');
  writeFileSync(path, text);
  return text;
}
