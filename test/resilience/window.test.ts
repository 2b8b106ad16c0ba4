import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { newWindow } from '../../src/resilience/window.ts';

const slowOver = (rate: number) => ({ overMs: 100, rate });

test('consecutive: so many failures in a row are too much, one success begins anew', () => {
  const window = newWindow({ kind: 'consecutive', failures: 3 }, null);
  const add = (failed: boolean) => window.add(failed, false, 0);
  assert.deepEqual([add(true), add(true), add(false), add(true), add(true), add(true)], [false, false, false, false, false, true]);
});

test('consecutive: a slow call is one of the failures', () => {
  const window = newWindow({ kind: 'consecutive', failures: 2 }, slowOver(0.5));
  assert.deepEqual([window.add(false, true, 0), window.add(true, false, 0)], [false, true]);
});

test('counted: nothing is judged before the fewest calls, then by the share of failures', () => {
  const window = newWindow({ kind: 'counted', calls: 10, minCalls: 4, failureRate: 0.5 }, null);
  const add = (failed: boolean) => window.add(failed, false, 0);
  assert.deepEqual([add(true), add(true), add(true)], [false, false, false]);
  assert.equal(add(true), true);
});

test('counted: only the last calls count', () => {
  const window = newWindow({ kind: 'counted', calls: 4, minCalls: 4, failureRate: 0.75 }, null);
  for (const failed of [true, true, false, false]) window.add(failed, false, 0);
  assert.equal(window.failures(0), 2);
  // The two old failures leave, one after the other.
  assert.equal(window.add(true, false, 0), false);
  assert.equal(window.failures(0), 2);
  assert.equal(window.add(true, false, 0), false);
  assert.equal(window.add(true, false, 0), true);
});

test('counted: a success never is too much, though it completes the fewest calls', () => {
  const window = newWindow({ kind: 'counted', calls: 10, minCalls: 4, failureRate: 0.5 }, null);
  for (let i = 0; i < 3; i++) window.add(true, false, 0);
  assert.equal(window.add(false, false, 0), false);
  assert.equal(window.add(true, false, 0), true);
});

test('counted: slow successes are too much by their own share', () => {
  const window = newWindow({ kind: 'counted', calls: 4, minCalls: 4, failureRate: 1 }, slowOver(0.5));
  assert.deepEqual(
    [true, false, false, true].map((slow) => window.add(false, slow, 0)),
    [false, false, false, true],
  );
});

test('timed: what ended before the window does not count, however long nothing happened', () => {
  const window = newWindow({ kind: 'timed', windowMs: 10_000, minCalls: 10, failureRate: 0.5 }, null);
  for (let i = 0; i < 9; i++) assert.equal(window.add(true, false, 1000), false);
  assert.equal(window.add(true, false, 3_601_000), false);
  assert.equal(window.failures(3_601_000), 1);
});

test('timed: failures within the window add up over its buckets, and leave it one bucket after the other', () => {
  const window = newWindow({ kind: 'timed', windowMs: 10_000, minCalls: 5, failureRate: 0.5 }, null);
  for (const atMs of [0, 1000, 2000, 3000]) assert.equal(window.add(true, false, atMs), false);
  assert.equal(window.failures(9999), 4);
  assert.equal(window.failures(10_000), 3);
  assert.equal(window.failures(12_500), 1);
  assert.equal(window.failures(13_000), 0);
});

test('timed: too much is too much at the fifth call within the window', () => {
  const window = newWindow({ kind: 'timed', windowMs: 10_000, minCalls: 5, failureRate: 0.5 }, null);
  assert.deepEqual(
    [0, 2000, 4000, 6000, 8000].map((atMs) => window.add(true, false, atMs)),
    [false, false, false, false, true],
  );
});

test('timed: slow calls leave the window as failed ones do', () => {
  const window = newWindow({ kind: 'timed', windowMs: 1000, minCalls: 2, failureRate: 1 }, slowOver(1));
  assert.equal(window.add(false, true, 0), false);
  assert.equal(window.add(false, true, 2000), false);
  assert.equal(window.add(false, true, 2000), true);
});

test('a ring of the last calls is what a list of them would be', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      fc.array(fc.tuple(fc.boolean(), fc.boolean()), { maxLength: 60, size: 'max' }),
      (calls, minCalls, rate, results) => {
        const window = newWindow({ kind: 'counted', calls, minCalls, failureRate: rate }, slowOver(rate));
        const list: (readonly [failed: boolean, slow: boolean])[] = [];
        for (const [failed, slow] of results) {
          list.push([failed, slow]);
          const last = list.slice(-calls);
          const isShare = (count: number) => count >= last.length * rate;
          const expected =
            (failed || slow) &&
            last.length >= minCalls &&
            (isShare(last.filter((it) => it[0]).length) || isShare(last.filter((it) => it[1]).length));
          assert.equal(window.add(failed, slow, 0), expected);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('buckets of a tenth are what a list of calls would be, to a tenth of the window', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 4000 }), fc.boolean()), { maxLength: 60 }), (steps) => {
      const window = newWindow({ kind: 'timed', windowMs: 1000, minCalls: 1, failureRate: 2 }, null);
      const list: { atMs: number; failed: boolean }[] = [];
      let nowMs = 0;
      for (const [passedMs, failed] of steps) {
        nowMs += passedMs;
        window.add(failed, false, nowMs);
        list.push({ atMs: nowMs, failed });
        const since = (ms: number) => list.filter((it) => it.failed && it.atMs > nowMs - ms).length;
        const seen = window.failures(nowMs);
        assert.ok(seen >= since(900) && seen <= since(1000), `${seen} is not within ${since(900)} and ${since(1000)}`);
      }
    }),
  );
});
