// What a call loads: the quick ones nothing that is heavy. Proved by the files of the build that were really read, and what Node gave out.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type TestHome, testHome } from '../e2e/harness.ts';

/** Words that stand in the built pieces of a package and nowhere in our own. */
const heavy: Readonly<Record<string, RegExp>> = {
  zod: /ZodError|\$ZodType/,
  commander: /CommanderError/,
  mysql2: /mysql_native_password|caching_sha2_password/,
  pino: /pino\.msgPrefix|pino-pretty/,
  chokidar: /EV_RAW|ReaddirpStream/,
  ora: /cli-spinners|dots12/,
  xterm: /InputHandler|_inputHandler/,
  hono: /HonoRequest|hono-base/,
  daemon: /completions wait in the journal/,
};
const slowOfNode = ['child_process', 'crypto', 'http', 'https', 'net', 'tls', 'worker_threads', 'zlib', 'stream'];

async function loadedBy(
  home: TestHome,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  expected = 0,
): Promise<{ packages: string[]; node: string[] }> {
  const list = join(home.work, 'loaded');
  const spy = join(home.work, 'spy.cjs');
  writeFileSync(
    spy,
    `const m = require('node:module'), fs = require('node:fs'), load = m._load, read = fs.readFileSync, seen = new Set();
fs.readFileSync = function (path, ...rest) { if (/\\/dist\\/.*[.]cjs$/.test(path)) seen.add(path); return read.call(this, path, ...rest); };
m._load = function (id, parent, ...rest) { seen.add(m.isBuiltin(id) ? id : m._resolveFilename(id, parent)); return load.call(this, id, parent, ...rest); };
process.on('exit', () => require('node:fs').writeFileSync(process.env.LOADED, [...seen].join('\\n')));`,
  );
  const { code, stderr } = await home.todo(args, { env: { ...env, NODE_OPTIONS: `--require ${spy}`, LOADED: list }, stdin: '{}' });
  assert.equal(code, expected, stderr);
  const loaded = readFileSync(list, 'utf8').split('\n');
  const texts = loaded.filter((name) => name.startsWith('/')).map((path) => readFileSync(path, 'utf8'));
  return {
    packages: Object.keys(heavy).filter((name) => texts.some((text) => heavy[name]?.test(text))),
    node: loaded.map((name) => name.replace(/^node:/, '')).filter((name) => slowOfNode.includes(name)),
  };
}

test('[C-80] list and health on SQLite load no mysql2, no hono and no terminal emulator; where they are needed they are loaded', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { number } = await home.add('true', '--hold');
  for (const args of [
    ['list'],
    ['list', '--json'],
    ['list', '--status', 'running', '--json'],
    ['health'],
    ['health', '--json'],
    ['show', String(number)],
  ]) {
    const { packages } = await loadedBy(home, args);
    assert.deepEqual(
      packages.filter((name) => ['mysql2', 'hono', 'xterm'].includes(name)),
      [],
      args.join(' '),
    );
  }
  const emulated = await loadedBy(home, ['run', '--', 'printf', '\\033[2J\\033[3;3Hmoved']);
  assert.ok(!emulated.packages.includes('xterm'), 'the daemon renders what it ran, not the one who asks');
  const alone = await testHome(t);
  assert.ok(
    (await loadedBy(alone, ['run', '--', 'printf', '\\033[2J\\033[3;3Hmoved'])).packages.includes('xterm'),
    'a run without a daemon does',
  );
  const away = { TODO_STORE_URL: 'mysql://nobody@127.0.0.1:1/none' };
  assert.ok((await loadedBy(alone, ['list', '--json'], away, 69)).packages.includes('mysql2'), 'a list on MySQL does');
});

/** Statements that a process executed, with their values, in order. */
type Executed = { readonly sql: string; readonly values: readonly unknown[] };
const statements = (file: string): Executed[] =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

test('[C-80] from its signal to its end a completion reads the row of its todo once, in the running daemon', async (t) => {
  const home = await testHome(t, { behavior: { quiet_after: 0.1 } });
  const [spy, list] = [join(home.work, 'statements.cjs'), join(home.work, 'statements')];
  writeFileSync(
    spy,
    `const { DatabaseSync, StatementSync } = require('node:sqlite'), { appendFileSync } = require('node:fs'), texts = new WeakMap();
const prepare = DatabaseSync.prototype.prepare;
DatabaseSync.prototype.prepare = function (sql) { const made = prepare.call(this, sql); texts.set(made, sql); return made; };
for (const name of ['get', 'all', 'run', 'iterate']) {
  const plain = StatementSync.prototype[name];
  StatementSync.prototype[name] = function (...values) {
    appendFileSync(process.env.STATEMENTS, JSON.stringify({ sql: texts.get(this), values: values.map(String) }) + '\\n');
    return plain.apply(this, values);
  };
}`,
  );
  await home.daemon({ NODE_OPTIONS: `--require ${spy}`, STATEMENTS: list });
  const { number, id } = await home.add('mkfifo go; read word < go; echo work', '--check', 'true');
  const { runs } = await home.untilTodo(number, 'running', ({ status }) => status === 'running');
  await home.until('it waits', () => existsSync(join(home.work, 'go')));
  // Its agent waits, and says its word by its end: what is executed from here on belongs to the completion.
  const from = statements(list).length;
  writeFileSync(join(home.work, 'go'), 'on\n');
  await home.until('closed', () => home.log('completion').find(({ event, todo }) => event === 'closed' && todo === number));
  const executed = statements(list);
  const to = executed.findIndex(
    ({ sql, values }) => /INSERT INTO journal \(/.test(sql) && values.includes('closed') && values.includes(runs[0].id),
  );
  assert.ok(from > 0 && to > from, `${from} ${to}`);
  const completion = executed.slice(from, to).filter(({ values }) => values.includes(id) || values.includes(runs[0].id));
  const reads = completion.filter(({ sql }) => /^\s*SELECT/.test(sql) && /"todo"/.test(sql)).map(({ sql }) => sql.replaceAll(/\s+/g, ' '));
  assert.equal(reads.length, 1, reads.join('\n'));
  assert.match(reads[0]!, /FROM "completion" c JOIN "todo" t/, 'the look that shows the record by value');
  assert.equal(completion.filter(({ sql }) => /UPDATE "todo"/.test(sql)).length, 1, 'and it is written once');
  t.diagnostic(`${completion.length} statements about it between signal and end`);
});

test('list --json on SQLite loads node:sqlite and nothing heavy', async (t) => {
  const home = await testHome(t);
  await home.add('true');
  await home.todo(['list', '--json']);
  assert.deepEqual(await loadedBy(home, ['list', '--json']), { packages: [], node: [] });
  assert.deepEqual((await loadedBy(home, ['list'])).packages, [], 'for people neither');
});

test('a hook loads nothing heavy on its way to the durable signal, and outside of a run nothing at all', async (t) => {
  const home = await testHome(t);
  await home.add('true');
  const run = { TODO_HOME: home.folder, TODO_SPOOL: join(home.folder, 'spool'), TODO_ID: 'a', TODO_RUN: 'b', TODO_TOKEN: 'c' };
  const inside = await loadedBy(home, ['hook', 'claude', 'post-tool-use'], run);
  assert.deepEqual(inside, { packages: [], node: ['crypto', 'net'] }, 'a digest for the marker, and the socket after it');
  assert.deepEqual(await loadedBy(home, ['hook', 'claude', 'stop']), { packages: [], node: [] });
});

test('what V8 made of the build is kept for the next call of that command; one that is spoiled, or cannot be kept, is nobody’s trouble', async (t) => {
  const home = await testHome(t);
  await home.add('true');
  const cache = join(home.work, 'cache');
  const keptNow = () =>
    new Map(
      readdirSync(cache, { recursive: true, withFileTypes: true })
        .filter((it) => it.isFile())
        .map(({ parentPath, name }) => [join(parentPath, name), readFileSync(join(parentPath, name))]),
    );
  const list = async (folder: string) => {
    const { todos } = await home.json(['list'], { env: { XDG_CACHE_HOME: folder } });
    assert.equal(todos.length, 1);
  };
  const [old, younger] = ['old', 'younger'].map((name) => join(cache, 'signoff', name)) as [string, string];
  for (const [folder, days] of [
    [old, 31],
    [younger, 29],
  ] as const) {
    mkdirSync(folder, { recursive: true });
    utimesSync(folder, new Date(), Date.now() / 1000 - days * 86_400);
  }
  await list(cache);
  assert.deepEqual([existsSync(old), existsSync(younger)], [false, true], 'what another build left a month ago');
  const kept = keptNow();
  const start = [...kept.keys()].find((path) => path.endsWith('/list/start.cjs'));
  assert.ok(start, [...kept.keys()].join(' '));
  const { mtimeMs } = statSync(start);
  await list(cache);
  assert.equal(statSync(start).mtimeMs, mtimeMs, 'taken as it was');
  writeFileSync(start, 'no code');
  await list(cache);
  assert.ok(keptNow().get(start)!.length > 1000, 'made again');
  const life = async () => {
    const daemon = await home.daemon({ XDG_CACHE_HOME: cache });
    daemon.process.kill('SIGTERM');
    await daemon.ended;
    return keptNow();
  };
  const writtenBy = (all: ReadonlyMap<string, unknown>) => [...all.keys()].map((path) => `${path} ${statSync(path).ino}`);
  const ofDaemon = writtenBy(await life()).filter((it) => it.includes('/daemon/'));
  assert.ok(ofDaemon.length > 10);
  const again = new Set(writtenBy(await life()));
  assert.deepEqual(
    ofDaemon.filter((it) => !again.has(it)),
    [],
    'what the first daemon kept the second one takes',
  );
  writeFileSync(join(home.work, 'no-folder'), '');
  await list(join(home.work, 'no-folder'));
});

test('the words above are those of the packages: a run loads what a list does not', async (t) => {
  const home = await testHome(t);
  const { packages } = await loadedBy(home, ['run', '--', 'true']);
  for (const name of ['commander', 'zod', 'chokidar', 'pino', 'daemon'])
    assert.ok(packages.includes(name), `${name}: ${packages.join(' ')}`);
  for (const name of ['mysql2', 'ora', 'xterm']) assert.ok(!packages.includes(name), `${name}: ${packages.join(' ')}`);
});
