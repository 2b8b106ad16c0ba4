import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { test } from 'node:test';
import { testHome } from './harness.ts';

test('the demo brings honest, lying, hanging, crashing, silent and doubled agents to an honest end in a minute, and ends its own daemon', async (t) => {
  const home = await testHome(t);
  const machineMarker = existsSync('/tmp/TASK_COMPLETED');
  const temporary = home.work;
  const fromMs = performance.now();
  const demo = await home.json(['demo'], { env: { TMPDIR: temporary, TODO_STORE_URL: 'mysql://nobody@127.0.0.1:1/none' } });
  assert.ok(performance.now() - fromMs < 60_000);
  assert.equal(demo.kind, 'demo');
  const ends = Object.fromEntries(
    demo.todos.map((todo: { scenario: string; status: string; proof: string; runs: number; rounds: number }) => [
      todo.scenario,
      [todo.status, todo.proof, todo.runs, todo.rounds],
    ]),
  );
  assert.deepEqual(ends, {
    honest: ['completed', 'verified', 1, 1],
    lying: ['completed', 'verified', 1, 2],
    hanging: ['completed', 'forced', 1, 1],
    crashing: ['completed', 'verified', 2, 1],
    silent: ['completed', 'unverified', 1, 1],
    doubled: ['completed', 'unverified', 1, 1],
  });
  for (const { report, id } of demo.todos) assert.ok(isAbsolute(report) && existsSync(report) && typeof id === 'string');
  assert.ok(demo.home.startsWith(temporary) && existsSync(join(demo.home, 'todo.db')), 'its home stays, and is its own');
  assert.equal((await home.json(['daemon', 'status', '--home', demo.home], { code: 1 })).running, false);
  assert.equal(existsSync('/tmp/TASK_COMPLETED'), machineMarker);
  const doubled = demo.todos.find(({ scenario }: { scenario: string }) => scenario === 'doubled');
  const { todo } = await home.json(['show', String(doubled.number), '--home', demo.home]);
  assert.match(todo.summary, /the first word/);
  const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(`TODO_HOME=${demo.home}`));
  assert.deepEqual(left, [], 'nothing of it runs on');
});

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

test('for people the demo tells each step and ends with a table and what to try next', async (t) => {
  const home = await testHome(t);
  const { code, stdout } = await home.todo(['demo'], { env: { TMPDIR: home.work } });
  assert.equal(code, 0, stdout);
  for (const said of [
    /Six agents, six ways to behave/,
    /lying +(claimed|running|signalled|collected|checked)/,
    /hanging +✔ completed, forced/,
    /✔ every todo reached an honest end in \d+ s\. The home stays: /,
    /Next: todo why 2 --home /,
  ])
    assert.match(stdout, said);
});

test('a demo whose terminal goes away ends its daemon and its agents all the same', async (t) => {
  const home = await testHome(t);
  const demo = home.start(['demo'], { env: { TMPDIR: home.work } });
  await demo.says(/hanging +running/);
  demo.process.kill('SIGHUP');
  assert.equal((await demo.ended).code, 1);
  const left = readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && environmentOf(pid).some((line) => line.startsWith(`TODO_HOME=${home.work}`)),
  );
  assert.deepEqual(left, []);
});
