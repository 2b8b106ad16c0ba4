// What the dashboard decides without a browser, as tables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Component } from '../../../src/core/control.ts';
import { durationInWords, shortDuration } from '../../../src/observe/dashboard/duration.ts';
import { bigState, isLive, worstFirst } from '../../../src/observe/dashboard/liveness.ts';
import { lines, oneLine } from '../../../src/observe/dashboard/plain.ts';
import { hashOf, noFilter, type Route, routeOf } from '../../../src/observe/dashboard/route.ts';
import { eventReader } from '../../../src/observe/dashboard/sse.ts';
import { textIn, texts } from '../../../src/observe/dashboard/texts.ts';
import { spansOf } from '../../../src/observe/dashboard/todo/spans.ts';
import { heightOf, linesInSight, topOf } from '../../../src/observe/dashboard/window.ts';

test('an address says what is shown, there and back', () => {
  const rows: [hash: string, route: Route][] = [
    ['#/', { view: 'overview' }],
    ['#/todos', { view: 'todos', filter: noFilter }],
    ['#/todos?status=failed%2Cblocked&q=a+b%26c', { view: 'todos', filter: { ...noFilter, status: ['failed', 'blocked'], q: 'a b&c' } }],
    ['#/todos?agent=shell&project=%2Fhome%2Fa', { view: 'todos', filter: { ...noFilter, agent: 'shell', project: '/home/a' } }],
    ['#/todo/12', { view: 'todo', id: '12' }],
    ['#/todo/a%2Fb%25', { view: 'todo', id: 'a/b%' }],
  ];
  for (const [hash, route] of rows) {
    assert.deepEqual(routeOf(hash), route);
    assert.equal(hashOf(route), hash);
  }
  for (const hash of ['', '#', '#login=abc', '#/nothing', '#/todo/', '#/todo/1/2'])
    assert.deepEqual(routeOf(hash), { view: 'overview' }, hash);
  assert.deepEqual(routeOf('#/todo/%'), { view: 'todo', id: '%' });
});

test('words of others turn nothing, hide nothing and have an end', () => {
  const rows: [text: string, shown: string][] = [
    ['a\u202eb', 'a‹U+202E›b'],
    ['\u0000\u0007\u009b', '‹U+0000›‹U+0007›‹U+009B›'],
    ['\ufeff\u200b\u2066', '‹U+FEFF›‹U+200B›‹U+2066›'],
    ['\ud800', '‹U+D800›'],
    ['a\n\tb', 'a b'],
    ['👩‍💻 ok', '👩‍💻 ok'],
  ];
  for (const [text, shown] of rows) assert.equal(oneLine(text), shown);
  assert.equal(oneLine('x'.repeat(10_000)).length, 301);
  assert.equal(oneLine('👩'.repeat(200), 3), '👩…', 'no half of a character is left');
  assert.equal(lines('a\r\nb\rc\t\u001b[31m'), 'a\nb\nc\t‹U+001B›[31m');
});

test('what is not heard of is not live, and the whole is as its worst parts', () => {
  const at = (way: 'stream' | 'poll' | 'none', silentMs: number): boolean =>
    isLive({ way, heardAtMs: 1_000_000, nowMs: 1_000_000 + silentMs });
  assert.deepEqual(
    [at('stream', 20_000), at('stream', 20_001), at('none', 20_001), at('poll', 31_000), at('poll', 45_001)],
    [true, false, false, true, false],
  );
  const of = (name: string, status: Component['status'], sinceMs: number): Component => ({ name, status, reason: '', sinceMs });
  const components = [of('b', 'healthy', 5), of('a', 'healthy', 9), of('c', 'degraded', 7), of('d', 'degraded', 3), of('e', 'unknown', 1)];
  assert.deepEqual(bigState({ status: 'degraded', components }), {
    status: 'degraded',
    sinceMs: 3,
    because: [components[3], components[2]],
  });
  assert.deepEqual(bigState({ status: 'healthy', components: components.slice(0, 2) }), { status: 'healthy', sinceMs: 9, because: [] });
  assert.deepEqual(bigState({ status: 'unknown', components: [] }), { status: 'unknown', sinceMs: null, because: [] });
  assert.deepEqual(
    worstFirst(components).map(({ name }) => name),
    ['e', 'c', 'd', 'a', 'b'],
  );
});

test('a stream is read however it is cut into pieces', () => {
  const text = 'retry: 2000\n\n: ping\n\nid: 1\nevent: overview\ndata: {"a":\ndata: 1}\n\r\nevent: x\r\ndata:y\r\n\r\n\n';
  const whole = [
    { event: 'overview', data: '{"a":\n1}' },
    { event: 'x', data: 'y' },
  ];
  assert.deepEqual(eventReader()(text), whole);
  for (const size of [1, 3, 7]) {
    const read = eventReader();
    const pieces = text.replaceAll('\r\n', '\n').match(new RegExp(`[\\s\\S]{1,${size}}`, 'g')) ?? [];
    assert.deepEqual(
      pieces.flatMap((piece) => read(piece)),
      whole,
      `${size}`,
    );
  }
});

test('of a long list the lines in sight are made, and the opened one has its room', () => {
  const list = { count: 100_000, lineHeight: 44, opened: null };
  assert.deepEqual(linesInSight(list, { top: 44_000, bottom: 44_900 }), { from: 988, to: 1033 });
  assert.deepEqual(linesInSight(list, { top: -300, bottom: 600 }), { from: 0, to: 26 });
  assert.deepEqual(linesInSight({ ...list, count: 3 }, { top: 9_000, bottom: 9_900 }), { from: 3, to: 3 });
  const opened = { ...list, opened: { index: 10, extra: 200 } };
  assert.deepEqual([topOf(10, opened), topOf(11, opened), heightOf(opened)], [440, 684, 4_400_200]);
  const { from, to } = linesInSight(opened, { top: 44_200, bottom: 45_100 });
  assert.ok(from <= 1000 && to >= 1020, 'what is in sight is among them');
});

test('waits are never negative, whatever the clocks said', () => {
  const event = (atMs: number, durationMs: number | null) => ({
    atMs,
    durationMs,
    fact: 'x',
    layer: null,
    attempt: 1,
    reason: null,
    run: null,
  });
  const spans = spansOf([event(1_000, null), event(5_000, 3_000), event(4_000, -5), event(9_000, 100)]);
  assert.deepEqual(
    spans.map(({ waitedMs }) => waitedMs),
    [0, 1_000, 0, 4_900],
  );
  assert.ok(spans.every(({ from, to }) => from >= 0 && from <= to && to <= 1));
});

test('times in words', () => {
  assert.deepEqual(
    [0, 999, 1_200, 59_600, 125_000, 7_500_000, 200_000_000].map((ms) => durationInWords(ms)),
    ['0 ms', '999 ms', '1.2 s', '1 min', '2 min 5 s', '2 h 5 min', '2 d 7 h'],
  );
  assert.equal(durationInWords(1_200, ','), '1,2 s');
  assert.deepEqual([-5, 59_000, 61_000, 7_300_000, 200_000_000].map(shortDuration), ['0 s', '59 s', '1 min', '2 h', '2 d']);
});

test('each text is there in both languages, with the same blanks to fill in', () => {
  const blanks = (text: string): string => [...new Set(text.match(/\{\w+\}/g))].toSorted().join();
  for (const [key, [en, de]] of Object.entries(texts)) {
    assert.ok(en.trim() !== '' && de.trim() !== '', key);
    assert.equal(blanks(de), blanks(en), key);
    assert.equal(de.includes('|'), en.includes('|'), key);
  }
  assert.equal(textIn('en', 'allWell', { n: 1 }), '1 component works');
  assert.equal(textIn('de', 'listed', { n: 1284 }), '1.284 Todos');
});
