// An installation that breaks under a living daemon: whatever of it still runs is run, in this order: the build, the sources, the last good copy.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { diesSoonAfterItsStart } from '../fixtures/broken-build.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { rows, webhook } from './watching.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('[W-27] a build that breaks: the daemon and every command go on from the sources, without them from the last good copy', async (t) => {
  const home = await testHome(t, { restart: { good_after: 0.05, cooldown: 0, per_hour: 100, per_day: 100 } });
  const { program, todo } = install(t, home);
  const first = (await todo(['daemon', 'start'])).document;
  await home.until('a copy is kept', () => existsSync(join(home.folder, 'last-good', 'dist', 'todo.cjs')));

  // Cut off, as by a full disk.
  writeFileSync(join(program, 'dist', 'start.cjs'), '"use strict";const __made={}');
  const restarted = await todo(['daemon', 'restart']);
  assert.match(restarted.stderr, /the build in .*dist is broken .*; running the last good copy, .*home\/last-good\/dist/);
  assert.deepEqual([restarted.document.pid, restarted.document.generation], [first.pid, 2]);
  assert.match((await todo(['list'])).stderr, /running the last good copy/);

  cpSync(join(root, 'src'), join(program, 'src'), { recursive: true });
  assert.match((await todo(['daemon', 'restart'])).stderr, /; running from the sources/);
  rmSync(join(program, 'src'), { recursive: true });

  // The build throws only when a daemon starts: it is tried before the living one gives way.
  cpSync(join(root, 'dist'), join(program, 'dist'), { recursive: true, force: true });
  assert.equal((await todo(['daemon', 'restart'])).stderr, '');
  await home.until('the new one is kept', () => home.log('monitor').filter(({ event }) => /a copy is kept/.test(event)).length === 2);
  writeFileSync(join(program, 'dist', 'todo.cjs'), 'throw new Error("a build that does not start")');
  const lastGood = join(home.folder, 'last-good', 'bin', 'todo');
  assert.equal((await todo(['daemon', 'restart'], lastGood)).document.generation, 5);
  assert.match(home.log('monitor').findLast(({ event }) => /this build does not start/.test(event)).said, /a build that does not start/);

  rmSync(join(program, 'dist'), { recursive: true });
  const status = await todo(['daemon', 'status']);
  assert.match(status.stderr, /dist\/todo\.cjs is missing; running the last good copy/);
  assert.deepEqual([status.document.pid, status.document.generation], [first.pid, 5]);
  const { document } = await todo(['add', 'x', '--agent', 'shell', '--prompt', 'echo done', '--cwd', home.work]);
  await home.untilTodo(document.todo.number, 'completed', (it) => it.status === 'completed');
  await todo(['daemon', 'stop']);
});

test('[H-30] a build that loads and dies soon after each start: after two of them its watchdog’s start takes the last good copy; agents live on', async (t) => {
  const hook = await webhook(t);
  const home = await testHome(t, {
    restart: { good_after: 0.8, cooldown: 0, per_hour: 100, per_day: 100 },
    monitoring: { webhook_url: hook.url },
    slots: { total: 9, agent: 9, project: 9 },
  });
  const { program, todo, bin, env } = install(t, home);
  const watchdog = home.start(['watchdog', '--check-interval', '300ms', '--steady', '300ms'], { program: bin, env });
  await home.until('a copy is kept', () => existsSync(join(home.folder, 'last-good', 'dist', 'todo.cjs')));
  const numbers: number[] = [];
  for (const session of ['child', 'tmux']) {
    const { number } = await home.add('echo begun; while ! test -e go; do sleep 0.05; done; echo ended', '--session', session);
    await home.until('its agent has begun', async () => /begun/.test((await home.todo(['logs', String(number)])).stdout));
    numbers.push(number);
  }

  const works = readFileSync(join(program, 'dist', 'todo.cjs'), 'utf8');
  writeFileSync(join(program, 'dist', 'todo.cjs'), `${diesSoonAfterItsStart}${works}`);
  const first = (await todo(['daemon', 'status'])).document;
  await todo(['daemon', 'restart']);
  const now = await home.until('the copy goes on', async () => {
    const { document } = await todo(['daemon', 'status']).catch(() => ({ document: null }));
    return document?.program?.kind === 'last-good' && document.intake.kind === 'open' && document;
  });
  assert.match(now.program.why, /program\/dist\/todo\.cjs was started 2 times and never worked/);
  assert.notEqual(now.pid, first.pid);
  assert.equal(watchdog.stderr().match(/watchdog: restart /g)?.length, 2, 'the second start of the build, and the one that gave way');
  const { stdout } = await home.todo(['--json', 'health']);
  const component = JSON.parse(stdout).components.find(({ name }: Json) => name === 'program');
  assert.deepEqual([component.status, /runs the last good copy/.test(component.reason)], ['degraded', true]);
  await home.until('the store has heard of it', () => rows(home).includes('restart_rolled_back'));
  await home.until('the webhook has heard of it', () => hook.bodies.some(({ message }) => /went back to the last good copy/.test(message)));
  assert.equal(home.log('monitor').filter(({ level, event }) => level === 'CRITICAL' && /never worked/.test(event)).length, 1);

  // The daemon may restart for its own reasons: what failed is passed over, and nobody is told again.
  assert.equal((await todo(['daemon', 'restart'])).document.program.kind, 'last-good');
  assert.equal(hook.bodies.filter(({ message }) => /went back/.test(message)).length, 1);

  writeFileSync(join(program, 'dist', 'todo.cjs'), works);
  assert.deepEqual((await todo(['daemon', 'restart'])).document.program, { kind: 'installed', failedStarts: 0 });
  writeFileSync(join(home.work, 'go'), '');
  for (const number of numbers) {
    const done = await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
    assert.equal(done.runs.length, 1, 'one run, through all of them');
  }
});

test('without a watchdog a build that died before it had worked is started as it is, and the next start tells it', async (t) => {
  const home = await testHome(t);
  const { program, todo } = install(t, home);
  // A copy of another build.
  mkdirSync(join(home.folder, 'last-good'));
  writeFileSync(join(home.folder, 'last-good', 'identity.json'), '{"script":"/elsewhere/dist/todo.cjs"}');
  for (const failedStarts of [0, 1]) {
    const { document } = await todo(['daemon', 'start']);
    assert.deepEqual(document.program, { kind: 'installed', failedStarts });
    process.kill(document.pid, 'SIGKILL');
    await home.until('it is gone', async () => (await home.todo(['daemon', 'status'])).code === 1);
  }
  const { stdout } = await home.todo(['daemon', 'start'], { program: join(program, 'bin', 'todo') });
  // Whatever is wrong with it, this test ends it.
  assert.equal((await todo(['daemon', 'status'])).document.running, true);
  assert.match(stdout, /This build was started 2 times before and ended before it had worked/);
  // On purpose is no failure.
  await todo(['daemon', 'stop']);
  assert.deepEqual((await todo(['daemon', 'start'])).document.program, { kind: 'installed', failedStarts: 0 });
  await todo(['daemon', 'stop']);
});

test('a program that cannot read the journal is found before anything gives way to it', async (t) => {
  const home = await testHome(t);
  assert.equal((await home.json(['daemon', 'run', '--check'])).starts, true);
  await home.add('true');
  using database = new DatabaseSync(join(home.folder, 'todo.db'));
  database.exec('UPDATE journal_schema SET version = 99');
  assert.equal((await home.json(['daemon', 'run', '--check'], { code: 78 })).code, 'JOURNAL_NEWER');
});

function install(t: TestContext, home: TestHome) {
  const program = join(dirname(home.folder), 'program');
  mkdirSync(program);
  for (const part of ['bin', 'dist', 'hooks', 'package.json']) cpSync(join(root, part), join(program, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(program, 'node_modules'));
  let daemonPid: number | null = null;
  t.after(() => {
    try {
      if (daemonPid !== null) process.kill(daemonPid, 'SIGKILL');
    } catch {
      // It was stopped.
    }
  });
  const bin = join(program, 'bin', 'todo');
  const env = { PATH: process.env['PATH'], HOME: dirname(home.folder), TODO_HOME: home.folder, TODO_NODE: process.execPath };
  const todo = (args: readonly string[], by = bin) =>
    new Promise<{ document: Json; stderr: string }>((resolve, reject) => {
      execFile(by, [...args, '--json'], { env, cwd: home.work }, (error, stdout, stderr) => {
        if (error !== null) return reject(new Error(`todo ${args.join(' ')}: ${error.message}\n${stdout}`));
        const document = JSON.parse(stdout);
        if (args[0] === 'daemon') daemonPid = args[1] === 'stop' ? null : document.pid;
        resolve({ document, stderr });
      });
    });
  return { program, todo, bin, env };
}
