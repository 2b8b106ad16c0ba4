import assert from 'node:assert/strict';
import { test } from 'node:test';
import { automaticRecoveries, healingEventOf, healingText, healRate } from '../../src/core/healing-event.ts';

const by = (actor: string, outcome = 'done') => JSON.stringify({ actor, reason: 'r', before: 'b', after: 'a', outcome });
const recovery = (atMs: number, detail = by('daemon')) => ({ kind: 'healing', atMs, what: 'recovery.rescue', detail });
const released = (atMs: number, who = 'person') => ({
  kind: 'audit',
  atMs,
  what: 'status',
  detail: JSON.stringify({ from: 'blocked', to: 'open', by: who, reason: null }),
});

for (const [name, notes, count] of [
  ['none', [], 0],
  ['each once, also where a row is told twice', [recovery(1), recovery(2), recovery(2)], 2],
  ['what a person asked for does not count', [recovery(1), recovery(2, by('person'))], 1],
  ['the block itself does not count', [recovery(1), recovery(2, by('daemon', 'blocked'))], 1],
  [
    'other healing does not count',
    [
      { ...recovery(1), what: 'breaker_opened' },
      { ...recovery(2), kind: 'audit' },
    ],
    0,
  ],
  ['a person who released it begins a new count', [recovery(1), recovery(2), released(3), recovery(4)], 1],
  ['a release by nobody of us does not', [recovery(1), recovery(2), released(3, 'daemon'), recovery(4)], 3],
  ['text of another version', [recovery(1, 'not JSON')], 0],
] as const)
  test(`automatic recoveries: ${name}`, () => assert.equal(automaticRecoveries(notes), count));

for (const [name, times, result] of [
  ['the first', [], { allowed: true, times: [100_000] }],
  ['within a minute', [99_000, 100_000], { allowed: false, retryAfterMs: 59_000 }],
  ['a minute later', [40_000, 99_000], { allowed: true, times: [99_000, 100_000] }],
  ['the clock was set back', [500_000, 600_000], { allowed: false, retryAfterMs: 60_000 }],
] as const)
  test(`rate of heals by hand: ${name}`, () => assert.deepEqual(healRate(times, 100_000, 2), result));

test('a row of any kind is shown; what it does not say is null', () => {
  const row = { id: 'i', atMs: 1, todoId: null, runId: null, what: 'w' };
  const event = healingEventOf({ ...row, detail: by('daemon') });
  assert.deepEqual([event.actor, event.reason, event.before, event.after, event.outcome], ['daemon', 'r', 'b', 'a', 'done']);
  assert.equal(healingText(event), 'r; a (by daemon, done)');
  assert.equal(healingText(healingEventOf({ ...row, detail: '{"breaker":"store","why":"5 failures"}' })), '5 failures');
  assert.deepEqual(healingEventOf({ ...row, detail: 'plain text' }).reason, 'plain text');
});
