import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaker } from '../../src/resilience/breaker.ts';
import { RetryBudget } from '../../src/resilience/budget.ts';
import { Bulkhead } from '../../src/resilience/bulkhead.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { hedge } from '../../src/resilience/hedge.ts';
import { policies } from '../../src/resilience/policy.ts';
import { profiles } from '../../src/resilience/profiles.ts';
import { offline, settle, watched, world } from './fake-clock.ts';

/** Each leg waits until the test settles it. */
function legs() {
  const all: { answer: PromiseWithResolvers<string>; stop: AbortSignal }[] = [];
  const call = (stop: AbortSignal): Promise<string> => {
    const answer = Promise.withResolvers<string>();
    all.push({ answer, stop });
    return answer.promise;
  };
  return { all, call };
}
const rule = { afterMs: 100, legs: 3, idempotent: true } as const;

test('an answer in time needs no second leg', async () => {
  const needs = world();
  const { all, call } = legs();
  const seen = watched(hedge(call, rule, needs));
  await needs.clock.pass(99);
  all[0]?.answer.resolve('first');
  await needs.clock.pass(1000);
  assert.deepEqual([seen.value, all.length, needs.clock.sleeping], ['first', 1, 0]);
});

test('without an answer another leg starts after each wait, up to the most', async () => {
  const needs = world();
  const { all, call } = legs();
  watched(hedge(call, rule, needs));
  const counts: number[] = [];
  for (const ms of [99, 1, 99, 1, 1000]) {
    await needs.clock.pass(ms);
    counts.push(all.length);
  }
  assert.deepEqual(counts, [1, 2, 2, 3, 3]);
});

test('the first success is the answer, and the others are aborted', async () => {
  const needs = world();
  const { all, call } = legs();
  const seen = watched(hedge(call, rule, needs));
  await needs.clock.pass(200);
  all[1]?.answer.resolve('second');
  await settle();
  assert.equal(seen.value, 'second');
  assert.deepEqual(
    all.map((it) => it.stop.aborted),
    [true, false, true],
  );
  all[0]?.answer.reject(offline());
  await settle();
  assert.equal(seen.value, 'second');
});

test('the only leg fails: that is the answer, at once, since a hedge is no retry', async () => {
  const needs = world();
  const { all, call } = legs();
  const seen = watched(hedge(call, rule, needs));
  const error = offline();
  all[0]?.answer.reject(error);
  await settle();
  assert.equal(seen.error, error);
  await needs.clock.pass(1000);
  assert.deepEqual([all.length, needs.clock.sleeping], [1, 0]);
});

test('one of two legs fails: the other one decides', async () => {
  const needs = world();
  const { all, call } = legs();
  const seen = watched(hedge(call, { ...rule, legs: 2 }, needs));
  await needs.clock.pass(100);
  all[0]?.answer.reject(offline());
  await settle();
  assert.equal(seen.state, 'pending');
  all[1]?.answer.resolve('second');
  await settle();
  assert.equal(seen.value, 'second');
});

test('all legs fail: it rejects with the last failure', async () => {
  const needs = world();
  const { all, call } = legs();
  const seen = watched(hedge(call, { ...rule, legs: 2 }, needs));
  await needs.clock.pass(100);
  const last = offline('last');
  all[1]?.answer.reject(offline('first'));
  all[0]?.answer.reject(last);
  await settle();
  assert.equal(seen.error, last);
});

test('stopped, all legs are aborted and no further one starts', async () => {
  const needs = world();
  const { all, call } = legs();
  const controller = new AbortController();
  const seen = watched(hedge(call, rule, needs, undefined, controller.signal));
  await needs.clock.pass(100);
  controller.abort('enough');
  await settle();
  assert.equal(seen.error, 'enough');
  assert.deepEqual(
    all.map((it) => it.stop.reason),
    ['enough', 'enough'],
  );
  await needs.clock.pass(1000);
  assert.deepEqual([all.length, needs.clock.sleeping], [2, 0]);
});

test('stopped before it began nothing is called', async () => {
  const { all, call } = legs();
  await assert.rejects(hedge(call, rule, world(), undefined, AbortSignal.abort(new Error('enough'))), /enough/);
  assert.equal(all.length, 0);
});

test('extra legs are paid from the retry budget: without any left there is one', async () => {
  const needs = world();
  const { all, call } = legs();
  const budget = new RetryBudget({ startTokens: 1, capacity: 1, perCall: 0, perSuccess: 0, unitCost: 1 });
  watched(hedge(call, rule, needs, budget));
  await needs.clock.pass(1000);
  assert.equal(all.length, 2);
});

test('what is not idempotent cannot be hedged', () => {
  const { call } = legs();
  // @ts-expect-error The type asks the caller to say it.
  assert.throws(() => hedge(call, { afterMs: 1, legs: 2 }, world()), /not idempotent/);
});

test('in a guard a call is hedged only if it says that it is idempotent', async () => {
  const needs = world();
  const guard = newGuard({ name: 's', hedge: { afterMs: 100, legs: 2 } }, needs);
  for (const [options, expected] of [
    [{}, 1],
    [{ idempotent: false }, 1],
    [{ idempotent: true }, 2],
  ] as const) {
    let calls = 0;
    watched(
      guard.run(() => {
        calls++;
        return new Promise(() => {});
      }, options),
    );
    await needs.clock.pass(1000);
    assert.equal(calls, expected, JSON.stringify(options));
  }
});

test('in a guard each leg takes a place and is seen by the breaker, and a leg that lost says nothing', async () => {
  const needs = world();
  const breaker = new Breaker(profiles.smtp, needs.clock.monotonicMs(), () => 0);
  const bulkhead = new Bulkhead({ limit: 5, queue: 0, maxWaitMs: 1 });
  const guard = newGuard({ name: 's', breaker, bulkhead, hedge: { afterMs: 100, legs: 2 } }, needs);
  for (let i = 0; i < 5; i++) {
    const { all, call } = legs();
    const seen = watched(guard.run((it) => call(it.stop), { idempotent: true }));
    await needs.clock.pass(100);
    assert.equal(bulkhead.active, 2);
    all[1]?.answer.resolve('second');
    await settle();
    assert.equal(seen.value, 'second');
    assert.equal(all[0]?.stop.aborted, true);
    assert.equal(bulkhead.active, 0);
  }
  assert.equal(breaker.state, 'closed');
});

test('in a guard retry stands around the hedge: when all legs failed both start again', async () => {
  const needs = world();
  const guard = newGuard({ name: 's', policy: policies.default, hedge: { afterMs: 100, legs: 2 } }, needs);
  const attempts: number[] = [];
  const seen = watched(
    guard.run(
      async (call) => {
        attempts.push(call.attempt);
        await needs.clock.sleep(150);
        if (attempts.length < 3) throw offline();
        return 'answer';
      },
      { idempotent: true },
    ),
  );
  await needs.clock.pass(10_000);
  assert.equal(seen.value, 'answer');
  assert.deepEqual(attempts, [1, 1, 2, 2]);
});
