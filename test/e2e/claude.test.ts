// The real Claude Code under the real daemon. The model that it talks to is a script on loopback, so what it says, runs and breaks is known, and
// all between its hooks and the record is as it is for a person. What is asked of Claude Code alone stands in test/agents/claude-real.test.ts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { Entry } from '../../src/core/entry.ts';
import { homeId } from '../../src/platform/home.ts';
import { createTerminals } from '../../src/platform/terminals.ts';
import { claudeHome } from '../fixtures/claude-home.ts';
import { startMariadb } from '../fixtures/mariadb.ts';
import {
  type Answer,
  bash,
  gate,
  type ModelApi,
  type ModelRequest,
  type Script,
  startModelApi,
  text,
  tool,
  withSide,
} from '../fixtures/model-api.ts';
import { programs } from '../programs.ts';
import { type Json, type Started, type TestHome, testHome } from './harness.ts';

type Stage = {
  readonly home: TestHome;
  readonly api: ModelApi;
  /** With it agents find the scripted model, and a home of Claude's that nobody else has. */
  readonly env: Record<string, string>;
  /** Claude's settings of this user. */
  readonly userSettings: string;
  daemon(): Promise<Started>;
  /** Adds a todo in a folder of its own; its agent does as the script says. */
  add(title: string, script: (work: string) => Script, ...options: string[]): Promise<Added>;
  /** The todo after that many of its runs were closed. */
  ended(added: Added, runs?: number): Promise<Json>;
  /** Until the log has that about the todo. */
  logged(added: Added, event: string, fits?: (line: Json) => boolean): Promise<Json>;
  /** Until the journal has the todo's latest run so. */
  journal(added: Added, what: string, fits: (entry: Entry) => boolean): Promise<Entry>;
  /** What happened to it, as `todo why` tells it. */
  facts(added: Added): Promise<string[]>;
  /** Conversations that were had about it. */
  conversations(added: Added): Set<string>;
};
type Added = { readonly id: string; readonly number: number; readonly title: string; readonly work: string };

/** One home and one scripted model for as many todos as a test likes; a todo's title says which script answers. */
async function stage(t: TestContext, { agent = {}, ...config }: Json = {}): Promise<Stage> {
  const scripts = new Map<string, Script>();
  const api = await startModelApi(
    withSide((request) => (scripts.get(titleOf(request)) ?? (() => [text(`no script for "${titleOf(request)}"`)]))(request)),
  );
  t.after(() => assert.deepEqual(api.strays, [], 'nobody but the model was asked for anything'));
  const home = await testHome(t, { slots: { total: 20, agent: 20, project: 20 }, ...config });
  t.after(() => api.close());
  const claude = claudeHome(dirname(home.folder));
  const path = join(home.folder, 'hooks', 'config.json');
  const written = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...written, agents: { claude: { ...claude.settings, ...agent } } }));
  const env = claude.env(api);
  let journal: DatabaseSync | null = null;
  t.after(() => journal?.close());
  const entryOf = ({ id }: Added): Entry | null => {
    journal ??= new DatabaseSync(join(home.folder, 'todo.db'), { readOnly: true });
    const row = journal.prepare('SELECT json FROM journal WHERE todo_id = ? ORDER BY started_at_ms DESC LIMIT 1').get(id);
    return row === undefined ? null : (JSON.parse(String(row['json'])) as Entry);
  };
  const linesOf = ({ number }: Added) => home.log('completion').filter((line) => line.todo === number);
  return {
    home,
    api,
    env,
    userSettings: join(claude.home, '.claude', 'settings.json'),
    daemon: () => home.daemon(env),
    async add(title, script, ...options) {
      const work = join(home.work, title.replaceAll(/[^a-z0-9]+/g, '-'));
      mkdirSync(work);
      scripts.set(title, script(work));
      const asked = ['add', title, '--agent', 'claude', '--prompt', `Please: ${title}.`, '--cwd', work, ...options];
      const { todo } = await home.json(asked, { env });
      return { id: todo.id, number: todo.number, title, work };
    },
    async ended(added, runs = 1) {
      const closed = () => linesOf(added).filter(({ event }) => event === 'closed').length;
      await home.until(`${runs} runs of "${added.title}" are closed`, () => closed() >= runs);
      return home.show(added.number);
    },
    logged: (added, event, fits = () => true) =>
      home.until(`"${added.title}" is ${event}`, () => linesOf(added).find((line) => line.event === event && fits(line))),
    journal: (added, what, fits) =>
      home.until(`"${added.title}": ${what}`, () => {
        const entry = entryOf(added);
        return entry !== null && fits(entry) && entry;
      }),
    facts: async ({ number }) => (await home.json(['why', String(number)])).events.map(({ fact }: Json) => fact),
    conversations: ({ title }) =>
      new Set(api.requests.filter((request) => request.kind === 'main' && titleOf(request) === title).map(({ session }) => session)),
  };
}

const titleOf = ({ firstPrompt, kind }: ModelRequest): string =>
  kind === 'subagent' ? firstPrompt.split('\n', 1)[0]! : (/^Todo \d+: (.*)$/m.exec(firstPrompt)?.[1] ?? '');

type Part = { readonly name: string; run(): Promise<void> };
const part = (name: string, run: () => Promise<void>): Part => ({ name, run });

/** Parts of a test on one stage. It fails with each of them, so that what a failure left behind stays to be looked at. */
async function together(t: TestContext, parts: readonly Part[]): Promise<void> {
  const failed: string[] = [];
  const attempt = async ({ name, run }: Part): Promise<void> => {
    try {
      await run();
    } catch (error) {
      failed.push(name);
      throw error;
    }
  };
  await Promise.all(parts.map((one) => t.test(one.name, () => attempt(one))));
  assert.deepEqual(failed, []);
}

/** The command line by which its prompt tells the agent to say a word. */
const sayDone = ({ firstPrompt }: Pick<ModelRequest, 'firstPrompt'>, summary = 'all of it'): ReturnType<typeof bash> =>
  bash(`${/^ {2}(.+) done --summary/m.exec(firstPrompt)?.[1]} done --summary '${summary}'`);
const hearsFailure = ({ lastText }: ModelRequest): boolean => lastText.includes('Not done yet: 1 of 1 acceptance checks failed');

/** Works, says done, ends its turn. */
const honest = (work: string): Script => {
  return (request): Answer => {
    if (request.turn === 0) return [text('I look.'), tool('Write', { file_path: join(work, 'hello.txt'), content: 'hello\n' })];
    return request.turn === 1 ? [sayDone(request, 'said hello')] : [text(`Finished: ${titleOf(request)}.`)];
  };
};
/** The same, but answers only when the door is open: until then it works. */
const slow =
  (door: { readonly opened: Promise<void> }) =>
  (work: string): Script =>
  async (request) => {
    if (request.turn === 1) await door.opened;
    return honest(work)(request);
  };
/** Says that all is done where nothing is, and mends it when that comes back. */
const liarOnce = (): Script => (request) => {
  const turns = [[sayDone(request)], [text('Done.')], [bash('touch mended')], [sayDone(request)]];
  assert.equal(hearsFailure(request), request.turn === 2, `turn ${request.turn}: ${request.lastText}`);
  return turns[request.turn] ?? [text('Now it is done.')];
};

const evidenceOf = (todo: Json): Json => JSON.parse(readFileSync(join(dirname(todo.report), 'evidence.json'), 'utf8'));
const endOf = (todo: Json) => [todo.status, todo.proof, todo.runs.map(({ outcome }: Json) => outcome).join()];
const roundsOf = (todo: Json) => evidenceOf(todo).checks.map(({ round, passed }: Json) => `${round} ${passed ? 'passed' : 'failed'}`);
const count = (facts: readonly string[], fact: string): number => facts.filter((one) => one === fact).length;

test('headless, several at once in one daemon', { concurrency: 3 }, async (t) => {
  const on = await stage(t, { behavior: { max_rounds: 2 } });
  await on.daemon();
  await together(t, [
    part('[C-03] works and says done: the report has files, commands, last words, tokens and cost from the session itself', async () => {
      const todo = await on.ended(await on.add('say hello', honest, '--check', 'test -f hello.txt'));
      assert.deepEqual(
        [...endOf(todo), todo.summary, todo.runs[0].saidBy],
        ['completed', 'verified', 'done', 'Completed, verified by 1 check: said hello', 'marker'],
      );
      const evidence = evidenceOf(todo);
      assert.partialDeepStrictEqual(evidence.sources[0], { name: 'structured output', verdict: 'structured', used: true });
      assert.deepEqual(evidence.structured.filesCreated, ['hello.txt']);
      assert.match(evidence.structured.commands[0].command, /done --summary 'said hello'$/);
      assert.equal(evidence.structured.finalText, 'Finished: say hello.');
      const tokens = { inputTokens: 300, outputTokens: 75, cacheReadTokens: 9_000, cacheWriteTokens: 60, turns: 3 };
      assert.partialDeepStrictEqual(evidence.usage, tokens);
      assert.ok(evidence.usage.costUsd > 0);
      const report = readFileSync(todo.report, 'utf8');
      for (const shown of ['hello.txt', 'I look.', 'Finished: say hello.', evidence.usage.model]) assert.ok(report.includes(shown), shown);
    }),

    part('lies once: its Stop waits for the checks, hears what failed, and goes on in the same process', async () => {
      const lie: Script = (request) =>
        hearsFailure(request) ? [bash('touch mended')] : [text(request.turn === 0 ? 'All is done.' : 'Now it is.')];
      const added = await on.add('lie once', () => lie, '--check', 'test -f mended');
      const todo = await on.ended(added);
      assert.deepEqual([...endOf(todo), todo.runs[0].saidBy], ['completed', 'verified', 'done', 'hook']);
      assert.deepEqual(roundsOf(todo), ['1 failed', '2 passed']);
      const facts = await on.facts(added);
      assert.deepEqual([count(facts, 'running'), count(facts, 'sent-back')], [1, 1]);
      assert.equal(on.conversations(added).size, 1);
    }),

    part('lies for ever: failed after its last round, which its report says', async () => {
      const added = await on.add(
        'lie for ever',
        () =>
          ({ turn }) => [text(`Done, believe me (${turn}).`)],
        '--check',
        'test -f never',
      );
      const todo = await on.ended(added);
      assert.deepEqual(endOf(todo), ['failed', null, 'failed']);
      assert.deepEqual(roundsOf(todo), ['1 failed', '2 failed', '3 failed']);
      assert.match(evidenceOf(todo).result.reason, /said done, but 1 of 1 checks failed after 3 rounds: test -f never/);
    }),

    part('[I-11] a command in the background: the turn that leaves it there is not the end', async () => {
      const waits = bash('until [ -e go ]; do sleep 0.05; done; echo late >late.txt', { background: true });
      const script: Script = (request) =>
        request.turn === 0 ? [waits] : request.turn === 1 ? [sayDone(request)] : [text(`Turn ${request.turn}.`)];
      const added = await on.add('leave work behind', () => script, '--check', 'test -f late.txt');
      const paused = await on.journal(added, 'its turn paused', ({ turn }) => turn === 'paused');
      assert.deepEqual([paused.fact, paused.signal?.says, paused.checks], ['signalled', 'done', []]);
      writeFileSync(join(added.work, 'go'), '');
      const todo = await on.ended(added);
      assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 passed']]);
    }),

    part('[I-11] a sub-agent that ends, and even says done, ends nothing: its word waits for the main turn', async () => {
      const door = gate();
      const script =
        (work: string): Script =>
        async (request) => {
          if (request.kind === 'subagent')
            return request.turn === 0 ? [sayDone(request, 'said by a sub-agent')] : [text('The sub-agent is done.')];
          const task = { description: 'ask', subagent_type: 'general-purpose', run_in_background: false };
          if (request.turn === 0) return [tool('Agent', { ...task, prompt: `ask another\n${contractOf(request)}` })];
          await door.opened;
          return request.turn === 1
            ? [tool('Write', { file_path: join(work, 'after.txt'), content: 'x' })]
            : [text('The main turn is done.')];
        };
      const added = await on.add('ask another', script, '--check', 'test -f after.txt');
      await on.api.requested((request) => request.kind === 'main' && titleOf(request) === 'ask another' && request.turn === 1);
      const told = await on.journal(added, 'the word was heard', ({ signal }) => signal !== null);
      assert.deepEqual([told.fact, told.turn, told.signal?.summary], ['signalled', 'busy', 'said by a sub-agent']);
      door.open();
      const todo = await on.ended(added);
      assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 passed']]);
      assert.equal(evidenceOf(todo).structured.finalText, 'The main turn is done.');
    }),

    part('[I-11] a sub-agent that ends with the main turn starts another turn: what the checks said before that is void', async () => {
      const door = gate();
      const script = (): Script => async (request) => {
        if (request.kind === 'subagent') return [text('The sub-agent is done.')];
        const task = { description: 'look', subagent_type: 'general-purpose', run_in_background: true };
        if (request.turn === 0) return [bash('touch good'), tool('Agent', { ...task, prompt: 'ask in passing\nlook' })];
        if (request.turn === 1) await door.opened;
        if (hearsFailure(request)) return [bash('touch good')];
        return request.turn === 2 ? [bash('rm good')] : [text(`Turn ${request.turn} is done.`)];
      };
      const ended = `${on.home.work}/sub-agent-ended`;
      writeFileSync(
        on.userSettings,
        JSON.stringify({ hooks: { SubagentStop: [{ hooks: [{ type: 'command', command: `touch ${ended}` }] }] } }),
      );
      const added = await on.add('ask in passing', script, '--check', 'test -f good');
      await on.home.until('the sub-agent ended', () => existsSync(ended));
      door.open();
      const todo = await on.ended(added);
      assert.deepEqual(endOf(todo), ['completed', 'verified', 'done']);
      assert.ok(existsSync(join(added.work, 'good')), 'what was verified is there');
    }),

    part('[C-03] two at once have a report each, and nothing of the other', async () => {
      const both = gate();
      const names = ['say left', 'say right'];
      const added = await Promise.all(names.map((name) => on.add(name, slow(both), '--check', 'test -f hello.txt')));
      for (const name of names) await on.api.requested((request) => titleOf(request) === name && request.turn === 1);
      both.open();
      const [left, right] = await Promise.all(added.map((one) => on.ended(one)));
      for (const [mine, own, other] of [
        [left, 'say left', 'say right'],
        [right, 'say right', 'say left'],
      ]) {
        assert.deepEqual(endOf(mine), ['completed', 'verified', 'done']);
        assert.equal(evidenceOf(mine).structured.finalText, `Finished: ${own}.`);
        assert.ok(!readFileSync(mine.report, 'utf8').includes(other), `${own} has nothing of ${other}`);
      }
    }),
  ]);
});

const contractOf = ({ firstPrompt }: ModelRequest): string => firstPrompt.slice(firstPrompt.indexOf('When all of it is done'));

test('where the Stop hook does not wait, a failure goes back by a new process or a typed prompt', { concurrency: 3 }, async (t) => {
  const on = await stage(t, { behavior: { hook_wait: 0.01 }, run: { retry_delay: 0.05 } });
  const slowCheck = 'sleep 0.3; test -f mended';
  await on.daemon();
  await together(t, [
    part('headless: the same run goes on by --resume in round 2', async () => {
      const added = await on.add('lie headless', liarOnce, '--check', slowCheck);
      const todo = await on.ended(added);
      assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 failed', '2 passed']]);
      assert.equal(count(await on.facts(added), 'running'), 2, 'two processes');
      assert.equal(on.conversations(added).size, 1, 'one conversation');
      const { usage } = evidenceOf(todo);
      assert.ok(usage.inputTokens >= 500 && usage.costUsd > 0, 'the account is of both');
    }),

    part('[I-35] tmux: the failure is typed into its idle prompt and its own event confirms the delivery', async () => {
      const added = await on.add('lie in a terminal', liarOnce, '--check', slowCheck, '--session', 'tmux');
      const todo = await on.ended(added);
      assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 failed', '2 passed']]);
      assert.equal(count(await on.facts(added), 'running'), 1, 'one process');
      const typed = on.api.requests.filter((request) => titleOf(request) === added.title && hearsFailure(request));
      assert.equal(typed.length, 1, 'typed once');
      assert.ok(!typed[0]?.lastText.includes('Stop hook feedback'));
      assert.ok(!on.home.log('completion').some(({ event }) => event === 'prompt not acknowledged'));
    }),

    part('killed with all its processes: lost, and a new attempt begins a new conversation', async () => {
      const first = new Set<string>();
      const script =
        (work: string): Script =>
        (request) => {
          if (first.size === 0) first.add(request.session);
          return first.has(request.session) ? [bash('echo $$ >pid; exec sleep 600')] : honest(work)(request);
        };
      const added = await on.add('be killed', script, '--check', 'test -f hello.txt');
      await on.home.until('its command runs', () => existsSync(join(added.work, 'pid')));
      const run = await on.journal(added, 'runs', ({ fact }) => fact === 'running');
      for (const pid of processesOf(run.ref.runId)) kill(pid);
      const todo = await on.ended(added, 2);
      assert.deepEqual(endOf(todo), ['completed', 'verified', 'lost,done']);
      assert.equal(on.conversations(added).size, 2);
    }),
  ]);
});

/** What belongs to a run, by its environment. */
function processesOf(runId: string): number[] {
  const isOf = (pid: string): boolean => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`TODO_RUN=${runId}`);
    } catch {
      return false;
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && isOf(name))
    .map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went with the one before.
  }
}

test('[H-09] a usage limit parks the todo until the limit ends: no failure, and then the work is done', { concurrency: 2 }, async (t) => {
  // The limit of a subscription names its end; that of an API key does not.
  const on = await stage(t, {
    agent: { env: { ANTHROPIC_API_KEY: '', CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-test' } },
    resource: { limits_max: 2 },
  });
  await on.daemon();
  const limited = (resetsAtS: number): Answer => ({
    error: {
      status: 429,
      type: 'rate_limit_error',
      message: 'limit',
      headers: {
        'x-should-retry': 'false',
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': String(resetsAtS),
        'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      },
    },
  });
  await together(t, [
    part('headless: until the very time', async () => {
      const resetsAtS = Math.ceil(Date.now() / 1000) + 3600;
      const added = await on.add('meet a limit', () => () => limited(resetsAtS), '--check', 'true');
      const todo = await on.ended(added);
      assert.deepEqual(endOf(todo), ['parked', null, 'parked']);
      assert.equal(todo.notBeforeMs, resetsAtS * 1000);
      assert.match(todo.reason, /rate_limit/);
    }),
    part('headless: a short limit is waited for', async () => {
      const door = { resetsAtS: 0 };
      const script =
        (work: string): Script =>
        (request) => {
          door.resetsAtS ||= Math.ceil(Date.now() / 1000) + 2;
          return Date.now() < door.resetsAtS * 1000 ? limited(door.resetsAtS) : honest(work)(request);
        };
      const todo = await on.ended(await on.add('wait for a limit', script, '--check', 'test -f hello.txt'), 2);
      assert.deepEqual(endOf(todo), ['completed', 'verified', 'parked,done']);
    }),
    part('a limit that never ends is waited for so often, then a person must look; it is no attempt', async () => {
      const before = Math.floor(Date.now() / 1000) - 10;
      const added = await on.add('meet one limit after the other', () => () => limited(before), '--check', 'true');
      const todo = await on.ended(added, 3);
      assert.deepEqual([endOf(todo), todo.attempts], [['blocked', null, 'parked,parked,blocked'], 0]);
      assert.match(todo.reason, /usage limit: rate_limit.*met 3 times in a row \(resource\.limits_max\)/);
      const told = on.home.log('completion').filter((line) => line.event === 'usage limit' && line.todo === added.number);
      assert.deepEqual(
        told.map(({ says, until }) => [says, until === null]),
        [
          ['parked', false],
          ['parked', false],
          ['blocked', true],
        ],
      );
    }),
    part('words about limits in files and output are no limit', async () => {
      const words = "You've hit your usage limit. rate_limit_error 429, resets at 5pm";
      const script =
        (work: string): Script =>
        (request) => {
          const turns = [
            [bash(`printf '%s\\n' ${JSON.stringify(words).replaceAll("'", "'\\''")} | tee hello.txt`)],
            [sayDone(request, words.replaceAll("'", ''))],
          ];
          assert.ok(work !== '');
          return turns[request.turn] ?? [text(words)];
        };
      const todo = await on.ended(await on.add('talk about limits', script, '--check', 'grep -q rate_limit_error hello.txt'));
      assert.deepEqual(endOf(todo), ['completed', 'verified', 'done']);
    }),
    part('tmux: the terminal stays idle at such a limit, so it is ended', async () => {
      const added = await on.add('meet a limit in tmux', () => () => limited(Math.ceil(Date.now() / 1000) + 3600), '--session', 'tmux');
      const todo = await on.ended(added);
      assert.deepEqual(endOf(todo), ['parked', null, 'parked']);
      assert.ok(todo.notBeforeMs > Date.now());
      assert.deepEqual(processesOf(todo.runs[0].id), []);
    }),
  ]);
});

test('in tmux, several at once in one daemon', { concurrency: 3 }, async (t) => {
  const on = await stage(t, { agent: { session: 'tmux', args: ['--permission-mode', 'default'] } });
  await on.daemon();
  writeFileSync(on.userSettings, JSON.stringify({ permissions: { allow: ['Bash', 'Write'] } }));
  const terminals = createTerminals({ homeId: homeId(on.home.folder) });
  const targetOf = ({ number }: Added, { ref }: Entry): string => `todo-${number}-${ref.runId.slice(-8)}`;
  await together(t, [
    part('[C-03] works by the prompt that it was started with, and its Stop after todo done is the end', async () => {
      const added = await on.add('say hello', honest, '--check', 'test -f hello.txt');
      const todo = await on.ended(added);
      assert.deepEqual(
        [...endOf(todo), todo.summary, todo.runs[0].saidBy],
        ['completed', 'verified', 'done', 'Completed, verified by 1 check: said hello', 'marker'],
      );
      const evidence = evidenceOf(todo);
      assert.partialDeepStrictEqual(evidence.sources[0], { name: 'structured output', verdict: 'structured', used: true });
      assert.deepEqual([evidence.structured.filesCreated, evidence.structured.finalText], [['hello.txt'], 'Finished: say hello.']);
      assert.equal(evidence.usage.inputTokens, 300);
      assert.ok(!terminals.list()?.some((name) => name.startsWith(`todo-${added.number}-`)), 'the window is gone');
    }),

    part('lies once: the hook that waits brings the failure', async () => {
      const added = await on.add('lie once', liarOnce, '--check', 'test -f mended');
      const todo = await on.ended(added);
      assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 failed', '2 passed']]);
      assert.ok(on.api.requests.some((request) => titleOf(request) === added.title && /Stop hook feedback/.test(request.lastText)));
    }),

    part('ends its turn without a word: told once to say one, the second time it is stalled; its next sign wakes it', async () => {
      const script =
        (work: string): Script =>
        (request) =>
          request.lastText === 'go on' || request.turn > 2 ? honest(work)({ ...request, turn: request.turn - 2 }) : [text('Well.')];
      const added = await on.add('say nothing', script, '--check', 'test -f hello.txt');
      await on.logged(added, 'stalled', ({ reason }) => /without a word, twice/.test(reason));
      const told = on.api.requests.filter((request) => titleOf(request) === added.title);
      assert.deepEqual([told.length, /Stop hook feedback:\s[\s\S]*todo done[\s\S]*todo block/.test(told[1]?.lastText ?? '')], [2, true]);
      const stalled = await on.home.untilTodo(added.number, 'stalled', ({ status }) => status === 'stalled');
      assert.equal(stalled.proof, null);
      // A person looks, and types.
      terminals.send(targetOf(added, await on.journal(added, 'lives', () => true)), 'go on');
      const todo = await on.ended(added);
      assert.deepEqual(endOf(todo), ['completed', 'verified', 'done']);
    }),

    part('stands at a permission dialog: stalled, nothing is typed; a person answers and it goes on', async () => {
      const script =
        (work: string): Script =>
        (request) =>
          request.turn === 0
            ? [tool('Edit', { file_path: join(work, 'a.txt'), old_string: 'a', new_string: 'b' })]
            : honest(work)({ ...request, turn: request.turn - 1 });
      const added = await on.add(
        'ask for leave',
        (work) => {
          writeFileSync(join(work, 'a.txt'), 'a\n');
          return script(work);
        },
        '--check',
        'test -f hello.txt',
      );
      const line = await on.logged(added, 'stalled');
      assert.match(line.reason, /asks for a permission/);
      assert.equal((await on.home.untilTodo(added.number, 'stalled', ({ status }) => status === 'stalled')).status, 'stalled');
      assert.equal(readFileSync(join(added.work, 'a.txt'), 'utf8'), 'a\n');
      terminals.send(targetOf(added, await on.journal(added, 'lives', () => true)), '');
      const todo = await on.ended(added);
      assert.deepEqual([...endOf(todo), readFileSync(join(added.work, 'a.txt'), 'utf8')], ['completed', 'verified', 'done', 'b\n']);
    }),
  ]);
});

test('[H-29] the daemon is killed while they work; another finds headless and tmux again and brings them to their ends', async (t) => {
  const on = await stage(t);
  const first = await on.daemon();
  const [door, checked] = [gate(), gate()];
  const check = ['--check', 'test -f hello.txt'];
  const headless = await on.add('outlive it', slow(door), ...check);
  const tmux = await on.add('outlive it in tmux', slow(door), ...check, '--session', 'tmux');
  const ended = await on.add('end meanwhile', slow(checked), ...check);
  const all = [headless, tmux, ended];
  for (const added of all) await on.api.requested((request) => titleOf(request) === added.title && request.turn === 1);
  for (const added of all) await on.journal(added, 'runs', ({ fact }) => fact === 'running');
  first.process.kill('SIGKILL');
  await first.ended;
  checked.open();
  const { ref } = await on.journal(ended, 'known', () => true);
  await on.home.until('it ended while no daemon lived', () => existsSync(join(on.home.folder, 'runs', ref.runId, 'exit')));
  await on.daemon();
  for (const added of all) await on.logged(added, 'adopted');
  door.open();
  for (const added of all) {
    const todo = await on.ended(added);
    assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 passed']], added.title);
    assert.equal(count(await on.facts(added), 'running'), 1, 'never started again');
    assert.equal(on.conversations(added).size, 1);
  }
});

test('[C-71] with MariaDB as the store, headless and in tmux', async (t) => {
  const server = await startMariadb();
  t.after(() => server.stop());
  const on = await stage(t, { store: { url: server.url() } });
  await on.daemon();
  const check = ['--check', 'test -f mended'];
  const added = [await on.add('lie headless', liarOnce, ...check), await on.add('lie in tmux', liarOnce, ...check, '--session', 'tmux')];
  for (const one of added) {
    const todo = await on.ended(one);
    assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 failed', '2 passed']]);
  }
  const connection = await server.connect();
  t.after(() => connection.end());
  const [rows] = await connection.query('SELECT t.title, t.proof FROM todo t JOIN completion c ON c.todo_id = t.id ORDER BY t.number');
  assert.deepEqual(JSON.parse(JSON.stringify(rows)), [
    { title: 'lie headless', proof: 'verified' },
    { title: 'lie in tmux', proof: 'verified' },
  ]);
});

test('todo run without a daemon: nobody can answer the Stop hook, so the failure goes back by --resume', async (t) => {
  const on = await stage(t);
  const added = await on.add('lie to nobody', liarOnce, '--check', 'test -f mended');
  const { code } = await on.home.todo(['run', String(added.number)], { env: on.env });
  const todo = await on.home.show(added.number);
  assert.deepEqual([code, ...endOf(todo), roundsOf(todo)], [0, 'completed', 'verified', 'done', ['1 failed', '2 passed']]);
  assert.equal(count(await on.facts(added), 'running'), 2);
});

test('[I-37] hooks are of the run alone: those of a person and of a project stay and fire, broken ones hold nobody up', async (t) => {
  const on = await stage(t);
  const fired = join(on.home.work, 'fired');
  const hook = (command: string) => [{ hooks: [{ type: 'command', command }] }];
  const theirs = {
    hooks: {
      Stop: [...hook(`echo user >>${fired}`), ...hook('/nowhere/hook'), ...hook('exit 1')],
      PreToolUse: hook('/nowhere/hook'),
      UserPromptSubmit: hook('echo not-json; exit 1'),
    },
  };
  writeFileSync(on.userSettings, JSON.stringify(theirs));
  // Those that `todo hooks install` writes for sessions of a person's own stand beside them.
  await on.home.json(['hooks', 'install', 'claude'], { env: on.env });
  const before = readFileSync(on.userSettings, 'utf8');
  await on.daemon();
  const project = JSON.stringify({ hooks: { Stop: hook(`echo project >>${fired}`) } });
  const added = await on.add(
    'work among hooks',
    (work) => {
      mkdirSync(join(work, '.claude'));
      writeFileSync(join(work, '.claude', 'settings.json'), project);
      return liarOnce();
    },
    '--check',
    'test -f mended',
  );
  const todo = await on.ended(added);
  assert.deepEqual([...endOf(todo), roundsOf(todo)], ['completed', 'verified', 'done', ['1 failed', '2 passed']]);
  const toldByHooks = evidenceOf(todo).laterSignals.filter(({ saidBy }: Json) => saidBy === 'hook');
  assert.equal(toldByHooks.length, 2, 'each of two Stops was told once');
  const lines = readFileSync(fired, 'utf8').trim().split('\n').sort();
  assert.deepEqual(lines, ['project', 'project', 'user', 'user'], 'theirs fired at each Stop');
  assert.deepEqual(
    [readFileSync(on.userSettings, 'utf8'), readFileSync(join(added.work, '.claude', 'settings.json'), 'utf8')],
    [before, project],
  );

  // Outside of a run the same hooks say nothing to anybody.
  const { stdout } = await promisify(execFile)(programs().claude, ['-p', 'Todo 0: on my own'], {
    cwd: on.home.work,
    env: { PATH: process.env['PATH'], ...on.env },
  });
  assert.match(stdout, /no script for "on my own"/);
  assert.deepEqual(readdirSync(join(on.home.folder, 'spool', 'new')), []);
});

test('hooks doctor proves that the Stop hook fires here, and names what keeps it from firing', async (t) => {
  const on = await stage(t);
  const doctor = (code: number) =>
    on.home.todo(['hooks', 'doctor', 'claude', '--json'], { env: on.env }).then((result) => {
      assert.equal(result.code, code, result.stdout + result.stderr);
      return JSON.parse(result.stdout);
    });
  const good = await doctor(0);
  assert.deepEqual([good.installed, good.fires, good.why], [true, true, null]);
  writeFileSync(on.userSettings, JSON.stringify({ disableAllHooks: true }));
  const off = await doctor(1);
  assert.deepEqual([off.installed, off.fires], [true, false]);
  assert.ok(off.why.includes('disableAllHooks') && off.why.includes(on.userSettings), off.why);
  const dry = await on.home.json(['hooks', 'install', 'claude', '--dry-run'], { env: on.env });
  assert.deepEqual([dry.changed, dry.wouldChange, readFileSync(on.userSettings, 'utf8')], [false, true, '{"disableAllHooks":true}']);
});
