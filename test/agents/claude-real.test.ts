// The adapter against the real Claude Code, which talks to a scripted model on loopback: what docs/agents.md says, kept true for the
// installed version. A small script stands in for `todo`, so that each event and word is seen as Claude delivers it.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { claude } from '../../src/agents/claude.ts';
import type { Launch, LaunchContext } from '../../src/core/agent.ts';
import { claudeHome } from '../fixtures/claude-home.ts';
import { type Answer, bash, gate, type ModelApi, type Script, startModelApi, text, tool, withSide } from '../fixtures/model-api.ts';
import { programs } from '../programs.ts';

type Heard = { readonly event: string; readonly payload: Record<string, unknown> };

type Stage = {
  readonly api: ModelApi;
  readonly cwd: string;
  readonly runFolder: string;
  readonly conversationId: string;
  plan(more?: Partial<LaunchContext>): Launch;
  /** Starts a plan as launch.sh would. */
  start(launch: Launch, env?: Record<string, string>): Promise<ChildProcess>;
  /** Events that reached `todo hook`, in order. */
  heard(): readonly Heard[];
  /** Words that reached `todo done …`. */
  said(): readonly string[];
  output(): string;
  until(what: string, look: () => boolean): Promise<void>;
  /** What the next `todo hook claude <event>` prints. */
  answer(event: string, json: object): void;
  readonly env: Record<string, string>;
};

async function stage(t: TestContext, script: Script): Promise<Stage> {
  const base = mkdtempSync(join(tmpdir(), 'todo-claude-'));
  const [cwd, runFolder, events] = ['work', 'run', 'events'].map((name) => join(base, name)) as [string, string, string];
  for (const folder of [cwd, runFolder, events]) mkdirSync(folder);
  const api = await startModelApi(withSide(script));
  const home = claudeHome(base);
  const children: ChildProcess[] = [];
  t.after(async () => {
    for (const child of children)
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await api.close();
    rmSync(base, { recursive: true, force: true });
  });
  // In place of `todo`: keeps payloads in order, answers once where an answer lies ready.
  const stand = join(base, 'todo');
  writeFileSync(
    stand,
    `#!/bin/sh
cd '${events}' || exit 0
if [ "$1" = hook ]; then
  n=$(ls | grep -c '[.]json$'); until mkdir "lock.$n" 2>/dev/null; do n=$((n + 1)); done
  cat >"tmp.$n"; mv "tmp.$n" "$(printf '%03d' "$n").$3.json"
  [ -f "answer.$3" ] && cat "answer.$3" && rm "answer.$3"
else
  printf '%s\\n' "$TODO_ID $*" >>said
fi
exit 0
`,
    { mode: 0o755 },
  );
  const conversationId = randomUUID();
  const env = { ...home.env(api), TODO_RUN_DIR: runFolder, TODO_ID: 'todo-id' };
  const outputPath = join(runFolder, 'output.log');
  return {
    api,
    cwd,
    runFolder,
    conversationId,
    env,
    plan: (more = {}) =>
      claude.launch({
        todo: {
          id: 'todo-id',
          number: 7,
          title: 'Say hello',
          prompt: '/help is where a bad prompt would end',
          cwd,
          checks: ['true'],
          agent: 'claude',
          rounds: 1,
        },
        runId: 'run',
        conversationId,
        round: 1,
        feedback: null,
        session: 'child',
        runFolder,
        hooksFolder: fileURLToPath(new URL('../../hooks', import.meta.url)),
        todoCommand: [stand],
        hookWaitMs: 20_000,
        settings: { ...home.settings, session: null, env: {} },
        ...more,
      }),
    async start(launch, more = {}) {
      for (const { name, content } of launch.files) writeFileSync(join(runFolder, name), content);
      const words = [
        ...launch.argv.map(quote),
        launch.stdin === null ? '</dev/null' : `<${quote(join(runFolder, launch.stdin))}`,
        `>>${quote(outputPath)} 2>&1`,
      ];
      const child = spawn('/bin/sh', ['-c', `exec ${words.join(' ')}`], {
        cwd,
        detached: true,
        stdio: 'ignore',
        env: { PATH: process.env['PATH'], ...env, ...launch.env, ...more },
      });
      children.push(child);
      return child;
    },
    heard: () =>
      readdirSync(events)
        .filter((name) => name.endsWith('.json'))
        .sort()
        .map((name) => ({
          event: name.split('.')[1] ?? '',
          payload: JSON.parse(readFileSync(join(events, name), 'utf8')) as Record<string, unknown>,
        })),
    said: () => (existsSync(join(events, 'said')) ? readFileSync(join(events, 'said'), 'utf8').trim().split('\n') : []),
    output: () => readFileSync(outputPath, 'utf8'),
    until: (what, look) => changed([base, cwd, runFolder, events], what, look),
    answer: (event, json) => writeFileSync(join(events, `answer.${event}`), JSON.stringify(json)),
  };
}

/** Looks again at each change of the folders. */
function changed(folders: readonly string[], what: string, look: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const watchers = folders.map((folder) => watch(folder, () => check()));
    const patience = setTimeout(() => finish(() => reject(new Error(`did not happen in a minute: ${what}`))), 60_000);
    const finish = (how: () => void): void => {
      clearTimeout(patience);
      for (const watcher of watchers) watcher.close();
      how();
    };
    const check = (): void => {
      if (look()) finish(resolve);
    };
    check();
  });
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => (child.exitCode !== null ? resolve(child.exitCode) : child.once('exit', resolve)));
const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
const verdicts = (heard: readonly Heard[], session: 'child' | 'tmux' = 'child') =>
  heard.map(({ event, payload }) => claude.hook(event, payload, session).kind);
const todoDone = (stage: Stage): Answer => [
  bash(`${stage.plan().files[1]?.content.match(/^ {2}(\S+) done/m)?.[1]} done --summary 'said hello'`),
];

test('headless: a run from prompt to word, with progress, account and readable log, and no word to anybody else', async (t) => {
  const run: Stage = await stage(t, ({ turn }) =>
    turn === 0
      ? [text('I look.'), tool('Write', { file_path: join(run.cwd, 'new.txt'), content: 'hello' })]
      : turn === 1
        ? todoDone(run)
        : [text('Said hello.')],
  );
  assert.equal(await ended(await run.start(run.plan())), 0, run.output());
  assert.deepEqual(verdicts(run.heard()), ['progress', 'turn-ended']);
  assert.match(String(run.heard()[0]?.payload['prompt']), /^Todo 7: Say hello\n\n\/help is where/);
  assert.deepEqual(run.said(), ['todo-id done --summary said hello']);
  assert.ok(statSync(join(run.runFolder, 'progress')).isFile());

  const transcript = claude.transcripts({ conversationId: run.conversationId, cwd: run.cwd, env: run.env })[0] ?? '';
  const told = claude.structured({ output: run.output(), transcript: readFileSync(transcript, 'utf8'), hooks: [] });
  assert.deepEqual(told?.found.filesCreated, ['new.txt']);
  assert.equal(told?.found.commands.length, 1);
  assert.equal(told?.found.finalText, 'Said hello.');
  assert.deepEqual(told?.usage && { ...told.usage, costUsd: told.usage.costUsd !== null && told.usage.costUsd > 0 }, {
    model: run.api.requests[0]?.model,
    inputTokens: 300,
    outputTokens: 75,
    cacheReadTokens: 9_000,
    cacheWriteTokens: 60,
    costUsd: true,
    turns: 3,
  });
  assert.match(claude.readable(run.output()) ?? '', /● Said hello\./);
  assert.equal(claude.exitSays({ code: 0 }, run.output()).says, 'done');
  assert.deepEqual(run.api.strays, []);
});

test('headless: a blocked Stop goes on in the same turn, and the next Stop says so', async (t) => {
  const run = await stage(t, ({ turn }) => [text(`answer ${turn}`)]);
  run.answer('stop', { decision: 'block', reason: 'Not done yet: npm test failed.' });
  assert.equal(await ended(await run.start(run.plan())), 0);
  const stops = run.heard().filter(({ event }) => event === 'stop');
  assert.deepEqual(
    stops.map(({ payload }) => claude.hook('stop', payload, 'child')),
    [
      { kind: 'turn-ended', text: 'answer 0', says: 'done', again: false },
      { kind: 'turn-ended', text: 'answer 1', says: 'done', again: true },
    ],
  );
  assert.match(run.api.requests[1]?.lastText ?? '', /Not done yet: npm test failed\./);
});

test('headless: background work pauses the turn; the process ends only after it [I-11]', async (t) => {
  const run = await stage(t, ({ turn }) =>
    turn === 0 ? [bash('until [ -e go ]; do sleep 0.05; done; echo late >late.txt', { background: true })] : [text(`answer ${turn}`)],
  );
  const child = await run.start(run.plan());
  await run.until('the first Stop', () => run.heard().some(({ event }) => event === 'stop'));
  assert.equal(verdicts(run.heard()).at(-1), 'turn-paused');
  assert.equal(child.exitCode, null);
  writeFileSync(join(run.cwd, 'go'), '');
  assert.equal(await ended(child), 0);
  assert.deepEqual(verdicts(run.heard()), ['progress', 'turn-paused', 'progress', 'turn-ended']);
  assert.equal(readFileSync(join(run.cwd, 'late.txt'), 'utf8'), 'late\n');
});

test('headless: a sub-agent that ends says nothing about the run [I-11]', async (t) => {
  const hold = gate();
  const run = await stage(t, async ({ kind, turn }) => {
    if (kind === 'subagent') return [text('the sub-agent is done')];
    if (turn === 0) return [tool('Agent', { description: 'look', prompt: 'look', subagent_type: 'Explore', run_in_background: false })];
    await hold.opened;
    return [text('main is done')];
  });
  const child = await run.start(run.plan());
  await run.api.requested(({ kind, turn }) => kind === 'main' && turn === 1);
  assert.deepEqual(verdicts(run.heard()), ['progress']);
  hold.open();
  assert.equal(await ended(child), 0);
  assert.equal(claude.structured({ output: run.output(), transcript: null, hooks: [] })?.found.finalText, 'main is done');
});

test('headless: SIGINT leaves exit 0, which is not a word of success', async (t) => {
  const run = await stage(t, () => 'hang');
  const child = await run.start(run.plan());
  await run.api.requested(() => true);
  child.kill('SIGINT');
  assert.equal(await ended(child), 0);
  assert.deepEqual(verdicts(run.heard()), ['progress']);
  assert.equal(claude.exitSays({ code: 0 }, run.output()).says, 'blocked');
});

test('headless: killed in mid-turn, the conversation is continued by its id with the feedback; cost is not counted twice', async (t) => {
  const run = await stage(t, ({ turn, lastText }) =>
    turn === 0 ? [text('Half of it.'), bash('echo $$ >pid; exec sleep 600')] : [text(`mended: ${lastText.split('\n')[0]}`)],
  );
  const child = await run.start(run.plan());
  await run.until('the command', () => existsSync(join(run.cwd, 'pid')) && readFileSync(join(run.cwd, 'pid'), 'utf8').endsWith('\n'));
  child.kill('SIGKILL');
  await ended(child);
  process.kill(Number(readFileSync(join(run.cwd, 'pid'), 'utf8')), 'SIGKILL');
  assert.equal(
    await ended(await run.start(run.plan({ round: 2, feedback: 'Not done yet: 1 of 1 acceptance checks failed.' }))),
    0,
    run.output(),
  );
  const transcript = readFileSync(claude.transcripts({ conversationId: run.conversationId, cwd: run.cwd, env: run.env })[0] ?? '', 'utf8');
  const told = claude.structured({ output: run.output(), transcript, hooks: [] });
  assert.equal(told?.found.finalText, 'mended: Not done yet: 1 of 1 acceptance checks failed.');
  // Of the killed request the answer may not be counted to its end: the transcript lags.
  assert.equal(told?.usage?.inputTokens, 200);
});

test('headless: the usage limit of a subscription parks until the time that its headers name [H-09]', async (t) => {
  const resetsAtS = Math.floor(Date.now() / 1000) + 3_600;
  const headers = {
    'x-should-retry': 'false',
    'anthropic-ratelimit-unified-status': 'rejected',
    'anthropic-ratelimit-unified-reset': String(resetsAtS),
    'anthropic-ratelimit-unified-representative-claim': 'five_hour',
  };
  const run = await stage(t, () => ({ error: { status: 429, type: 'rate_limit_error', message: 'limit', headers } }));
  const code = await ended(await run.start(run.plan(), { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-test' }));
  assert.equal(code, 1);
  // Claude does not wait for its StopFailure hook and takes it along when it leaves: the exit must speak for itself.
  assert.match(verdicts(run.heard()).join(), /^progress(,turn-failed)?$/);
  assert.partialDeepStrictEqual(claude.exitSays({ code: 1 }, run.output()), { says: 'parked', notBeforeMs: resetsAtS * 1000 });
});

test('tmux: the prompt starts the work by itself, a bare Stop is no word, a typed prompt is confirmed by its own event', async (t) => {
  const run = await stage(t, ({ turn }) => [text(`answer ${turn}`)]);
  const launch = run.plan({ session: 'tmux' });
  for (const { name, content } of launch.files) writeFileSync(join(run.runFolder, name), content);
  const socket = join(run.runFolder, 'tmux');
  const tmux = (...args: string[]): string =>
    execFileSync(programs().tmux, ['-S', socket, '-f', '/dev/null', ...args], { encoding: 'utf8' });
  const script = join(run.runFolder, 'launch.sh');
  const exports = Object.entries({ ...run.env, ...launch.env, TERM: 'xterm-256color' }).map(
    ([name, value]) => `export ${name}=${quote(value)}`,
  );
  writeFileSync(
    script,
    `${exports.join('\n')}\ncd ${quote(run.cwd)} || exit\n${launch.argv.map(quote).join(' ')}\necho "$?" >${quote(join(run.runFolder, 'exit'))}\n`,
  );
  tmux('new-session', '-d', '-s', 'run', '-x', '160', '-y', '50', '/bin/sh', script);

  try {
    const stops = (): number => run.heard().filter(({ event }) => event === 'stop').length;
    await run.until('the first Stop', () => stops() === 1);
    assert.partialDeepStrictEqual(claude.hook('stop', run.heard().at(-1)?.payload, 'tmux'), {
      kind: 'turn-ended',
      text: 'answer 0',
      says: null,
    });

    tmux('send-keys', '-t', 'run', '-l', '--', 'Not done yet; read "feedback.txt".');
    tmux('send-keys', '-t', 'run', 'Enter');
    await run.until('the second Stop', () => stops() === 2);
    assert.equal(
      run
        .heard()
        .filter(({ event }) => event === 'user-prompt-submit')
        .at(-1)?.payload['prompt'],
      'Not done yet; read "feedback.txt".',
    );

    tmux('send-keys', '-t', 'run', '-l', '--', '/exit');
    tmux('send-keys', '-t', 'run', 'Enter');
    await run.until('the exit', () => existsSync(join(run.runFolder, 'exit')));
    assert.deepEqual(run.api.strays, []);
  } finally {
    // The server ends with its only window.
    if (!existsSync(join(run.runFolder, 'exit'))) tmux('kill-server');
  }
});
