import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Screen, ScreenSize } from '../../src/core/screen.ts';
import { showOnScreen } from '../../src/platform/screen.ts';

const size: ScreenSize = { cols: 40, rows: 10, scrollbackLines: 50, lineFeedReturns: true };
const textsOf = ({ rows }: Pick<Screen, 'rows'>): readonly string[] => rows.map((row) => row.map(({ text }) => text).join(''));

test('a screen is what cursor movement left on it', async () => {
  assert.deepEqual(textsOf(await showOnScreen('one\ntwo\nthree\x1b[2;1HTWO\x1b[1;5H!', size)), ['one !', 'TWO', 'three']);
});

test('wide characters and emoji take the columns that the report gives them', async () => {
  const { rows } = await showOnScreen('日本|\n👩‍💻|\n✅|\n❤\ufe0f|\ne\u0301|\x1b[1;5HX\x1b[2;3HX\x1b[3;3HX\x1b[4;3HX\x1b[5;2HX', size);
  assert.deepEqual(textsOf({ rows }), ['日本X', '👩‍💻X', '✅X', '❤\ufe0fX', 'e\u0301X']);
});

test('neighbouring cells of one style are one run', async () => {
  const { rows } = await showOnScreen('plain \x1b[1;31mbold \x1b[48;2;1;2;3mon\x1b[0m', size);
  assert.deepEqual(
    rows[0]!.map(({ text, style }) => [text, style.foreground, style.background, style.bold]),
    [
      ['plain ', null, null, false],
      ['bold ', 1, null, true],
      ['on', 1, [1, 2, 3], true],
    ],
  );
});

test('scrollback is bounded, and says when older rows are gone', async () => {
  const lines = Array.from({ length: 100 }, (_, i) => `line ${i}`).join('\n');
  const full = await showOnScreen(lines, size);
  assert.deepEqual([textsOf(full)[0], textsOf(full).at(-1), full.olderRowsLost], ['line 40', 'line 99', true]);
  assert.equal((await showOnScreen('line', size)).olderRowsLost, false);
});

test('the last picture of the alternate screen is kept, open or closed', async () => {
  for (const end of ['', '\x1b[?1049l']) {
    const { alternate } = await showOnScreen(`\x1b[?1049h\x1b[H\x1b[2Jeditor${end}`, size);
    assert.deepEqual(textsOf({ rows: alternate! }), ['editor']);
  }
  assert.equal((await showOnScreen('none', size)).alternate, null);
});

test('a line feed returns to the first column only where the output came through a pipe', async () => {
  assert.deepEqual(textsOf(await showOnScreen('ab\ncd', size)), ['ab', 'cd']);
  assert.deepEqual(textsOf(await showOnScreen('ab\ncd', { ...size, lineFeedReturns: false })), ['ab', '  cd']);
});

test('input beyond the bound is refused', async () => {
  await assert.rejects(showOnScreen('x'.repeat(8 * 1024 * 1024 + 1), size), RangeError);
});

test('the event loop turns between chunks', async () => {
  let turns = 0;
  let isDone = false;
  const turn = (): void => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  await showOnScreen('\x1b[31mx\x1b[0m\x1b[A\n'.repeat(60_000), size);
  isDone = true;
  assert.ok(turns >= 10, `${turns} turns`);
});
