// What went wrong without anybody being there, and how it is mended: findings, plans, repairs by a person and by the daemon.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { homeId } from '../../src/platform/home.ts';
import { ageRun, ageTree, inDatabase, manifestFaults, rowsOf } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

const quick = { quiet_after: 0.1, term_grace: 1 };
const homeWith = (t: TestContext, behavior: Json = {}, more: Json = {}): Promise<TestHome> =>
  testHome(t, { behavior: { ...quick, ...behavior }, monitoring: { rescan: 0.2 }, ...more });
const silent = 'mkfifo go 2>/dev/null; read word < go';
const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked'].includes(todo.status);
const minutes = (count: number): number => count * 60_000;
const archived = (home: TestHome): string[] => (existsSync(join(home.folder, 'archive')) ? readdirSync(join(home.folder, 'archive')) : []);
const actions = (plans: Json[]): string[] => plans.map((plan) => plan.action).sort();
const oldFile = (path: string, content: string, ageMs: number): void => {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  ageTree(join(path, '..'), ageMs);
};

/** A home with a finished todo, and orphans of each kind: a run folder, session folders of an ended and of an unknown todo. */
async function withOrphans(
  t: TestContext,
  behavior: Json = {},
): Promise<{ home: TestHome; number: number; folders: Record<'run' | 'ended' | 'unknown', string> }> {
  const home = await homeWith(t, behavior);
  const daemon = await home.daemon();
  const { number } = await home.add('true');
  await home.untilTodo(number, 'ended', isOver);
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  const folders = {
    run: join(home.folder, 'runs', '01999999-0000-7000-8000-000000000000'),
    ended: `${home.legacy.sessionPrefix}${number}`,
    unknown: `${home.legacy.sessionPrefix}whose`,
  };
  oldFile(join(folders.run, 'output.log'), 'said\n', minutes(31));
  oldFile(join(folders.run, 'launch.sh'), 'TODO_TOKEN=x\n', minutes(31));
  oldFile(join(folders.ended, 'notes.txt'), 'notes\n', minutes(31));
  oldFile(join(folders.unknown, 'notes.txt'), 'whose notes\n', minutes(31));
  return { home, number, folders };
}

test('[C-22] [C-41] folders that nobody owns are listed, planned, and archived when a person says so', async (t) => {
  const { home, number, folders } = await withOrphans(t);
  oldFile(join(`${home.legacy.sessionPrefix}young`, 'notes.txt'), 'in use', minutes(29));
  const health = await home.json(['health'], { code: 1 });
  const listed = health.findings.filter((it: Json) => it.check === 'orphaned-session').map((it: Json) => it.subject);
  assert.deepEqual(listed.sort(), Object.values(folders).sort());

  const dry = await home.json(['recover']);
  assert.deepEqual([dry.applied, actions(dry.plans), dry.results], [false, ['archive-orphan', 'archive-orphan', 'archive-orphan'], []]);
  assert.deepEqual(
    dry.plans.filter((plan: Json) => !plan.automatic).map((plan: Json) => plan.subject),
    [folders.unknown],
  );
  for (const folder of Object.values(folders)) assert.ok(existsSync(folder));

  const done = await home.json(['recover', '--apply']);
  assert.deepEqual(
    done.results.map((it: Json) => it.done),
    [true, true, true],
    JSON.stringify(done.results),
  );
  for (const folder of Object.values(folders)) assert.equal(existsSync(folder), false);
  const names = archived(home);
  assert.equal(names.filter((name) => name.startsWith('orphaned_')).length, 3);
  assert.equal(names.filter((name) => name.startsWith(`todo_${number}_`)).length, 1, 'both kinds are told apart');
  for (const name of names) assert.deepEqual(manifestFaults(join(home.folder, 'archive', name)), [], name);
  const run = names.find((name) => name.startsWith('orphaned_01999999')) ?? '';
  assert.deepEqual(
    readdirSync(join(home.folder, 'archive', run)).sort(),
    ['manifest.json', 'output.log'],
    'the secret of the run is not archived',
  );
  assert.deepEqual((await home.json(['recover'])).plans, []);
  assert.equal((await home.json(['health'])).status, 'healthy');
  assert.ok(existsSync(`${home.legacy.sessionPrefix}young`));
});

test('[C-22] [C-26] the daemon archives by itself what is certainly over, and leaves what may belong to another home', async (t) => {
  const { home, folders } = await withOrphans(t, { health_check_interval: 0.2 });
  await home.daemon();
  await home.until('archived', () => !existsSync(folders.run) && !existsSync(folders.ended));
  await home.until('a sweep after that', () => home.log('monitor').filter((line) => line.event === 'swept').length >= 3);
  assert.ok(existsSync(folders.unknown));
  const told = await home.until('both are told', () => {
    const rows = rowsOf(home, 'SELECT what FROM self_healing_events');
    return rows.length > 1 && rows;
  });
  assert.deepEqual(
    told.map((row) => row.what),
    ['recovery.archive-orphan', 'recovery.archive-orphan'],
  );
});

for (const off of ['cleanup_orphaned', 'auto_recovery']) {
  test(`[C-22] [C-26] with ${off} off orphans are listed and stay`, async (t) => {
    const { home, folders } = await withOrphans(t, { health_check_interval: 0.2, [off]: false });
    await home.daemon();
    await home.until('three sweeps', () => home.log('monitor').filter((line) => line.event === 'swept').length >= 3);
    await home.until('it is told', () => home.log('monitor').some((line) => line.event === 'found' && line.subject === folders.run));
    for (const folder of Object.values(folders)) assert.ok(existsSync(folder));
    assert.ok((await home.json(['recover'])).plans.every((plan: Json) => !plan.automatic));
  });
}

test('[C-22] a tmux window of ours without a run is listed and ended; one with a run is not', async (t) => {
  const home = await homeWith(t);
  const daemon = await home.daemon();
  const { number } = await home.add(`echo here; ${silent}`, '--session', 'tmux');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  const tmux = (...args: string[]) => execFileSync('tmux', ['-L', `todo-${homeId(home.folder)}`, ...args], { encoding: 'utf8' });
  tmux('new-session', '-d', '-s', 'todo-99-orphaned', 'sleep 1000');
  const windows = () => tmux('list-sessions', '-F', '#{session_name}').trim().split('\n');
  assert.equal(windows().length, 2);

  const health = await home.json(['health'], { code: 1 });
  const listed = health.findings.filter((it: Json) => it.check === 'orphaned-session');
  assert.equal(listed.length, 1, JSON.stringify(health.findings));
  const { results } = await home.json(['recover', '--apply']);
  assert.deepEqual(
    results.map((it: Json) => it.done),
    [true],
  );
  assert.deepEqual(
    windows().filter((name) => name === 'todo-99-orphaned'),
    [],
  );
  assert.equal((await home.show(number)).status, 'running');
  writeFileSync(join(home.work, 'go'), 'on\n');
  assert.equal((await home.untilTodo(number, 'ended', isOver)).status, 'completed');
  daemon.process.kill('SIGTERM');
  await daemon.ended;
});

test('[C-23] [I-07] a marker that waited while nobody was there is processed, not deleted; a foreign one is put aside', async (t) => {
  const home = await homeWith(t);
  const daemon = await home.daemon();
  const { number } = await home.add(`${silent}; "$TODO_MARKER"; read word < go`);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  writeFileSync(join(home.work, 'go'), 'on\n');
  const spool = join(home.folder, 'spool', 'new');
  const [marker = ''] = await home.until('the marker', () => (readdirSync(spool).length > 0 ? readdirSync(spool) : null));
  writeFileSync(join(spool, 'somebody.else'), 'not for us');
  for (const name of readdirSync(spool)) ageTree(join(spool, name), minutes(6));
  const sinceMs = statSync(join(spool, marker)).mtimeMs;

  const health = await home.json(['health'], { code: 1 });
  const stale = health.findings.filter((it: Json) => it.check === 'stale-marker');
  assert.deepEqual(stale.map((it: Json) => it.subject).sort(), [join(spool, marker), join(spool, 'somebody.else')].sort());
  assert.deepEqual(actions((await home.json(['recover'])).plans), ['process-marker', 'process-marker']);

  const { results } = await home.json(['recover', '--apply']);
  assert.ok(
    results.every((it: Json) => it.done),
    JSON.stringify(results),
  );
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.runs[0].saidBy], ['completed', 'marker']);
  const bad = readdirSync(join(home.folder, 'spool', 'bad'));
  assert.ok(bad.some((name) => name.endsWith('somebody.else')) && bad.some((name) => name.endsWith('.reason')), bad.join(' '));
  const story = await home.json(['why', String(number)]);
  assert.equal(
    story.events.find((event: Json) => event.fact === 'signalled').atMs,
    Math.round(sinceMs),
    'said when it was written, not when it was found',
  );
});

test('[C-23] a legacy marker that fits no run is listed and left where it is', async (t) => {
  const home = await homeWith(t, { health_check_interval: 0.2 });
  oldFile(home.legacy.marker, 'TASK_COMPLETED\n', minutes(6));
  await home.daemon();
  await home.until('two sweeps', () => home.log('monitor').filter((line) => line.event === 'swept').length >= 2);
  const health = await home.json(['health'], { code: 1 });
  assert.ok(health.findings.some((it: Json) => it.check === 'stale-marker' && it.subject === home.legacy.marker));
  assert.equal(readFileSync(home.legacy.marker, 'utf8'), 'TASK_COMPLETED\n');
});

/** In progress by the store, while neither the journal nor a process knows of it. */
async function withLostClaim(t: TestContext): Promise<{ home: TestHome; id: string; number: number }> {
  const home = await homeWith(t, { health_check_interval: 0.2, auto_continue: false });
  const daemon = await home.daemon();
  const { id, number } = await home.add(silent);
  const run = home.start(['run', String(number)]);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  run.process.kill('SIGKILL');
  await run.ended;
  writeFileSync(join(home.work, 'go'), 'on\n');
  ageRun(home, id, minutes(10));
  inDatabase(home, (db) => {
    db.prepare('DELETE FROM journal WHERE todo_id = ?').run(id);
    db.prepare('UPDATE run SET lease_until_ms = lease_until_ms - ? WHERE todo_id = ?').run(minutes(10), id);
  });
  return { home, id, number };
}

test('[C-24] [C-26] in progress without a live run is found, planned, and mended when a person says so', async (t) => {
  const { home, id, number } = await withLostClaim(t);
  const health = await home.json(['health'], { code: 1 });
  const found = health.findings.find((it: Json) => it.check === 'store-consistency');
  assert.equal(found.todoId, id);
  assert.match(found.reason, /is running, but nobody here works on it; its lease ended \d+ min ago/);
  const { plans } = await home.json(['recover']);
  assert.deepEqual(actions(plans.filter((plan: Json) => plan.todoId === id)), ['rescue']);

  const { results } = await home.json(['recover', '--apply']);
  assert.ok(
    results.every((it: Json) => it.done),
    JSON.stringify(results),
  );
  const open = await home.show(number);
  assert.deepEqual([open.status, open.runs[0].endedAtMs === null], ['open', false]);
});

test('[C-24] [C-26] in progress without a live run is given back by the daemon itself', async (t) => {
  const { home, number } = await withLostClaim(t);
  await home.daemon();
  const open = await home.untilTodo(number, 'open again', (todo) => todo.status === 'open');
  assert.notEqual(open.runs[0].endedAtMs, null);
  await home.until('said in the log', () => home.log('monitor').some((line) => ['rescued', 'recovered'].includes(line.event)));
});

test('[C-26] [I-17] after three automatic resets a todo is blocked for a person, each with an alarm', async (t) => {
  const home = await homeWith(t, { completion_timeout: 0.2, emergency_timeout: 0.4 }, { emergency: { action: 'reset' } });
  await home.daemon();
  const { id, number } = await home.add(silent);
  const blocked = await home.untilTodo(number, 'blocked', (todo) => todo.status === 'blocked');
  assert.match(blocked.reason, /reset 3 times before, now blocked/);
  assert.deepEqual(
    blocked.runs.map((run: Json) => run.outcome),
    ['reset', 'reset', 'reset', 'reset'],
  );
  const alarms = home.log('emergency').filter((line) => line.event === 'alert' && line.id === id);
  assert.deepEqual(
    alarms.map((line) => line.level),
    Array(4).fill('CRITICAL'),
  );
  await home.json(['release', String(number)]);
  assert.equal((await home.show(number)).held, false);
});

test('[C-25] a log over its size is rotated, and what is written next goes to the new one', async (t) => {
  const home = await homeWith(t, { health_check_interval: 0.2 }, { logging: { max_size_mb: 0.01, max_files: 3 } });
  const log = join(home.folder, 'logs', 'monitor.log');
  oldFile(log, `${'x'.repeat(99)}\n`.repeat(300), minutes(1));
  const health = await home.json(['health'], { code: 1 });
  assert.ok(health.findings.some((it: Json) => it.check === 'log-size' && it.subject === log));
  await home.daemon();
  await home.until(
    'rotated, and written again',
    () => (statSync(log, { throwIfNoEntry: false })?.size ?? 10_000) < 10_000 && home.log('monitor').some((line) => line.event === 'swept'),
  );
  const inode = statSync(log).ino;
  // It goes on writing to the file that it rotated to, and rotates that one by size too.
  await home.until('rotated by size once more', () => ![undefined, inode].includes(statSync(log, { throwIfNoEntry: false })?.ino));
  assert.ok(
    readdirSync(join(home.folder, 'logs')).filter((name) => name.includes('monitor')).length <= 4,
    'at most max_files rotated ones',
  );
  assert.equal((await home.json(['health'])).status, 'healthy');
});

test('[C-26] a run that its timers should have ended long ago is ended by recovery; a person sees the plan first', async (t) => {
  const home = await homeWith(t, { enable_emergency_handlers: false, health_check_interval: 0.2 });
  const first = await home.daemon();
  const { id, number } = await home.add(silent);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  first.process.kill('SIGKILL');
  await first.ended;
  ageRun(home, id, minutes(120));
  await home.daemon();
  await home.until('two sweeps', () => home.log('monitor').filter((line) => line.event === 'swept').length >= 4);
  assert.equal((await home.show(number)).status, 'running', 'the timers are off, so the daemon does nothing by itself');
  const { plans } = await home.json(['recover']);
  assert.deepEqual(
    plans.map((plan: Json) => [plan.action, plan.automatic, plan.todoId]),
    [['force-complete', false, id]],
  );
  const { results } = await home.json(['recover', '--apply']);
  assert.deepEqual(
    results.map((it: Json) => it.done),
    [true],
    JSON.stringify(results),
  );
  const ended = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.proof], ['completed', 'forced']);
});

test('recover: --dry-run and --apply exclude each other', async (t) => {
  const home = await homeWith(t);
  assert.equal((await home.todo(['recover', '--dry-run', '--apply'])).code, 64);
  const { stdout, code } = await home.todo(['recover']);
  assert.deepEqual([code, stdout.trim()], [0, 'Nothing to mend.']);
});
