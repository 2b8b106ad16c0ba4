import assert from 'node:assert/strict';
import { existsSync, mkdtempDisposableSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'jsonc-parser';
import { defaultConfig, knownKeys } from '../../src/core/config.ts';
import { environmentName } from '../../src/core/config-keys.ts';
import { loadConfig } from '../../src/platform/config-file.ts';

/** A config file; `load` reads it as the built program does, keeping what was valid. */
function home(text?: string) {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-config-'));
  const path = join(at.path, 'config.json');
  const cache = join(at.path, 'cache.json');
  const write = (content: string): void => writeFileSync(path, content);
  if (text !== undefined) write(text);
  return {
    path,
    cache,
    write,
    load: (env: Record<string, string> = {}, more: { version?: string; readOnly?: boolean } = {}) =>
      loadConfig({ path, env, cache, version: more.version ?? '1', readOnly: more.readOnly ?? false, fromSources: false }),
    [Symbol.dispose]: () => at.remove(),
  };
}

test('without a file all has its default', async () => {
  using at = home();
  assert.deepEqual(await at.load(), { config: defaultConfig(), warnings: [] });
});

test('[C-39] comments and a last comma are allowed, and the environment says over the file', async () => {
  using at = home('// why\n{ "behavior": { /* few */ "max_rounds": 1, "max_retries": 7, }, }');
  const env = {
    TODO_BEHAVIOR_MAX_ROUNDS: '2',
    TODO_PATHS_LOGS: '/var/log/todo',
    TODO_BEHAVIOR_AUTO_RECOVERY: 'false',
    TODO_BEHAVIOR_RUN_MAX: 'null',
  };
  const { config } = await at.load({ ...env, TODO_LOGGING_LEVEL: '', TODO_RUN: 'r1', TODO_RUN_DIR: '/x', TODO_ID: '7', TODO_HOME: '/h' });
  assert.equal(config.behavior.max_rounds, 2);
  assert.equal(config.behavior.max_retries, 7);
  assert.equal(config.paths.logs, '/var/log/todo');
  assert.equal(config.behavior.auto_recovery, false);
  assert.equal(config.behavior.run_max, null);
  assert.equal(config.logging.level, 'info');
});

test('[C-39] each known key can be said by the environment', async () => {
  const defaults = defaultConfig() as unknown as Record<string, Record<string, unknown>>;
  using at = home();
  for (const key of knownKeys().filter((it) => it.includes('.'))) {
    const [room = '', name = ''] = key.split('.');
    const value = defaults[room]?.[name];
    const changed = typeof value === 'boolean' ? !value : typeof value === 'number' ? value + 1 : null;
    if (changed === null) continue;
    const { config } = await at.load({ [environmentName(key)]: String(changed) });
    assert.equal((config as unknown as typeof defaults)[room]?.[name], changed, key);
  }
});

test('[C-39] all mistakes are told at once, with file, key, value, bound and nearest name', async () => {
  using at = home('{ "behavior": { "max_rounds": -1, "completion_timout": 5 }, "logging": { "level": "loud" } }');
  await assert.rejects(at.load({ TODO_SLOTS_TOTL: '3' }), (error: Error & { code?: string; subject?: string }) => {
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.equal(error.subject, at.path);
    for (const says of [
      /"behavior.max_rounds": .*>=0, got -1/,
      /"behavior.completion_timout".*completion_timeout/,
      /"logging.level".*"loud"/,
      /"slots.totl".*slots.total/,
    ])
      assert.match(error.message, says);
    return true;
  });
});

test('a slip of the pen is told by line and column', async () => {
  using at = home('{\n  "behavior": { "max_rounds" 1 }\n}');
  await assert.rejects(at.load(), { code: 'CONFIG_INVALID', message: /line 2, column 30": .*colon expected/ });
});

test('a file that cannot be read is not the same as none', async () => {
  await assert.rejects(loadConfig({ path: tmpdir(), env: {}, cache: null, version: '1' }), { code: 'FILE_UNREADABLE' });
});

test('what was valid is taken again without a second look, until file, environment or program change', async () => {
  using at = home('{ "behavior": { "max_rounds": 1 } }');
  await at.load();
  assert.equal(statSync(at.cache).mode & 0o777, 0o600);
  // As nobody but this test would: what is kept says something else than the file.
  writeFileSync(at.cache, readFileSync(at.cache, 'utf8').replace('"max_rounds":1', '"max_rounds":99'));
  const rounds = async (...args: Parameters<typeof at.load>): Promise<number> => (await at.load(...args)).config.behavior.max_rounds;
  assert.equal(await rounds(), 99, 'taken from what was kept');
  assert.equal(await rounds({ TODO_RUN: 'r1', TODO_TOKEN: 'x', PATH: '/elsewhere' }), 99, 'a run has the same configuration');
  assert.equal(await rounds({ TODO_BEHAVIOR_MAX_RETRIES: '9' }), 1);
  writeFileSync(at.cache, readFileSync(at.cache, 'utf8').replace('"max_rounds":1', '"max_rounds":99'));
  assert.equal(await rounds({}, { version: '2' }), 1);
  at.write('{ "behavior": { "max_rounds": 2 } }');
  assert.equal(await rounds(), 2);
  for (const wrong of ['', 'null', '{}', '[1']) {
    writeFileSync(at.cache, wrong);
    assert.equal(await rounds(), 2, `kept: ${wrong}`);
  }
});

test('who only looks keeps nothing', async () => {
  using at = home('{}');
  await at.load({}, { readOnly: true });
  assert.equal(existsSync(at.cache), false);
});

test('the address of the store is kept in no file, and is there nevertheless', async () => {
  using at = home('{}');
  const env = { TODO_STORE_URL: 'mysql://user:hunter22@host/db' };
  for (const time of ['first', 'second']) assert.equal((await at.load(env)).config.store.url, env.TODO_STORE_URL, time);
  assert.equal(existsSync(at.cache), true);
  assert.doesNotMatch(readFileSync(at.cache, 'utf8'), /hunter22/);
  assert.equal((await at.load()).config.store.url, null);
});

const shipped = fileURLToPath(new URL('../../hooks/config.json', import.meta.url));
const legacy = { task_completed: '/tmp/TASK_COMPLETED', current_todo: '/tmp/CURRENT_TODO_ID', session_prefix: '/tmp/claude_session_' };

test('[C-39] the shipped file is valid, names every known key, and says the defaults but for the markers of the earlier system', async () => {
  const { config, warnings } = await loadConfig({ path: shipped, env: {}, cache: null, version: '1' });
  const defaults = defaultConfig();
  assert.deepEqual(config, { ...defaults, paths: { ...defaults.paths, ...legacy } });
  assert.deepEqual(warnings, []);
  const file = parse(readFileSync(shipped, 'utf8'), [], { allowTrailingComma: true }) as Record<string, Record<string, unknown>>;
  const named = Object.entries(file).flatMap(([room, section]) =>
    room === 'agents' || Array.isArray(section) ? [room] : Object.keys(section).map((name) => `${room}.${name}`),
  );
  assert.deepEqual(named.sort(), knownKeys().sort());
});

test('[C-39] the shipped file explains every key', () => {
  const lines = readFileSync(shipped, 'utf8').split('\n');
  const explained = lines.filter((line, at) => /^ {4}"/.test(line) && /^ {4}\/\/ /.test(lines[at - 1] ?? ''));
  const keys = lines.filter((line) => /^ {4}"/.test(line));
  // One comment stands over all three slots.
  assert.equal(explained.length, keys.length - 2);
});
