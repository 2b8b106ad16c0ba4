import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { commandAgent } from '../../src/agents/command.ts';
import { fallback } from '../../src/agents/fallback.ts';
import type { Launch, LaunchContext } from '../../src/core/agent.ts';

const settings = { command: 'codex', session: null, env: { A: 'b' }, exit_codes: { 41: 'auth', 75: 'limit' } } as const;

const plain = {
  id: 'todo-id',
  number: 7,
  title: 'Mend it',
  prompt: 'The whole task',
  cwd: '/project',
  checks: [],
  agent: 'codex',
  rounds: 1,
};
const context: LaunchContext = {
  todo: plain,
  runId: 'run',
  conversationId: 'conversation',
  round: 1,
  feedback: null,
  session: 'child',
  runFolder: '/runs/run',
  hooksFolder: '/app/hooks',
  todoCommand: ['/app/bin/todo'],
  hookWaitMs: 0,
  settings: { command: null, args: [], session: null, env: {} },
};

const launch = (args: readonly string[], more: Partial<LaunchContext> = {}): Launch =>
  commandAgent('codex', { ...settings, args }).launch({ ...context, settings: { ...settings, args }, ...more });
const promptOf = ({ files }: Launch): string => files.find(({ name }) => name === 'prompt.txt')?.content ?? '';

test('without a place for it the prompt comes on standard input, with the words by which the agent reports', () => {
  const plan = launch(['exec', '-']);
  assert.deepEqual([plan.argv, plan.stdin, plan.env], [['codex', 'exec', '-'], 'prompt.txt', { A: 'b' }]);
  for (const part of ['Todo 7: Mend it', 'The whole task', '/app/bin/todo done', '/app/bin/todo block'])
    assert.ok(promptOf(plan).includes(part), part);
});

test('{prompt} and {prompt_file} are put in where they stand, also inside of an argument; standard input is then nobody’s', () => {
  const plan = launch(['-p', '{prompt}', '--file={prompt_file}']);
  assert.deepEqual(plan.argv, ['codex', '-p', promptOf(plan), '--file=/runs/run/prompt.txt']);
  assert.equal(plan.stdin, null);
});

test('a prompt that no argument can hold is read from its file', () => {
  const [, , told] = launch(['-p', '{prompt}'], { todo: { ...plain, prompt: 'x'.repeat(200_000) } }).argv;
  assert.equal(told, 'Todo 7: read /runs/run/prompt.txt and do what it says.');
});

test('a later round gets the task again, with what failed: it remembers nothing', () => {
  const prompt = promptOf(launch([], { round: 2, feedback: '$ npm test\nexit code 1' }));
  for (const part of ['The whole task', 'An earlier round was not enough', '$ npm test']) assert.ok(prompt.includes(part), part);
});

for (const [code, says, more] of [
  [0, 'done', {}],
  [1, 'failed', {}],
  [41, 'blocked', { fault: 'auth' }],
  [75, 'parked', { limit: { resetsAtMs: null } }],
] as const)
  test(`exit code ${code}: ${says}`, () => {
    const {
      reason: _reason,
      summary: _summary,
      ...word
    } = commandAgent('codex', { ...settings, args: [] }).exitSays({ code }, 'rate limit, done');
    assert.deepEqual(word, { says, ...more });
  });

test('the fallback writes down who is missing and how the folder stands, whatever the title says, and changes nothing', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'fallback-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'half-done.txt'), '');
  const title = `it's $(touch ${folder}/run) \`touch ${folder}/run\` %s`;
  const { files } = fallback.launch({ ...context, todo: { ...plain, title }, why: "no agent worked on it (a: 'quoted')" });
  const said = execFileSync('/bin/sh', ['-c', files[0]!.content], { cwd: folder, encoding: 'utf8' });
  assert.ok(said.includes(`NO AGENT WORKED ON TODO 7: ${title}`));
  assert.ok(said.includes("Why: no agent worked on it (a: 'quoted')"));
  assert.match(said, /half-done\.txt\n$/);
  assert.equal(fallback.exitSays({ code: 0 }, '').says, 'parked');
});
