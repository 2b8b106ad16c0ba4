import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayRestart, type RestartLimits, restartsOfToday } from '../../src/core/restart.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const limits: RestartLimits = { cooldownMs: 5 * minuteMs, perHourMax: 4, perDayMax: 12 };
const nowMs = 1_000 * hourMs;
const ago = (...minutes: number[]) => minutes.map((it) => ({ atMs: nowMs - it * minuteMs }));

test('[H-31] (U) a restart is refused within the cooldown and beyond what an hour and a day allow; what is refused says until when', () => {
  const table: readonly [what: string, past: readonly { atMs: number }[], RestartLimits, ReturnType<typeof mayRestart>][] = [
    ['the first', [], limits, { accepted: true }],
    [
      'within the cooldown',
      ago(2),
      limits,
      { accepted: false, why: 'restart.cooldown: one restart within 300 s', retryAfterMs: 3 * minuteMs },
    ],
    ['as it ends', ago(5), limits, { accepted: true }],
    ['no cooldown', ago(0, 1, 2), { ...limits, cooldownMs: 0 }, { accepted: true }],
    [
      'four within the hour',
      ago(50, 40, 30, 20),
      limits,
      { accepted: false, why: 'restart.per_hour: 4 restarts within 1 h', retryAfterMs: 10 * minuteMs },
    ],
    [
      'in any order',
      ago(20, 50, 30, 40),
      limits,
      { accepted: false, why: 'restart.per_hour: 4 restarts within 1 h', retryAfterMs: 10 * minuteMs },
    ],
    ['three within the hour', ago(70, 40, 30, 20), limits, { accepted: true }],
    [
      'more than allowed: until one fits again',
      ago(50, 40, 30, 20, 10),
      limits,
      { accepted: false, why: 'restart.per_hour: 5 restarts within 1 h', retryAfterMs: 20 * minuteMs },
    ],
    [
      'the bound that lasts longest is told',
      [...ago(2), ...ago(100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100)],
      limits,
      { accepted: false, why: 'restart.per_day: 12 restarts within 24 h', retryAfterMs: (24 * 60 - 1100) * minuteMs },
    ],
    [
      'none at all',
      [],
      { ...limits, perDayMax: 0 },
      { accepted: false, why: 'restart.per_day: 0 restarts within 24 h', retryAfterMs: 24 * hourMs },
    ],
    [
      'a clock that was set back',
      [{ atMs: nowMs + hourMs }],
      limits,
      { accepted: false, why: 'restart.cooldown: one restart within 300 s', retryAfterMs: 5 * minuteMs },
    ],
  ]; // prettier-ignore
  for (const [what, past, bounds, answer] of table) assert.deepEqual(mayRestart(past, bounds, nowMs), answer, what);
});

test('what a day has forgotten is not kept', () => {
  const past = [...ago(23 * 60), ...ago(25 * 60)].map((it) => ({ ...it, by: 'person' as const, why: 'w' }));
  assert.deepEqual(restartsOfToday(past, nowMs), past.slice(0, 1));
});
