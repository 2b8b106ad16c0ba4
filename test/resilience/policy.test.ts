import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ErrorClass } from '../../src/resilience/error-class.ts';
import { errorClasses } from '../../src/resilience/error-class.ts';
import type { Failure, Policy, PolicyName } from '../../src/resilience/policy.ts';
import { policies, policyOf, retryDecision, tuned } from '../../src/resilience/policy.ts';

const middle = () => 0.5;
const failure = (over: Partial<Failure> = {}): Failure => ({
  errorClass: 'network',
  attempt: 1,
  noTries: 0,
  previousMs: null,
  retryAfterMs: null,
  leftMs: Number.POSITIVE_INFINITY,
  tokens: Number.POSITIVE_INFINITY,
  ...over,
});

/** The waits of a call that never succeeds, until it is given up or `most` are seen. */
function waits(policy: Policy, { random = middle, errorClass = 'network' as ErrorClass, most = 12 } = {}) {
  const seen: number[] = [];
  for (let attempt = 1; attempt <= most; attempt++) {
    const decision = retryDecision(policy, failure({ attempt, errorClass, previousMs: seen.at(-1) ?? null }), random);
    if (decision.kind === 'give-up') return { seen, end: decision };
    seen.push(decision.delayMs);
  }
  return { seen, end: null };
}

test('[P-04] (U) policy default: three retries after 1, 2, 4 s, and then no more', () => {
  const { seen, end } = waits(policies.default);
  assert.deepEqual(seen, [1000, 2000, 4000]);
  assert.equal(end?.because, 'attempts');
  assert.equal(policies.default.rules.network.backoff.maxMs, 10_000);
});

test('[H-13] (U) policy job: 1, 2, 4, 8 s ± 25 %, five tries, then a dead letter; at most 300 s', () => {
  const { seen, end } = waits(policies.job);
  assert.deepEqual(seen, [1000, 2000, 4000, 8000]);
  assert.deepEqual(waits(policies.job, { random: () => 0 }).seen, [750, 1500, 3000, 6000]);
  assert.deepEqual(waits(policies.job, { random: () => 1 - 2 ** -53 }).seen, [1250, 2500, 5000, 10_000]);
  assert.deepEqual({ because: end?.because, deadLetter: end?.deadLetter }, { because: 'attempts', deadLetter: true });
  const { backoff } = policies.job.rules.network;
  assert.deepEqual([backoff.maxMs, backoff.factor], [300_000, 2]);
});

test('[H-14] (U) policy api: 0.5, 0.75 s ± 20 %, three tries; at most 60 s', () => {
  const { seen, end } = waits(policies.api);
  assert.deepEqual(seen, [500, 750]);
  assert.deepEqual(waits(policies.api, { random: () => 0 }).seen, [400, 600]);
  assert.deepEqual(waits(policies.api, { random: () => 1 - 2 ** -53 }).seen, [600, 900]);
  assert.equal(end?.because, 'attempts');
  assert.equal(policies.api.rules.network.backoff.maxMs, 60_000);
});

test('[E-05] (U) policy token.refresh: 1, 2, 4 … at most 60 s, and never given up', () => {
  const { seen, end } = waits(policies['token.refresh'], { most: 500 });
  assert.deepEqual(seen.slice(0, 8), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  assert.equal(seen.length, 500);
  assert.equal(end, null);
  // Jitter would break the promised waits.
  assert.deepEqual(waits(policies['token.refresh'], { random: () => 0, most: 500 }).seen, seen);
});

test('[E-11] (U) policy token.initial: ten tries, 1, 2, 4, 8, 16, 30 s, whose waits are 151 s together', () => {
  for (const random of [middle, () => 0, () => 0.999]) {
    const { seen, end } = waits(policies['token.initial'], { random });
    assert.deepEqual(seen, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    assert.equal(
      seen.reduce((sum, it) => sum + it, 0),
      151_000,
    );
    assert.equal(end?.because, 'attempts');
  }
});

test('policy link.reconnect: six retries after 1, 2, 4, 8, 16, 30 s', () => {
  const { seen, end } = waits(policies['link.reconnect']);
  assert.deepEqual(seen, [1000, 2000, 4000, 8000, 16_000, 30_000]);
  assert.equal(end?.because, 'attempts');
});

test('policy record: rounds of 2, 4, 8 s, then each minute, never given up while the store is away', () => {
  const { seen, end } = waits(policies.record, { most: 1000 });
  assert.deepEqual(seen.slice(0, 5), [2000, 4000, 8000, 60_000, 60_000]);
  assert.equal(end, null);
  for (const errorClass of ['resource', 'temporary', 'auth', 'refused'] as const)
    assert.equal(waits(policies.record, { errorClass, most: 1000 }).end, null, errorClass);
  assert.equal(waits(policies.record, { errorClass: 'permanent' }).end?.because, 'class');
});

const herd: readonly (readonly [name: PolicyName, by: number])[] = [
  ['job', 0.25],
  ['api', 0.2],
  ['default', 0.2],
  ['link.reconnect', 0.2],
];
for (const [name, by] of herd) {
  test(`[H-06] (U) policy ${name}: 10,000 draws lie evenly within ± ${by * 100} % of each wait`, () => {
    // A generator with a seed: the same draws each time, so the test cannot fail by chance.
    let state = 42;
    const random = () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    const { backoff } = policies[name].rules.network;
    for (const attempt of [1, 2]) {
      const nominalMs = backoff.firstMs * backoff.factor ** (attempt - 1);
      const draws = Array.from({ length: 10_000 }, () => {
        const decision = retryDecision(policies[name], failure({ attempt }), random);
        assert.equal(decision.kind, 'retry');
        return decision.kind === 'retry' ? decision.delayMs : Number.NaN;
      });
      const [least, most] = [Math.min(...draws), Math.max(...draws)];
      assert.ok(least >= nominalMs * (1 - by) && most <= nominalMs * (1 + by), `${least} … ${most}`);
      assert.ok(least < nominalMs * (1 - by * 0.99) && most > nominalMs * (1 + by * 0.99), `${least} … ${most} does not reach its bounds`);
      const mean = draws.reduce((sum, it) => sum + it, 0) / draws.length;
      assert.ok(Math.abs(mean / nominalMs - 1) < 0.01, `mean ${mean}`);
      // Ten equal parts hold a tenth each.
      const parts = Array.from({ length: 10 }, () => 0);
      for (const it of draws) parts[Math.min(9, Math.floor(((it / nominalMs - 1 + by) / (2 * by)) * 10))]!++;
      assert.ok(Math.min(...parts) > 850 && Math.max(...parts) < 1150, parts.join(' '));
    }
  });
}

/** attempts, budget cost, dead letter, alert. */
type Row = readonly [attempts: number, cost: number, deadLetter: boolean, alert: boolean];
const forever = Number.POSITIVE_INFINITY;
const table: Readonly<Record<'default' | 'job' | 'api', Readonly<Record<ErrorClass, Row>>>> = {
  default: {
    runner_offline: [4, 1, false, false],
    quota_exhausted: [4, 0, false, true],
    network: [4, 1, false, false],
    resource: [4, 1, false, true],
    temporary: [4, 1, false, false],
    permanent: [1, 1, true, true],
    auth: [1, 1, false, true],
    invalid: [1, 1, true, true],
    refused: [1, 1, false, false],
    defect: [1, 1, false, true],
  },
  job: {
    runner_offline: [5, 1, true, false],
    quota_exhausted: [forever, 0, true, true],
    network: [5, 1, true, false],
    resource: [5, 1, true, true],
    temporary: [5, 1, true, false],
    permanent: [1, 1, true, true],
    auth: [1, 1, true, true],
    invalid: [1, 1, true, true],
    refused: [forever, 0, false, false],
    defect: [1, 1, true, true],
  },
  api: {
    runner_offline: [3, 1, false, false],
    quota_exhausted: [3, 0, false, true],
    network: [3, 1, false, false],
    resource: [3, 1, false, true],
    temporary: [3, 1, false, false],
    permanent: [1, 1, true, true],
    auth: [1, 1, false, true],
    invalid: [1, 1, true, true],
    refused: [1, 1, false, false],
    defect: [1, 1, false, true],
  },
};
for (const [name, rows] of Object.entries(table) as [keyof typeof table, Readonly<Record<ErrorClass, Row>>][]) {
  for (const errorClass of errorClasses) {
    const [attempts, cost, deadLetter, alert] = rows[errorClass];
    test(`[H-07] (U) policy ${name}, ${errorClass}: ${attempts} attempts, cost ${cost}${deadLetter ? ', dead letter' : ''}${alert ? ', alert' : ''}`, () => {
      const { seen, end } = waits(policies[name], { errorClass, most: 1000 });
      assert.equal(end === null ? forever : seen.length + 1, attempts);
      if (end !== null) assert.deepEqual([end.because, end.deadLetter], [attempts === 1 ? 'class' : 'attempts', deadLetter]);
      const rule = policies[name].rules[errorClass];
      assert.deepEqual([rule.budgetCost, rule.deadLetter, rule.alert], [cost, deadLetter, alert]);
    });
  }
}

test('[H-07] (U) a limit without a known end waits half an hour in policy job, with one its time; missing room waits five times as long as a network', () => {
  assert.deepEqual(waits(policies.job, { errorClass: 'quota_exhausted', most: 3 }).seen, [1_800_000, 1_800_000, 1_800_000]);
  const until = retryDecision(policies.job, failure({ errorClass: 'quota_exhausted', retryAfterMs: 5 * 3_600_000, attempt: 9 }), middle);
  assert.equal(until.kind === 'retry' && until.delayMs, 5 * 3_600_000);
  const soon = (retryAfterMs: number) => retryDecision(policies.job, failure({ errorClass: 'quota_exhausted', retryAfterMs }), middle);
  assert.deepEqual(
    [soon(90_000), soon(0)].map((it) => it.kind === 'retry' && it.delayMs),
    [90_000, 1000],
  );
  assert.deepEqual(waits(policies.default, { errorClass: 'resource' }).seen, [5000, 10_000, 10_000]);
});

test('a wait that the other side asks for is obeyed, and never shortens our own', () => {
  const after = (retryAfterMs: number) => retryDecision(policies.api, failure({ retryAfterMs }), middle);
  assert.deepEqual(after(7000), { kind: 'retry', delayMs: 7000, cost: 1, alert: false });
  assert.deepEqual(after(0), { kind: 'retry', delayMs: 500, cost: 1, alert: false });
});

test('who asks for a longer wait than the policy makes gets no further try', () => {
  assert.equal(retryDecision(policies.api, failure({ retryAfterMs: 60_000 }), middle).kind, 'retry');
  const decision = retryDecision(policies.api, failure({ retryAfterMs: 60_001 }), middle);
  assert.equal(decision.kind === 'give-up' && decision.because, 'retry-after');
});

test('a wait that would end with the total deadline or after it is not begun', () => {
  const left = (leftMs: number) => retryDecision(policies.default, failure({ leftMs }), middle);
  assert.equal(left(1001).kind, 'retry');
  for (const leftMs of [1000, 999, 0, -5]) {
    const decision = left(leftMs);
    assert.equal(decision.kind === 'give-up' && decision.because, 'deadline', String(leftMs));
  }
});

test('without enough in the budget there is no retry, and what costs nothing needs nothing', () => {
  const decision = retryDecision(policies.default, failure({ tokens: 0.99 }), middle);
  assert.equal(decision.kind === 'give-up' && decision.because, 'budget');
  assert.equal(retryDecision(policies.default, failure({ tokens: 1 }), middle).kind, 'retry');
  assert.equal(retryDecision(policies.default, failure({ tokens: 0, errorClass: 'quota_exhausted' }), middle).kind, 'retry');
});

test('a class that no try helps is given up as that, whatever else is short', () => {
  const decision = retryDecision(policies.default, failure({ errorClass: 'permanent', tokens: 0, leftMs: 0, attempt: 50 }), middle);
  assert.equal(decision.kind === 'give-up' && decision.because, 'class');
});

test('a decision draws once where it retries and never where it gives up', () => {
  let draws = 0;
  const random = () => {
    draws++;
    return 0.5;
  };
  retryDecision(policies.job, failure(), random);
  assert.equal(draws, 1);
  retryDecision(policies.job, failure({ attempt: 5 }), random);
  retryDecision(policies.job, failure({ errorClass: 'invalid' }), random);
  assert.equal(draws, 1);
});

test('the four fields of a policy are set, each for itself', () => {
  assert.deepEqual(waits(tuned(policies.default, { maxRetries: 5 })).seen, [1000, 2000, 4000, 8000, 10_000]);
  assert.deepEqual(waits(tuned(policies.default, { initialDelayMs: 50 })).seen, [50, 100, 200]);
  assert.deepEqual(waits(tuned(policies.default, { maxDelayMs: 1500 })).seen, [1000, 1500, 1500]);
  assert.deepEqual(waits(tuned(policies.default, { factor: 3 })).seen, [1000, 3000, 9000]);
  assert.equal(waits(tuned(policies.default, { maxRetries: 0 })).end?.because, 'class');
});

test('setting the fields leaves alone what is never retried, what is never given up, and the named policy itself', () => {
  const other = tuned(policies.job, { maxRetries: 1, initialDelayMs: 5, maxDelayMs: 10, factor: 1 });
  assert.equal(other.rules.permanent.attempts, 1);
  assert.equal(other.rules.refused.attempts, forever);
  assert.deepEqual(waits(other, { errorClass: 'quota_exhausted', most: 2 }).seen, [1_800_000, 1_800_000]);
  assert.deepEqual(waits(policies.job).seen, [1000, 2000, 4000, 8000]);
});

test('wrong settings are refused all at once, with the policy and the fields', () => {
  assert.throws(
    () => tuned(policies.api, { maxRetries: 1.5, initialDelayMs: -1, maxDelayMs: Number.NaN, factor: 0.5 }),
    /policy api: maxRetries .*; initialDelayMs .*; maxDelayMs .*; factor/,
  );
});

test('a policy of one’s own has its numbers in each class that is retried', () => {
  const own = policyOf('own', { attempts: 2, backoff: { firstMs: 10, factor: 1, maxMs: 10, jitter: { kind: 'none' } }, deadlineMs: 500 });
  assert.deepEqual([own.name, own.deadlineMs, own.retryAfterMaxMs], ['own', 500, 10]);
  assert.deepEqual(waits(own).seen, [10]);
  assert.equal(waits(own, { errorClass: 'invalid' }).seen.length, 0);
});

test('whatever failed, a retry keeps the bounds: attempts, deadline, budget, maximum or the other side’s word', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(policies)),
      fc.record({
        errorClass: fc.constantFrom(...errorClasses),
        attempt: fc.integer({ min: 1, max: 30 }),
        noTries: fc.constant(0),
        previousMs: fc.option(fc.integer({ min: 0, max: 300_000 })),
        retryAfterMs: fc.option(fc.integer({ min: 0, max: 10_000_000 })),
        leftMs: fc.oneof(fc.constant(forever), fc.integer({ min: -10, max: 600_000 })),
        tokens: fc.oneof(fc.constant(forever), fc.double({ min: 0, max: 3, noNaN: true })),
      }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (policy, failed, draw) => {
        const decision = retryDecision(policy, failed, () => draw);
        if (decision.kind === 'give-up') return;
        const rule = policy.rules[failed.errorClass];
        const longest = Math.max(rule.backoff.maxMs, rule.backoff.round?.restMs ?? 0, failed.retryAfterMs ?? 0);
        assert.ok(failed.attempt < rule.attempts);
        assert.ok(decision.delayMs < failed.leftMs);
        assert.ok(decision.cost <= failed.tokens);
        assert.ok(decision.delayMs >= (failed.retryAfterMs ?? 0) && decision.delayMs <= longest);
      },
    ),
    { numRuns: 2000 },
  );
});
