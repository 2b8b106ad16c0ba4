import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, figuresText, type MetricRow, rollUp, rollupsAt, sampled } from '../../src/core/health-history.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
let ids = 0;
const newId = (): string => `n${++ids}`;
const row = (atMs: number, cpu: number | null, component = 'daemon'): MetricRow =>
  sampled({ id: newId(), host: 'h/1', component, status: 'healthy', reason: '', atMs }, { cpu });

test('[W-40] (U) rows become coarser by age: a day of samples, a week of minutes, a year of hours, then nothing', () => {
  const nowMs = 400 * day + 12_345;
  const due = rollupsAt(nowMs);
  assert.deepEqual(
    due.map(({ from, to, bucketMs, beforeMs }) => [from, to, bucketMs, beforeMs]),
    [
      ['raw', '1m', minute, 399 * day],
      ['1m', '1h', hour, 393 * day],
      ['1h', null, day, 35 * day],
    ],
  );
  // A year of one component, a sample a minute, looked at each hour as the daemon does.
  let rows: MetricRow[] = [];
  const roll = (atMs: number): void => {
    for (const rollup of rollupsAt(atMs)) {
      const old = rows.filter((it) => it.resolution === rollup.from && it.atMs < rollup.beforeMs);
      if (old.length === 0) continue;
      const { made, used } = rollUp(old, rollup, { whole: true, newId });
      const gone = new Set(used);
      rows = [...rows.filter((it) => !gone.has(it)), ...made];
    }
  };
  const perDay = 96;
  for (let atMs = 0; atMs < 400 * day; atMs += day / perDay) {
    rows.push(row(atMs, atMs % day < hour ? 100 : 10));
    if (atMs % day === 0) roll(atMs);
  }
  roll(400 * day);
  const of = (resolution: string) => rows.filter((it) => it.resolution === resolution);
  assert.deepEqual([of('raw').length, of('1m').length, of('1h').length], [perDay, 6 * perDay, (365 - 7) * 24]);
  assert.equal(Math.min(...rows.map(({ atMs }) => atMs)), 35 * day);
  assert.deepEqual(of('1h')[0]!.figures['cpu'], { avg: 100, min: 100, max: 100 });
});

test('what is rolled up keeps the worst status, the least and the most, and weighs by samples', () => {
  const bad = { ...row(10, 90), status: 'degraded', reason: 'cpu' } as const;
  const { made } = rollUp(
    [row(0, 10), bad, row(20, null), { ...row(30, 20), samples: 8 }],
    { to: '1m', bucketMs: minute },
    { whole: true, newId },
  );
  assert.equal(made.length, 1);
  assert.deepEqual(
    [made[0]!.status, made[0]!.reason, made[0]!.samples, made[0]!.figures],
    ['degraded', 'cpu', 11, { cpu: { avg: 26, min: 10, max: 90 } }],
  );
});

test('a bucket that may lack rows is left for the next time, unless it is all there is', () => {
  const rows = [row(0, 1), row(minute, 2), row(minute + 1, 3)];
  const some = rollUp(rows, { to: '1m', bucketMs: minute }, { whole: false, newId });
  assert.deepEqual([some.made.length, some.used], [1, rows.slice(0, 1)]);
  const one = rollUp(rows.slice(1), { to: '1m', bucketMs: minute }, { whole: false, newId });
  assert.deepEqual([one.made.length, one.used.length], [1, 2]);
});

test('figures survive their column', () => {
  const figures = { cpu: { avg: 1.5, min: 1, max: 2 }, rss_mb: { avg: 80, min: 80, max: 80 } };
  assert.deepEqual(figuresOf(figuresText(figures)), figures);
  assert.equal(figuresText({ a: { avg: 1.000049, min: 1.000049, max: 1.000049 } }), '{"a":1}');
});
