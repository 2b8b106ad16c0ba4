// An installation that breaks under a living daemon: whatever of it still runs is run, in this order: the build, the sources, the last good copy.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Json, type TestHome, testHome } from './harness.ts';

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
  const todo = (args: readonly string[], by = join(program, 'bin', 'todo')) =>
    new Promise<{ document: Json; stderr: string }>((resolve, reject) => {
      const env = { PATH: process.env['PATH'], HOME: dirname(home.folder), TODO_HOME: home.folder, TODO_NODE: process.execPath };
      execFile(by, [...args, '--json'], { env, cwd: home.work }, (error, stdout, stderr) => {
        if (error !== null) return reject(new Error(`todo ${args.join(' ')}: ${error.message}\n${stdout}`));
        const document = JSON.parse(stdout);
        if (args[0] === 'daemon') daemonPid = args[1] === 'stop' ? null : document.pid;
        resolve({ document, stderr });
      });
    });
  return { program, todo };
}
