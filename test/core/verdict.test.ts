import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig } from '../../src/core/config.ts';
import type { CheckResult } from '../../src/core/evidence.ts';
import { endingOf, feedbackOf, jobDelayMs, maySendBack, wantsChecks } from '../../src/core/verdict.ts';
import { entry, signal } from './entry-fixture.ts';

const config = defaultConfig();
const half = () => 0.5;
const check = (passed: boolean, round = 1): CheckResult => ({
  command: 'npm test',
  round,
  exitCode: passed ? 0 : 1,
  osSignal: null,
  timedOut: false,
  startError: null,
  passed,
  startedAtMs: 0,
  durationMs: 5,
  outputTail: 'tail',
  outputBytes: 4,
});
const emergency = (action: 'complete' | 'reset') =>
  ({ action, by: 'deadline', reason: 'silence', atMs: 5, actions: [], system: null }) as const;

test('what a run comes to follows from the word, the checks and the emergency alone', () => {
  const cases = [
    ['done without checks is unverified', entry({ signal: signal() }), ['done', 'completed', 'unverified']],
    ['done with passed checks is verified', entry({ signal: signal(), checks: [check(true)] }), ['done', 'completed', 'verified']],
    ['done with a failed check is failed', entry({ signal: signal(), checks: [check(true), check(false)] }), ['failed', 'failed', null]],
    [
      'only the last round counts',
      entry({ signal: signal(), round: 2, checks: [check(false, 1), check(true, 2)] }),
      ['done', 'completed', 'verified'],
    ],
    [
      'a person overrides failed checks',
      entry({ signal: signal({ saidBy: 'person' }), checks: [check(false)] }),
      ['done', 'completed', 'overridden'],
    ],
    [
      'a person with passed checks is verified',
      entry({ signal: signal({ saidBy: 'person' }), checks: [check(true)] }),
      ['done', 'completed', 'verified'],
    ],
    ['a person without checks overrides', entry({ signal: signal({ saidBy: 'person' }) }), ['done', 'completed', 'overridden']],
    [
      'forced stays forced though checks pass',
      entry({ signal: signal({ says: null, saidBy: 'deadline' }), emergency: emergency('complete'), checks: [check(true)] }),
      ['forced', 'completed', 'forced'],
    ],
    ['a reset opens it again', entry({ signal: signal({ says: null }), emergency: emergency('reset') }), ['reset', 'open', null]],
    [
      'the reset after the last one blocks',
      entry({ signal: signal({ says: null }), emergency: emergency('reset') }, { resets: 3 }),
      ['reset', 'blocked', null],
    ],
    ['failed is failed', entry({ signal: signal({ says: 'failed' }), checks: [] }), ['failed', 'failed', null]],
    ['blocked', entry({ signal: signal({ says: 'blocked' }) }), ['blocked', 'blocked', null]],
    ['parked', entry({ signal: signal({ says: 'parked', notBeforeMs: 77 }) }), ['parked', 'parked', null]],
    ['released', entry({ signal: signal({ says: 'released' }) }), ['released', 'open', null]],
    ['cancelled', entry({ signal: signal({ says: 'cancelled' }) }), ['cancelled', 'cancelled', null]],
    ['a lost session is a new attempt', entry({ signal: signal({ says: null }), exit: { kind: 'lost', atMs: 1 } }), ['lost', 'open', null]],
    [
      'the fifth lost attempt is failed',
      entry({ signal: signal({ says: null }), exit: { kind: 'lost', atMs: 1 } }, { attempts: 4 }),
      ['lost', 'failed', null],
    ],
    ['superseded records nothing', entry({ signal: signal(), superseded: true, checks: [check(true)] }), ['superseded', 'open', null]],
  ] as const;
  for (const [name, of, [outcome, status, proof]] of cases) {
    const ending = endingOf(of, config, 1000, half);
    assert.deepEqual([ending.outcome, ending.todoStatus, ending.proof], [outcome, status, proof], name);
  }
  assert.equal(endingOf(entry({ signal: signal({ says: 'parked', notBeforeMs: 77 }) }), config, 1000, half).notBeforeMs, 77);
});

test('lost attempts wait 1, 2, 4, 8 seconds, give or take a quarter', () => {
  for (const [attempt, ms] of [
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [4, 8000],
  ] as const) {
    assert.equal(jobDelayMs(attempt, config, half), ms);
    assert.equal(
      jobDelayMs(attempt, config, () => 0),
      ms * 0.75,
    );
    assert.ok(jobDelayMs(attempt, config, () => 0.999) <= ms * 1.25);
  }
});

test('a failed check goes back only to an agent that said done, while rounds are left', () => {
  const talker = { conversational: true };
  const plain = { conversational: false };
  assert.equal(maySendBack(entry({ signal: signal(), round: 3 }), talker, config), true);
  assert.equal(maySendBack(entry({ signal: signal(), round: 4 }), talker, config), false);
  assert.equal(maySendBack(entry({ signal: signal() }), plain, config), false);
  assert.equal(maySendBack(entry({ signal: signal() }, { rounds: 2 }), plain, config), true);
  assert.equal(maySendBack(entry({ signal: signal(), round: 2 }, { rounds: 2 }), plain, config), false);
  assert.equal(maySendBack(entry({ signal: signal({ saidBy: 'person' }) }, { rounds: 2 }), plain, config), false);
  assert.equal(maySendBack(entry({ signal: signal(), kind: 'external' }, { rounds: 2 }), plain, config), false);
  assert.equal(maySendBack(entry({ signal: signal(), emergency: emergency('complete') }, { rounds: 2 }), plain, config), false);
});

test('checks are asked where work is claimed or forced, and nowhere else', () => {
  const checks = { checks: ['true'] };
  assert.equal(wantsChecks(entry({ signal: signal() }, checks)), true);
  assert.equal(wantsChecks(entry({ signal: signal({ says: null }), emergency: emergency('complete') }, checks)), true);
  assert.equal(wantsChecks(entry({ signal: signal({ says: 'failed' }) }, checks)), false);
  assert.equal(wantsChecks(entry({ signal: signal({ says: null }), emergency: emergency('reset') }, checks)), false);
  assert.equal(wantsChecks(entry({ signal: signal() })), false);
});

test('feedback names each failed check, how it ended and what it printed', () => {
  const text = feedbackOf([check(true), { ...check(false), command: 'npm run lint', outputTail: 'x is unused' }]);
  assert.match(text, /1 of 2/);
  assert.match(text, /npm run lint\nexit code 1\nx is unused/);
  assert.doesNotMatch(text, /npm test/);
});
