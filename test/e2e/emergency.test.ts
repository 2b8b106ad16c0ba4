// Timers and the emergency procedure through the running daemon, with short times: what ends a run that nobody ends, and what it leaves.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ageRun, linesOfReport, manifestFaults, rowsOf } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

/** Short timers; the look at the spool is frequent so that tests are quick, not because anything needs it. */
const quick = { completion_timeout: 0.6, emergency_timeout: 1.2, quiet_after: 0.1, term_grace: 1, exponential_backoff: false };
const homeWith = (t: TestContext, behavior: Json, more: Json = {}): Promise<TestHome> =>
  testHome(t, { behavior: { ...quick, ...behavior }, monitoring: { rescan: 0.2 }, ...more });

/** Silent until told: it reads a pipe, which costs no CPU, so there is no sign of progress. */
const silent = 'mkfifo go 2>/dev/null; read word < go';
/** Speaks all the time and never ends. */
const talking = 'while :; do echo working; sleep 0.1; done';
const tell = async (home: TestHome, pipe = 'go'): Promise<void> => {
  await home.until('the pipe is there', () => existsSync(join(home.work, pipe)));
  writeFileSync(join(home.work, pipe), 'on\n');
};

const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked'].includes(todo.status);
const evidenceOf = (todo: Json): Json => JSON.parse(readFileSync(join(dirname(todo.report), 'evidence.json'), 'utf8'));
const timerLines = (home: TestHome): Json[] => home.log('emergency').filter((line) => line.event === 'completion timer');

test('[C-27] basis silence: a run without a sign of progress is warned about with the state of the system, and goes on when it speaks', async (t) => {
  const home = await homeWith(t, { emergency_timeout: 60 });
  await home.daemon();
  // A pipe for each word: opened again at once it may still have the writer of the word before.
  const { number } = await home.add(`mkfifo then; ${silent}; echo back; read word < then; echo end`);
  await home.untilTodo(number, 'stalled by the completion timer', (todo) => todo.status === 'stalled');
  const [line] = timerLines(home);
  assert.match(line.reason, /no completion after 0.6 s without a sign of progress/);
  for (const field of ['load', 'memoryFreeBytes', 'diskFreeBytes', 'processes']) assert.ok(field in line.system, field);
  assert.ok(line.system.processes.length > 0, 'the processes of the run');

  await tell(home);
  await home.untilTodo(number, 'running again', (todo) => todo.status === 'running');
  await tell(home, 'then');
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'unverified']);
});

test('[C-27] [I-22] basis silence: a run that keeps speaking is never warned about, whatever its age', async (t) => {
  const home = await homeWith(t, { emergency_timeout: 60 });
  await home.daemon();
  const { number } = await home.add('for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 0.2; done');
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'unverified']);
  assert.deepEqual(timerLines(home), []);
  const story = await home.json(['why', String(number)]);
  assert.ok(!story.events.some((event: Json) => event.fact === 'stalled' || event.fact === 'warned'));
});

test('[C-27] basis elapsed: the time since the start counts, speaking does not help', async (t) => {
  const home = await homeWith(t, { timeout_basis: 'elapsed', completion_timeout_action: 'complete', emergency_timeout: 60 });
  await home.daemon();
  const { number } = await home.add(talking);
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'forced']);
  assert.match(timerLines(home)[0].reason, /no completion after 0.6 s since the start/);
});

test('[C-27] completion_timeout_action reset: the run is ended and its todo is open again', async (t) => {
  const home = await homeWith(t, { completion_timeout_action: 'reset', auto_continue: false, emergency_timeout: 60 });
  await home.daemon();
  const { id, number } = await home.add(silent);
  const run = home.start(['run', String(number)]);
  const open = await home.untilTodo(
    number,
    'open again',
    (todo) => todo.status === 'open' && todo.runs.length === 1 && todo.runs[0].outcome === 'reset',
  );
  assert.match(open.reason, /no completion after/);
  assert.equal(rowsOf(home, 'SELECT resets FROM todo WHERE id = ?', id)[0].resets, 1);
  await run.ended;
});

test('[C-27] a run by hand whose time is over is completed by force at once', async (t) => {
  const home = await homeWith(t, { emergency_timeout: 60 });
  await home.daemon();
  const { number } = await home.add('by hand', '--hold');
  await home.json(['claim', String(number)]);
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'forced']);
  assert.equal(existsSync(home.legacy.pointer), false);
});

test('[C-27] a session that is lost is a new attempt, not an end', async (t) => {
  const home = await homeWith(t, { emergency_timeout: 60 }, { run: { retry_delay: 0.1 } });
  await home.daemon();
  const { number } = await home.add('[ -e second ] && exit 0; touch second; kill -9 $PPID $$');
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.equal(ended.status, 'completed');
  assert.deepEqual(ended.runs.map((run: Json) => run.outcome).sort(), ['done', 'lost']);
});

test('[C-27] [C-28] [I-29] timers stand in the journal: what ran out while no daemon lived is acted on when one comes, in order', async (t) => {
  const home = await homeWith(t, { completion_timeout: 300, emergency_timeout: 1800 });
  const first = await home.daemon();
  const { id, number } = await home.add(silent);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  first.process.kill('SIGKILL');
  await first.ended;
  const { ref } = ageRun(home, id, 20 * 60_000);

  const second = await home.daemon();
  await home.untilTodo(number, 'warned about', (todo) => todo.status === 'stalled');
  assert.equal(timerLines(home).length, 1);
  assert.ok(existsSync(join(home.folder, 'runs', ref.runId)), 'the run lives on');
  second.process.kill('SIGKILL');
  await second.ended;
  ageRun(home, id, 20 * 60_000);

  await home.daemon();
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'forced']);
  assert.match(ended.summary, /^FORCE-COMPLETED/);
});

for (const { action, basis, command } of [
  { action: 'complete', basis: 'silence', command: silent },
  { action: 'complete', basis: 'elapsed', command: talking },
  { action: 'reset', basis: 'silence', command: silent },
]) {
  test(`[C-28] the emergency timer, basis ${basis}, action ${action}`, async (t) => {
    const home = await homeWith(t, { timeout_basis: basis }, { emergency: { action }, run: { resets: 0 } });
    await home.daemon();
    const { number } = await home.add(command);
    const ended = await home.untilTodo(number, 'ended', isOver);
    assert.equal(ended.runs.length, 1);
    if (action === 'complete') assert.deepEqual([ended.status, ended.proof, ended.runs[0].outcome], ['completed', 'forced', 'forced']);
    else assert.deepEqual([ended.status, ended.proof, ended.runs[0].outcome], ['blocked', null, 'reset']);
    assert.equal(ended.runs[0].saidBy, 'deadline');
    assert.match(readdirSync(join(home.folder, 'archive')).join(' '), new RegExp(`^emergency_${number}_\\d+_`));
  });
}

test('[C-28] action stall leaves the run to a person, who may still end it', async (t) => {
  const home = await homeWith(t, {}, { emergency: { action: 'stall' } });
  await home.daemon();
  const { number } = await home.add(`${silent}; echo back`);
  await home.until('the emergency was told', () => home.log('emergency').some((line) => line.event === 'alert'));
  const stalled = await home.untilTodo(number, 'stalled', (todo) => todo.status === 'stalled');
  assert.equal(stalled.runs[0].endedAtMs, null);
  await tell(home);
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'unverified']);
});

test('[C-28] run_max is a hard cap besides silence, and --timeout is one of its own', async (t) => {
  const home = await homeWith(t, { run_max: 1, completion_timeout: 60, emergency_timeout: 60 }, { slots: { project: 2 } });
  await home.daemon();
  const capped = await home.add(talking);
  const ended = await home.untilTodo(capped.number, 'ended', isOver);
  assert.deepEqual([ended.proof, evidenceOf(ended).emergency.reason], ['forced', 'the run reached behavior.run_max (1 s)']);
  const own = await home.add(talking, '--timeout', '0.5');
  const ownEnd = await home.untilTodo(own.number, 'ended', isOver);
  assert.deepEqual([ownEnd.proof, evidenceOf(ownEnd).emergency.reason], ['forced', 'the run reached its --timeout']);
});

test('[C-44] five minutes without TASK_COMPLETED: the handler runs, the system state is logged, the todo is completed with what there is', async (t) => {
  const home = await homeWith(t, { timeout_basis: 'elapsed', completion_timeout_action: 'complete' });
  await home.daemon();
  const { number } = await home.add(`echo the only line; ${silent}`);
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'forced']);
  const [line] = timerLines(home);
  assert.ok(line.system.memoryTotalBytes > 0);
  assert.match(linesOfReport(ended.report).slice(0, 8).join('\n'), /FORCE-COMPLETED/);
  const folder = dirname(ended.report);
  assert.match(folder, /archive\/emergency_/);
  assert.match(readFileSync(join(folder, 'output.txt'), 'utf8'), /the only line/);
});

test('[C-30] [C-32] [C-33] todo emergency ends the whole process tree, runs the checks, keeps everything and says what it is', async (t) => {
  const home = await homeWith(t, { completion_timeout: 60, emergency_timeout: 60 });
  await home.daemon();
  const stubborn = `trap '' TERM; echo some output; (trap '' TERM; setsid sh -c 'trap "" TERM; echo $$ > grandchild; while :; do sleep 1; done') & echo $$ > agent; while :; do sleep 1; done`;
  const { number } = await home.add(stubborn, '--check', 'test -e agent', '--check', 'echo not yet; false');
  await home.until('agent and grandchild live', () => existsSync(join(home.work, 'agent')) && existsSync(join(home.work, 'grandchild')));
  const pids = ['agent', 'grandchild'].map((name) => Number(readFileSync(join(home.work, name), 'utf8')));
  const runId = (await home.show(number)).runs[0].id;

  const reply = await home.json(['emergency', String(number), '--reason', 'it must end']);
  assert.deepEqual([reply.todo.status, reply.todo.proof], ['completed', 'forced']);
  for (const pid of pids) assert.equal(isAlive(pid), false, `process ${pid} lives`);

  const todo = await home.show(number);
  assert.match(todo.summary, /^FORCE-COMPLETED/);
  assert.match(linesOfReport(todo.report).slice(0, 8).join('\n'), /FORCE-COMPLETED/);
  const evidence = evidenceOf(todo);
  assert.deepEqual(
    evidence.checks.map((check: Json) => [check.command, check.passed]),
    [
      ['test -e agent', true],
      ['echo not yet; false', false],
    ],
  );
  assert.equal(evidence.result.proof, 'forced');
  const { system } = evidence;
  assert.ok(system.load.length === 3 && system.cpus > 0 && system.memoryFreeBytes > 0 && system.diskFreeBytes > 0);
  assert.ok(
    system.processes.some((it: Json) => it.pid === pids[0]),
    'the processes of the run, as they were before they were ended',
  );

  const folder = dirname(todo.report);
  assert.deepEqual(manifestFaults(folder), []);
  assert.match(readFileSync(join(folder, 'output.txt'), 'utf8'), /some output/);
  assert.equal(existsSync(join(home.folder, 'runs', runId)), false, 'moved, not copied');
});

/** A zombie is nobody: in a container without a reaping init it may lie there for ever. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('[C-30] after an emergency later signals change nothing', async (t) => {
  const home = await homeWith(t, { completion_timeout: 60, emergency_timeout: 60 });
  await home.daemon();
  const { number } = await home.add(`cp "$TODO_HOME/runs/$TODO_RUN/token" token; env | grep '^TODO_' > env; ${silent}`);
  await home.until('the run is under way', () => existsSync(join(home.work, 'go')));
  await home.json(['emergency', String(number)]);
  const before = await home.show(number);
  const env = Object.fromEntries(
    readFileSync(join(home.work, 'env'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/s).slice(0, 2)),
  );
  await home.todo(['done', '--summary', 'all is well'], { env: { ...env, TODO_TOKEN: readFileSync(join(home.work, 'token'), 'utf8') } });
  await home.until('the late word was put aside', () => readdirSync(join(home.folder, 'spool', 'bad')).length > 0);
  assert.deepEqual(await home.show(number), before);
});

test('[C-30] [C-31] [I-31] what has ended is refused, and nothing of it changes', async (t) => {
  const home = await homeWith(t, { completion_timeout: 60, emergency_timeout: 60 });
  await home.daemon();
  const { number } = await home.add('echo good work', '--check', 'true');
  const done = await home.untilTodo(number, 'ended', isOver);
  assert.equal(done.proof, 'verified');
  const report = readFileSync(done.report, 'utf8');
  for (const action of ['complete', 'reset', 'stall']) {
    const refused = await home.json(['emergency', String(number), '--action', action], { code: 1 });
    assert.match(refused.message, /has ended: completed/);
  }
  await home.json(['emergency', '4711'], { code: 1 });
  assert.deepEqual(await home.show(number), done);
  assert.equal(readFileSync(done.report, 'utf8'), report);
});

test('[C-31] a reset opens the todo again, keeps the reason, counts, and blocks at the end', async (t) => {
  const home = await homeWith(t, { completion_timeout: 60, emergency_timeout: 60 }, { run: { resets: 1 } });
  await home.daemon();
  const { id, number } = await home.add(`echo "attempt $TODO_RUN"; ${silent}`);
  const firstRun = await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  await home.json(['emergency', String(number), '--action', 'reset', '--reason', 'wrong way']);
  const again = await home.untilTodo(number, 'started again', (todo) => todo.status === 'running' && todo.runs.length === 2);
  assert.equal(rowsOf(home, 'SELECT resets FROM todo WHERE id = ?', id)[0].resets, 1);
  const first = again.runs.find((run: Json) => run.id === firstRun.runs[0].id);
  assert.deepEqual([first.outcome, first.saidBy], ['reset', 'person']);

  await home.json(['emergency', String(number), '--action', 'reset', '--reason', 'wrong again']);
  const blocked = await home.untilTodo(number, 'blocked', (todo) => todo.status === 'blocked');
  assert.match(blocked.reason, /wrong again; reset 1 times before, now blocked/);
  const archives = readdirSync(join(home.folder, 'archive')).filter((name) => name.startsWith('emergency_'));
  assert.equal(archives.length, 2, 'the first report is kept beside the second');
  for (const name of archives) assert.deepEqual(manifestFaults(join(home.folder, 'archive', name)), []);
});

test('[C-72] an emergency leaves a report that says what to do, one CRITICAL line and one POST', async (t) => {
  const posts: Json[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => {
      body += part;
    });
    request.on('end', () => {
      posts.push(JSON.parse(body));
      response.end();
    });
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const home = await homeWith(
    t,
    {},
    { monitoring: { rescan: 0.2, webhook_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alert` } },
  );
  await home.daemon();
  const { number } = await home.add(silent);
  const ended = await home.untilTodo(number, 'ended', isOver);
  const { emergency } = evidenceOf(ended);
  assert.match(emergency.reason, /nobody reported an end within 1.2 s without a sign of progress/);
  assert.ok(emergency.actions.length > 2 && emergency.whatToDo.length > 1);
  const report = linesOfReport(ended.report).join('\n');
  for (const said of [emergency.reason, emergency.actions[0], emergency.whatToDo[0].slice(0, 30)]) assert.ok(report.includes(said), said);
  await home.until('the alert was posted', () => posts.length > 0);
  const lines = home.log('emergency').filter((line) => line.event === 'alert');
  assert.deepEqual(
    lines.map((line) => [line.level, line.todo]),
    [['CRITICAL', number]],
  );
  assert.deepEqual(
    posts.map((post) => [post.kind, post.severity, post.todo]),
    [['alert', 'CRITICAL', number]],
  );
});

test('[I-29] a forced end claims nothing: the record says who said so, dependents do not start, todo run exits 1', async (t) => {
  const home = await homeWith(t, {});
  await home.daemon();
  const { id, number } = await home.add(`echo half of it; ${silent}`);
  const after = await home.add('echo never', '--after', String(number));
  const run = await home.todo(['run', String(number)]);
  assert.equal(run.code, 1, run.stdout + run.stderr);
  const ended = await home.show(number);
  assert.deepEqual([ended.status, ended.proof, ended.runs[0].saidBy], ['completed', 'forced', 'deadline']);
  const said = `${ended.summary}\n${linesOfReport(ended.report).join('\n')}`;
  assert.doesNotMatch(said, /success(?<!nobody reported success)|the agent says|all done|verified by/i);
  const record = rowsOf(home, 'SELECT proof FROM todo WHERE id = ?', id)[0];
  assert.equal(record.proof, 'forced');
  const blocked = await home.untilTodo(after.number, 'blocked', (todo) => todo.status === 'blocked');
  assert.equal(blocked.runs.length, 0);
});

test('[I-31] quotes, a prompt of 200 KiB and the files of other todos pass an emergency unharmed', async (t) => {
  const home = await homeWith(t, { completion_timeout: 60, emergency_timeout: 60 });
  await home.daemon();
  const other = await home.add('echo other > other.txt; echo other');
  const otherEnd = await home.untilTodo(other.number, 'ended', isOver);
  const otherReport = readFileSync(otherEnd.report, 'utf8');
  const prompt = `${silent} # ${'x'.repeat(100 * 1024)}\n${`: '${'y'.repeat(50 * 1024)}'\n`.repeat(2)}`;
  const { todo } = await home.json(['add', 'large', '--agent', 'shell', '--cwd', home.work, '--prompt', '-'], { stdin: prompt });
  await home.until('it runs', () => existsSync(join(home.work, 'go')));
  const reason = `it's "over"; $(touch broken) \`touch broken\` <b>&\\ ; rm -rf *`;
  await home.json(['emergency', String(todo.number), '--reason', reason]);
  const ended = await home.show(todo.number);
  assert.equal(ended.proof, 'forced');
  assert.equal(evidenceOf(ended).emergency.reason, reason);
  assert.ok(linesOfReport(ended.report).join('\n').includes(reason));
  assert.equal(evidenceOf(ended).todo.prompt, prompt);
  assert.deepEqual(readdirSync(home.work).sort(), ['go', 'other.txt']);
  assert.equal(readFileSync(otherEnd.report, 'utf8'), otherReport);
  assert.deepEqual(manifestFaults(dirname(otherEnd.report)), []);
});

for (const lastResort of ['dead-letter', 'reset'] as const) {
  test(`[C-45] a completion that can never be finished: alert, all kept, a person can act; last_resort ${lastResort}`, async (t) => {
    const home = await homeWith(t, { last_resort: lastResort, completion_timeout: 60, emergency_timeout: 60, auto_continue: false });
    await home.daemon();
    // The agent takes the name under which its own output is to be kept: no retry helps.
    const { id, number } = await home.add(
      'echo precious; rm -rf "$TODO_HOME/runs/$TODO_RUN/final"; touch "$TODO_HOME/runs/$TODO_RUN/final"',
    );
    home.start(['run', String(number)]);
    await home.until('the alert', () =>
      home.log('emergency').some((line) => line.level === 'CRITICAL' && /was given up/.test(line.message)),
    );
    const runId = rowsOf(home, 'SELECT id FROM run WHERE todo_id = ?', id)[0].id;
    assert.match(readFileSync(join(home.folder, 'runs', runId, 'output.log'), 'utf8'), /precious/);
    if (lastResort === 'reset') {
      await home.untilTodo(number, 'open again', (todo) => todo.status === 'open');
      return;
    }
    const dead = await home.untilTodo(number, 'dead-lettered', (todo) => todo.status === 'dead-lettered');
    assert.equal(dead.held, true);
    const health = await home.json(['health'], { code: 1 });
    assert.ok(health.findings.some((it: Json) => it.check === 'dead-letter' && it.todoId === id));
    await home.json(['release', String(number)]);
    assert.equal((await home.show(number)).status, 'open');
  });
}
