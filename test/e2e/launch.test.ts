// What reaches the agent: exactly what `todo show --launch` printed before. The agent here is a fake one that writes down what it was given.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Json, type TestHome, testHome } from './harness.ts';

const ended = (home: TestHome, ref: string | number) => home.untilTodo(ref, `todo ${ref} has ended`, ({ endedAtMs }) => endedAtMs !== null);

/** A program with the name of an agent. */
function fakeAgent(home: TestHome, script: string): string {
  const path = join(home.work, 'fake-claude');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

test('[C-66] agents, MCP servers and instructions reach the agent as show --launch said: command, prompt, environment', async (t) => {
  const home = await testHome(t);
  const records = `for word in "$@"; do printf '%s\\0' "$word"; done > argv; env -0 > env; cat > stdin; printf '{"type":"result","session_id":"s","subtype":"success","is_error":false,"result":"ok"}\\n'`;
  const command = fakeAgent(home, records);
  const args = [
    '--mcp-config',
    join(home.work, 'mcp.json'),
    '--append-system-prompt',
    "Be brief. Don't guess.",
    '--agents',
    '{"reviewer":{"description":"reviews","prompt":"review"}}',
    '--model',
    'opus',
  ];
  const env = { MY_AGENT_COUNT: '3', MY_API_KEY: 'sk-secret-secret-secret' };
  const config = JSON.parse(readFileSync(join(home.folder, 'hooks', 'config.json'), 'utf8'));
  writeFileSync(join(home.folder, 'hooks', 'config.json'), JSON.stringify({ ...config, agents: { claude: { command, args, env } } }));
  const { todo } = await home.json([
    'add',
    'Use the tools',
    '--agent',
    'claude',
    '--prompt',
    'First line\n  $HOME "quoted" `tick` ünïcode\n',
    '--cwd',
    home.work,
    '--check',
    'true',
  ]);
  const planned = await home.json(['show', String(todo.number), '--launch']);
  assert.equal(planned.env.MY_API_KEY, '‹masked›');
  assert.equal(planned.env.TODO_TOKEN, '‹masked›');
  const text = await home.todo(['show', String(todo.number), '--launch']);
  assert.ok(!text.stdout.includes(env.MY_API_KEY) && text.stdout.includes('--append-system-prompt'));

  assert.equal((await home.todo(['run', String(todo.number)])).code, 0);
  const [run] = (await ended(home, todo.number)).runs;
  const got = {
    argv: readFileSync(join(home.work, 'argv'), 'utf8').split('\0').slice(0, -1),
    stdin: readFileSync(join(home.work, 'stdin'), 'utf8'),
    env: Object.fromEntries(
      readFileSync(join(home.work, 'env'), 'utf8')
        .split('\0')
        .filter(Boolean)
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    ),
  };
  // Only what is known at the start alone may differ: two ids.
  const conversation = got.argv[got.argv.indexOf('--session-id') + 1] ?? '';
  assert.match(conversation, /^[0-9a-f-]{36}$/);
  const filled = (value: string) => value.replaceAll('‹run id›', run.id).replaceAll('‹conversation id›', conversation);
  assert.deepEqual([command, ...got.argv], planned.argv.map(filled));
  assert.equal(got.stdin, filled(planned.files.find(({ name }: Json) => name === planned.stdin).content));
  assert.ok(got.stdin.includes(todo.prompt.trim()));
  for (const [name, value] of Object.entries<string>(planned.env)) {
    if (value === '‹masked›') assert.ok(got.env[name] !== undefined && got.env[name] !== value, name);
    else assert.equal(got.env[name], filled(value), name);
  }
  assert.equal(got.env['MY_API_KEY'], env.MY_API_KEY);
  assert.equal(got.env['PWD'], planned.cwd);
  assert.ok(!got.argv.join(' ').includes(got.env['TODO_TOKEN'] ?? 'none'), 'the token is in no argument');
});

const stopEvent = JSON.stringify({
  hook_event_name: 'Stop',
  session_id: 's',
  stop_hook_active: false,
  last_assistant_message: 'I am done',
  background_tasks: [],
  session_crons: [],
});
/** What the run's own settings tell the agent to call when its turn ends. */
const callStopHook = `stop() { printf '%s' "$1" | ${JSON.stringify(process.execPath)} "$TODO_PROGRAM" hook claude stop; }`;

test('the Stop hook waits for the checks: what failed goes back to the agent as a block, and the next stop passes', async (t) => {
  const home = await testHome(t, { behavior: { term_grace: 0.5, hook_wait: 30 } });
  const script = `${callStopHook}
echo '{"type":"system","subtype":"init"}'
stop '${stopEvent}' > first
touch proof
stop '${stopEvent}' > second
echo "hook over" > over`;
  const command = fakeAgent(home, script);
  const config = JSON.parse(readFileSync(join(home.folder, 'hooks', 'config.json'), 'utf8'));
  const program = join(import.meta.dirname, '..', '..', 'dist', 'todo.cjs');
  writeFileSync(
    join(home.folder, 'hooks', 'config.json'),
    JSON.stringify({ ...config, agents: { claude: { command, env: { TODO_PROGRAM: program } } } }),
  );
  await home.daemon();
  const { todo } = await home.json([
    'add',
    'Prove it',
    '--agent',
    'claude',
    '--cwd',
    home.work,
    '--check',
    'test -e proof || { echo "proof is missing"; exit 1; }',
  ]);
  const after = await ended(home, todo.number);
  const block = JSON.parse(readFileSync(join(home.work, 'first'), 'utf8'));
  assert.equal(block.decision, 'block');
  assert.match(block.reason, /1 of 1 acceptance checks failed[\s\S]*proof is missing/);
  assert.equal(readFileSync(join(home.work, 'second'), 'utf8'), '', 'nothing to say: it may stop');
  assert.deepEqual([after.status, after.proof, after.runs.length, after.runs[0].round], ['completed', 'verified', 1, 2]);
});

for (const session of ['child', 'tmux'])
  test(`an end that cannot be written (${session}): its shell stays with it, and a silent run is asked there; it counts as it ended, and once`, async (t) => {
    const home = await testHome(t, { behavior: { quiet_after: 0.1, term_grace: 1, completion_timeout: 8 }, monitoring: { rescan: 0.2 } });
    await home.daemon();
    // Not even root writes a file where a folder is.
    const { number } = await home.add('mkdir "$TODO_RUN_DIR/exit.tmp"; echo worked', '--session', session);
    const { status, proof, runs } = await ended(home, number);
    assert.deepEqual([status, proof, runs.length, runs[0].outcome], ['completed', 'unverified', 1, 'done']);
  });

test('an end that could not be written is written as soon as that is possible', async (t) => {
  const home = await testHome(t, { behavior: { quiet_after: 0.1, term_grace: 1 }, monitoring: { rescan: 0.2 } });
  await home.daemon();
  const { number } = await home.add('mkdir "$TODO_RUN_DIR/exit.tmp"; echo "$TODO_RUN_DIR" >at');
  const folder = await home.until(
    'it has ended',
    () => existsSync(join(home.work, 'at')) && readFileSync(join(home.work, 'at'), 'utf8').trim(),
  );
  await home.until('its shell stays', () => argumentsWith(folder).some((words) => words.at(-1) === '1 code 0'));
  assert.equal((await home.show(number)).status, 'running');
  rmdirSync(join(folder, 'exit.tmp'));
  const { status, runs } = await ended(home, number);
  assert.deepEqual([status, runs.length], ['completed', 1]);
});

/** The arguments of processes that have this word among them. */
const argumentsWith = (word: string): string[][] =>
  readdirSync('/proc').flatMap((name) => {
    try {
      const words = /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, -1) : [];
      return words.includes(word) ? [words] : [];
    } catch {
      // It has ended since it was listed.
      return [];
    }
  });
