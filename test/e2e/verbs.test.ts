// What a person and an agent can say about a todo, and what comes of it, with a daemon and without.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome, todoProgram } from './harness.ts';

const ended = (home: TestHome, ref: string | number) => home.untilTodo(ref, `todo ${ref} has ended`, ({ endedAtMs }) => endedAtMs !== null);
const running = (home: TestHome, ref: string | number) => home.untilTodo(ref, `todo ${ref} runs`, ({ status }) => status === 'running');
/** Whoever should collect a dead process may be slow: a zombie is dead. */
function isAlive(pid: string): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
const quick = { behavior: { quiet_after: 0.1, term_grace: 0.5 } };

for (const daemon of [true, false]) {
  const where = daemon ? 'with a daemon' : 'without a daemon';

  test(`[C-35] todo emergency, ${where}: by number, id or unique start of it; what has ended is refused`, async (t) => {
    const home = await testHome(t, quick);
    if (daemon) await home.daemon();
    const refs = (todo: Json) => [String(todo.number), todo.id, todo.id.slice(0, -3)];
    for (const which of [0, 1, 2]) {
      // Without a daemon none of them runs: a todo that waits can be ended by force as well.
      const todo = daemon ? await home.add('exec sleep 600') : await home.add('exec sleep 600', '--check', 'false');
      if (daemon) await running(home, todo.number);
      const ref = refs(todo)[which]!;
      const { todo: after } = await home.json(['emergency', ref, '--reason', 'it takes too long']);
      assert.deepEqual(
        [after.status, after.proof, after.runs.at(-1).outcome, after.runs.at(-1).saidBy],
        ['completed', 'forced', 'forced', 'person'],
      );
      assert.match(readFileSync(after.report, 'utf8'), /FORCE-COMPLETED/);
      const again = await home.todo(['emergency', ref, '--json']);
      assert.deepEqual([again.code, JSON.parse(again.stdout).code], [1, 'REFUSED']);
    }
    const ambiguous = await home.todo(['emergency', (await home.show(1)).id.slice(0, 4), '--json']);
    assert.deepEqual([ambiguous.code, JSON.parse(ambiguous.stdout).code], [65, 'AMBIGUOUS']);
    const unknown = await home.todo(['emergency', '99']);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /NOT_FOUND while ending todo 99: .*\nSee: todo list\n$/);
  });

  test(`[I-12] ${where}: release, park, block, fail and cancel are as cheap as done, and none of them completes anything`, async (t) => {
    const home = await testHome(t, quick);
    if (daemon) await home.daemon();
    const wanted = { release: 'open', park: 'parked', block: 'blocked', fail: 'failed', cancel: 'cancelled' };
    for (const [verb, status] of Object.entries(wanted)) {
      const todo = await home.add('true', '--hold');
      const { todo: after } = await home.json([verb, String(todo.number), '--reason', `because of ${verb}`]);
      assert.deepEqual([verb, after.status, after.proof], [verb, status, null]);
      assert.equal(after.reason, `because of ${verb}`);
    }
  });
}

test('[I-12] an agent says each of the words as easily as done: one command, no ID, and its todo takes that status', async (t) => {
  const home = await testHome(t, { ...quick, slots: { total: 6, agent: 6, project: 6 } });
  await home.daemon();
  const wanted: Record<string, [status: string, outcome: string]> = {
    'release --reason "not mine"': ['open', 'released'],
    'park --in 1h --reason "tomorrow"': ['parked', 'parked'],
    'block --reason "no key"': ['blocked', 'blocked'],
    'fail --reason "impossible"': ['failed', 'failed'],
    'cancel --reason "not wanted"': ['cancelled', 'cancelled'],
    'done --summary "all of it"': ['completed', 'done'],
  };
  for (const [words, [status, outcome]] of Object.entries(wanted)) {
    const marker = words.replace(/[^a-z]/g, '');
    const todo = await home.add(`if [ -e ${marker} ]; then exec sleep 600; fi; touch ${marker}; '${todoProgram}' ${words}; exec sleep 600`);
    const after = await home.untilTodo(todo.number, words, ({ runs }) => runs[0]?.outcome);
    assert.deepEqual([words, after.runs[0].outcome, after.runs[0].saidBy], [words, outcome, 'marker']);
    if (status !== 'open') assert.equal(after.status, status);
    if (status === 'parked') assert.ok(after.notBeforeMs > Date.now() + 3_500_000, 'it comes back at its time');
    if (status === 'completed') assert.deepEqual([after.proof, after.summary.includes('all of it')], ['unverified', true]);
    else assert.equal(after.proof, null);
  }
});

test('[I-12] completed needs evidence: a done whose check fails ends failed, whoever runs it', async (t) => {
  const home = await testHome(t, quick);
  const todo = await home.add(`'${todoProgram}' done --summary "all tests are green"`, '--check', 'echo "no proof here"; exit 1');
  const { code } = await home.todo(['run', String(todo.number)]);
  const after = await home.show(todo.number);
  assert.deepEqual([code, after.status, after.proof, after.runs[0].saidBy], [1, 'failed', null, 'marker']);
  assert.match(after.reason, /said done, but 1 of 1 checks failed/);
});

test('a person says done: refused while a run lives, with --force it ends the run and checks decide between verified and overridden', async (t) => {
  const home = await testHome(t, quick);
  await home.daemon();
  const todo = await home.add('echo $$ > pid; exec sleep 600', '--check', 'test -e proof');
  await running(home, todo.number);
  const refused = await home.todo(['done', String(todo.number), '--json']);
  assert.deepEqual([refused.code, JSON.parse(refused.stdout).code], [1, 'REFUSED']);
  assert.equal((await home.show(todo.number)).status, 'running');
  writeFileSync(join(home.work, 'proof'), '');
  const { todo: forced } = await home.json(['done', String(todo.number), '--force', '--summary', 'I looked']);
  assert.deepEqual([forced.status, forced.proof, forced.runs[0].saidBy], ['completed', 'verified', 'person']);
  assert.equal(isAlive(readFileSync(join(home.work, 'pid'), 'utf8').trim()), false, 'its session was ended');
  const unproved = await home.add('true', '--hold', '--check', 'false');
  assert.equal((await home.json(['done', String(unproved.number)])).todo.proof, 'overridden');
});

test('several at once: each has its own result, a bad one stops none of the others', async (t) => {
  const home = await testHome(t, quick);
  const [first, second] = [await home.add('true'), await home.add('true')];
  const { code, stdout } = await home.todo(['done', String(first.number), '77', String(second.number), '--json']);
  const { todos, results } = JSON.parse(stdout);
  assert.equal(code, 1);
  assert.deepEqual(
    results.map(({ ref, ok, code }: Json) => [ref, ok, code]),
    [
      [String(first.number), true, null],
      ['77', false, 'NOT_FOUND'],
      [String(second.number), true, null],
    ],
  );
  assert.deepEqual(
    todos.map(({ status, proof }: Json) => [status, proof]),
    [
      ['completed', 'overridden'],
      ['completed', 'overridden'],
    ],
  );
});

test('a run speaks for its own todo only', async (t) => {
  const home = await testHome(t, quick);
  await home.daemon();
  const other = await home.add('true', '--hold');
  const todo = await home.add(`'${todoProgram}' done ${other.number} > said 2>&1; echo $? > code`);
  await ended(home, todo.number);
  assert.equal(readFileSync(join(home.work, 'code'), 'utf8'), '1\n');
  assert.match(readFileSync(join(home.work, 'said'), 'utf8'), /a run speaks for its own todo only/);
  assert.equal((await home.show(other.number)).status, 'open');
});

test('run without a daemon exits 0, 1 and 75 by the end of the todo, and takes no lock', async (t) => {
  const home = await testHome(t, { behavior: { completion_timeout: 0.3, emergency_timeout: 0.6, quiet_after: 0.1, term_grace: 0.5 } });
  const ends = [
    ['true', 0, 'completed'],
    ['exit 3', 1, 'failed'],
    ['exec sleep 600', 1, 'completed'],
    [`'${todoProgram}' park --in 1h`, 75, 'parked'],
    [`'${todoProgram}' block --reason key`, 1, 'blocked'],
  ] as const;
  for (const [command, code, status] of ends) {
    const result = await home.json(['run', '--', 'sh', '-c', command], { code });
    assert.deepEqual([command, result.todo.status], [command, status]);
  }
  assert.equal(existsSync(join(home.folder, 'lock.db')), false);
  assert.equal((await home.show(3)).proof, 'forced');
});

test('run stalled for good exits 75 and leaves the session to a person', async (t) => {
  const home = await testHome(t, {
    emergency: { action: 'stall' },
    behavior: { completion_timeout: 0.3, emergency_timeout: 0.6, term_grace: 0.5 },
  });
  const { todo } = await home.json(['run', '--', 'sleep', '600'], { code: 75 });
  assert.equal(todo.status, 'stalled');
  const { todo: after } = await home.json(['release', String(todo.number)]);
  assert.deepEqual([after.status, after.runs[0].outcome], ['open', 'released']);
});

test('Ctrl-C in run leaves the session running; the next run takes it over and follows it to its end', async (t) => {
  const home = await testHome(t);
  const todo = await home.add('mkfifo go; read word < go; echo went');
  const first = home.start(['run', String(todo.number)]);
  await running(home, todo.number);
  first.process.kill('SIGINT');
  const { code, stderr } = await first.ended;
  assert.equal(code, 75, stderr);
  assert.match(stderr, new RegExp(`session goes on; follow it again with: todo run ${todo.number}`));
  assert.equal((await home.show(todo.number)).status, 'running');
  const second = home.start(['run', String(todo.number)]);
  await second.says('running');
  writeFileSync(join(home.work, 'go'), 'on\n');
  assert.equal((await second.ended).code, 0);
  const after = await home.show(todo.number);
  assert.deepEqual([after.status, after.runs.length], ['completed', 1]);
  assert.deepEqual(readdirSync(join(home.folder, 'runs')), []);
});

test('a run that dies is taken over by the daemon: the agent is not started twice', async (t) => {
  const home = await testHome(t);
  const todo = await home.add('echo started >> starts; mkfifo go; read word < go');
  const run = home.start(['run', String(todo.number)]);
  await running(home, todo.number);
  run.process.kill('SIGKILL');
  await run.ended;
  await home.daemon();
  writeFileSync(join(home.work, 'go'), 'on\n');
  const after = await ended(home, todo.number);
  assert.deepEqual([after.status, after.runs.length, readFileSync(join(home.work, 'starts'), 'utf8')], ['completed', 1, 'started\n']);
});

test('two words before anybody looks: the first that was written stands, whatever their files are called', async (t) => {
  const home = await testHome(t, {
    slots: { total: 8, agent: 8, project: 8 },
    behavior: { quiet_after: 0.1 },
    monitoring: { watcher: false, rescan: 0.5 },
  });
  await home.daemon();
  const todos: Json[] = [];
  for (let index = 0; index < 8; index++)
    todos.push(await home.add('"$TODO_MARKER" done "the first word"; "$TODO_MARKER" blocked "the second word"'));
  for (const { number } of todos) {
    const todo = await ended(home, number);
    assert.deepEqual([todo.status, /the first word/.test(todo.summary)], ['completed', true], todo.summary);
  }
});
