import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderedCharsMax } from '../../../src/completion/report/bounded-rows.ts';
import { needsScreen } from '../../../src/completion/report/needs-screen.ts';
import { type RenderedTerminal, renderTail, renderTerminal } from '../../../src/completion/report/terminal-html.ts';
import type { Screen, ScreenEmulator } from '../../../src/core/screen.ts';
import { showOnScreen } from '../../../src/platform/screen.ts';
import { assertTerminalMarkup, textOf } from './markup.ts';

const rowsOf = (text: string): readonly string[] => renderTail(text).rows;
const textsOf = (text: string): readonly string[] => rowsOf(text).map(textOf);

test('characters that mean something in HTML stay text', () => {
  assert.deepEqual(rowsOf('<script>alert("1")</script> & \'x\''), ['&lt;script&gt;alert("1")&lt;/script&gt; &amp; \'x\'']);
});

test('colours and attributes become classes of the allow-list', () => {
  const cases: readonly (readonly [text: string, row: string])[] = [
    ['\x1b[31mred\x1b[0m plain', '<span class="f1">red</span> plain'],
    ['\x1b[1;4;92mgo\x1b[m', '<span class="f10 b u">go</span>'],
    ['\x1b[38;5;208mx', '<span class="f208">x</span>'],
    ['\x1b[38;2;255;0;0mx', '<span class="f196">x</span>'],
    ['\x1b[38:2::255:0:0mx', '<span class="f196">x</span>'],
    ['\x1b[38;2;128;128;128mx', '<span class="f244">x</span>'],
    ['\x1b[30;42mPASS', '<span class="c0 g2">PASS</span>'],
    ['\x1b[7mx', '<span class="ci gi">x</span>'],
    ['\x1b[31;7mx', '<span class="ci g1">x</span>'],
    ['\x1b[3;9;2mx\x1b[23;29;22my', '<span class="d i k">x</span>y'],
    ['\x1b[31m\x1b[39mx', 'x'],
    ['\x1b[4:3mx\x1b[4:0my', '<span class="u">x</span>y'],
    ['\x1b[58;5;1mx', 'x'],
    ['\x1b[38;5;999mx', 'x'],
    ['\x1b[38;5mx', 'x'],
    ['\x1b[8mhidden text stays to be seen', 'hidden text stays to be seen'],
    ['\x1b[31ma\nb', '<span class="f1">a</span>|<span class="f1">b</span>'],
  ];
  for (const [text, row] of cases) assert.equal(rowsOf(text).join('|'), row, JSON.stringify(text));
});

test('what writes over its line shows what stood there at the end', () => {
  const cases: readonly (readonly [text: string, shown: string])[] = [
    ['10%\r50%\r100%', '100%'],
    ['long text\rshort', 'shorttext'],
    ['long text\rshort\x1b[K', 'short'],
    ['abc\b\bX', 'aXc'],
    ['abc\x1b[2K', ''],
    ['abc\x1b[1Kd', '   d'],
    ['abcdef\x1b[3D\x1b[1K', '    ef'],
    ['\x1b[2K\x1b[1Gnpm install\x1b[1G\x1b[0Kdone', 'done'],
    ['ab\x1b[3Cc', 'ab   c'],
    ['a\tb\rX', 'X       b'],
    ['text\r\n', 'text'],
    ['text\r\r\n', 'text'],
    ['日本\rX', 'X 本'],
    ['ab\r日', '日'],
    ['日本\x1b[2G\x1b[K', ''],
    ['progress\x1b[9999Cx', `progress${' '.repeat(111)}x`],
  ];
  for (const [text, shown] of cases) assert.equal(textsOf(text).join('|').trimEnd(), shown, JSON.stringify(text));
});

test('wide characters are held to two columns, and marks and emoji stay in one piece', () => {
  const cases: readonly (readonly [text: string, row: string])[] = [
    ['日a', '<span class="w">日</span>a'],
    ['e\u0301x', 'e\u0301x'],
    ['👩‍💻x', '<span class="w">👩‍💻</span>x'],
    ['👍🏽', '<span class="w">👍🏽</span>'],
    ['🇩🇪🇫🇷', '<span class="w">🇩🇪</span><span class="w">🇫🇷</span>'],
    ['❤\ufe0f ❤', '<span class="w">❤\ufe0f</span> ❤'],
    ['1\ufe0f\u20e3', '<span class="w">1\ufe0f\u20e3</span>'],
    ['𝐀', '𝐀'],
  ];
  for (const [text, row] of cases) assert.equal(rowsOf(text).join('|'), row, JSON.stringify(text));
});

test('what cannot be seen is shown by its number', () => {
  const cases: readonly (readonly [text: string, shown: string])[] = [
    ['a\u202etxt.exe', 'a‹U+202E›txt.exe'],
    ['a\u200bb\ufeff', 'a‹U+200B›b‹U+FEFF›'],
    ['a\u200db', 'a‹U+200D›b'],
    ['a\0b\x9b31m', 'a‹U+0000›b‹U+009B›31m'],
    ['\x7f\x01', '‹U+007F›‹U+0001›'],
    ['x\u{e0041}y', 'x‹U+E0041›y'],
    ['a\ud800b', 'a\ufffdb'],
    ['\u0301', '‹U+0301›'],
    [`a${'\u0301'.repeat(10)}`, `a${'\u0301'.repeat(8)}‹U+0301›‹U+0301›`],
    ['bell\x07 shift\x0e\x0f', 'bell shift'],
  ];
  for (const [text, shown] of cases) assert.equal(textsOf(text).join('|'), shown, JSON.stringify(text));
});

test('bytes that are no UTF-8 show as U+FFFD', async () => {
  const { rows } = await renderTerminal(new Uint8Array([0x61, 0xff, 0xc3, 0x28, 0x62]), { emulate: null });
  assert.deepEqual(rows, ['a\ufffd\ufffd(b']);
});

test('links go to the web only, and every other string is dropped', () => {
  const link = (address: string): string => rowsOf(`\x1b]8;id=1;${address}\x1b\\text\x1b]8;;\x1b\\ after`).join('|');
  assert.equal(
    link('https://example.org/a?b=1&c="'),
    '<a href="https://example.org/a?b=1&amp;c=%22" rel="noopener noreferrer">text</a> after',
  );
  assert.equal(link('HTTP://EXÄMPLE.org/'), '<a href="http://xn--exmple-cua.org/" rel="noopener noreferrer">text</a> after');
  for (const address of [
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'https://user:secret@example.org/',
    '//example.org',
    'http://',
    `https://e.org/${'a'.repeat(3_000)}`,
  ]) {
    assert.equal(link(address), 'text after', address);
  }
  for (const string of [
    '\x1b]0;title\x07',
    '\x1b]52;c;aGk=\x07',
    '\x1bPq#0;2;0;0;0\x1b\\',
    '\x1b_G\x1b\\',
    '\x1b^pm\x1b\\',
    '\x1bXsos\x1b\\',
    '\x1b]0;ti\ntle\x07',
  ]) {
    assert.equal(textsOf(`${string}after`).join(''), 'after', JSON.stringify(string));
  }
});

test('a string that never ends hides at most its bound', () => {
  const shown = textsOf(`\x1b]0;${'x'.repeat(100_000)}end`).join('');
  assert.ok(shown.endsWith('xend'));
  assert.equal(shown.length, 100_000 + 'end'.length + '0;'.length - 64 * 1024);
});

test('a line of many columns goes on in the next row', () => {
  const texts = textsOf('x'.repeat(20_000));
  assert.deepEqual(
    texts.map((text) => text.length),
    [8_192, 8_192, 3_616],
  );
});

test('markup is bounded: the beginning and the end are kept, and a row says how many lines are missing', async () => {
  const { rows, rowsLeftOut } = await renderTerminal(Array.from({ length: 200_000 }, (_, i) => `line ${i} ${'x'.repeat(60)}`).join('\n'), {
    emulate: null,
  });
  const chars = rows.reduce((sum, row) => sum + row.length, 0);
  assert.ok(chars <= renderedCharsMax, `${chars} characters`);
  assert.ok(rows[0]!.startsWith('line 0 ') && rows.at(-1)!.startsWith('line 199999 '));
  assert.equal(rows.length - 1 + rowsLeftOut, 200_000);
  const notice = rows.findIndex((row) => row.includes('left out here'));
  const lineAt = (row: string): number => Number(row.split(' ')[1]);
  assert.equal(lineAt(rows[notice + 1]!) - lineAt(rows[notice - 1]!) - 1, rowsLeftOut);
});

test('megabytes of dense styles stay within the bound', async () => {
  const dense = Array.from({ length: 10_000 }, (_, i) => `\x1b[38;5;${i % 256};48;5;${(i * 7) % 256};1;3;4;9m<`)
    .join('')
    .repeat(12);
  const { rows } = await renderTerminal(dense, { emulate: null });
  assert.ok(rows.reduce((sum, row) => sum + row.length, 0) <= renderedCharsMax);
  assertTerminalMarkup(rows.at(-1)!);
});

test('output that stays on its line needs no emulator, output that leaves it does', () => {
  for (const text of [
    'plain',
    '\x1b[31mred\x1b[m',
    '10%\r20%',
    '\x1b[2K\x1b[1G\x1b[?25l\x1b[?2004h',
    '\x1b[J',
    '\x1b]0;[A\x07',
    '\x1b(B',
    '\x1b[6n',
    '\x1b[<s',
    '\x1b[38;5;<s',
    '\x1b[>4;1m',
    '\x1b[?1u',
  ])
    assert.equal(needsScreen(text), false, JSON.stringify(text));
  for (const text of [
    '\x1b[A',
    '\x1b[2J',
    '\x1b[5;1H',
    '\x1b[?1049h',
    '\x1b[1;5r',
    '\x1b7',
    '\x1bM',
    '\x1bc',
    '\x1b(0',
    `\x1b]0;${'x'.repeat(70_000)}\x1b[A`,
  ])
    assert.equal(needsScreen(text), true, JSON.stringify(text.slice(0, 20)));
});

test('output that moves the cursor is shown as its screen ended', async () => {
  const { rows, renderer, notes } = await renderTerminal('one\r\ntwo\r\nthree\x1b[2A\r\x1b[32mONE\x1b[0m\x1b[2B', {
    emulate: showOnScreen,
  });
  assert.equal(renderer, 'screen');
  assert.deepEqual(rows, ['<span class="f2">ONE</span>', 'two', 'three']);
  assert.match(notes.join(' '), /terminal emulator of 120 × 40/);
});

test('the picture of a full-screen program is kept after it closed', async () => {
  const { rows } = await renderTerminal('before\r\n\x1b[?1049h\x1b[2J\x1b[3;3Hthe editor\x1b[?1049lafter', { emulate: showOnScreen });
  assert.deepEqual(rows.map(textOf), ['before', 'after', '⋯ the full-screen program, as it was last seen ⋯', '', '', '  the editor']);
});

test('without an emulator, or with one that fails, lines are shown and a note says what is missing', async () => {
  const broken: ScreenEmulator = async () => {
    throw new Error('no such module');
  };
  const without = await renderTerminal('a\x1b[Ab', { emulate: null });
  assert.deepEqual([without.rows, without.renderer], [['ab'], 'lines']);
  assert.match(without.notes.join(' '), /moves the cursor; that is left out/);
  assert.match((await renderTerminal('a\x1b[Ab', { emulate: broken })).notes.join(' '), /emulator failed: no such module/);
});

test('the emulator is never given what it would hide or what cannot be seen', async () => {
  let given = '';
  const spy: ScreenEmulator = async (input): Promise<Screen> => {
    given = input;
    return { rows: [], alternate: null, olderRowsLost: false };
  };
  await renderTerminal(`\x1b[2J\x1b]0;secret title\x07a\u202eb\x9b1m\0 \x1bPpayload\x1b\\\x1b]0;${'x'.repeat(65_534)}re\u200bst`, {
    emulate: spy,
  });
  assert.equal(given, '\x1b[2Ja‹U+202E›b‹U+009B›1m‹U+0000› re‹U+200B›st');
});

test('other work runs while megabytes are rendered', async () => {
  let breaths = 0;
  await renderTerminal('x\n'.repeat(1024 * 1024), {
    emulate: null,
    breathe: async () => {
      breaths += 1;
    },
  });
  assert.equal(breaths, 8);
});

test('throughput is printed', async (context) => {
  const samples = {
    'plain text': 'The quick brown fox jumps over the lazy dog, 42 times.\n',
    'coloured text': '\x1b[32m✓\x1b[0m \x1b[1mtest name is here\x1b[22m \x1b[2m(12ms)\x1b[0m and so on\n',
    'wide text': '这是一个测试 mixed with text and 日本語\n',
    'progress bars': `${'\x1b[2K\rDownloading 45% [=====>     ] 12MB/s'.repeat(100)}\n`,
    'cursor movement': '\x1b[32mline\x1b[0m moved\x1b[1A\x1b[1B and more text to fill it up here\r\n',
  };
  for (const [name, line] of Object.entries(samples)) {
    const bytes = new TextEncoder().encode(line.repeat(Math.ceil((1024 * 1024) / line.length)));
    let best = 0;
    for (let round = 0; round < 3; round += 1) {
      const from = performance.now();
      const { rows }: RenderedTerminal = await renderTerminal(bytes, { emulate: showOnScreen });
      assert.ok(rows.length > 0);
      best = Math.max(best, bytes.length / 1e3 / (performance.now() - from));
    }
    context.diagnostic(`${name}: ${best.toFixed(1)} MB/s`);
    // Two orders below what was seen: only a quadratic mistake is this slow.
    assert.ok(best > 0.05, `${name}: ${best} MB/s`);
  }
});
