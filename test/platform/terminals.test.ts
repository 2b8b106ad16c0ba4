import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempDisposableSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createProcesses } from '../../src/platform/processes.ts';
import { createTerminals } from '../../src/platform/terminals.ts';
import { programs } from '../programs.ts';
import { startProgram } from './program.ts';
import { until } from './until.ts';

const processes = createProcesses({ onExit: () => {} });

/** A tmux server of the test's own, ended with it. */
function world() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-terminals-'));
  const homeId = randomBytes(4).toString('hex');
  const terminals = createTerminals({ homeId });
  const tmux = (...args: string[]): string =>
    execFileSync(programs().tmux, ['-L', `todo-${homeId}`, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const logOf = (name: string): string => join(at.path, `${name}.log`);
  return {
    folder: at.path,
    homeId,
    terminals,
    tmux,
    /** Without the reset at its very end, by which a window knows that its log is whole. */
    log: (name: string): string => readFileSync(logOf(name), 'utf8').replace(/\u001b\[0;0;0m$/, ''),
    start: (name: string, script: string, env: Record<string, string | null> = {}) =>
      terminals.start({ name, argv: ['sh', '-c', script], cwd: at.path, env, outputPath: logOf(name), columns: 120, rows: 40 }),
    gone: (name: string) => until(`${name} to be gone`, () => terminals.alive(name) === 'no'),
    [Symbol.dispose]() {
      try {
        tmux('kill-server');
      } catch {
        // It went with its last window.
      }
      at.remove();
    },
  };
}

test('a window has the asked size, and its log everything from the first byte to the last', async () => {
  using at = world();
  assert.equal(at.terminals.available(), 'yes');
  const { target, process } = at.start('todo-1-first', 'stty size; cat');
  assert.equal(target, 'todo-1-first');
  assert.equal(processes.alive(process), 'yes');
  await until('its size', () => at.log('todo-1-first') === '40 120\r\n');
  for (let n = 0; n < 10; n++) at.start(`short-${n}`, `echo ${n}`);
  at.start('long', 'seq 1 100000');
  for (let n = 0; n < 10; n++) await at.gone(`short-${n}`);
  await at.gone('long');
  assert.ok(at.log('long').endsWith('99999\r\n100000\r\n'));
  assert.equal(at.log('long').length, 588_895 + 100_000);
  for (let n = 0; n < 10; n++) assert.equal(at.log(`short-${n}`), `${n}\r\n`);
});

test('text is typed as it is, and Enter apart from it', async () => {
  using at = world();
  const { target } = at.start('prompt', 'stty -echo; echo ready; while IFS= read -r line; do echo "[$line]"; done');
  await until('the prompt', () => at.log('prompt').includes('ready'));
  const hostile = [`-l $(touch ${at.folder}/planted) \`x\` ; "q" 'q' \\ #{pane_id} %H C-c Enter ünï 🙂 ;`, ';', `${'long '.repeat(600)}.`];
  for (const text of hostile) {
    at.terminals.send(target, text);
    await until(text.slice(0, 40), () => at.log('prompt').includes(`[${text}]\r\n`));
  }
  assert.equal(existsSync(join(at.folder, 'planted')), false);
});

test('the screen is read with its colours, as long as it is there', async () => {
  using at = world();
  const { target } = at.start('screen', 'printf "\\033[31mred\\033[0m plain"; exec cat');
  const screen = await until('the text', () => {
    const text = at.terminals.capture(target);
    return text?.includes('plain') && text;
  });
  assert.match(screen, /\u001b\[31mred/);
  at.terminals.end(target);
  at.terminals.end(target);
  await at.gone(target);
  assert.equal(at.terminals.capture(target), null);
});

test('a name is the whole name, and only names that mean themselves are taken', async () => {
  using at = world();
  at.start('todo-12-abc', 'cat');
  assert.equal(at.terminals.alive('todo-1'), 'no');
  assert.deepEqual(at.terminals.list(), ['todo-12-abc']);
  assert.throws(() => at.start('todo-12-abc', 'cat'), { code: 'SPAWN_FAILED', message: /duplicate/ });
  for (const name of ['a b', 'a;b', '../a', 'a:b', 'a.b', '', '=a', '$1'])
    assert.throws(() => at.terminals.end(name), { code: 'SPAWN_FAILED' }, name);
  assert.equal(at.terminals.attachCommand('todo-12-abc').endsWith(`tmux -L todo-${at.homeId} attach -t todo-12-abc`), true);
});

test("a window gets our environment without what is ours, by no argument and not through the server's", async () => {
  using at = world();
  process.env['API_KEY_OF_A_TEST'] = "it's\nsecret";
  process.env['TODO_STORE_URL'] = 'mysql://user:secret@host/db';
  try {
    at.start(
      'env',
      'printf "<%s><%s><%s><%s><%s>" "$API_KEY_OF_A_TEST" "$TODO_RUN" "$TODO_STORE_URL" "$TMUX$TMUX_PANE" "$HOME"; exec cat',
      {
        TODO_RUN: 'run;',
        HOME: null,
      },
    );
  } finally {
    delete process.env['API_KEY_OF_A_TEST'];
    delete process.env['TODO_STORE_URL'];
  }
  await until('its environment', () => at.log('env').includes('><>'));
  assert.equal(at.log('env'), "<it's\r\nsecret><run;><><><>");
  const global = at.tmux('show-environment', '-g');
  assert.doesNotMatch(global, /secret|TODO_|TMUX_PANE/);
  assert.deepEqual(
    readdirSync(at.folder).filter((name) => name.endsWith('.env')),
    [],
  );
  assert.equal(processes.tagged('TODO_RUN', 'run;').length > 0, true);
  assert.equal(await processes.endTagged('TODO_RUN', 'run;', 5000), true);
  await at.gone('env');
});

test('a folder that is not there is told, not replaced by another', () => {
  using at = world();
  assert.throws(
    () =>
      at.terminals.start({
        name: 'x',
        argv: ['true'],
        cwd: '/nowhere',
        env: {},
        outputPath: join(at.folder, 'x.log'),
        columns: 80,
        rows: 24,
      }),
    { code: 'SPAWN_FAILED', message: /nowhere/ },
  );
  assert.throws(() => at.terminals.send('gone', 'text'), { code: 'TMUX_UNAVAILABLE' });
});

test('windows live on when the daemon that started them is killed', async () => {
  using at = world();
  const daemon = startProgram('start-window.ts', [at.homeId, at.folder]);
  assert.equal(await daemon.line(), 'started');
  daemon.process.kill('SIGKILL');
  await daemon.ended();
  assert.equal(at.terminals.alive('outlives'), 'yes');
  at.terminals.send('outlives', 'still here');
  await until('its log to go on', () => at.log('outlives').includes('still here'));
});

test('without a server there is nothing, which is an answer', () => {
  using at = world();
  assert.deepEqual(at.terminals.list(), []);
  assert.equal(at.terminals.alive('any'), 'no');
  assert.equal(at.terminals.capture('any'), null);
});

test('without tmux it is said, and a start is TMUX_UNAVAILABLE', () => {
  using at = world();
  const before = process.env['PATH'];
  process.env['PATH'] = at.folder;
  try {
    const without = createTerminals({ homeId: at.homeId });
    assert.equal(without.available(), 'no');
    assert.equal(without.alive('any'), 'unknown');
    assert.equal(without.list(), null);
    assert.throws(() => at.start('x', 'true'), { code: 'TMUX_UNAVAILABLE', message: /not installed/ });
  } finally {
    process.env['PATH'] = before;
  }
});
