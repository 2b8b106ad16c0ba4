import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { test } from 'node:test';
import { lookAtHealth } from '../../src/healing/health.ts';
import { entry, minutes, run, SmallWorld, todo, withConfig } from './small-world.ts';

const subjects = async (small: SmallWorld): Promise<string[]> =>
  (await lookAtHealth(small.needs())).findings
    .filter((it) => it.check === 'orphaned-session')
    .map((it) => it.subject.replace(`${small.root}/`, ''));

test('run folders are orphans when their run is certainly over and nobody touched them for half an hour', async () => {
  using small = new SmallWorld();
  small.entries = [entry(1)];
  small.closed = [entry(2, { fact: 'closed' }), entry(3, { fact: 'dead-lettered' })];
  small.runs = [run(4, { endedAtMs: 1, outcome: 'done' }), run(5), run(6, { endedAtMs: 1 })];
  small.todos = [todo(6, { status: 'dead-lettered' })];
  for (const number of [1, 2, 3, 4, 5, 6, 7]) small.put(`runs/run-${number}/output.log`, 'x', minutes(31));
  small.put('runs/run-8/output.log', 'x', minutes(29));
  assert.deepEqual(await subjects(small), ['runs/run-2', 'runs/run-4', 'runs/run-7']);
});

test('with auto_archive off, run folders stay by choice; those of no known run do not', async () => {
  using small = new SmallWorld();
  small.config = withConfig({ behavior: { auto_archive: false } });
  small.closed = [entry(2, { fact: 'closed' })];
  for (const number of [2, 7]) small.put(`runs/run-${number}/output.log`, 'x', minutes(31));
  assert.deepEqual(await subjects(small), ['runs/run-7']);
});

test('session folders of the legacy layout are orphans when their todo is not in progress, and a link is no folder', async () => {
  using small = new SmallWorld();
  small.entries = [entry(1)];
  small.todos = [todo(2, { status: 'completed' }), todo(3, { status: 'running' }), todo(4, { status: 'dead-lettered' })];
  for (const id of ['1', 'run-1', '2', '3', '4', 'whose']) small.put(`legacy/claude_session_${id}/notes.txt`, 'x', minutes(45));
  small.put('legacy/claude_session_new/notes.txt', 'x', minutes(5));
  small.put('legacy/other_2/notes.txt', 'x', minutes(45));
  symlinkSync(small.path('legacy/other_2'), small.path('legacy/claude_session_link'));
  assert.deepEqual(await subjects(small), ['legacy/claude_session_2', 'legacy/claude_session_whose']);
});

test('a session folder of another user is none of our business', async () => {
  using small = new SmallWorld();
  small.todos = [todo(2, { status: 'completed' })];
  small.put('legacy/claude_session_2/notes.txt', 'x', minutes(45));
  const needs = small.needs();
  const { findings } = await lookAtHealth({ ...needs, world: { ...needs.world, host: { ...needs.world.host, uid: -5 } } });
  assert.deepEqual(findings, []);
});

test('windows are orphans when no live run names them, nor is named by them', async () => {
  using small = new SmallWorld();
  const session = { kind: 'tmux', target: 'todo:1', process: { pid: 5, startTicks: 1, bootId: 'b' } } as const;
  const id = (runId: string) => ({ todoId: 'todo-1', runId, fence: 1 });
  small.windows = ['todo:1', 'todo-2-aaaabbbb', 'todo-3-ccccdddd', 'todo-4-eeeeffff'];
  small.entries = [
    entry(1, { session }),
    // Found again after a restart while tmux did not answer: known by its process only.
    entry(2, { ref: id('01999999-0000-7000-8000-0000aaaabbbb'), session: { kind: 'child', process: session.process } }),
    entry(3, { ref: id('01999999-0000-7000-8000-0000ccccdddd'), fact: 'dead-lettered' }),
  ];
  assert.deepEqual(await subjects(small), ['todo-3-ccccdddd', 'todo-4-eeeeffff']);
});

test('a window that opens while we look is no orphan: its run stands in the journal before it opens', async () => {
  using small = new SmallWorld();
  small.entries = [];
  const needs = small.needs();
  const starting = entry(1, { ref: { todoId: 'todo-1', runId: '01999999-0000-7000-8000-0000aaaabbbb', fence: 1 }, fact: 'claimed' });
  const list = () => {
    small.entries = [starting];
    return ['todo-1-aaaabbbb'];
  };
  const { findings } = await lookAtHealth({ ...needs, world: { ...needs.world, terminals: { available: () => 'yes', list } } });
  assert.deepEqual(findings, []);
});

test('nothing is an orphan while the store cannot be asked', async () => {
  using small = new SmallWorld();
  small.storeIs = 'refusing';
  small.windows = ['todo:2'];
  small.put('runs/run-7/output.log', 'x', minutes(31));
  assert.deepEqual(await subjects(small), []);
});
