// How processes give way and have it back: real ones, by both ways that Linux has.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { lowered, restored } from '../../src/core/priority.ts';
import { cpuIsDividedByGroups } from '../../src/platform/cgroup.ts';
import { priorities, setPriorities } from '../../src/platform/priorities.ts';
import { forgetLook } from '../../src/platform/proc.ts';
import type { RunTag } from '../../src/world.ts';

/** A Node program has ten threads or so; this one starts one of its own as well. In a session of its own. */
async function program(t: TestContext): Promise<{ readonly pid: number; readonly run: RunTag }> {
  const value = `${process.pid}-${t.name.length}`;
  const script = "new (require('node:worker_threads').Worker)('console.log(1); setInterval(() => {}, 1e6)', { eval: true })";
  const child = spawn(process.execPath, ['-e', script], { detached: true, env: { ...process.env, TODO_TEST_RUN: value } });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  forgetLook();
  return { pid: child.pid!, run: { name: 'TODO_TEST_RUN', value, session: null } };
}

const threadsOf = (pid: number): number[] => readdirSync(`/proc/${pid}/task`).map((tid) => getPriority(Number(tid)));
const isRoot = process.getuid!() === 0;

test('all threads of a process give way, and have back what each of them had', {
  skip: !isRoot && 'only root may raise a priority',
}, async (t) => {
  const { pid, run } = await program(t);
  const usual = getPriority(pid);
  const [, second] = readdirSync(`/proc/${pid}/task`).map(Number);
  setPriority(second!, 15);
  const before = priorities(run, 'thread');
  assert.ok('of' in before && Object.keys(before.of).length > 5);
  await setPriorities(run, lowered(before));
  assert.deepEqual(new Set(threadsOf(pid)), new Set([10, 15]), 'what was lower already stays');
  const now = priorities(run, 'thread');
  assert.ok('of' in now);
  assert.ok((await setPriorities(run, restored(before, now))) > 5);
  assert.deepEqual(new Set(threadsOf(pid)), new Set([usual, 15]));
});

test('a session gives way as a whole and has it back, also where nobody is root', {
  skip: autogroupOf(process.pid) === null && 'this kernel has no autogroups',
}, async (t) => {
  const { pid, run } = await program(t);
  const before = priorities(run, 'session');
  assert.deepEqual(before, { by: 'session', of: { [pid]: 0 } });
  assert.equal(await setPriorities(run, lowered(before)), 1);
  assert.equal(autogroupOf(pid), 10);
  const now = priorities(run, 'session');
  assert.ok('of' in now);
  assert.equal(await setPriorities(run, restored(before, now)), 1);
  assert.equal(autogroupOf(pid), 0);
});

test('what is given back: what it was, to newcomers what was usual, and nothing to whom somebody else set otherwise', () => {
  const before = { by: 'thread', of: { a: 0, b: 12, c: 0, gone: 0 } } as const;
  assert.deepEqual(lowered(before), { by: 'thread', of: { a: 10, c: 10, gone: 10 } });
  const now = { by: 'thread', of: { a: 10, b: 12, c: 4, child: 10 } } as const;
  assert.deepEqual(restored(before, now), { by: 'thread', of: { a: 0, child: 0 } });
  assert.deepEqual(
    restored({ by: 'session', of: {} }, { by: 'session', of: { s: 10 } }),
    { by: 'session', of: {} },
    'nothing is known of it',
  );
});

test('sessions count only where the CPU is not divided among control groups before', () => {
  const divided = (self: string, files: readonly string[] = []): boolean =>
    cpuIsDividedByGroups(self, (path) => (files.includes(path) ? '100\n' : null), '/c');
  assert.equal(divided('0::/\n'), false);
  assert.equal(divided('0::/user.slice/a.scope\n'), false, 'no controller there');
  assert.equal(divided('0::/user.slice/a.scope\n', ['/c/user.slice/cpu.weight']), true);
  assert.equal(divided('0::/\n', [join('/c', 'cpu.weight')]), true, 'the root of a container');
  assert.equal(divided('3:cpu,cpuacct:/\n0::/a\n'), false);
  assert.equal(divided('3:cpu,cpuacct:/docker/x\n0::/\n'), true);
  assert.equal(divided(''), false);
});

function autogroupOf(pid: number): number | null {
  try {
    return Number(/ nice (-?\d+)/.exec(readFileSync(`/proc/${pid}/autogroup`, 'utf8'))?.[1]);
  } catch {
    return null;
  }
}
