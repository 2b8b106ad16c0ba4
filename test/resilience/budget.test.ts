import assert from 'node:assert/strict';
import { test } from 'node:test';
import { budgets, RetryBudget } from '../../src/resilience/budget.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { policies } from '../../src/resilience/policy.ts';
import { offline, settle, watched, world } from './fake-clock.ts';

test('the share starts with three retries, and five calls bring another', () => {
  const budget = new RetryBudget(budgets.share);
  assert.deepEqual([budget.take(1), budget.take(1), budget.take(1), budget.take(1)], [true, true, true, false]);
  for (let i = 0; i < 4; i++) budget.called();
  assert.equal(budget.take(1), false);
  budget.called();
  assert.equal(budget.take(1), true);
  assert.equal(budget.take(1), false);
});

test('a long good time pays for a hundred retries and no more', () => {
  const budget = new RetryBudget(budgets.share);
  for (let i = 0; i < 100_000; i++) budget.called();
  let taken = 0;
  while (budget.take(1)) taken++;
  assert.equal(taken, 100);
});

test('500 tokens are 35 retries of 14, and 14 successes bring one back', () => {
  const budget = new RetryBudget(budgets.tokens);
  let taken = 0;
  while (budget.take(1)) taken++;
  assert.equal(taken, 35);
  for (let i = 0; i < 3; i++) budget.succeeded();
  assert.equal(budget.take(1), false);
  budget.succeeded();
  assert.equal(budget.take(1), true);
});

test('what is refused takes nothing, and what costs nothing is always given', () => {
  const budget = new RetryBudget({ startTokens: 1, capacity: 1, perCall: 0, perSuccess: 0, unitCost: 2 });
  assert.equal(budget.take(1), false);
  assert.equal(budget.take(0), true);
  assert.equal(budget.take(0.5), true);
  assert.equal(budget.take(0.1), false);
});

test('a thousand calls that all fail are retried at most 200 + 3 times in all', async () => {
  const needs = world();
  let calls = 0;
  const guard = newGuard({ name: 'down', policy: policies.default, budget: new RetryBudget(budgets.share) }, needs);
  const all = Array.from({ length: 1000 }, () =>
    watched(
      guard.run(() => {
        calls++;
        return Promise.reject(offline());
      }),
    ),
  );
  await needs.clock.pass(60_000);
  await settle();
  assert.ok(all.every((it) => it.state === 'rejected'));
  assert.ok(calls > 1000, 'some are retried');
  assert.ok(calls - 1000 <= 203, `${calls - 1000} retries`);
});
