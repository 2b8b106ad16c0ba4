import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { advance, firstRoundFailed } from '../../src/core/advance.ts';
import { configSchema, defaultConfig } from '../../src/core/config.ts';
import { facts } from '../../src/core/entry.ts';
import type { ErrorCode } from '../../src/core/errors.ts';
import { errorTable } from '../../src/core/errors.ts';
import { entry, signal } from './entry-fixture.ts';

const config = defaultConfig();
const at = { nowMs: 10_000, durationMs: 5, random: () => 0.5 };

test('a done step sets the next fact and counts the next attempt before it runs', () => {
  const moved = advance(entry({ fact: 'signalled', attempt: 3, signal: signal() }), { kind: 'done', fact: 'collected' }, config, at);
  assert.equal(moved.fact, 'collected');
  assert.equal(moved.attempt, 1);
  assert.equal(moved.timeline.at(-1)?.layer, 1);
});

test('a store that is away is waited for: 2, 4, 8 seconds, then round after round, never given up', () => {
  let now = entry({ fact: 'reported' });
  const delays: number[] = [];
  for (let i = 0; i < 50; i++) {
    now = advance(now, { kind: 'failed', code: 'STORE_UNREACHABLE', reason: 'refused' }, config, at);
    delays.push(now.nextAttemptAtMs - at.nowMs);
    assert.equal(now.fact, 'reported');
    assert.equal(now.givenUp, null);
  }
  assert.deepEqual(delays.slice(0, 4), [2000, 4000, 8000, 60_000]);
});

test('where the retries of all are used up each try waits as the last one of a round, and none is given up for it', () => {
  const failed = { kind: 'failed', code: 'STORE_UNREACHABLE', reason: 'refused' } as const;
  const delays = [1, 2, 3, 4].map((attempt) => {
    const moved = advance(entry({ fact: 'reported', attempt }), failed, config, { ...at, isPaid: false });
    assert.equal(moved.givenUp, null);
    return moved.nextAttemptAtMs - at.nowMs;
  });
  assert.deepEqual(delays, [8000, 8000, 8000, 60_000]);
});

test('without exponential backoff every delay is two seconds', () => {
  const flat = configSchema.parse({ behavior: { exponential_backoff: false } });
  const moved = advance(entry({ fact: 'reported', attempt: 3 }), { kind: 'failed', code: 'STORE_UNREACHABLE', reason: '' }, flat, at);
  assert.equal(moved.nextAttemptAtMs - at.nowMs, 2000);
});

test('the first whole round that failed is one alarm', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((attempt) => firstRoundFailed({ attempt }, config)),
    [false, false, false, true, false],
  );
});

test('a burial that fails waits longer each time, whatever failed, and is no second death', () => {
  const failed = { kind: 'failed', code: 'STORE_SCHEMA', reason: 'made by a newer program' } as const;
  let now = advance(entry({ fact: 'reported' }), failed, config, at);
  assert.deepEqual([now.givenUp, now.nextAttemptAtMs], ['made by a newer program', 0]);
  const delays: number[] = [];
  for (let i = 0; i < 4; i++) {
    now = advance(now, failed, config, at);
    delays.push(now.nextAttemptAtMs - at.nowMs);
  }
  assert.deepEqual(delays, [2000, 4000, 8000, 60_000]);
  assert.equal(now.deaths?.length, 1);
});

test('bounded errors are given up after their tries, permanent ones at once', () => {
  const third = advance(
    entry({ fact: 'collected', attempt: 3 }),
    { kind: 'failed', code: 'FILE_UNWRITABLE', reason: 'no right' },
    config,
    at,
  );
  assert.equal(third.givenUp, 'no right');
  const first = advance(
    entry({ fact: 'reported', attempt: 1 }),
    { kind: 'failed', code: 'STORE_REFUSED', reason: 'too strange' },
    config,
    at,
  );
  assert.equal(first.givenUp, 'too strange');
});

test('a look that disproves goes back, at most five times', () => {
  let now = entry({ fact: 'recorded' });
  for (let i = 1; i <= 5; i++) {
    now = { ...advance(now, { kind: 'disproved', backTo: 'reported', reason: 'no row' }, config, at), fact: 'recorded' };
    assert.equal(now.givenUp, null, String(i));
  }
  now = advance(now, { kind: 'disproved', backTo: 'reported', reason: 'no row' }, config, at);
  assert.match(now.givenUp ?? '', /no row/);
});

test('what a look disproved is written again at once; a look that goes on saying no, to a node that is behind, is given time', () => {
  const again = (disproved: number) =>
    advance(entry({ fact: 'recorded', disproved }), { kind: 'disproved', backTo: 'reported', reason: 'no row' }, config, at);
  assert.equal(again(0).nextAttemptAtMs, 0);
  const waitsMs = [1, 2, 3, 4].map((disproved) => again(disproved).nextAttemptAtMs - at.nowMs);
  assert.ok(waitsMs[0]! >= 1000 && waitsMs.reduce((sum, ms) => sum + ms, 0) >= 10_000, `${waitsMs}`);
});

test('an ended completion never moves, whatever is said of it', () => {
  for (const fact of ['closed', 'dead-lettered'] as const)
    assert.throws(() => advance(entry({ fact }), { kind: 'done', fact: 'collected' }, config, at), /cannot move/);
});

test('no failure ever changes a fact, and the history stays bounded', () => {
  const codes = Object.keys(errorTable) as ErrorCode[];
  fc.assert(
    fc.property(
      fc.constantFrom(...facts.filter((fact) => fact !== 'closed' && fact !== 'dead-lettered')),
      fc.array(fc.constantFrom(...codes), { maxLength: 300 }),
      (fact, failures) => {
        let now = entry({ fact });
        for (const code of failures) now = advance({ ...now, givenUp: null }, { kind: 'failed', code, reason: code }, config, at);
        return now.fact === fact && now.timeline.length <= 200;
      },
    ),
    { numRuns: 200 },
  );
});
