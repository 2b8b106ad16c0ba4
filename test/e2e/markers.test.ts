// How the end of a run reaches the daemon: by our own marker, by the file that the earlier system used, and by a person's word.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome } from './harness.ts';

/** A run that says done and then stays: only its word can end it. */
const saysDoneAndStays = '"$TODO_MARKER" done "wrote it"; exec sleep 600';
const quick = { behavior: { quiet_after: 0.1, term_grace: 0.5 } };
const never = 86_400;

const ended = (home: TestHome, ref: string | number) => home.untilTodo(ref, `todo ${ref} has ended`, ({ endedAtMs }) => endedAtMs !== null);
const archivesOf = (home: TestHome, number: number) =>
  readdirSync(join(home.folder, 'archive')).filter((name) => name.split('_')[1] === String(number));
const claimed = async (home: TestHome, title: string, ...options: string[]): Promise<Json> => {
  const { todo } = await home.json(['add', title, '--hold', '--cwd', home.work, ...options]);
  return home.json(['claim', String(todo.number)]);
};

test('[C-01] the agent writes its marker: the watcher sees it at once, and the run is completed by it', async (t) => {
  const home = await testHome(t, { ...quick, monitoring: { rescan: never } });
  await home.daemon();
  const todo = await home.add(saysDoneAndStays);
  const { status, proof, runs, summary } = await ended(home, todo.number);
  assert.deepEqual([status, proof, runs.length, runs[0].saidBy], ['completed', 'unverified', 1, 'marker']);
  assert.match(summary, /wrote it/);
  assert.deepEqual(readdirSync(join(home.folder, 'spool', 'new')), []);
});

test('[C-01] with the watcher off the rescan sees the marker', async (t) => {
  const home = await testHome(t, { ...quick, monitoring: { watcher: false, rescan: 0.2 } });
  await home.daemon();
  const todo = await home.add(saysDoneAndStays);
  const { status, runs } = await ended(home, todo.number);
  assert.deepEqual([status, runs[0].saidBy], ['completed', 'marker']);
});

test('[C-01] [C-75] a person takes a todo, echoes TASK_COMPLETED, and its checks decide', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { todo, prompt, run } = await claimed(home, 'By hand', '--prompt', 'Write proof.txt', '--check', 'grep -q it proof.txt');
  assert.equal(prompt, 'Write proof.txt');
  const { live } = await home.until('the run is live', async () => {
    const status = await home.json(['status']);
    return status.live.some(({ fact }: Json) => fact === 'running') ? status : null;
  });
  assert.equal(live[0].runId, run);
  assert.ok(live[0].nextDeadlineAtMs > Date.now(), 'its timers are armed');
  writeFileSync(join(home.work, 'proof.txt'), 'it is done\n');
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  const { status, proof, runs } = await ended(home, todo.number);
  assert.deepEqual([status, proof, runs[0].saidBy], ['completed', 'verified', 'marker']);
});

test('[C-75] worked by hand without checks: unverified; with checks that fail: failed, nobody is sent back', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const without = await claimed(home, 'No checks');
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  assert.equal((await ended(home, without.todo.number)).proof, 'unverified');
  const lying = await claimed(home, 'A check that fails', '--check', 'false');
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  const { status, proof, reason } = await ended(home, lying.todo.number);
  assert.deepEqual([status, proof], ['failed', null]);
  assert.match(reason, /1 of 1 checks failed/);
});

test('[C-02] the pointer file says which todo is meant; runs that Signoff started need none', async (t) => {
  const home = await testHome(t, quick);
  await home.daemon();
  const started = await home.add('mkfifo go; read word < go; "$TODO_MARKER" done "by itself"');
  await home.untilTodo(started.number, 'it runs', ({ status }) => status === 'running');
  assert.equal(existsSync(home.legacy.pointer), false, 'a run of ours leaves no pointer');
  const byHand = await claimed(home, 'By hand, in another folder');
  assert.equal(readFileSync(home.legacy.pointer, 'utf8').trim(), String(byHand.todo.number));
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  assert.equal((await ended(home, byHand.todo.number)).status, 'completed');
  assert.equal((await home.show(started.number)).status, 'running', 'the marker was not meant for it');
  writeFileSync(join(home.work, 'go'), 'on\n');
  const own = await ended(home, started.number);
  assert.deepEqual([own.status, own.summary.includes('by itself')], ['completed', true]);
});

test('[I-03] both legacy files are gone and the store says in progress: complete ID still ends it, from store and journal', async (t) => {
  const home = await testHome(t);
  const first = await home.daemon();
  const { todo } = await claimed(home, 'Nobody can name it');
  await home.untilTodo(todo.number, 'it runs', ({ status }) => status === 'running');
  first.process.kill('SIGKILL');
  await first.ended;
  unlinkSync(home.legacy.pointer);
  await home.daemon();
  const { code, stderr } = await home.todo(['complete', String(todo.number)]);
  assert.equal(code, 0, stderr);
  const { status, proof, report, runs } = await home.show(todo.number);
  assert.deepEqual([status, proof, runs.length], ['completed', 'overridden', 1]);
  assert.ok(existsSync(report));
});

test('[I-04] file signal and CLI at once: one record, and neither finish time nor report is written twice', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const { todo } = await claimed(home, 'Ended twice');
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  const [verb] = await Promise.all([home.todo(['done', String(todo.number)]), ended(home, todo.number)]);
  assert.ok(verb.code === 0 || verb.code === 1, `done exited ${verb.code}`);
  const before = await home.show(todo.number);
  const html = readFileSync(before.report, 'utf8');
  const late = await home.todo(['done', String(todo.number), '--json']);
  assert.equal(late.code, 1);
  assert.equal(JSON.parse(late.stdout).code, 'REFUSED');
  const after = await home.show(todo.number);
  assert.deepEqual([after.endedAtMs, after.report, after.runs], [before.endedAtMs, before.report, before.runs]);
  assert.equal(readFileSync(after.report, 'utf8'), html);
  assert.equal(archivesOf(home, todo.number).length, 1);
});

test('[I-19] the pointer is written after the claim was granted and goes with its run: a refused claim leaves none', async (t) => {
  const home = await testHome(t);
  await home.daemon();
  const done = await home.add('true');
  await ended(home, done.number);
  const refused = await home.todo(['claim', String(done.number)]);
  assert.equal(refused.code, 1, refused.stderr);
  assert.equal(existsSync(home.legacy.pointer), false, 'acquire first: no pointer without a claim');

  const first = await claimed(home, 'Holder');
  const pointer = readFileSync(home.legacy.pointer, 'utf8');
  const { todo: other } = await home.json(['add', 'Second', '--hold']);
  const second = await home.todo(['claim', String(other.number)]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`todo ${first.todo.number} "Holder"`), 'names who holds it');
  assert.equal(readFileSync(home.legacy.pointer, 'utf8'), pointer);
  assert.equal((await home.show(other.number)).status, 'open', 'nothing was taken for a claim that was refused');

  assert.equal((await home.todo(['done', String(first.todo.number)])).code, 0);
  await home.until('the pointer is gone', () => !existsSync(home.legacy.pointer));
  assert.equal((await home.todo(['claim', String(other.number)])).code, 0, 'released always: the next one may claim');
});
