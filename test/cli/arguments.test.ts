import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { commands } from '../../src/cli/command.ts';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { errorTable } from '../../src/core/errors.ts';
import { parseOne, testHome } from '../e2e/harness.ts';

test('what nobody knows is refused with 64, two lines, and what was probably meant', async (t) => {
  const home = await testHome(t);
  const wrong: readonly (readonly [args: readonly string[], said: RegExp, hint: RegExp])[] = [
    [['lsit'], /unknown command 'lsit'/, /Did you mean list\?/],
    [['demon', 'start'], /unknown command 'demon'/, /Did you mean daemon\?|one of/],
    [['list', '--jsno'], /unknown option '--jsno'/, /Did you mean --json\?/],
    [['--vresion'], /unknown option '--vresion'/, /--version/],
    [['add'], /missing required argument 'TITLE'/, /todo add --help/],
    [['add', ''], /the title is empty/, /todo add --help/],
    [['add', 'x', '--priority', '10'], /'--priority <n>' argument '10' is invalid\. A whole number from 0 to 9/, /todo add --help/],
    [['add', 'x', '--timeout', '-3'], /'--timeout <seconds>' argument '-3' is invalid/, /todo add --help/],
    [['list', '--status', 'open', 'opne'], /argument 'opne' is invalid\. One of open, claimed/, /todo list --help/],
    [['show', '1', '2'], /too many arguments/, /todo show --help/],
    [['show'], /which todo\? no ID given/, /todo show ID/],
    [['done'], /which todo\? no ID given/, /todo done ID/],
    [['run', '7', '--', 'true'], /either an ID or -- and a command/, /todo run --help/],
    [['run', '--'], /no command after --/, /todo run --help/],
    [['daemon', 'strat'], /no action strat/, /run, start, stop, status, reload, restart, resume/],
    [['emergency', '1', '--action', 'explode'], /One of complete, reset, stall/, /todo emergency --help/],
    [['logs', '1', '-f', '--json'], /--follow never ends/, /Leave one of the two out/],
    [['completion', 'tcsh'], /no completion for tcsh/, /bash, zsh, fish/],
    [['hooks', 'install', 'codex'], /agent codex has no hooks/, /claude/],
  ];
  await Promise.all(
    wrong.map(async ([args, said, hint]) => {
      const { code, stdout, stderr } = await home.todo(args);
      const of = `todo ${args.join(' ')}\n${stderr}`;
      assert.equal(code, 64, of);
      if (!args.includes('--json')) {
        assert.equal(stdout, '', of);
        const lines = stderr.trimEnd().split('\n');
        assert.equal(lines.length, 2, of);
        assert.match(lines[0] ?? '', said);
        assert.match(lines[1] ?? '', hint);
      }
      const json = await home.todo(['--json', ...args.filter((it) => it !== '--json')]);
      if (args.includes('-f')) return;
      assert.equal(json.code, 64, of);
      const error = parseOne(json.stdout);
      assert.deepEqual([error.schemaVersion, error.kind, error.code], [1, 'error', 'USAGE'], of);
      assert.match(error.message, said);
      assert.match(error.hint, hint);
      assert.equal(json.stderr, '', of);
    }),
  );
});

test('help names every command, each command explains its options, and help is no error', async (t) => {
  const home = await testHome(t);
  const { code, stdout } = await home.todo(['--help']);
  assert.equal(code, 0);
  for (const { name, hidden } of commands) if (!hidden) assert.match(stdout, new RegExp(`^ {2}${name}\\b`, 'm'));
  await Promise.all(
    commands.map(async ({ name }) => {
      const help = await home.todo([name, '--help']);
      assert.equal(help.code, 0, `${name}: ${help.stderr}`);
      assert.match(help.stdout, new RegExp(`^Usage: todo ${name}`));
      assert.match(help.stdout, /--json/);
    }),
  );
  assert.match((await home.todo(['add', '--help'])).stdout, /--check <command>/);
  assert.match((await home.todo(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal(parseOne((await home.todo(['--help', '--json'])).stdout).kind, 'help');
});

test('options may stand before the command; --home comes before the environment', async (t) => {
  const home = await testHome(t);
  const other = join(home.work, 'other');
  await home.add('true');
  assert.equal(parseOne((await home.todo(['--json', 'list'])).stdout).todos.length, 1);
  for (const args of [
    ['--home', other, 'list', '--json'],
    ['list', '--json', `--home=${other}`],
    ['list', '--home', other, '--limit', '3', '--json'],
  ]) {
    assert.deepEqual(parseOne((await home.todo(args)).stdout).todos, [], args.join(' '));
  }
});

test('plain todo says what to do next; on an empty home too', async (t) => {
  const home = await testHome(t);
  assert.match((await home.todo([])).stdout, /Nothing to do yet\.[\s\S]*todo demo/);
  await home.add('true');
  const { stdout } = await home.todo([]);
  assert.match(stdout, /Waiting[\s\S]*○ open[\s\S]*Next[\s\S]*todo run 1/);
  assert.equal(parseOne((await home.todo(['--json'])).stdout).kind, 'overview');
});

test('a bad configuration is told whole, with exit 78, and nothing is started', async (t) => {
  const home = await testHome(t);
  writeFileSync(
    join(home.folder, 'hooks', 'config.json'),
    '{ "behavior": { "max_retrys": 3, "completion_timeout": "soon" }, "slots": { "total": -1 } }',
  );
  for (const args of [['list'], ['daemon', 'run'], ['add', 'x'], ['run', '--', 'true']]) {
    const { code, stderr } = await home.todo(args);
    assert.equal(code, 78, args.join(' '));
    for (const said of [
      /CONFIG_INVALID while reading .*config\.json/,
      /behavior\.max_retrys.*did you mean "behavior\.max_retries"/,
      /behavior\.completion_timeout/,
      /slots\.total/,
    ]) {
      assert.match(stderr, said);
    }
  }
  assert.equal(parseOne((await home.todo(['list', '--json'])).stdout).code, 'CONFIG_INVALID');
});

test('every error code has an exit code of the contract', () => {
  const contract = new Set([0, 1, 64, 65, 69, 75, 78]);
  for (const code of Object.keys(errorTable)) assert.ok(contract.has(exitCodeOf[code as keyof typeof errorTable]), code);
});

test('bad input is refused with 65 and nothing is changed', async (t) => {
  const home = await testHome(t);
  const bad: readonly (readonly [args: readonly string[], code: string])[] = [
    [['add', 'x', '--cwd', '/does/not/exist'], 'BAD_DATA'],
    [['add', 'x', '--cwd', join(home.folder, 'hooks', 'config.json')], 'BAD_DATA'],
    [['add', 'x', '--agent', 'hal9000'], 'AGENT_UNKNOWN'],
    [['add', 'x', '--prompt', '  '], 'BAD_DATA'],
  ];
  for (const [args, code] of bad) {
    const { code: exitCode, stdout } = await home.todo(['--json', ...args]);
    assert.deepEqual([exitCode, parseOne(stdout).code], [65, code], args.join(' '));
  }
  assert.deepEqual((await home.json(['list'])).todos, []);
});
