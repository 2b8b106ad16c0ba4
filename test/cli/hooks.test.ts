import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { type Json, testHome } from '../e2e/harness.ts';
import { programs } from '../programs.ts';

test('hooks install: merged, once, with what stood there kept beside it; --dry-run changes nothing', async (t) => {
  const home = await testHome(t);
  const path = join(home.work, 'claude', 'settings.json');
  const env = { CLAUDE_CONFIG_DIR: dirname(path) };
  const theirs = {
    model: 'opus',
    hooks: { Stop: [{ hooks: [{ type: 'command', command: 'say done' }] }], PreToolUse: [{ matcher: 'Bash', hooks: [] }] },
  };
  mkdirSync(dirname(path));
  writeFileSync(path, JSON.stringify(theirs));
  const dry = await home.json(['hooks', 'install', 'claude', '--dry-run'], { env });
  assert.deepEqual([dry.changed, dry.wouldChange, JSON.parse(readFileSync(path, 'utf8'))], [false, true, theirs]);
  const first = await home.json(['hooks', 'install', 'claude'], { env });
  const settings = JSON.parse(readFileSync(path, 'utf8'));
  assert.equal(settings.model, 'opus');
  assert.deepEqual([settings.hooks.Stop[0], settings.hooks.PreToolUse], [theirs.hooks.Stop[0], theirs.hooks.PreToolUse], 'theirs stay');
  const [ours] = settings.hooks.Stop[1].hooks;
  assert.deepEqual([ours.type, ours.args, ours.timeout], ['command', ['hook', 'claude', 'stop', 'personal'], 600]);
  assert.ok(ours.command.endsWith('/bin/todo') && existsSync(ours.command));
  assert.deepEqual(JSON.parse(readFileSync(first.backup, 'utf8')), theirs);
  const second = await home.json(['hooks', 'install', 'claude'], { env });
  assert.deepEqual([second.changed, second.backup, JSON.parse(readFileSync(path, 'utf8'))], [false, null, settings]);
  assert.equal(readdirSync(dirname(path)).length, 2);
  // Where the program stood elsewhere before, its line is changed and no second one is added.
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll(ours.command, '/opt/old/bin/todo'));
  await home.json(['hooks', 'install', 'claude'], { env });
  assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), settings);
});

test('hooks install refuses a file that it does not understand, and leaves it as it is', async (t) => {
  const home = await testHome(t);
  const path = join(home.work, 'settings.json');
  for (const text of ['{ broken', '[]', '{"hooks": 3}']) {
    writeFileSync(path, text);
    const { code, stdout } = await home.todo(['hooks', 'install', 'claude', '--settings', path, '--json']);
    assert.deepEqual([code, JSON.parse(stdout).code, readFileSync(path, 'utf8')], [65, 'BAD_DATA', text]);
  }
});

test('hooks doctor proves with the real Claude Code that its Stop hook fires, and says so when it does not', async (t) => {
  const home = await testHome(t);
  const { claude } = programs();
  const config = JSON.parse(readFileSync(join(home.folder, 'hooks', 'config.json'), 'utf8'));
  const configure = (agent: Json) =>
    writeFileSync(join(home.folder, 'hooks', 'config.json'), JSON.stringify({ ...config, agents: { claude: agent } }));
  configure({ command: claude });
  const good = await home.json(['hooks', 'doctor', 'claude']);
  assert.deepEqual([good.kind, good.installed, good.fires], ['hooks-doctor', true, true]);
  assert.match(good.version, /^2\.\d+\.\d+/);
  assert.ok(good.events.includes('stop'));
  configure({ command: claude, args: ['--bare'] });
  const bare = await home.json(['hooks', 'doctor', 'claude'], { code: 1 });
  assert.deepEqual([bare.installed, bare.fires], [true, false]);
  assert.match(bare.why, /without a Stop hook/);
  configure({ command: '/nowhere/claude' });
  const missing = await home.json(['hooks', 'doctor', 'claude'], { code: 1 });
  assert.deepEqual([missing.installed, missing.fires], [false, false]);
});
