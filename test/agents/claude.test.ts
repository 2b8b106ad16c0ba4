// The truth rules of the Claude adapter as tables and by fuzzing; recorded files of the real program are in fixtures/claude/.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { claude } from '../../src/agents/claude.ts';
import type { LaunchContext } from '../../src/core/agent.ts';

const recorded = (name: string): string => readFileSync(new URL(`../fixtures/claude/${name}`, import.meta.url), 'utf8');
const stream = recorded('stream-2.1.330.jsonl');
const transcript = recorded('transcript-2.1.330.jsonl');
const limitWords = "You've hit your session limit · resets 3:45pm. API Error: 429 rate_limit_error usage_limit_reached";

const stop = (more: object = {}) => ({
  hook_event_name: 'Stop',
  stop_hook_active: false,
  last_assistant_message: 'Done.',
  background_tasks: [],
  session_crons: [],
  ...more,
});
const line = (fields: object): string => `${JSON.stringify({ session_id: 's', ...fields })}\n`;
const result = (fields: object = {}): string =>
  line({ type: 'result', subtype: 'success', is_error: false, terminal_reason: 'completed', result: 'Done.', num_turns: 1, ...fields });
const apiError = (error: string, fields: object = {}): string =>
  line({
    type: 'assistant',
    error,
    timestamp: '2026-11-22T02:00:00.000Z',
    message: { model: '<synthetic>', content: [{ type: 'text', text: 'API Error' }] },
    ...fields,
  }) + result({ is_error: true, terminal_reason: 'api_error', result: 'API Error' });
const errorAtMs = Date.parse('2026-11-22T02:00:00.000Z');

describe('hook', () => {
  test('a Stop without background work ends the turn: headless it is the word, in a terminal it is not', () => {
    assert.deepEqual(claude.hook('stop', stop(), 'child'), { kind: 'turn-ended', text: 'Done.', says: 'done', again: false });
    assert.deepEqual(claude.hook('Stop', stop({ stop_hook_active: true }), 'tmux'), {
      kind: 'turn-ended',
      text: 'Done.',
      says: null,
      again: true,
    });
  });

  test('a Stop while work goes on behind it is a pause [I-11]', () => {
    const task = { id: 'b1', type: 'shell', status: 'running', description: 'npm run dev' };
    assert.deepEqual(claude.hook('stop', stop({ background_tasks: [task] }), 'child'), {
      kind: 'turn-paused',
      why: 'background work goes on: npm run dev',
    });
    assert.equal(
      claude.hook('stop', stop({ session_crons: [{ id: 'c', schedule: '* * * * *', prompt: 'look' }] }), 'child').kind,
      'turn-paused',
    );
    assert.equal(claude.hook('stop', stop({ background_tasks: ['something new'] }), 'child').kind, 'turn-paused');
    assert.equal(claude.hook('stop', stop({ background_tasks: [{ ...task, status: 'completed' }] }), 'child').kind, 'turn-ended');
  });

  test('a version that does not report background work gives no word', () => {
    assert.deepEqual(claude.hook('stop', { last_assistant_message: 'x' }, 'child'), {
      kind: 'turn-ended',
      text: 'x',
      says: null,
      again: false,
    });
  });

  test('nothing of a sub-agent counts, whatever the event is called [I-11]', () => {
    assert.equal(claude.hook('stop', stop({ agent_id: 'a1' }), 'child').kind, 'ignored');
    assert.equal(claude.hook('subagent-stop', stop({ hook_event_name: 'SubagentStop' }), 'child').kind, 'ignored');
    assert.equal(claude.hook('stop', stop({ hook_event_name: 'SubagentStop' }), 'child').kind, 'ignored');
  });

  test('an API error: headless the exit tells more, in a terminal the session stands', () => {
    const failure = { hook_event_name: 'StopFailure', error: 'rate_limit', last_assistant_message: 'weekly limit' };
    assert.deepEqual(claude.hook('stop-failure', failure, 'tmux'), {
      kind: 'usage-limit',
      resetsAtMs: null,
      why: 'rate_limit: weekly limit',
    });
    assert.equal(claude.hook('stop-failure', failure, 'child').kind, 'turn-failed');
    assert.equal(claude.hook('stop-failure', { ...failure, error: 'server_error' }, 'tmux').kind, 'turn-failed');
    assert.equal(
      claude.hook('stop-failure', { ...failure, error: 'unknown', last_assistant_message: limitWords }, 'tmux').kind,
      'turn-failed',
    );
  });

  test('work is progress; a notification is not, since it also comes when nothing moves', () => {
    for (const event of ['UserPromptSubmit', 'user-prompt-submit', 'PreToolUse', 'PostToolUse', 'SessionStart'])
      assert.deepEqual(claude.hook(event, {}, 'tmux'), { kind: 'progress' });
    assert.equal(claude.hook('notification', { notification_type: 'idle_prompt', message: 'waiting' }, 'tmux').kind, 'ignored');
  });

  test('no payload breaks it, and none of a sub-agent or with open work ends a turn', () => {
    const events = fc.oneof(
      fc.constantFrom('stop', 'Stop', 'stop-failure', 'StopFailure', 'session-end', 'notification', 'subagent-stop'),
      fc.string(),
    );
    const fields = fc.record(
      {
        hook_event_name: fc.oneof(fc.constantFrom('Stop', 'StopFailure', 'SubagentStop'), fc.anything()),
        agent_id: fc.oneof(fc.string(), fc.anything()),
        background_tasks: fc.oneof(fc.array(fc.anything()), fc.anything()),
        session_crons: fc.oneof(fc.array(fc.anything()), fc.anything()),
        last_assistant_message: fc.oneof(fc.constant(limitWords), fc.anything()),
        error: fc.oneof(fc.constantFrom('rate_limit', 'server_error'), fc.anything()),
      },
      { requiredKeys: [] },
    );
    const kinds = ['progress', 'turn-ended', 'turn-paused', 'usage-limit', 'turn-failed', 'session-ended', 'ignored'];
    fc.assert(
      fc.property(
        events,
        fc.oneof(fields, fc.anything()),
        fc.constantFrom('child' as const, 'tmux' as const),
        (event, payload, session) => {
          const verdict = claude.hook(event, payload, session);
          assert.ok(kinds.includes(verdict.kind));
          const of = (payload ?? {}) as Record<string, unknown>;
          if (verdict.kind === 'turn-ended') assert.ok(of['agent_id'] === undefined || of['agent_id'] === null);
          if (verdict.kind === 'turn-ended' && verdict.says !== null)
            assert.ok(
              session === 'child' &&
                Array.isArray(of['background_tasks']) &&
                Array.isArray(of['session_crons']) &&
                of['session_crons'].length === 0,
            );
          if (verdict.kind === 'usage-limit') assert.ok(of['error'] === 'rate_limit');
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('exitSays', () => {
  const says = (code: number, tail: string) => claude.exitSays({ code }, tail);

  test('the last result speaks, not the exit code', () => {
    assert.deepEqual({ ...says(0, stream) }, { says: 'done', summary: 'All is done.', reason: null, notBeforeMs: null });
    assert.equal(
      says(0, result({ subtype: 'error_during_execution', is_error: true, terminal_reason: 'aborted_tools', errors: ['x'] })).says,
      'blocked',
    );
    assert.equal(
      says(
        1,
        result({
          subtype: 'error_max_turns',
          is_error: true,
          terminal_reason: 'max_turns',
          errors: ['Reached maximum number of turns (2)'],
        }),
      ).reason,
      'error_max_turns: Reached maximum number of turns (2)',
    );
    assert.equal(says(1, result()).says, 'failed');
  });

  test('no result is no success, and its last line is the reason', () => {
    assert.equal(says(0, 'whatever it printed\n').says, 'failed');
    assert.match(
      says(1, 'Error: Session ID x is already in use.\n').reason ?? '',
      /exit code 1 and without a result: Error: Session ID x is already in use\.$/,
    );
  });

  test('a usage limit names when it ends, where the provider says so; what becomes of it the daemon decides', () => {
    const limit = line({ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt: 1_795_318_676 } });
    const resetsAtMs = 1_795_318_676_000;
    assert.partialDeepStrictEqual(says(1, limit + apiError('rate_limit')), {
      says: 'parked',
      notBeforeMs: resetsAtMs,
      limit: { resetsAtMs },
    });
    assert.partialDeepStrictEqual(says(1, apiError('rate_limit')), { says: 'parked', limit: { resetsAtMs: null } });
  });

  test('trouble of the provider parks, trouble with key or account asks for a person', () => {
    assert.partialDeepStrictEqual(says(1, apiError('server_error')), { says: 'parked', notBeforeMs: errorAtMs + 5 * 60_000 });
    for (const error of ['authentication_failed', 'billing_error', 'model_not_found', 'oauth_org_not_allowed'])
      assert.equal(says(1, apiError(error)).says, 'blocked');
    assert.equal(says(1, apiError('invalid_request')).says, 'failed');
  });

  test('words about limits in what the agent reads and says are no limit', () => {
    const told = line({ type: 'assistant', message: { model: 'm', content: [{ type: 'text', text: limitWords }] } });
    const read = line({
      type: 'user',
      message: { content: [{ type: 'tool_result', tool_use_id: 't', content: `${limitWords}\n${apiError('rate_limit')}` }] },
    });
    assert.equal(says(0, told + read + result({ result: limitWords })).says, 'done');
  });
});

describe('structured', () => {
  const read = (output: string, text: string | null = null) => claude.structured({ output, transcript: text, hooks: [] });

  test('the recorded run: files, commands with exit codes, errors, last words, tokens and money', () => {
    assert.deepEqual(read(stream, transcript), {
      found: {
        filesCreated: ['new.txt'],
        filesChanged: ['old.txt'],
        commands: [
          { command: 'cat old.txt', exitCode: 0 },
          { command: 'echo out; echo err >&2; exit 3', exitCode: 3 },
        ],
        errors: ['Edit: File does not exist. Note: your current working directory is /project.'],
        keyActions: ['I look first.', 'Agent sub'],
        finalText: 'All is done.\nSecond line.',
      },
      usage: {
        model: 'claude-opus-5-5',
        inputTokens: 700,
        outputTokens: 175,
        cacheReadTokens: 21_000,
        cacheWriteTokens: 140,
        costUsd: 0.011200000000000002,
        turns: 8,
      },
    });
  });

  test('stream and transcript alone tell the same deeds', () => {
    assert.deepEqual(read('', transcript)?.found, read(stream)?.found);
  });

  test('one request on many lines is paid once, also when the transcript is read twice', () => {
    const cut = transcript.split('\n').filter((one) => !one.includes('"cost-state"'));
    const usage = read('', cut.join('\n'))?.usage;
    assert.partialDeepStrictEqual(usage, { inputTokens: 600, outputTokens: 150, costUsd: null, turns: 6 });
    assert.deepEqual(read('', [...cut, ...cut].join('\n'))?.usage, usage);
  });

  test('cost is cumulative over rounds: the last total counts, and a failed start does not take it back', () => {
    const models = (outputTokens: number) => ({
      m: { inputTokens: 1, outputTokens, cacheReadInputTokens: 0, cacheCreationInputTokens: 0 },
    });
    const rounds =
      result({ total_cost_usd: 0.1, modelUsage: models(10) }) +
      result({ total_cost_usd: 0.25, modelUsage: models(25) }) +
      result({ is_error: true, subtype: 'error_during_execution', total_cost_usd: 0, modelUsage: {} });
    assert.partialDeepStrictEqual(read(rounds)?.usage, { costUsd: 0.25, outputTokens: 25, turns: 3 });
  });

  test('a killed command has no exit code, a refused one is named', () => {
    const call = (id: string, command: string) =>
      line({ type: 'assistant', message: { id, model: 'm', content: [{ type: 'tool_use', id, name: 'Bash', input: { command } }] } });
    const found = read(
      call('t1', 'sleep 100') +
        call('t2', 'npm test') +
        result({ permission_denials: [{ tool_name: 'Bash', tool_use_id: 't2', tool_input: { command: 'npm test' } }] }),
    )?.found;
    assert.deepEqual(found?.commands, [
      { command: 'sleep 100', exitCode: null },
      { command: 'npm test', exitCode: null },
    ]);
    assert.deepEqual(found?.errors, ['not permitted: Bash npm test']);
  });

  test('a terminal picture without transcript is nothing; the last Stop still has its words', () => {
    assert.equal(read('\u001b[1m● hello\u001b[0m\r\n'), null);
    const hooks = [{ event: 'stop', atMs: 1, text: 'Finished.' }];
    assert.equal(claude.structured({ output: 'screen', transcript: null, hooks })?.found.finalText, 'Finished.');
  });

  test('no bytes break it, and unknown lines change nothing', () => {
    const whole = read(stream, transcript);
    const lines = stream.split('\n');
    const unknown = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((value) => `{"type":"future","session_id":"s","value":${value}}`),
      fc.constant(`plain words: ${limitWords}`),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(lines.length), unknown), { maxLength: 5 }), (extras) => {
        const mixed = [...lines];
        for (const [at, extra] of extras)
          mixed.splice(at, 0, ...extra.split('\n').filter((one) => !/"type":\s*"(assistant|user|system|result|cost-state)"/.test(one)));
        assert.deepEqual(read(mixed.join('\n'), transcript), whole);
      }),
      { numRuns: 200 },
    );
  });

  test('cut anywhere, mixed with anything, every reader answers', () => {
    const field = fc.constantFrom(
      'type',
      'session_id',
      'message',
      'content',
      'usage',
      'tool_use_result',
      'permission_denials',
      'modelUsage',
      'error',
      'errors',
      'is_error',
      'rate_limit_info',
      'timestamp',
      'total_cost_usd',
      'id',
      'name',
      'input',
      'text',
    );
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('assistant', 'user', 'result', 'system', 'tool_use', 'tool_result', 'text', 'init'),
        fc.anything({ maxDepth: 1 }),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(field, tie('node'), { maxKeys: 6 }),
      ),
    })).node;
    const event = fc
      .tuple(fc.constantFrom('assistant', 'user', 'result', 'system', 'cost-state', 'rate_limit_event'), fc.dictionary(field, value))
      .map(([type, fields]) => {
        try {
          return JSON.stringify({ ...fields, type, session_id: 's' });
        } catch {
          return '{';
        }
      });
    fc.assert(
      fc.property(
        fc.nat(stream.length),
        fc.nat(transcript.length),
        fc.array(fc.oneof(event, fc.string(), fc.json())),
        fc.integer({ min: 0, max: 255 }),
        (a, b, extra, code) => {
          const output = [stream.slice(a), ...extra].join('\n');
          claude.structured({ output, transcript: transcript.slice(0, b), hooks: [] });
          claude.readable(output);
          const spoken = claude.exitSays({ code }, output);
          assert.ok(['done', 'failed', 'blocked', 'parked'].includes(spoken.says));
          if (spoken.says === 'done') assert.equal(code, 0);
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('readable: the stream reads like a terminal, with stderr in its place; other output stays as it is', () => {
  const text = claude.readable(`warning: from stderr\n${stream}`) ?? '';
  assert.match(text, /^warning: from stderr\n/);
  assert.match(text, /● I look first\./);
  assert.match(text, / {2}\$ echo out; echo err >&2; exit 3\n {4}✗ Exit code 3\n/);
  assert.match(text, /── success · completed\n$/);
  assert.doesNotMatch(text, /"type"/);
  assert.equal(claude.readable('just a terminal\n{"type":"thing of a program"}\n'), null);
});

describe('launch', () => {
  const context = (more: Partial<LaunchContext> = {}): LaunchContext => ({
    todo: {
      id: 'todo-id',
      number: 7,
      title: '--help me',
      prompt: 'Mend the parser.',
      cwd: '/project',
      checks: ['npm test'],
      agent: 'claude',
      rounds: 1,
    },
    runId: 'run',
    conversationId: '11111111-2222-4333-8444-555555555555',
    round: 1,
    feedback: null,
    session: 'child',
    runFolder: '/home/runs/run',
    hooksFolder: '/app/hooks',
    todoCommand: ['/app/bin/todo'],
    hookWaitMs: 540_000,
    settings: { command: null, args: [], session: null, env: { A: 'b' } },
    ...more,
  });
  const file = (launch: ReturnType<typeof claude.launch>, name: string): string =>
    launch.files.find((one) => one.name === name)?.content ?? '';

  test('headless: prompt on standard input, conversation and settings named before the start', () => {
    const launch = claude.launch(context());
    assert.deepEqual(launch.argv, [
      'claude',
      '-p',
      '--output-format',
      'stream-json',
      '--verbose',
      '--permission-mode',
      'acceptEdits',
      '--session-id',
      '11111111-2222-4333-8444-555555555555',
      '--settings',
      '/home/runs/run/claude-settings.json',
    ]);
    assert.equal(launch.stdin, 'prompt.txt');
    assert.match(
      file(launch, 'prompt.txt'),
      /^Todo 7: --help me\n\nMend the parser\.\n\n[\s\S]*\/app\/bin\/todo done --summary[\s\S]*npm test\n$/,
    );
    assert.equal(launch.env['A'], 'b');
  });

  test('a further round continues the conversation with what the checks said', () => {
    const launch = claude.launch(context({ round: 2, feedback: 'Not done yet: 1 of 1 acceptance checks failed.' }));
    assert.deepEqual(launch.argv.slice(-4), [
      '--resume',
      '11111111-2222-4333-8444-555555555555',
      '--settings',
      '/home/runs/run/claude-settings.json',
    ]);
    assert.match(file(launch, 'prompt.txt'), /^Not done yet: 1 of 1[\s\S]*\/app\/bin\/todo done --summary/);
  });

  test('in a terminal the prompt is an argument behind --, a huge one is read from its file', () => {
    assert.deepEqual(claude.launch(context({ session: 'tmux' })).argv.at(-2), '--');
    const huge = claude.launch(context({ session: 'tmux', todo: { ...context().todo, prompt: 'x'.repeat(200_000) } }));
    assert.equal(huge.argv.at(-1), 'Todo 7: read /home/runs/run/prompt.txt and do what it says.');
    assert.equal(huge.stdin, null);
  });

  test("the user's arguments and permission mode stay, our settings stand last", () => {
    const { argv } = claude.launch(
      context({
        settings: { command: '/opt/claude', args: ['--permission-mode=plan', '--settings', 'mine.json'], session: null, env: {} },
      }),
    );
    assert.equal(argv[0], '/opt/claude');
    assert.equal(argv.filter((arg) => arg.startsWith('--permission-mode')).length, 1);
    assert.equal(argv.at(-1), '/home/runs/run/claude-settings.json');
  });

  test('frequent events cost a shell, the deciding ones call todo, Stop may wait for the verdict', () => {
    const { hooks } = JSON.parse(file(claude.launch(context()), 'claude-settings.json'));
    assert.deepEqual(hooks.PreToolUse, [{ hooks: [{ type: 'command', command: '/bin/sh', args: ['/app/hooks/progress'], timeout: 5 }] }]);
    assert.deepEqual(hooks.Stop, [
      { hooks: [{ type: 'command', command: '/app/bin/todo', args: ['hook', 'claude', 'stop'], timeout: 570 }] },
    ]);
    assert.equal(hooks.Notification, undefined);
  });
});

test('transcripts: the real path as one name, a long one shortened with its hash', () => {
  const of = (cwd: string, env: Record<string, string>) => claude.transcripts({ conversationId: 'id', cwd, env });
  assert.deepEqual(of('/a b_c.d-é', { HOME: '/h' }), ['/h/.claude/projects/-a-b-c-d--/id.jsonl']);
  assert.deepEqual(of('/p', { HOME: '/h', CLAUDE_CONFIG_DIR: '/c' }), ['/c/projects/-p/id.jsonl']);
  assert.deepEqual(of('/p', {}), []);
  assert.match(of(`/${'y'.repeat(100)}/${'z'.repeat(150)}`, { HOME: '/h' })[0] ?? '', /\/projects\/.{200}-[0-9a-z]{1,6}\/id\.jsonl$/);
});
