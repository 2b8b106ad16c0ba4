// Windows, bounds, slopes and steps as tables: time is a number that the test gives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configSchema } from '../../src/core/config.ts';
import { type Cause, type Climb, climbed, ladders, nextRung, outcomeOf, type Rung } from '../../src/core/ladder.ts';
import { leakIn, leakPointsMax, type UseAt, withUse } from '../../src/core/leak.ts';
import {
  boundsOf,
  cpuShare,
  type Gauge,
  type GaugeName,
  type Level,
  machineCpuShare,
  memoryLimit,
  memoryShare,
  next,
} from '../../src/core/resources.ts';

const config = configSchema.parse({});
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const mb = 1024 * 1024;
const staleMs = 2.5 * minute;

/** Levels after each look, one a minute; a rate stands for the minute before it. */
function levelsOf(name: GaugeName, values: readonly (number | null)[]): Level[] {
  let gauge: Gauge | null = null;
  return values.map((value, at) => {
    const atMs = (at + 1) * minute;
    gauge = next(gauge, { value, fromMs: name.includes('cpu') ? atMs - minute : atMs, atMs }, boundsOf(name, config), staleMs);
    return gauge.level;
  });
}
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

test('[H-25] (U) CPU warns only after more than five minutes at 80 %, by a window and not by a sample', () => {
  assert.deepEqual(levelsOf('cpu', times(6, 0.85)), [...times(5, 'ok'), 'warning']);
  assert.deepEqual(levelsOf('cpu', [...times(4, 0.85), 0.5, ...times(5, 0.85)]), times(10, 'ok'), 'a dip begins the window anew');
  assert.deepEqual(levelsOf('cpu', [0.2, 5, 0.2, 5, 0.2]), times(5, 'ok'), 'spikes are no window');
});

test('[H-26] (U) CPU is critical after more than two minutes at 95 %', () => {
  assert.deepEqual(levelsOf('cpu', times(3, 0.96)), ['ok', 'ok', 'critical']);
  assert.deepEqual(levelsOf('cpu', [...times(3, 0.96), 0.92, 0.92, 0.89]), ['ok', 'ok', 'critical', 'critical', 'critical', 'warning']);
});

test('[H-21] [H-22] (U) memory warns at 80 % and is critical at 90 %, at once, and ends only clearly below', () => {
  assert.deepEqual(levelsOf('memory', [0.79, 0.8, 0.89, 0.9, 0.86, 0.849, 0.76, 0.749]), [
    'ok',
    'warning',
    'warning',
    'critical',
    'critical',
    'warning',
    'warning',
    'ok',
  ]);
});

test('[W-41] (U) the thresholds of the original: CPU over 90 %, memory over 85 %, disk over 90 % warn', () => {
  assert.deepEqual(levelsOf('machine-cpu', times(6, 0.91)).at(-1), 'warning');
  assert.deepEqual(levelsOf('machine-cpu', times(6, 0.89)).at(-1), 'ok');
  assert.deepEqual(levelsOf('machine-memory', [0.84, 0.85]), ['ok', 'warning']);
  assert.deepEqual(levelsOf('machine-disk', [0.89, 0.9]), ['ok', 'warning']);
});

test('a value that is missing is no good value: it breaks the window, and soon nothing is known', () => {
  assert.deepEqual(levelsOf('cpu', [...times(2, 0.99), null, 0.99, 0.99, 0.99]), ['ok', 'ok', 'ok', 'ok', 'ok', 'critical']);
  assert.deepEqual(levelsOf('memory', [0.95, null, null, null, 0.1]), ['critical', 'critical', 'critical', 'unknown', 'ok']);
  assert.deepEqual(levelsOf('files', [null]), ['unknown']);
});

test('a pool that does not answer once warns, and three looks in a row are critical', () => {
  assert.deepEqual(levelsOf('pool', [5, 1000, 2, 1000, 1000, 1000, 1000]), [
    'ok',
    'warning',
    'ok',
    'warning',
    'warning',
    'warning',
    'critical',
  ]);
});

test('[H-21] (U) the limit is the least of what was given, the container and the machine', () => {
  const machine = { memoryTotalBytes: 8000 * mb, memoryLimitedBy: 'machine' } as const;
  const container = { memoryTotalBytes: 512 * mb, memoryLimitedBy: 'cgroup' } as const;
  assert.deepEqual(memoryLimit(machine, null), { bytes: 8000 * mb, by: 'machine' });
  assert.deepEqual(memoryLimit(container, null), { bytes: 512 * mb, by: 'cgroup' });
  assert.deepEqual(memoryLimit(container, 100), { bytes: 100 * mb, by: 'max_memory' });
  assert.deepEqual(memoryLimit(container, 1000), { bytes: 512 * mb, by: 'cgroup' });
});

test('what ends the process first counts: its memory, or the heap that V8 lets it have', () => {
  const self = { rssBytes: 100, heapUsedBytes: 50, heapLimitBytes: 100 } as Parameters<typeof memoryShare>[0];
  assert.equal(memoryShare(self, 1000), 0.5);
  assert.equal(memoryShare(self, 125), 0.8);
});

test('shares of CPU need two looks, and are never negative', () => {
  assert.equal(cpuShare(null, 5, 1000), null);
  assert.equal(cpuShare(100, 1100, 1000), 1);
  assert.equal(cpuShare(1000, 500, 1000), 0, 'whose children went away has used nothing less');
  assert.equal(cpuShare(1, 2, 0), null);
  assert.equal(machineCpuShare({ busyMs: 0, allMs: 0 }, { busyMs: 30, allMs: 40 }), 0.75);
  assert.equal(machineCpuShare(null, { busyMs: 30, allMs: 40 }), null);
  assert.equal(machineCpuShare({ busyMs: 0, allMs: 40 }, { busyMs: 30, allMs: 40 }), null);
});

const series = (minutes: number, bytesAt: (minute: number) => number): UseAt[] =>
  Array.from({ length: minutes + 1 }, (_, at) => ({ atMs: at * minute, bytes: bytesAt(at) }));
const noise = (at: number): number => ((at * 7919) % 13) - 6;

test('[H-39] (U) a leak is a slope over half an hour: steady growth is one; saw teeth, steps, spikes and noise are none', () => {
  const verdicts: readonly [what: string, points: UseAt[], expected: string][] = [
    ['a megabyte a minute', series(40, (at) => (80 + at) * mb), 'growing'],
    ['the same with noise', series(40, (at) => (80 + at + noise(at) / 3) * mb), 'growing'],
    ['the same, one look caught a spike', series(40, (at) => (at === 20 ? 900 : 80 + at) * mb), 'growing'],
    ['twenty minutes of it', series(20, (at) => (80 + at) * mb), 'too-early'],
    ['flat', series(40, () => 80 * mb), 'steady'],
    ['noise', series(40, (at) => (80 + noise(at)) * mb), 'steady'],
    ['saw teeth', series(40, (at) => (80 + (at % 10) * 5) * mb), 'steady'],
    ['one step, as of a cache that was filled', series(40, (at) => (at < 3 ? 60 : 95) * mb), 'steady'],
    ['one spike at the end', series(40, (at) => (at === 40 ? 400 : 80) * mb), 'steady'],
    ['growth that is too slow to matter', series(40, (at) => (80 + at / 10) * mb), 'steady'],
    ['going down', series(40, (at) => (200 - at) * mb), 'steady'],
  ];
  for (const [what, points, expected] of verdicts) assert.equal(leakIn(points, 30 * minute).kind, expected, what);
  const found = leakIn(
    series(40, (at) => (80 + at) * mb),
    30 * minute,
  );
  assert.ok(found.kind === 'growing' && Math.abs(found.bytesPerHour - 60 * mb) < mb);
  assert.equal(leakIn([], 30 * minute).kind, 'too-early');
});

test('points of a series stay few and reach back', () => {
  let points: readonly UseAt[] = [];
  for (let at = 0; at < 1000; at++) points = withUse(points, { atMs: at * minute, bytes: at });
  assert.ok(points.length <= leakPointsMax && points.length > leakPointsMax / 4);
  assert.equal(points.at(-1)!.atMs, 999 * minute);
  assert.ok(999 * minute - points[0]!.atMs > hour);
});

/** Steps against a trouble that stays, looked at once a minute. */
function stepsOf(cause: Cause, minutes: number, urgent = false): [number, Rung][] {
  const found: [number, Rung][] = [];
  let climb: Climb | null = null;
  for (let at = 0; at <= minutes; at++) {
    const rung = nextRung(cause, climb, { nowMs: at * minute, cooldownMs: 5 * minute, urgent });
    if (rung === null) continue;
    found.push([at, rung]);
    climb = climbed(cause, climb, at * minute);
  }
  return found;
}

test('[H-23] (U) each step has five minutes to help before the next, and the restart comes last', () => {
  assert.deepEqual(stepsOf('memory', 12), [
    [0, 'trim'],
    [5, 'pause'],
    [10, 'restart'],
  ]);
  assert.deepEqual(stepsOf('cpu', 12), [
    [0, 'profile'],
    [5, 'throttle'],
    [10, 'restart'],
  ]);
  assert.deepEqual(stepsOf('pool', 6), [
    [0, 'profile'],
    [5, 'restart'],
  ]);
  assert.deepEqual(
    stepsOf('memory', 3, true),
    [
      [0, 'trim'],
      [1, 'pause'],
      [2, 'restart'],
      [3, 'restart'],
    ],
    'memory that is all but used up does not wait',
  );
});

test('what is not in the daemon is never answered by its restart, and nothing ends a run', () => {
  for (const [cause, rungs] of Object.entries(ladders))
    assert.equal(rungs.includes('restart'), ['memory', 'cpu', 'pool', 'files'].includes(cause), cause);
  assert.deepEqual(stepsOf('agent-cpu', 30), [[0, 'give-way']]);
  assert.deepEqual(stepsOf('machine-cpu', 30), [[0, 'throttle']], 'a busy neighbour makes fewer agents, and stops no work');
});

test('a restart that was refused is asked for again when it may be', () => {
  const refused = climbed('memory', { rungs: 2, actedAtMs: 0, notBeforeMs: 0 }, 10 * minute, 20 * minute);
  const ask = (at: number) => nextRung('memory', refused, { nowMs: at * minute, cooldownMs: 5 * minute, urgent: true });
  assert.deepEqual([ask(16), ask(29), ask(30)], [null, null, 'restart']);
});

test('what came of a step: a tenth less is better, over is better, the same is not', () => {
  assert.equal(outcomeOf(0.95, 0.8, false), 'improved');
  assert.equal(outcomeOf(0.95, 0.94, false), 'unchanged');
  assert.equal(outcomeOf(0.95, 0.94, true), 'improved');
  assert.equal(outcomeOf(0.95, null, false), 'unknown');
});
