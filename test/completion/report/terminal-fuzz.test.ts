import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { boundedRows } from '../../../src/completion/report/bounded-rows.ts';
import { isInvisible } from '../../../src/completion/report/html.ts';
import { createLineRenderer } from '../../../src/completion/report/line-renderer.ts';
import { createRowBuilder } from '../../../src/completion/report/row-builder.ts';
import { renderTail, renderTerminal } from '../../../src/completion/report/terminal-html.ts';
import { showOnScreen } from '../../../src/platform/screen.ts';
import { assertTerminalMarkup, textOf } from './markup.ts';

/** A million takes two minutes: `FUZZ_RUNS=1000000 npm test -- test/completion/report/terminal-fuzz.test.ts`. */
const numRuns = Number(process.env['FUZZ_RUNS'] ?? 20_000);

const hostile = fc.constantFrom(
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '</pre></main>',
  '<!--',
  '-->',
  '<![CDATA[',
  '"',
  "'",
  '&lt;',
  '&#60;',
  '&',
  '<',
  '>',
  '\0',
  '\ufeff',
  '\x1b[',
  '\x1b]',
  '\x1bP',
  '\x1b_',
  '\x1b\\',
  '\x9c',
  '\x9b',
  '\x07',
  '\x18',
  '\x1b',
  '\r',
  '\n',
  '\b',
  '\t',
  '\v',
  '\x1b[K',
  '\x1b[2K',
  '\x1b[1K',
  '\x1b[J',
  '\x1b[5G',
  '\x1b[3C',
  '\x1b[99D',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u200d',
  '\ufe0f',
  '\u0301',
  '日',
  '👩',
  '💻',
  '🏽',
  '🇩',
  '\ud83d',
  '\udc69',
  '\u{e0041}',
  '\x1b[31m',
  '\x1b[m',
  '\x1b[7m',
  '\x1b]8;;',
  '\x1b]8;;https://e.org/"onclick="x\x07',
  '\x1b]8;;javascript:alert(1)\x07',
);
const sequence = fc
  .tuple(
    fc.constantFrom('\x1b[', '\x1b]8;;', '\x1b]0;', '\x1bP'),
    fc.string({ maxLength: 8 }),
    fc.constantFrom('m', 'K', 'C', 'G', 'H', '\x07', '\x1b\\', ''),
  )
  .map((parts) => parts.join(''));
const sgr = fc.array(fc.integer({ min: 0, max: 260 }), { maxLength: 6 }).map((codes) => `\x1b[${codes.join(';')}m`);
const output = fc
  .array(fc.oneof(hostile, sequence, sgr, fc.string({ maxLength: 6 }), fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 14 })
  .map((parts) => parts.join(''));

test(`[C-11] whatever the output is, its markup holds nothing but text, our spans and web links (${numRuns} inputs)`, () => {
  fc.assert(
    fc.property(output, (text) => {
      for (const row of renderTail(text).rows) {
        assertTerminalMarkup(row);
        assertVisible(textOf(row));
      }
    }),
    { numRuns },
  );
});

test('[C-11] what comes through the terminal emulator is as harmless', async () => {
  await fc.assert(
    fc.asyncProperty(output, async (text) => {
      const { rows } = await renderTerminal(`\x1b[2J${text}`, { emulate: showOnScreen, size: { cols: 40, rows: 10 } });
      for (const row of rows) {
        assertTerminalMarkup(row);
        assertVisible(textOf(row));
      }
    }),
    { numRuns: Math.ceil(numRuns / 40) },
  );
});

test('any split of the output gives the same rows as the whole', () => {
  fc.assert(
    fc.property(output, fc.array(fc.nat(60), { maxLength: 8 }), (text, cuts) => {
      assert.deepEqual(rowsOfPieces(piecesOf(text, cuts)), rowsOfPieces([text]));
      assert.deepEqual(rowsOfPieces(text.split('')), rowsOfPieces([text]));
    }),
    { numRuns: Math.ceil(numRuns / 4) },
  );
});

test('long plain stretches between others give the same rows however they are split', () => {
  const plain = 'all plain here, and long enough to be taken in one piece\n'.repeat(12);
  fc.assert(
    fc.property(output, output, fc.array(fc.nat(900), { maxLength: 4 }), (before, after, cuts) => {
      const text = `${before}\n${plain}${after}${plain}`;
      assert.deepEqual(rowsOfPieces(piecesOf(text, cuts)), rowsOfPieces(text.split('')));
    }),
    { numRuns: 300 },
  );
});

test('lines that stay on their line read as a real terminal shows them', async () => {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.stringMatching(/^[a-z ]{1,6}$/) },
    fc.constantFrom(
      '日',
      '本',
      'é',
      'e\u0301',
      '👩‍💻',
      '✅',
      '\t',
      '\r',
      '\b',
      '\x1b[K',
      '\x1b[1K',
      '\x1b[2K',
      '\x1b[3C',
      '\x1b[2D',
      '\x1b[7G',
      '\x1b[31m',
      '\x1b[0m',
      '\x1b]0;title\x07',
    ),
  );
  const lines = fc.array(
    fc.array(piece, { maxLength: 10 }).map((parts) => `${parts.join('')}.`),
    { minLength: 30, maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(lines, async (texts) => {
      const { rows } = await showOnScreen(texts.join('\n'), { cols: 120, rows: 40, scrollbackLines: 0, lineFeedReturns: true });
      const shown = rows.map((row) =>
        row
          .map(({ text }) => text)
          .join('')
          .trimEnd(),
      );
      const ours = renderTail(texts.join('\n')).rows.map((row) => columns(textOf(row)).trimEnd());
      assert.deepEqual(ours, shown);
    }),
    { numRuns: Math.ceil(numRuns / 80) },
  );
});

/** A reader must see all there is: nothing invisible, nothing that turns the order round, only emoji keep their joiner. */
function assertVisible(text: string): void {
  for (const char of text.replace(/(?<=\p{Extended_Pictographic}[\ufe0f\u{1f3fb}-\u{1f3ff}]*)\u200d(?=\p{Extended_Pictographic})/gu, '')) {
    const codePoint = char.codePointAt(0)!;
    assert.ok(char === '\t' || !isInvisible(codePoint), `U+${codePoint.toString(16)} in ${JSON.stringify(text)}`);
  }
}

function rowsOfPieces(pieces: readonly string[]): readonly string[] {
  const kept = boundedRows();
  const renderer = createLineRenderer(createRowBuilder(kept.push), { cols: 120 });
  for (const piece of pieces) renderer.push(piece);
  renderer.end();
  return kept.take().rows;
}

function piecesOf(text: string, cuts: readonly number[]): readonly string[] {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
  return at.slice(1).map((to, i) => text.slice(at[i], to));
}

/** Tabs are drawn by the page; a terminal has blanks there. */
function columns(text: string): string {
  let shown = '';
  let column = 0;
  for (const { segment } of new Intl.Segmenter('en').segment(text)) {
    const width = segment === '\t' ? 8 - (column % 8) : /[日本👩✅]/u.test(segment) ? 2 : 1;
    shown += segment === '\t' ? ' '.repeat(width) : segment;
    column += width;
  }
  return shown;
}
