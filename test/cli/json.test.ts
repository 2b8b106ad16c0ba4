// The shapes that scripts rely on (DESIGN 7), from real calls.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { test } from 'node:test';
import { openWorld } from '../../src/cli/world.ts';
import { type Json, testHome } from '../e2e/harness.ts';

const has = (value: Json, shape: Readonly<Record<string, string>>): void => {
  for (const [name, type] of Object.entries(shape)) {
    const got = value[name] === null ? 'null' : Array.isArray(value[name]) ? 'array' : typeof value[name];
    assert.ok(type.split('|').includes(got), `${name} is ${got}, not ${type}: ${JSON.stringify(value).slice(0, 300)}`);
  }
};
const todoShape = {
  id: 'string',
  number: 'number',
  title: 'string',
  status: 'string',
  proof: 'string|null',
  priority: 'number',
  agent: 'string',
  cwd: 'string',
  checks: 'array',
  summary: 'string|null',
  report: 'string|null',
  runs: 'array',
  held: 'boolean',
};
const runShape = {
  id: 'string',
  fence: 'number',
  agent: 'string',
  host: 'string',
  startedAtMs: 'number',
  endedAtMs: 'number|null',
  outcome: 'string|null',
  saidBy: 'string|null',
};

test('todo, todos, why, report, logs, history, export, status, daemon and overview have the fields of the contract', async (t) => {
  const home = await testHome(t);
  const added = await home.json([
    'add',
    'A title',
    '--agent',
    'shell',
    '--prompt',
    'echo out; echo "and more"',
    '--cwd',
    home.work,
    '--check',
    'true',
    '--priority',
    '2',
    '--timeout',
    '60',
  ]);
  has(added, { schemaVersion: 'number', kind: 'string', todo: 'object' });
  has(added.todo, todoShape);
  assert.deepEqual(
    [added.kind, added.todo.status, added.todo.priority, added.todo.timeoutMs, added.todo.checks, added.todo.agent],
    ['todo', 'open', 2, 60_000, ['true'], 'shell'],
  );
  const ran = await home.json(['run', '1']);
  has(ran.todo, { ...todoShape, proof: 'string', summary: 'string', report: 'string' });
  has(ran.todo.runs[0], { ...runShape, endedAtMs: 'number', outcome: 'string', saidBy: 'string' });
  assert.ok(isAbsolute(ran.todo.report) && existsSync(ran.todo.report));

  const list = await home.json(['list']);
  assert.deepEqual([list.schemaVersion, list.kind, list.truncated], [1, 'todos', false]);
  has(list.todos[0], todoShape);
  has(list.todos[0].runs[0], runShape);
  const shown = await home.json(['show', '1']);
  assert.equal(shown.kind, 'todo');
  assert.deepEqual({ ...list.todos[0], prompt: shown.todo.prompt }, shown.todo, 'list and show say the same');

  const why = await home.json(['why', '1']);
  assert.deepEqual([why.kind, why.todo], ['why', added.todo.id]);
  for (const event of why.events)
    has(event, { atMs: 'number', fact: 'string', attempt: 'number', reason: 'string|null', layer: 'number|null' });
  const report = await home.json(['report', '1']);
  assert.deepEqual([report.kind, report.report, report.here], ['report', ran.todo.report, true]);
  const logs = await home.json(['logs', '1']);
  assert.deepEqual([logs.kind, logs.output], ['logs', 'out\nand more\n']);
  assert.ok((await home.json(['logs', '--todo', '1'])).lines.some(({ event }: Json) => event === 'closed'));
  const history = await home.json(['show', '1', '--history']);
  assert.equal(history.kind, 'history');
  has(history.events[0], { atMs: 'number', kind: 'string', what: 'string', detail: 'string' });

  const status = await home.json(['status']);
  assert.equal(status.kind, 'status');
  has(status.daemon, { running: 'boolean', pid: 'null', home: 'string' });
  const daemon = await home.json(['daemon', 'status'], { code: 1 });
  assert.deepEqual([daemon.kind, daemon.running, daemon.pid, daemon.home], ['daemon', false, null, home.folder]);
  assert.equal((await home.json([])).kind, 'overview');
});

test('export is one file, every part of it verified by the manifest; what was changed meanwhile is refused', async (t) => {
  const home = await testHome(t);
  await home.json(['run', '--', 'echo', 'exported'], { code: 0 });
  const all = await home.json(['export', '1']);
  assert.equal(all.kind, 'export');
  const files = Object.fromEntries(all.archives[0].files.map((file: Json) => [file.name, file]));
  assert.equal(files['output.txt'].content, 'exported\n');
  assert.ok(files['report.html'].content.startsWith('<!doctype html>'));
  assert.equal(all.records[0].outcome, 'done');
  const out = join(home.work, 'todo.json');
  const written = await home.json(['export', '1', '--out', out]);
  assert.deepEqual(
    [written.kind, JSON.parse(readFileSync(out, 'utf8')).todo.id, statSync(out).mode & 0o777],
    ['exported', all.todo.id, 0o600],
  );
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(all.archives[0].folder, 'output.txt'), 'forged\n');
  const refused = await home.todo(['export', '1', '--json']);
  assert.deepEqual([refused.code, JSON.parse(refused.stdout).code], [65, 'BAD_DATA']);
});

test('list: newest first, by status, by limit; what is cut is said', async (t) => {
  const home = await testHome(t);
  await using opened = await openWorld({ home: home.folder, env: process.env, cwd: home.folder });
  for (let index = 1; index <= 30; index++) {
    await opened.world.store.add({
      id: opened.world.random.uuidv7(),
      title: `todo ${index}`,
      prompt: 'true',
      cwd: home.work,
      project: home.work,
      agent: 'shell',
      session: null,
      checks: [],
      priority: 5,
      timeoutMs: null,
      rounds: 1,
      after: null,
      held: index > 25,
    });
  }
  await home.json(['cancel', '3']);
  const numbers = async (...args: string[]) => (await home.json(['list', ...args])).todos.map(({ number }: Json) => number);
  assert.deepEqual(await numbers('--limit', '3'), [30, 29, 28]);
  assert.equal((await home.json(['list', '--limit', '3'])).truncated, true);
  assert.deepEqual(await numbers('--status', 'cancelled', 'failed'), [3]);
  assert.deepEqual(await numbers('--status', 'running', 'finishing'), []);
  assert.equal((await numbers('--status', 'open')).length, 29);
  const text = await home.todo(['list', '--limit', '2']);
  assert.match(text.stdout, /^ {0,}# +STATUS[\s\S]*30 +○ open held/);
  assert.ok(text.stdout.split('\n').every((line) => line.length <= 80));
  assert.match(text.stderr, /the newest 2/);
});

test('who only looks changes nothing: on an empty home no file appears, on a used one none changes', async (t) => {
  const home = await testHome(t);
  const looks = [
    ['list'],
    ['list', '--json'],
    ['status'],
    ['health'],
    ['overview'],
    ['daemon', 'status'],
    ['daemon', 'stop'],
    ['logs'],
    ['show', '1'],
    ['why', '1'],
    ['report', '1'],
    ['export', '1'],
  ];
  const seen = () =>
    (readdirSync(home.folder, { recursive: true, encoding: 'utf8' }) as string[])
      .filter((name) => !name.endsWith('config.cache.json'))
      .map((name) => {
        const { mtimeMs, size } = statSync(join(home.folder, name));
        return `${name} ${mtimeMs} ${size}`;
      })
      .sort();
  const empty = seen();
  for (const args of looks) await home.todo(args);
  assert.deepEqual(seen(), empty);
  await home.json(['run', '--', 'true']);
  const used = seen();
  for (const args of looks) await home.todo(args);
  assert.deepEqual(seen(), used);
});
