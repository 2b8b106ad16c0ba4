// Markers through the running daemon: what wakes it, what it believes, and what it leaves alone.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome } from './harness.ts';

const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked'].includes(todo.status);
const waits = 'echo ready > ready; mkfifo go; read x < go';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const spool = (home: TestHome, name: 'new' | 'bad' | 'tmp' | 'cur'): string => join(home.folder, 'spool', name);
const bad = (home: TestHome): string[] => readdirSync(spool(home, 'bad')).filter((name) => !name.endsWith('.reason'));
const reasons = (home: TestHome): string =>
  readdirSync(spool(home, 'bad'))
    .filter((name) => name.endsWith('.reason'))
    .map((name) => readFileSync(join(spool(home, 'bad'), name), 'utf8'))
    .join('');

function markerText(value: Json): string {
  const line = JSON.stringify(value);
  return `${line}\nsha256 ${sha256(line)} ${Buffer.byteLength(line)}\n`;
}

function put(home: TestHome, run: string, text: string): void {
  const name = `${run}.${randomUUID()}`;
  writeFileSync(join(spool(home, 'tmp'), name), text);
  renameSync(join(spool(home, 'tmp'), name), join(spool(home, 'new'), name));
}

async function runningTodo(home: TestHome): Promise<Json> {
  const { number } = await home.add(waits);
  await home.until('the agent is there', () => existsSync(join(home.work, 'ready')));
  return home.untilTodo(number, 'running', (todo) => todo.status === 'running');
}

/**
 * Its last pass is over for a while, and the next one (the daemon asks the store for more every ten seconds) is not near: what is heard now,
 * something has woken it for.
 */
const atRest = (home: TestHome): Promise<boolean> =>
  home.until('the daemon is at rest', async () => {
    const sinceMs = Date.now() - (await home.json(['status'])).lastPassAtMs;
    return sinceMs > 500 && sinceMs < 5000;
  });

test('[C-73] chokidar is wired: with the rescan an hour away a marker is taken within a second', async (t) => {
  const home = await testHome(t, { monitoring: { rescan: 3600 }, behavior: { quiet_after: 0.05 } });
  await home.daemon();
  const { number } = await home.add(`${waits}; "$TODO_MARKER" done; date +%s%3N > at; exec sleep 20`);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  await atRest(home);
  writeFileSync(join(home.work, 'go'), 'on\n');
  const todo = await home.untilTodo(number, 'ended', isOver);
  const tookMs = todo.runs[0].endedAtMs - Number(readFileSync(join(home.work, 'at'), 'utf8'));
  const story = await home.json(['why', String(number)]);
  const heardMs = story.events.find((event: Json) => event.fact === 'collected').atMs - Number(readFileSync(join(home.work, 'at'), 'utf8'));
  assert.ok(heardMs < 1000, `${heardMs} ms after the marker (${tookMs})`);
});

test('[C-73] chokidar is wired for the legacy marker too', async (t) => {
  const home = await testHome(t, { monitoring: { rescan: 3600 } });
  await home.daemon();
  const { number } = await home.add('true', '--hold');
  await home.json(['claim', String(number)]);
  await home.until(
    'the daemon has it',
    async () => (await home.json(['status'])).daemon?.live?.length === 1 || home.log('completion').some((line) => line.event === 'adopted'),
  );
  await atRest(home);
  const writtenAtMs = Date.now();
  execFileSync('sh', ['-c', `echo TASK_COMPLETED > '${home.legacy.marker}'`]);
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.equal(todo.status, 'completed');
  const heard = home.log('completion').find((line) => line.event === 'signal');
  assert.ok(new Date(heard.time).getTime() - writtenAtMs < 1000);
});

test('[C-73] with the watcher off the rescan finds a marker within two seconds', async (t) => {
  const home = await testHome(t, { monitoring: { watcher: false, rescan: 2 }, behavior: { quiet_after: 0.05 } });
  await home.daemon();
  const { number } = await home.add('"$TODO_MARKER" done; date +%s%3N > at; exec sleep 20');
  await home.untilTodo(number, 'ended', isOver);
  const story = await home.json(['why', String(number)]);
  const heardMs = story.events.find((event: Json) => event.fact === 'collected').atMs - Number(readFileSync(join(home.work, 'at'), 'utf8'));
  assert.ok(heardMs < 2500, `${heardMs} ms`);
});

test('[I-10, I-08] forged, foreign, torn, linked and anonymous markers change nothing; they are put aside with the reason', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const todo = await runningTodo(home);
  const run = todo.runs[0].id;
  const claim = (changes: Json) => markerText({ v: 1, todo: todo.id, run, token: 'x'.repeat(43), says: 'done', ...changes });
  put(home, run, claim({}));
  put(home, run, claim({ run: randomUUID() }));
  put(home, randomUUID(), markerText({ v: 1, todo: todo.id, run: randomUUID(), token: 'x', says: 'done' }));
  put(home, run, claim({}).slice(0, -30));
  put(home, run, claim({ v: 99 }));
  put(home, run, 'TASK_COMPLETED\n');
  put(home, run, 'x'.repeat(200_000));
  writeFileSync(join(home.work, 'target'), claim({}));
  symlinkSync(join(home.work, 'target'), join(spool(home, 'new'), `${run}.${randomUUID()}`));
  execFileSync('mkfifo', [join(spool(home, 'new'), `${run}.${randomUUID()}`)]);
  mkdirSync(join(spool(home, 'new'), `${run}.${randomUUID()}`));
  writeFileSync(join(home.work, 'anonymous'), 'TASK_COMPLETED\n');
  linkSync(join(home.work, 'anonymous'), home.legacy.marker);
  await home.until('all are put aside', () => bad(home).length >= 10 && readdirSync(spool(home, 'new')).length === 0);
  assert.match(reasons(home), /the token is not that of this run/);
  assert.match(reasons(home), /no run of this home/);
  assert.match(reasons(home), /not a regular file/);
  assert.equal((await home.show(todo.number)).status, 'running');
  assert.ok(existsSync(home.legacy.marker), 'a legacy marker that names nobody is left where it is');
  assert.ok(home.log('completion').some((line) => line.event === 'legacy marker left where it is'));
  assert.ok(existsSync(join(home.work, 'target')), 'links are never followed');
  writeFileSync(join(home.work, 'go'), 'x\n');
  const ended = await home.untilTodo(todo.number, 'ended', isOver);
  assert.deepEqual([ended.status, ended.runs[0].saidBy], ['completed', 'process-end']);
});

test('[I-11] a word said in the middle of a run whose session goes on is followed by nothing but evidence', async (t) => {
  const home = await testHome(t, { behavior: { quiet_after: 0.3, term_grace: 0.5 } });
  await home.daemon();
  const { number } = await home.add('"$TODO_MARKER" done first; "$TODO_MARKER" failed second; "$TODO_MARKER" blocked third; exec sleep 30');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.equal(todo.status, 'completed');
  assert.match(todo.summary, /first/);
  assert.equal(todo.runs.length, 1);
});

test('[C-20] the log of a completion has one line a fact, with todo, run, layer, attempt and duration', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { number } = await home.add('echo hello');
  const todo = await home.untilTodo(number, 'ended', isOver);
  await home.until('closed is logged', () => home.log('completion').some((line) => line.event === 'closed'));
  const lines = home
    .log('completion')
    .filter((line) => line.run === todo.runs[0].id && typeof line.fact === 'string' && line.event === line.fact);
  assert.deepEqual(
    lines.map((line) => [line.fact, line.layer]),
    [
      ['collected', 1],
      ['checked', 1],
      ['reported', 2],
      ['recorded', 3],
      ['confirmed', 4],
      ['cleaned', 4],
      ['closed', 4],
    ],
  );
  for (const line of lines) {
    assert.equal(line.todo, number);
    assert.ok(line.attempt >= 1 && line.durationMs >= 0 && !Number.isNaN(Date.parse(line.time)));
  }
});

test('[C-40] three logs apart: completions, monitor, emergencies; a daemon that ends has written every line', async (t) => {
  const home = await testHome(t, {
    behavior: { completion_timeout: 0.4, emergency_timeout: 0.5, term_grace: 0.5 },
    monitoring: { rescan: 0.2 },
  });
  const daemon = await home.daemon();
  const { number } = await home.add('exec sleep 30');
  await home.untilTodo(number, 'ended', isOver);
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  assert.ok(home.log('completion').some((line) => line.event === 'closed'));
  assert.ok(
    home.log('completion').some((line) => line.event === 'draining'),
    'the last lines are there',
  );
  assert.ok(home.log('monitor').some((line) => line.event === 'swept'));
  assert.ok(home.log('emergency').some((line) => line.level === 'CRITICAL'));
  for (const room of ['completion', 'monitor', 'emergency'] as const)
    assert.ok(!home.log(room).some((line) => line.room !== room && line.level !== 'CRITICAL'));
});

test('[C-77] enable_robust_completion=false: the simple completion by the same loop', async (t) => {
  const home = await testHome(t, { behavior: { enable_robust_completion: false } });
  await home.daemon();
  const { number } = await home.add('echo hello', '--check', 'true');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.proof], ['completed', 'verified']);
  const evidence = JSON.parse(readFileSync(todo.report.replace('report.html', 'evidence.json'), 'utf8'));
  assert.equal(evidence.sources.find((source: Json) => source.used).name, 'store');
  assert.match(evidence.sources[0].reason, /simple completion/);
});

test('[C-77] enable_emergency_handlers=false: no timer ends anything, and health says so', async (t) => {
  const home = await testHome(t, {
    behavior: { enable_emergency_handlers: false, completion_timeout: 0.1, emergency_timeout: 0.2 },
    monitoring: { rescan: 0.1 },
  });
  await home.daemon();
  const { number } = await home.add('sleep 1; echo still here');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.proof], ['completed', 'unverified']);
  const health = await home.json(['health'], { code: 1 });
  assert.match(health.components.find((component: Json) => component.name === 'timers').reason, /enable_emergency_handlers/);
});

test('[I-16, I-18, I-20] many workers at once: every todo runs once, never more than the slots at a time', async (t) => {
  const home = await testHome(t, { slots: { total: 3, agent: 3, project: 3 } });
  const command =
    'mkdir "lock-$TODO_NUMBER" || exit 9; ls -d running-* 2>/dev/null | wc -l >> counts; touch "running-$TODO_NUMBER"; sleep 0.1; rm "running-$TODO_NUMBER"';
  const numbers: number[] = [];
  for (let i = 0; i < 12; i++) numbers.push((await home.add(command)).number);
  await home.daemon();
  for (const number of numbers) {
    const todo = await home.untilTodo(number, 'ended', isOver);
    assert.equal(todo.status, 'completed', `todo ${number}: ${todo.reason}`);
    assert.equal(todo.runs.length, 1);
    assert.ok(todo.runs[0].startedAtMs > 0);
  }
  const counts = readFileSync(join(home.work, 'counts'), 'utf8').trim().split('\n').map(Number);
  assert.equal(counts.length, 12);
  assert.ok(Math.max(...counts) <= 2, `${Math.max(...counts) + 1} ran at once`);
});

test('[C-75] a pointer that names a todo in progress without a run of ours is adopted, and the marker ends it', async (t) => {
  const home = await testHome(t);
  const { number, id } = await home.add('true', '--hold');
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(join(home.folder, 'todo.db'));
  db.prepare("UPDATE todo SET status = 'running' WHERE id = ?").run(id);
  db.close();
  writeFileSync(home.legacy.pointer, `${number}\n`);
  await home.daemon();
  await home.until('it is adopted', () => home.log('completion').some((line) => line.event === 'adopted by its pointer'));
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.proof, todo.runs[0].saidBy], ['completed', 'unverified', 'marker']);
  await home.until('both files are gone', () => !existsSync(home.legacy.pointer) && !existsSync(home.legacy.marker));
});
