// What the house itself promises: no secrets outside, no open port, no path of a machine, nothing "handled" that was not.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Json, testHome } from './harness.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked'].includes(todo.status);
const tracked = (): string[] => execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');

function* filesIn(folder: string): Generator<string> {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* filesIn(path);
    else if (statSync(path).isFile()) yield path;
  }
}

test('[I-40] the secret of a run and keys of the environment reach no log, report, record or argument', async (t) => {
  const home = await testHome(t, { behavior: { quiet_after: 0.1 } });
  const key = 'sk-ant-api03-Zq8vT3nLwX5rB7cD9eF1gH2jK4mN6pQ8sU0yA2bC4dE6fG8hJ0kL2mN4pQ6rS8tU0vW2xY4zA6bC8dAA';
  await home.daemon({ DEMO_API_KEY: key });
  const { number } = await home.add(
    'echo "$TODO_TOKEN" > token.txt; echo "my token is $TODO_TOKEN and my key is $DEMO_API_KEY"; tr "\\0" " " < /proc/$PPID/cmdline > cmdline.txt; "$TODO_MARKER" done "token $TODO_TOKEN"',
    '--check',
    'cat token.txt; echo checked',
  );
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.equal(todo.proof, 'verified');
  await home.until('closed', () => home.log('completion').some((line) => line.event === 'closed'));
  const token = readFileSync(join(home.work, 'token.txt'), 'utf8').trim();
  assert.ok(token.length > 30);
  assert.ok(!readFileSync(join(home.work, 'cmdline.txt'), 'utf8').includes(token), 'not in the arguments of the process that started it');
  for (const path of filesIn(home.folder)) {
    const bytes = readFileSync(path);
    assert.ok(!bytes.includes(token), `the token is in ${path}`);
    assert.ok(!bytes.includes(key), `the key is in ${path}`);
  }
});

test('[I-40] a key in the arguments of a process that hangs reaches no emergency log and no report', async (t) => {
  const home = await testHome(t, { behavior: { quiet_after: 0.1, term_grace: 1 } });
  const key = 'sk-ant-api03-Hq8vT3nLwX5rB7cD9eF1gH2jK4mN6pQ8sU0yA2bC4dE6fG8hJ0kL2mN4pQ6rS8tU0vW2xY4zA6bC8dAA';
  await home.daemon({ DEMO_API_KEY: key });
  const hangs = `mkfifo wait; sh -c ': >hangs; read word <wait' named "$DEMO_API_KEY"; true`;
  const { number } = await home.add(hangs);
  await home.until('it hangs', () => existsSync(join(home.work, 'hangs')));
  await home.json(['emergency', String(number)]);
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.equal(todo.proof, 'forced');
  await home.until('closed', () => home.log('completion').some((line) => line.event === 'closed'));
  assert.match(readFileSync(todo.report, 'utf8'), /named ‹redacted:/);
  for (const path of filesIn(home.folder)) assert.ok(!readFileSync(path).includes(key), `the key is in ${path}`);
});

test('[I-40] the daemon listens on no port, and its socket is private', async (t) => {
  const home = await testHome(t);
  const daemon = await home.daemon();
  const own = new Set<string>();
  const pid = (await home.json(['daemon', 'status'])).pid;
  assert.equal(pid, daemon.process.pid, 'one process: the launcher became the daemon');
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      own.add(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      // Closed meanwhile.
    }
  }
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n').slice(1)) {
      const [, , , state, , , , , , inode] = line.trim().split(/\s+/);
      assert.ok(!(state === '0A' && own.has(`socket:[${inode}]`)), `listens on TCP: ${line}`);
    }
  }
});

test('[I-40] no tracked file holds a key or a password', () => {
  const keys =
    /sk-ant-api03-[A-Za-z0-9_-]{40,}|ghp_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{200,}/;
  for (const path of tracked().filter((name) => !name.startsWith('test/'))) {
    assert.ok(!keys.test(readFileSync(join(root, path), 'latin1')), path);
  }
});

test('[I-38] no tracked file names a path of this machine', () => {
  for (const path of tracked()) assert.ok(!readFileSync(join(root, path), 'latin1').includes(root.replace(/\/$/, '/src')), path);
});

test('[I-38] a fresh clone starts, in a folder with a space in its name, and still after the folder was renamed', () => {
  const base = mkdtempSync(join(tmpdir(), 'todo clone '));
  try {
    const clone = join(base, 'a clone');
    execFileSync('git', ['clone', '-q', '--no-hardlinks', root, clone], { stdio: 'pipe' });
    symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
    execFileSync(process.execPath, ['bin/build.ts'], { cwd: clone, stdio: 'pipe' });
    const env = { PATH: process.env['PATH'], HOME: join(base, 'user'), XDG_CACHE_HOME: join(base, 'cache') };
    const list = (folder: string) =>
      JSON.parse(execFileSync(join(folder, 'bin', 'todo'), ['list', '--json'], { env, cwd: base, encoding: 'utf8' }));
    execFileSync(join(clone, 'bin', 'todo'), ['add', 'one', '--prompt', 'true', '--agent', 'shell'], { env, cwd: base });
    assert.equal(list(clone).todos.length, 1);
    const renamed = join(base, 'another name');
    renameSync(clone, renamed);
    assert.equal(list(renamed).todos.length, 1);
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
});

test('[I-06] a daemon whose folders cannot be used does not start, and says which', async (t) => {
  const home = await testHome(t);
  writeFileSync(join(home.folder, 'archive'), 'a file where the archive should be\n');
  const { code, stderr } = await home.todo(['daemon', 'run']);
  assert.ok(code !== 0 && code !== null, `exit ${code}`);
  assert.match(stderr, /archive/);
});

test('[I-06] nothing is said to be handled before it is: a completion that cannot be archived waits, and goes on when it can', async (t) => {
  const home = await testHome(t, { behavior: { exponential_backoff: true } });
  await home.daemon();
  const { number } = await home.add('while [ ! -e go ]; do sleep 0.05; done; "$TODO_MARKER" done kept');
  const { runs } = await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  const archive = join(home.folder, 'archive');
  renameSync(archive, `${archive}.away`);
  writeFileSync(archive, 'in the way\n');
  writeFileSync(join(home.work, 'go'), '');
  await home.until('a step failed', () => home.log('completion').some((line) => line.event === 'step failed'));
  assert.ok(!home.log('completion').some((line) => line.event === 'closed' || line.event === 'cleaned'));
  assert.ok(
    readdirSync(join(home.folder, 'spool', 'cur')).some((name) => name.startsWith(runs[0].id)),
    'the marker is still there',
  );
  rmSync(archive);
  renameSync(`${archive}.away`, archive);
  await home.until('closed', () => home.log('completion').some((line) => line.event === 'closed'));
  assert.equal((await home.show(number)).status, 'completed');
});

test('[P-18] the store is made and verified in less than two seconds', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const lines = await home.until('the store is ready', () => {
    const told = home.log('monitor').filter((line) => /^store /.test(line.event));
    return told.some(({ event }) => event === 'store ready') && told;
  });
  assert.deepEqual(
    lines.map((line) => line.event),
    ['store schema check starting…', 'store schema check completed', 'store initialized', 'store ready'],
  );
  const tookMs = Date.parse(lines.at(-1)?.time) - Date.parse(lines[0]?.time);
  t.diagnostic(`${tookMs} ms`);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
});
