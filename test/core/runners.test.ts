import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/core/config.ts';
import { chainOf, choiceText, coolMs, fallbackUntilMs, lessonOf, type RunnerSeen, runnerHealth } from '../../src/core/runners.ts';

const minuteMs = 60_000;
const runner = (agent: string, priority = 5, enabled = true) => ({ agent, priority, enabled });

test('the chain: by priority, of equals as they stand, without those that are switched off', () => {
  assert.deepEqual(chainOf([runner('c'), runner('a', 9), runner('b'), runner('x', 0, false), runner('d', 0)]), ['d', 'c', 'b', 'a']);
  assert.deepEqual(chainOf([]), []);
});

const fine = { command: '/bin/x --version', exitCode: 0, osSignal: null, timedOut: false, startError: null, tail: 'x 1.0\nmore' };
const seen = (more: Partial<RunnerSeen> = {}): RunnerSeen => ({ program: 'x', path: '/bin/x', missing: [], probe: fine, ...more });

for (const [name, given, status, reason] of [
  ['it says its version', seen(), 'healthy', /^x 1\.0$/],
  ['it says nothing', seen({ probe: { ...fine, tail: '' } }), 'healthy', /^it answers$/],
  ['it is not there', seen({ path: null, probe: null }), 'unhealthy', /^x was not found/],
  ['a key is missing: its name', seen({ missing: ['A_KEY', 'B_KEY'], probe: null }), 'unhealthy', /^A_KEY, B_KEY are not set$/],
  ['its probe fails', seen({ probe: { ...fine, exitCode: 3, tail: 'a\nno licence\n' } }), 'unhealthy', /exit code 3: no licence$/],
  ['its probe is killed', seen({ probe: { ...fine, exitCode: null, osSignal: 'SIGSEGV', tail: '' } }), 'unhealthy', /SIGSEGV$/],
  ['its probe cannot be started', seen({ probe: { ...fine, exitCode: null, startError: 'EACCES' } }), 'unhealthy', /EACCES/],
  ['it does not answer in time: it may only be slow', seen({ probe: { ...fine, exitCode: null, timedOut: true } }), 'unknown', /in time/],
] as const)
  test(`a runner: ${name}: ${status}`, () => {
    const health = runnerHealth('x', given);
    assert.equal(health.status, status);
    assert.match(health.reason, reason);
    assert.equal(health.whatToDo === null, status === 'healthy');
  });

const nowMs = 1_000_000;
const word = { says: null, saidBy: 'process-end', reason: null } as const;
const needs = { nowMs, limitWaitMs: 30 * minuteMs, limitMaxMs: 60 * minuteMs };
const notFound = { kind: 'spawn-error', why: 'command not found', atMs: 0 } as const;

for (const [name, said, exit, kind, untilMs] of [
  ['it said a word', { ...word, says: 'failed' }, null, 'well', null],
  ['it was lost', word, { kind: 'signal', osSignal: 'SIGKILL', atMs: 0 }, 'lost', null],
  ['its program is not there', word, notFound, 'cools', nowMs + coolMs.spawn],
  ['the working directory is not there: not its fault', word, { ...notFound, why: 'cannot enter the working directory' }, 'nothing', null],
  ['a timer ended it', { ...word, saidBy: 'deadline' }, null, 'nothing', null],
  ['a person ended it', { ...word, says: 'done', saidBy: 'person' }, null, 'nothing', null],
  ['a limit until a known time', { ...word, says: 'parked', limit: { resetsAtMs: nowMs + minuteMs } }, null, 'cools', nowMs + minuteMs],
  [
    'a limit that is over by its own word: not at once',
    { ...word, says: 'parked', limit: { resetsAtMs: nowMs - 1 } },
    null,
    'cools',
    nowMs + coolMs.limit,
  ],
  ['a limit, nobody says until when', { ...word, says: 'parked', limit: { resetsAtMs: null } }, null, 'cools', nowMs + needs.limitWaitMs],
  ['a limit beyond all measure', { ...word, says: 'parked', limit: { resetsAtMs: 1e15 } }, null, 'cools', nowMs + needs.limitMaxMs],
  ['its key was refused', { ...word, says: 'blocked', fault: 'auth' }, null, 'cools', nowMs + coolMs.auth],
] as const)
  test(`what a run teaches: ${name}: ${kind}`, () => {
    const lesson = lessonOf(said, exit, needs);
    assert.equal(lesson.kind, kind);
    assert.equal(lesson.kind === 'cools' ? lesson.cooling.untilMs : null, untilMs);
  });

const over = (...untilMs: readonly (number | null)[]) => ({
  passedOver: untilMs.map((each, at) => ({ agent: `a${at}`, why: '', untilMs: each })),
});

for (const [name, choice, before, minutes] of [
  ['nobody is configured', over(), 0, 1],
  ['nobody knows when they are well: a minute', over(null, null), 0, 1],
  ['the fourth time in a row: eight', over(null, null), 3, 8],
  ['never more than an hour', over(null), 19, 60],
  ['a limit that ends in five minutes', over(nowMs + 5 * minuteMs, nowMs + 9 * minuteMs), 0, 5],
  ['a limit that ends tomorrow', over(nowMs + 1440 * minuteMs), 0, 60],
  ['a limit that is about to end: not at once', over(nowMs + 1), 0, 1],
  ['one is ill, one has a limit for longer', over(null, nowMs + 30 * minuteMs), 2, 4],
] as const)
  test(`what nobody works on waits: ${name}: ${minutes} min`, () =>
    assert.equal(fallbackUntilMs(choice, before, nowMs) - nowMs, minutes * minuteMs));

test('a choice says who was passed over and why', () => {
  const passedOver = [{ agent: 'a', why: 'its probe failed', untilMs: null }];
  assert.equal(choiceText({ agent: 'b', first: 'a', degraded: false, passedOver }), 'a: not used, its probe failed; b: chosen');
});

test('wrong runners are refused with what to do, all at once', () => {
  const agents = {
    codex: { kind: 'command', command: 'codex' },
    naked: { kind: 'command' },
    claude: { kind: 'command', command: 'x' },
  };
  const runners = ['codx', 'codex', 'codex', 'shell', 'fallback', 'nobody'].map((agent) => ({ agent }));
  const parsed = parseConfig({ agents, runners });
  assert.ok('problems' in parsed);
  const told = Object.fromEntries(parsed.problems.map(({ key, fix }) => [key, fix]));
  assert.deepEqual(Object.keys(told).toSorted(), [
    'agents.claude',
    'agents.naked.command',
    'runners.0.agent',
    'runners.2.agent',
    'runners.3.agent',
    'runners.4.agent',
    'runners.5.agent',
  ]);
  assert.equal(told['runners.0.agent'], 'did you mean "codex"?');
  assert.match(told['runners.3.agent'] ?? '', /would run the words of a prompt/);
  assert.match(told['runners.5.agent'] ?? '', /agents\.nobody\.kind/);
  assert.ok('config' in parseConfig({ agents: { codex: agents.codex }, runners: [{ agent: 'claude' }, { agent: 'codex', priority: 0 }] }));
});
