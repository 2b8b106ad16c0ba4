// Looking on while something happens: logs -f, watch, and the log of the daemon.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testHome } from './harness.ts';

test('logs -f shows what the agent prints as it comes, and ends with the run', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const todo = await home.add('echo first; mkfifo go; read word < go; echo "then $word"');
  await home.untilTodo(todo.number, 'it runs', ({ status }) => status === 'running');
  const follow = home.start(['logs', String(todo.number), '-f']);
  await follow.says('first');
  writeFileSync(join(home.work, 'go'), 'more\n');
  const { code, stdout } = await follow.ended;
  assert.deepEqual([code, stdout], [0, 'first\nthen more\n']);
  assert.equal((await home.todo(['logs', String(todo.number), '-n', '1'])).stdout, 'then more\n');
});

test('logs without an ID is the daemon log: by level, by todo, in the order of time, a critical line once', async (t) => {
  const home = await testHome(t, { behavior: { completion_timeout: 0.2, emergency_timeout: 0.5, term_grace: 0.3 } });
  await home.daemon();
  const [first, second] = [await home.add('true'), await home.add('exec sleep 600')];
  await home.untilTodo(second.number, 'forced', ({ endedAtMs }) => endedAtMs !== null);
  const { lines } = await home.json(['logs', '--todo', String(first.number)]);
  assert.ok(lines.length > 5 && lines.every((line: { todo: number }) => line.todo === first.number));
  const alarms = (await home.todo(['logs', '--level', 'error'])).stdout.split('\n').filter((line) => line.includes('completion timer'));
  assert.equal(alarms.length, 1, 'it stands in two files and is one event');
  const all = (await home.json(['logs'])).lines.map(({ atMs }: { atMs: number }) => atMs);
  assert.deepEqual(
    all,
    all.toSorted((a: number, b: number) => a - b),
  );
  assert.deepEqual((await home.json(['logs', '--since', '2999-01-01'])).lines, []);
});

test('watch without a terminal tells each change once', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const watch = home.start(['watch']);
  const todo = await home.add('true');
  await watch.says(`${todo.number} completed unverified`);
  watch.process.kill('SIGTERM');
  const { stdout } = await watch.ended;
  const lines = stdout.trimEnd().split('\n');
  assert.equal(new Set(lines).size, lines.length);
});
