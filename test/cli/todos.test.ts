// A todo and its runs are read one after the other; what is shown must have been true in one moment.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withRuns } from '../../src/cli/todos.ts';
import type { Run, Todo } from '../../src/core/todo.ts';

const todo = (status: Todo['status'], updatedAtMs: number): Todo => ({ id: 'a', status, updatedAtMs, fence: 1 }) as Todo;
const run = (outcome: Run['outcome']): Run => ({ id: 'r', fence: 1, outcome }) as Run;

test('a record that comes between the two reads: never the end of a run with the status from before it', async () => {
  const runs = [[run(null)], [run('parked')], [run('parked')]];
  const todos = [todo('parked', 2), todo('parked', 2)];
  const store = { runsOf: async () => runs.shift() ?? [], find: async () => todos.shift() ?? null };
  const seen = await withRuns(todo('running', 1), store);
  assert.deepEqual([seen.todo.status, seen.runs[0]?.outcome], ['parked', 'parked']);
});

test('one that never stands still is shown as it was last seen, after five looks', async () => {
  let looks = 0;
  const store = {
    runsOf: async () => [run(null)],
    find: async () => todo('running', ++looks),
  };
  const seen = await withRuns(todo('running', 0), store);
  assert.deepEqual([looks, seen.todo.updatedAtMs], [5, 5]);
});
