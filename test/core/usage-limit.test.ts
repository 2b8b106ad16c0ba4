import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../src/core/config.ts';
import { afterLimit, limitsInARow } from '../../src/core/usage-limit.ts';
import { entry, startMs } from '../healing/small-world.ts';

const hourMs = 3_600_000;
const config = (resource: object = {}) => configSchema.parse({ resource });
const met = (resetsAtMs: number | null, before = 0, resource: object = {}) =>
  afterLimit({ limit: { resetsAtMs }, why: 'rate_limit', nowMs: startMs, before }, config(resource));

for (const [name, word, says, waitMs] of [
  ['until the time that the provider names', met(startMs + hourMs), 'parked', hourMs],
  ['where it names none, for resource.wait', met(null, 0, { wait: 60 }), 'parked', 60_000],
  ['a time that is over: at once, and counted', met(startMs - hourMs), 'parked', 0],
  ['a time beyond all measure: at most resource.wait_max', met(startMs + 1e12, 0, { wait_max: 7200 }), 'parked', 2 * hourMs],
  ['the last one in a row that is waited for', met(startMs, 1, { limits_max: 2 }), 'parked', 0],
  ['one more than that', met(startMs, 2, { limits_max: 2 }), 'blocked', null],
  ['switched off', met(startMs + hourMs, 0, { usage_limits: 'block' }), 'blocked', null],
] as const)
  test(`a usage limit: ${name}: ${says}`, () =>
    assert.deepEqual([word.says, word.notBeforeMs === null ? null : word.notBeforeMs - startMs], [says, waitMs]));

test('limits in a row: anything else between two of them begins a new count', () => {
  const run = (number: number, limit: boolean) => {
    const word = { says: 'parked', saidBy: 'hook', summary: null, reason: null, atMs: 0, round: 1, notBeforeMs: null } as const;
    const from = { kind: 'hook', event: 'StopFailure', path: '' } as const;
    return entry(number, { startedAtMs: number, signal: { ...word, from, ...(limit ? { limit: { resetsAtMs: null } } : {}) } });
  };
  assert.equal(limitsInARow([]), 0);
  assert.equal(limitsInARow([run(3, true), run(1, true), run(2, true)]), 3);
  assert.equal(limitsInARow([run(1, true), run(2, false), run(3, true), run(4, true)]), 2);
  assert.equal(limitsInARow([run(1, true), run(2, false)]), 0);
  assert.equal(limitsInARow([run(1, true), entry(2, { startedAtMs: 2 })]), 0);
});
