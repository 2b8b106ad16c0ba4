// What the daemon takes, when, and how often: one home, one daemon, each start asked for and acknowledged once.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openWorld } from '../../src/cli/world.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

const ended = (home: TestHome, ref: string | number) => home.untilTodo(ref, `todo ${ref} has ended`, ({ endedAtMs }) => endedAtMs !== null);
const running = (home: TestHome, ref: string | number) => home.untilTodo(ref, `todo ${ref} runs`, ({ status }) => status === 'running');
/** Waits until somebody writes to `go` in its folder, then ends well. */
const waits = 'mkfifo go; read word < go; echo went';
const letGo = (folder: string) => writeFileSync(join(folder, 'go'), 'on\n');
const folderOf = (home: TestHome, name: string): string => {
  const folder = join(home.work, name);
  mkdirSync(folder);
  return folder;
};

test('[C-36] the daemon sweeps at its interval, and a second start names the first and changes nothing', async (t) => {
  const home = await testHome(t, { behavior: { health_check_interval: 0.3 } });
  const first = await home.daemon();
  const swept = () => home.log('monitor').filter(({ event }) => event === 'swept').length;
  await home.until('three sweeps', () => swept() >= 3);
  const alone = await home.todo(['daemon']);
  assert.equal(alone.code, 75);
  assert.match(alone.stderr, new RegExp(`LOCKED .*process ${first.process.pid}, running since`));
  assert.match(alone.stderr, /todo daemon stop/);
  const again = await home.json(['daemon', 'start']);
  assert.deepEqual([again.running, again.pid], [true, first.process.pid], 'a start where one runs is answered by that one');
  assert.equal(first.process.exitCode, null);
  const stopped = await home.json(['daemon', 'stop']);
  assert.equal(stopped.running, false);
  assert.equal((await first.ended).code, 0);
  assert.equal((await home.todo(['daemon', 'status'])).code, 1);
});

test('[C-36] daemon start goes to the background when it answers, restart starts it anew in place, stop ends it', async (t) => {
  const home = await testHome(t);
  const first = await home.json(['daemon', 'start']);
  assert.equal((await home.json(['daemon', 'status'])).pid, first.pid);
  const todo = await home.add(waits);
  await running(home, todo.number);
  const second = await home.json(['daemon', 'restart']);
  assert.deepEqual([second.pid, second.generation], [first.pid, first.generation + 1]);
  letGo(home.work);
  const done = await ended(home, todo.number);
  assert.deepEqual([done.status, done.runs.length], ['completed', 1], 'the session lived on and was taken over');
  assert.equal((await home.json(['daemon', 'stop'])).running, false);
  assert.equal((await home.todo(['daemon', 'stop', '--json'])).code, 0, 'twice is the same as once');
});

test('a daemon that cannot start says why, with its last words', async (t) => {
  const home = await testHome(t);
  writeFileSync(join(home.folder, 'todo.db'), 'no database, but long enough to be looked at as one. '.repeat(100));
  const { code, stdout } = await home.todo(['daemon', 'start', '--json']);
  const error = JSON.parse(stdout);
  assert.deepEqual([code, error.kind, error.code], [69, 'error', 'NO_DAEMON']);
  assert.match(error.message, /it ended at once.*todo\.db.*not a database/s);
});

test('[C-48] one of a hundred is poisoned: it is dead-lettered with all it left, ninety-nine end', async (t) => {
  const home = await testHome(t, { slots: { total: 8, agent: 8, project: 8 }, behavior: { exponential_backoff: false, max_retries: 1 } });
  await using opened = await openWorld({ home: home.folder, env: process.env, cwd: home.folder });
  const poison = 50;
  // A file where the folder of its report must be: no retry helps.
  const prompts = Array.from({ length: 100 }, (_, index) =>
    index === poison ? 'echo kept; rm -rf "$TODO_RUN_DIR/final"; echo x > "$TODO_RUN_DIR/final"' : 'echo fine',
  );
  for (const prompt of prompts) {
    const about = {
      title: prompt,
      prompt,
      cwd: home.work,
      project: home.work,
      agent: 'shell',
      session: null,
      checks: [],
      priority: 5,
      timeoutMs: null,
      rounds: 1,
      after: null,
      held: false,
    };
    await opened.world.store.add({ id: opened.world.random.uuidv7(), ...about });
  }
  await home.daemon();
  const todos = await home.until('all have ended', async () => {
    const { todos } = await home.json(['list']);
    return todos.every(({ status }: Json) => ['completed', 'dead-lettered', 'failed'].includes(status)) ? todos : null;
  });
  const poisoned = todos.filter(({ status }: Json) => status !== 'completed');
  assert.deepEqual(
    poisoned.map(({ number, status, held }: Json) => [number, status, held]),
    [[poison + 1, 'dead-lettered', true]],
  );
  assert.ok(todos.every(({ runs }: Json) => runs.length === 1));
  const kept = readdirSync(join(home.folder, 'archive')).concat(readdirSync(join(home.folder, 'runs')));
  assert.ok(
    kept.some((name) => name.includes(poisoned[0].runs[0].id)),
    'what it left is kept',
  );
});

test('[C-49] the next todo starts when one ended, one at a time in a project; --once stops after one', async (t) => {
  const home = await testHome(t);
  const [first, second, third] = [
    await home.add('echo 1 >> order'),
    await home.add('echo 2 >> order'),
    await home.add('echo 3 >> order', '--priority', '0'),
  ];
  const once = await home.todo(['daemon', 'run', '--once']);
  assert.equal(once.code, 0, once.stderr);
  assert.equal(readFileSync(join(home.work, 'order'), 'utf8'), '3\n', 'by priority, and only one');
  assert.deepEqual([(await home.show(first.number)).status, (await home.show(second.number)).status], ['open', 'open']);
  await home.daemon();
  const [one, two] = [await ended(home, first.number), await ended(home, second.number)];
  assert.equal(readFileSync(join(home.work, 'order'), 'utf8'), '3\n1\n2\n');
  assert.ok(two.runs[0].startedAtMs >= one.runs[0].endedAtMs, 'a project has one slot');
  assert.equal((await home.show(third.number)).runs.length, 1);
});

test('[C-49] with auto_continue off the daemon starts nothing by itself; asked for by name it does', async (t) => {
  const home = await testHome(t, { behavior: { auto_continue: false, health_check_interval: 0.2 } });
  const daemon = await home.daemon();
  const todo = await home.add('true');
  const sweeps = () => home.log('monitor').filter(({ event }) => event === 'swept').length;
  const before = sweeps();
  await home.until('several passes went by', () => sweeps() >= before + 3);
  assert.deepEqual((await home.show(todo.number)).runs, []);
  const { code } = await home.todo(['run', String(todo.number)]);
  assert.deepEqual([code, (await home.show(todo.number)).status, daemon.process.exitCode], [0, 'completed', null]);
});

test('[I-13] one run call starts exactly one of those that are open', async (t) => {
  const home = await testHome(t);
  for (const name of ['a', 'b', 'c']) await home.add(`echo ${name} >> started`);
  const { code, stdout } = await home.todo(['run', '--once', '--json']);
  assert.equal(code, 0);
  assert.equal(readFileSync(join(home.work, 'started'), 'utf8'), 'a\n');
  const { todos } = await home.json(['list']);
  assert.deepEqual(
    todos.map(({ number, status, runs }: Json) => [number, status, runs.length]),
    [
      [3, 'open', 0],
      [2, 'open', 0],
      [1, 'completed', 1],
    ],
  );
  assert.equal(JSON.parse(stdout).todo.number, 1);
});

test('[I-14] starting one todo never ends another', async (t) => {
  const home = await testHome(t);
  const [here, there] = [folderOf(home, 'here'), folderOf(home, 'there')];
  const first = await home.add(waits, '--cwd', here);
  const run = home.start(['run', String(first.number)]);
  await running(home, first.number);
  const second = await home.add('true', '--cwd', there);
  assert.equal((await home.todo(['run', String(second.number)])).code, 0);
  const by = await home.json(['add', 'By hand', '--cwd', there, '--hold']);
  await home.json(['claim', String(by.todo.number)]);
  assert.equal((await home.show(first.number)).status, 'running', 'neither a start nor a claim touched it');
  letGo(here);
  assert.equal((await run.ended).code, 0);
  assert.deepEqual([(await home.show(first.number)).status, (await home.show(by.todo.number)).endedAtMs], ['completed', null]);
});

test('[I-34] five agents at once have five run records; writing to a todo does not hide that its agent is silent', async (t) => {
  const home = await testHome(t, {
    slots: { total: 5, agent: 5, project: 1 },
    behavior: { completion_timeout: 1, emergency_timeout: 600 },
  });
  await home.daemon();
  const todos: Json[] = [];
  for (const name of ['a', 'b', 'c', 'd', 'e']) todos.push(await home.add(`echo "I am ${name}"; ${waits}`, '--cwd', folderOf(home, name)));
  const { live } = await home.until('five live runs', async () => {
    const status = await home.json(['status']);
    return status.live.filter(({ fact }: Json) => fact === 'running').length === 5 ? status : null;
  });
  assert.equal(new Set(live.map(({ runId }: Json) => runId)).size, 5);
  // What an editor of the earlier system did, again and again: the row is touched, the agent stays silent.
  using database = new DatabaseSync(join(home.folder, 'todo.db'), { timeout: 5000 });
  const touch = database.prepare('UPDATE todo SET updated_at_ms = ?, title = title WHERE id = ?');
  const stalled = await home.until('it is shown as stalled', async () => {
    touch.run(Date.now(), todos[0].id);
    const todo = await home.show(todos[0].number);
    return todo.status === 'stalled' ? todo : null;
  });
  assert.match(stalled.reason, /without a sign of progress/);
  for (const name of ['a', 'b', 'c', 'd', 'e']) letGo(join(home.work, name));
  for (const [index, todo] of todos.entries()) {
    const done = await ended(home, todo.number);
    assert.equal(done.status, 'completed');
    const html = readFileSync(done.report, 'utf8');
    const names = ['a', 'b', 'c', 'd', 'e'].filter((name) => html.includes(`I am ${name}\n`) || html.includes(`I am ${name}<`));
    assert.deepEqual(names, [['a', 'b', 'c', 'd', 'e'][index]], 'its own output and no other');
  }
});

test('[I-36] two clicks on start: both are acknowledged, one run is made, and what cannot be started is said, not sent', async (t) => {
  const home = await testHome(t, { behavior: { auto_continue: false } });
  await home.daemon();
  const todo = await home.add(waits);
  const clicks = [home.start(['run', String(todo.number)]), home.start(['run', String(todo.number)])];
  await running(home, todo.number);
  const story = await home.json(['why', String(todo.number)]);
  assert.deepEqual(
    story.events.map(({ fact }: Json) => fact).filter((fact: string) => ['claimed', 'running'].includes(fact)),
    ['claimed', 'running'],
    'queued, delivered, started: each once',
  );
  await Promise.all(clicks.map((click) => click.says('running')));
  letGo(home.work);
  assert.deepEqual(await Promise.all(clicks.map(async (click) => (await click.ended).code)), [0, 0]);
  assert.equal((await home.show(todo.number)).runs.length, 1);
  const late = await home.todo(['run', String(todo.number), '--json']);
  assert.deepEqual([late.code, JSON.parse(late.stdout).code], [1, 'REFUSED']);
});

test('run with a daemon that starts nothing by itself follows a todo over its new attempts', async (t) => {
  const home = await testHome(t, { behavior: { auto_continue: false }, run: { retry_delay: 0.1 } });
  await home.daemon();
  const todo = await home.add('if [ ! -e died ]; then touch died; kill -9 $$; fi; echo "at the second attempt"');
  const { code, stderr } = await home.todo(['run', String(todo.number)]);
  assert.equal(code, 0, stderr);
  const { runs } = await home.show(todo.number);
  assert.deepEqual(
    runs.map(({ outcome }: Json) => outcome),
    ['lost', 'done'],
  );
});
