import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Backoff, Jitter } from '../../src/core/backoff.ts';
import { backoffMs, conflictBackoff, jobBackoff, noJitter, recordBackoff, spread } from '../../src/core/backoff.ts';

const middle = () => 0.5;
const low = () => 0;
const high = () => 1 - 2 ** -53;
const waits = (backoff: Backoff, count: number, random = middle) =>
  Array.from({ length: count }, (_, index) => backoffMs(backoff, index + 1, random));
const plain = (over: Partial<Backoff> = {}): Backoff => ({ firstMs: 1000, factor: 2, maxMs: 10_000, jitter: noJitter, ...over });

test('a wait is first × factor^(attempt − 1), never above the maximum', () => {
  assert.deepEqual(waits(plain(), 6), [1000, 2000, 4000, 8000, 10_000, 10_000]);
  assert.deepEqual(waits(plain({ factor: 1.5, firstMs: 500, maxMs: 60_000 }), 4), [500, 750, 1125, 1688]);
  assert.deepEqual(waits(plain({ factor: 1 }), 3), [1000, 1000, 1000]);
});

test('a first wait of nothing stays nothing, and a very late attempt stays at the maximum', () => {
  assert.deepEqual(
    [1, 2, 5000].map((attempt) => backoffMs(plain({ firstMs: 0 }), attempt, middle)),
    [0, 0, 0],
  );
  assert.equal(backoffMs(plain(), 5000, middle), 10_000);
});

test('after a whole round of tries the waits are those of the rest', () => {
  assert.deepEqual(waits(recordBackoff, 6), [2000, 4000, 8000, 60_000, 60_000, 60_000]);
});

test('full jitter draws from nothing to the wait, equal jitter from its half', () => {
  assert.equal(backoffMs(plain({ jitter: { kind: 'full' } }), 3, low), 0);
  assert.equal(backoffMs(plain({ jitter: { kind: 'full' } }), 3, middle), 2000);
  assert.equal(backoffMs(plain({ jitter: { kind: 'full' } }), 3, high), 4000);
  assert.equal(backoffMs(plain({ jitter: { kind: 'equal' } }), 3, low), 2000);
  assert.equal(backoffMs(plain({ jitter: { kind: 'equal' } }), 3, middle), 3000);
  assert.equal(backoffMs(plain({ jitter: { kind: 'equal' } }), 3, high), 4000);
});

test('decorrelated jitter draws between the first wait and three times the one before, whatever the attempt', () => {
  const backoff = plain({ jitter: { kind: 'decorrelated' } });
  assert.equal(backoffMs(backoff, 1, high), 3000);
  assert.equal(backoffMs(backoff, 7, low, 3000), 1000);
  assert.equal(backoffMs(backoff, 7, middle, 3000), 5000);
  assert.equal(backoffMs(backoff, 7, high, 3000), 9000);
  assert.equal(backoffMs(backoff, 7, high, 9000), 10_000);
  assert.equal(backoffMs(plain({ jitter: { kind: 'decorrelated' }, maxMs: 400 }), 1, high), 400);
});

test('a spread is the wait ± its share, and exactly the wait in the middle of the draw', () => {
  assert.deepEqual(waits(jobBackoff, 5), [1000, 2000, 4000, 8000, 16_000]);
  assert.deepEqual(waits(jobBackoff, 4, low), [750, 1500, 3000, 6000]);
  assert.deepEqual(waits(jobBackoff, 4, high), [1250, 2500, 5000, 10_000]);
});

test('a spread at the maximum is folded back: never above it, and not heaped up on it', () => {
  const atMax: Backoff = plain({ firstMs: 10_000, jitter: spread(0.2) });
  assert.equal(backoffMs(atMax, 1, middle), 10_000);
  assert.equal(backoffMs(atMax, 1, low), 8000);
  assert.equal(backoffMs(atMax, 1, high), 8000);
  assert.equal(
    backoffMs(atMax, 1, () => 0.75),
    9000,
  );
});

test('a conflict is tried again after 20 to 200 ms, whatever the attempt', () => {
  for (const attempt of [1, 2, 9])
    assert.deepEqual(
      [low, middle, high].map((random) => backoffMs(conflictBackoff, attempt, random)),
      [20, 110, 200],
    );
});

test('whatever the numbers, a wait is whole, not negative, not above the maximum, and a greater draw never leaves its bounds', () => {
  const jitter: fc.Arbitrary<Jitter> = fc.oneof(
    fc.constantFrom<Jitter>(noJitter, { kind: 'full' }, { kind: 'equal' }, { kind: 'decorrelated' }),
    fc.double({ min: 0, max: 1, noNaN: true }).map(spread),
  );
  fc.assert(
    fc.property(
      fc.record({
        firstMs: fc.integer({ min: 0, max: 100_000 }),
        factor: fc.double({ min: 1, max: 5, noNaN: true }),
        maxMs: fc.integer({ min: 0, max: 1_000_000 }),
        jitter,
      }),
      fc.integer({ min: 1, max: 2000 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 0, max: 1_000_000 }),
      (backoff, attempt, draw, previousMs) => {
        const waitMs = backoffMs(backoff, attempt, () => draw, previousMs);
        return Number.isInteger(waitMs) && waitMs >= 0 && waitMs <= backoff.maxMs;
      },
    ),
    { numRuns: 1000 },
  );
});
