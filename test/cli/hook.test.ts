// `todo hook AGENT EVENT`: durable first, fails open, says nothing outside of a run.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseMarker } from '../../src/core/marker.ts';
import { digest } from '../../src/platform/digest.ts';
import { testHome } from '../e2e/harness.ts';

const event = { hook_event_name: 'Stop', stop_hook_active: false, last_assistant_message: 'done', background_tasks: [], session_crons: [] };

async function hookHome(t: TestContext) {
  const home = await testHome(t);
  const folder = mkdtempSync(join(tmpdir(), 'todo-hook-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['tmp', 'new']) mkdirSync(join(folder, 'spool', name), { recursive: true });
  const run = {
    TODO_HOME: folder,
    TODO_SPOOL: join(folder, 'spool'),
    TODO_ID: 'a-todo',
    TODO_RUN: 'a-run',
    TODO_TOKEN: 'a-secret-token',
    TODO_ROUND: '1',
    TODO_CHECKS: '1',
    TODO_SESSION: 'child',
  };
  return {
    home,
    run,
    markers: () =>
      readdirSync(join(folder, 'spool', 'new')).map((name) => parseMarker(readFileSync(join(folder, 'spool', 'new', name)), digest.sha256)),
  };
}

test('inside a run an event becomes a whole marker; where no daemon lives the stop is not held up', async (t) => {
  const { home, run, markers } = await hookHome(t);
  const { code, stdout, stderr } = await home.todo(['hook', 'claude', 'stop'], { env: run, stdin: JSON.stringify(event) });
  assert.deepEqual([code, stdout, stderr], [0, '', '']);
  assert.deepEqual(markers(), [
    { marker: { kind: 'hook', todoId: 'a-todo', runId: 'a-run', token: 'a-secret-token', agent: 'claude', event: 'stop', payload: event } },
  ]);
});

test('outside of a run it does nothing and does not even read the event', async (t) => {
  const { home, run, markers } = await hookHome(t);
  const { TODO_RUN: _run, ...outside } = run;
  const { code, stdout, stderr } = await home.todo(['hook', 'claude', 'stop'], { env: outside, stdin: 'not json' });
  assert.deepEqual([code, stdout, stderr, markers()], [0, '', '', []]);
  const open = home.start(['hook', 'claude', 'stop'], { env: outside });
  assert.equal((await open.ended).code, 0);
});

test('an event of a sub-agent says nothing about the run', async (t) => {
  const { home, run, markers } = await hookHome(t);
  for (const name of ['stop', 'subagent-stop']) {
    const { code, stderr } = await home.todo(['hook', 'claude', name], {
      env: run,
      stdin: JSON.stringify({ ...event, agent_id: 'a1', agent_type: 'Explore' }),
    });
    assert.deepEqual([code, stderr], [0, '']);
  }
  assert.deepEqual(markers(), []);
});

test('whatever is wrong, the agent is not held up: one line on stderr, exit 0', async (t) => {
  const { home, run, markers } = await hookHome(t);
  const wrong = [
    { args: ['claude', 'stop'], env: run, stdin: '{"cut', said: /not JSON/ },
    { args: ['claude', 'stop'], env: { ...run, TODO_SPOOL: join(run.TODO_HOME, 'nowhere') }, stdin: '{}', said: /FILE_UNWRITABLE/ },
    { args: ['claude', 'stop'], env: { ...run, TODO_TOKEN: '' }, stdin: '{}', said: /TODO_TOKEN is missing/ },
    { args: ['claude'], env: run, stdin: '{}', said: /without agent and event/ },
    { args: [], env: run, stdin: '{}', said: /without agent and event/ },
    { args: ['claude', 'stop'], env: run, stdin: `"${'x'.repeat(1100 * 1024)}"`, said: /larger than 1048576 bytes/ },
  ];
  for (const { args, env, stdin, said } of wrong) {
    const { code, stdout, stderr } = await home.todo(['hook', ...args], { env, stdin });
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(stderr, said);
    assert.equal(stderr.trimEnd().split('\n').length, 1);
  }
  assert.deepEqual(markers(), []);
});

test('an event too long for a marker is cut in its texts, never in what decides', async (t) => {
  const { home, run, markers } = await hookHome(t);
  const long = {
    ...event,
    last_assistant_message: 'ü'.repeat(200_000),
    background_tasks: [{ id: 't', type: 'shell', status: 'running', description: 'x'.repeat(100_000) }],
  };
  assert.equal((await home.todo(['hook', 'claude', 'stop'], { env: run, stdin: JSON.stringify(long) })).code, 0);
  const [only] = markers();
  assert.ok(only && 'marker' in only && only.marker.kind === 'hook');
  const payload = only.marker.payload as typeof long;
  assert.deepEqual([payload.hook_event_name, payload.background_tasks.length, payload.background_tasks[0]?.status], ['Stop', 1, 'running']);
});
