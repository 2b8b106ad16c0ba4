// Several projects and agents side by side: who works where, how many at once, and that nothing of one gets into another.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { programs } from '../programs.ts';
import { type Json, testHome } from './harness.ts';

const markDone = fileURLToPath(new URL('../../hooks/mark-done', import.meta.url));
const projectNames = ['alpha', 'beta', 'gamma', 'delta'];
const slots = { total: 3, agent: 2, project: 1 };

test('[C-65] four projects and two agents: slots in all, per agent and per project; folder, environment and output of each its own; no marker ends another run', async (t) => {
  // What both agents do: say that they are here and with what, wait to be let go, say the word.
  const script = `echo "+ $TODO_ID" >> "$TRACE"; env > "env.$TODO_ID"; echo "only $TODO_ID for $WHO"; mkfifo "go.$TODO_ID"; read word < "go.$TODO_ID"; echo "- $TODO_ID" >> "$TRACE"; "$TODO_MARKER" done "said by $TODO_ID"`;
  const home = await testHome(t, { slots, behavior: { quiet_after: 0.1, term_grace: 1 }, monitoring: { rescan: 0.2 } });
  const trace = join(home.work, 'trace');
  const other = join(home.work, 'other-agent');
  writeFileSync(other, `#!/bin/sh\ncat > "prompt.$TODO_ID"\n${script}\n`, { mode: 0o755 });
  const path = join(home.folder, 'hooks', 'config.json');
  const agents = { shell: { env: { WHO: 'shell', TRACE: trace } }, claude: { command: other, env: { WHO: 'claude', TRACE: trace } } };
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), agents }));
  const folders = projectNames.map((name) => join(home.work, name));
  for (const folder of folders) {
    mkdirSync(join(folder, 'packages', 'inner'), { recursive: true });
    execFileSync(programs().git, ['init', '--quiet', folder]);
  }
  const todos: Json[] = [];
  for (const folder of folders)
    for (const [agent, cwd] of [
      ['shell', folder],
      // A folder in a project belongs to it.
      ['shell', join(folder, 'packages', 'inner')],
      ['claude', folder],
    ])
      todos.push((await home.json(['add', `work of ${agent}`, '--agent', agent!, '--prompt', script, '--cwd', cwd!])).todo);
  const byId = new Map(todos.map((todo) => [todo.id, todo]));
  assert.deepEqual([...new Set(todos.map(({ project }) => project))], folders);

  const daemon = await home.daemon();
  const lines = () => (existsSync(trace) ? readFileSync(trace, 'utf8').trimEnd().split('\n') : []);
  const here = (): string[] => {
    const ended = new Set(
      lines()
        .filter((line) => line.startsWith('-'))
        .map((line) => line.slice(2)),
    );
    return lines()
      .filter((line) => line.startsWith('+'))
      .map((line) => line.slice(2))
      .filter((id) => !ended.has(id));
  };
  const waits = (id: string) => existsSync(join(byId.get(id).cwd, `go.${id}`));
  const passed = async (times: number) => {
    for (let pass = 0; pass < times; pass++) {
      const { lastPassAtMs } = await home.json(['status']);
      await home.until('another look of the daemon', async () => (await home.json(['status'])).lastPassAtMs > lastPassAtMs);
    }
  };

  await home.until('three at once', () => here().length === slots.total && here().every(waits));
  await passed(3);
  assert.equal(here().length, slots.total, 'and no fourth');

  // One run's token and another run's name: the word of nobody.
  const [one, two] = here() as [string, string];
  const environment = (id: string): Record<string, string> =>
    Object.fromEntries(
      readFileSync(join(byId.get(id).cwd, `env.${id}`), 'utf8')
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  const forged = { ...environment(one), TODO_ID: two, TODO_RUN: environment(two)['TODO_RUN']! };
  execFileSync(markDone, ['done', 'not mine'], { env: forged });
  await home.until('it is put aside', () => readdirSync(join(home.folder, 'spool', 'bad')).some((name) => name.includes(forged.TODO_RUN)));
  // A marker without a name means nobody, where several could be meant.
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  await passed(3);
  for (const id of [one, two]) assert.deepEqual([(await home.show(id)).status, here().includes(id)], ['running', true]);

  // All of them, one let go after the other; at each begin the slots are counted anew.
  const released = new Set<string>();
  while (released.size < todos.length) {
    const id = await home.until('one that can be let go', () => here().find((it) => waits(it) && !released.has(it)));
    released.add(id);
    writeFileSync(join(byId.get(id).cwd, `go.${id}`), 'on\n');
  }
  for (const { id } of todos) await home.untilTodo(id, `todo ${id} has ended`, ({ endedAtMs }) => endedAtMs !== null);
  const live = new Set<string>();
  const most = { total: 0, agent: 0, project: 0 };
  const crowd = (field: 'agent' | 'project'): number =>
    Math.max(
      0,
      ...Map.groupBy(live, (id) => byId.get(id)[field])
        .values()
        .map((ids) => ids.length),
    );
  for (const line of lines()) {
    if (line.startsWith('+')) live.add(line.slice(2));
    else live.delete(line.slice(2));
    most.total = Math.max(most.total, live.size);
    most.agent = Math.max(most.agent, crowd('agent'));
    most.project = Math.max(most.project, crowd('project'));
  }
  assert.deepEqual(most, slots, 'never more, and all of them used');

  const seen = { runs: new Set<string>(), tokens: new Set<string>() };
  for (const { id, cwd, agent } of todos) {
    const env = environment(id);
    const todo = await home.show(id);
    assert.deepEqual([todo.status, todo.runs.length, todo.runs[0].outcome, todo.runs[0].saidBy], ['completed', 1, 'done', 'marker']);
    assert.match(todo.summary, new RegExp(`said by ${id}$`));
    assert.deepEqual(
      [env['TODO_ID'], env['TODO_RUN'], env['PWD'], env['WHO'], env['TODO_HOME']],
      [id, todo.runs[0].id, cwd, agent, home.folder],
    );
    seen.runs.add(env['TODO_RUN']!);
    seen.tokens.add(env['TODO_TOKEN']!);
    assert.equal(lines().filter((line) => line === `+ ${id}`).length, 1, 'started once');
    const { output } = await home.json(['logs', id]);
    assert.match(output, new RegExp(`only ${id} for ${agent}`));
    for (const foreign of todos) if (foreign.id !== id) assert.ok(!output.includes(foreign.id), 'nothing of another run in its output');
    const report = readFileSync(todo.report, 'utf8');
    for (const foreign of todos) if (foreign.id !== id) assert.ok(!report.includes(foreign.id), 'nor in its report');
  }
  assert.deepEqual([seen.runs.size, seen.tokens.size], [todos.length, todos.length]);
  assert.equal(daemon.process.exitCode, null);
});
