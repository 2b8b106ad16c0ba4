// What Prometheus reads: the text of both formats, and counters whose names and labels cannot come from outside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exposition, formatFor } from '../../src/observe/exposition.ts';
import type { Family } from '../../src/observe/metric.ts';
import { newTally } from '../../src/observe/tally.ts';

const families: readonly Family[] = [
  { name: 'todo_done', help: 'Back\\slash, "quote",\nline.', type: 'counter', series: [{ labels: { why: 'a "b"\\\nc' }, value: 2 }] },
  { name: 'todo_none', help: 'Nothing yet.', type: 'gauge', series: [] },
  {
    name: 'todo_took_seconds',
    help: 'How long.',
    type: 'histogram',
    series: [
      {
        labels: { of: 'x' },
        sum: 1.5,
        count: 3,
        buckets: [
          { le: 0.5, count: 1 },
          { le: 1, count: 2 },
        ],
      },
    ],
  },
];

test('both formats: names of counters, escapes, cumulative buckets, and no metric without a series', () => {
  assert.equal(
    exposition(families, 'text'),
    [
      '# HELP todo_done_total Back\\\\slash, "quote",\\nline.',
      '# TYPE todo_done_total counter',
      'todo_done_total{why="a \\"b\\"\\\\\\nc"} 2',
      '# HELP todo_took_seconds How long.',
      '# TYPE todo_took_seconds histogram',
      'todo_took_seconds_bucket{of="x",le="0.5"} 1',
      'todo_took_seconds_bucket{of="x",le="1.0"} 2',
      'todo_took_seconds_bucket{of="x",le="+Inf"} 3',
      'todo_took_seconds_sum{of="x"} 1.5',
      'todo_took_seconds_count{of="x"} 3',
      '',
    ].join('\n'),
  );
  const open = exposition(families, 'openmetrics');
  assert.match(open, /^# HELP todo_done Back\\\\slash, \\"quote\\",\\nline\.\n# TYPE todo_done counter\ntodo_done_total\{/);
  assert.ok(open.endsWith('\n# EOF\n'));
});

test('the format is the one that the asker likes better; without a wish it is the older one', () => {
  const scraper = 'application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  assert.deepEqual([scraper, undefined, '*/*', 'text/plain', 'application/openmetrics-text;q=0.2, text/plain'].map(formatFor), [
    'openmetrics',
    'text',
    'text',
    'text',
    'text',
  ]);
});

const table = {
  ends: { help: 'Ends.', labels: { how: ['well', 'badly'] } },
  took: { help: 'Took.', labels: { how: ['well', 'badly'] }, buckets: [1, 10] },
} as const;

test('what is counted: there from nought, closed labels, cumulative buckets, and never more series than allowed', () => {
  const tally = newTally(table, 4);
  tally.count('ends', { how: 'well' });
  tally.count('ends', { how: 'a title that a person wrote' });
  for (const seconds of [0.5, 5, 50]) tally.observe('took', { how: 'badly' }, seconds);
  const text = exposition(tally.families(), 'text');
  assert.match(text, /^ends_total\{how="well"\} 1\nends_total\{how="badly"\} 0\nends_total\{how="other"\} 1$/m);
  assert.match(
    text,
    /le="1\.0"\} 1\ntook_bucket\{how="badly",le="10\.0"\} 2\ntook_bucket\{how="badly",le="\+Inf"\} 3\ntook_sum\{how="badly"\} 55\.5$/m,
  );
  assert.equal(tally.dropped(), 0);
  tally.observe('took', { how: 'well' }, 1);
  assert.equal(tally.dropped(), 1, 'the fifth series is one too many');
  assert.doesNotMatch(exposition(tally.families(), 'text'), /took_count\{how="well"\}/);
});
