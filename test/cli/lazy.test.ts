// What a call loads: the quick ones nothing that is heavy. Proved by the files that Node really opened as modules.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
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
  daemon: /completions wait in the journal/,
};
const slowOfNode = ['child_process', 'crypto', 'http', 'https', 'net', 'tls', 'worker_threads', 'zlib', 'stream'];

async function loadedBy(
  home: TestHome,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ packages: string[]; node: string[] }> {
  const list = join(home.work, 'loaded');
  const spy = join(home.work, 'spy.cjs');
  writeFileSync(
    spy,
    `const m = require('node:module'), load = m._load, seen = new Set();
m._load = function (id, parent, ...rest) { seen.add(m.isBuiltin(id) ? id : m._resolveFilename(id, parent)); return load.call(this, id, parent, ...rest); };
process.on('exit', () => require('node:fs').writeFileSync(process.env.LOADED, [...seen].join('\\n')));`,
  );
  const { code, stderr } = await home.todo(args, { env: { ...env, NODE_OPTIONS: `--require ${spy}`, LOADED: list }, stdin: '{}' });
  assert.equal(code, 0, stderr);
  const loaded = readFileSync(list, 'utf8').split('\n');
  const texts = loaded.filter((name) => name.startsWith('/')).map((path) => readFileSync(path, 'utf8'));
  return {
    packages: Object.keys(heavy).filter((name) => texts.some((text) => heavy[name]?.test(text))),
    node: loaded.map((name) => name.replace(/^node:/, '')).filter((name) => slowOfNode.includes(name)),
  };
}

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

test('the words above are those of the packages: a run loads what a list does not', async (t) => {
  const home = await testHome(t);
  const { packages } = await loadedBy(home, ['run', '--', 'true']);
  for (const name of ['commander', 'zod', 'chokidar', 'pino', 'daemon'])
    assert.ok(packages.includes(name), `${name}: ${packages.join(' ')}`);
  for (const name of ['mysql2', 'ora', 'xterm']) assert.ok(!packages.includes(name), `${name}: ${packages.join(' ')}`);
});
