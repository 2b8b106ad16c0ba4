import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quoted } from '../../src/cli/add-shell.ts';
import { columnsOf, fit, fold, plain } from '../../src/cli/text/plain.ts';
import { table } from '../../src/cli/text/table.ts';
import { spanText, tookText } from '../../src/cli/text/times.ts';
import { todoTable } from '../../src/cli/text/todos.ts';
import { todoStatuses } from '../../src/core/words.ts';

const unpainted = (_colour: string, text: string) => text;

test('what agents wrote is text on a terminal: no escape sequence, control character or direction mark of theirs acts', () => {
  const hostile = '\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\r\n\tline\x00\x9b2J \u202egnp.exe\u2066 \x1bPq\x1b\\ end';
  const shown = plain(hostile);
  assert.ok(!/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/.test(shown), JSON.stringify(shown));
  assert.match(shown, /red line.*gnp\.exe.*end/);
});

test('columns are counted as a terminal does: wide and combining characters, emoji', () => {
  assert.deepEqual(['abc', 'ü', 'ü', '日本', '👩‍💻', '✔'].map(columnsOf), [3, 1, 1, 4, 2, 1]);
  assert.deepEqual([fit('日本語のタイトル', 7), fit('short', 10), fit('abcdef', 4)], ['日本語…', 'short', 'abc…']);
  assert.deepEqual(fold('one two three', 7), ['one two', 'three']);
  assert.deepEqual(fold('at /a/long/path here', 7), ['at', '/a/long', '/path', 'here'], 'nothing of a path is lost');
});

test('a list never leaves its 80 columns, whatever stands in it', () => {
  const todos = todoStatuses.map((status, index) => ({
    number: 10 ** (index % 5),
    title: index % 2 ? '日本語のとても長いタイトル'.repeat(5) : 'A title that goes on and on. '.repeat(5),
    status,
    proof: status === 'completed' ? ('unverified' as const) : null,
    agent: 'claude',
    priority: 5,
    held: index % 3 === 0,
    createdAtMs: 0,
    endedAtMs: null,
  }));
  const lines = todoTable(todos, 86_400_000 * 40, 80, unpainted);
  assert.equal(lines.length, todos.length + 1);
  for (const line of lines) assert.ok(columnsOf(line) <= 80, `${columnsOf(line)}: ${line}`);
});

test('a folding column goes on below itself', () => {
  const lines = table([{ title: 'A' }, { title: 'WHY', grows: 'fold' }], [['x', 'one two three four']], 12, unpainted);
  assert.deepEqual(lines, ['A  WHY', 'x  one two', '   three four']);
});

test('a long name folds where it would take the room of why', () => {
  const lines = table(
    [{ title: 'A', most: 6 }, { title: 'B' }, { title: 'WHY', grows: 'fold' }],
    [['/a/long/path', 'x', 'one two three']],
    23,
    unpainted,
  );
  assert.deepEqual(lines, ['A       B  WHY', '/a/lon  x  one two', 'g/path     three']);
});

test('times in the one unit that matters', () => {
  assert.deepEqual([0, 99_000, 101_000, 7_200_000, 86_400_000 * 3].map(spanText), ['0 s', '99 s', '2 min', '2 h', '3 d']);
  assert.deepEqual([7, 1500, 61_000].map(tookText), ['7 ms', '1.5 s', '61 s']);
});

test('each word of a command line stays one word', () => {
  assert.deepEqual(['npm', 'a b', "it's", '$HOME', '', '*'].map(quoted), ['npm', "'a b'", `'it'\\''s'`, "'$HOME'", "''", "'*'"]);
});
