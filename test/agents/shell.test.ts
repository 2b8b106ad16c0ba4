import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shell } from '../../src/agents/shell.ts';

const launch = (prompt: string) =>
  shell.launch({
    todo: { id: 'todo-id', number: 1, title: 'x', prompt, cwd: '/project', checks: [], agent: 'shell', rounds: 1 },
    runId: 'run',
    conversationId: 'conversation',
    round: 1,
    feedback: null,
    session: 'child',
    runFolder: '/home/runs/run',
    hooksFolder: '/app/hooks',
    todoCommand: ['/app/bin/todo'],
    hookWaitMs: 0,
    settings: { command: null, args: [], session: null, env: { A: 'b' } },
  });

test('the prompt is run by sh from a file: nobody reads it in ps, and its size does not matter', () => {
  const plan = launch(`echo "it's"\n`.repeat(50_000));
  assert.deepEqual(plan.argv, ['/bin/sh', '/home/runs/run/command.sh']);
  assert.equal(plan.files[0]?.name, 'command.sh');
  assert.deepEqual(plan.env, { A: 'b' });
});

test('its exit is its word', () => {
  assert.equal(shell.exitSays({ code: 0 }, '').says, 'done');
  assert.deepEqual(shell.exitSays({ code: 3 }, 'tail'), { says: 'failed', summary: null, reason: 'exit code 3' });
});
