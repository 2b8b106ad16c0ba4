import type { IBuffer, IBufferCell, IBufferLine, IUnicodeVersionProvider, Terminal } from '@xterm/headless';
import { type Cluster, charWidth, extendCluster, type Tail } from '../core/char-width.ts';
import type { Screen, ScreenEmulator, ScreenRow, ScreenSize, TextColour, TextStyle } from '../core/screen.ts';

/**
 * Shows captured terminal output on a real terminal emulator. The package is loaded on the first call only, since most output
 * needs none. Input beyond `inputCharsMax` is refused: the collector has cut it long before.
 */
export const showOnScreen: ScreenEmulator = async (input, size) => {
  if (input.length > inputCharsMax) throw new RangeError(`screen input is bounded to ${inputCharsMax} characters, got ${input.length}`);
  const terminal = await openTerminal(size);
  try {
    const alternate = keepAlternateScreen(terminal);
    // Between two chunks the emulator's own timer runs, so the event loop stays free for the rest of the daemon.
    for (let from = 0; from < input.length; from += chunkChars) await write(terminal, input.slice(from, from + chunkChars));
    return screenOf(terminal, alternate());
  } finally {
    terminal.dispose();
  }
};

/** The collector keeps 1 MiB + 7 MiB of a run's output. */
const inputCharsMax = 8 * 1024 * 1024;
/** What the emulator takes in one go: about 15 ms of CPU. */
const chunkChars = 64 * 1024;
/** A line of the buffer costs 12 bytes a column; 2,000 lines of 200 columns are 5 MB. */
const scrollbackLinesMax = 2_000;

type Exports = Pick<typeof import('@xterm/headless'), 'Terminal'>;

async function openTerminal({ cols, rows, scrollbackLines, lineFeedReturns }: ScreenSize): Promise<Terminal> {
  // The package is CommonJS without detectable names: Node puts its exports under `default`, a bundler may not.
  const module: Exports & { readonly default?: Exports } = await import('@xterm/headless');
  const { Terminal: EmulatedTerminal } = module.default ?? module;
  const terminal = new EmulatedTerminal({
    cols,
    rows,
    scrollback: Math.min(scrollbackLines, scrollbackLinesMax),
    convertEol: lineFeedReturns,
    allowProposedApi: true,
    logLevel: 'off',
  });
  terminal.unicode.register(ourWidths);
  terminal.unicode.activeVersion = ourWidths.version;
  return terminal;
}

const write = (terminal: Terminal, chunk: string): Promise<void> => new Promise((resolve) => terminal.write(chunk, resolve));

/** A full-screen program's picture is gone once it closes its screen; for a report it is the thing to see, so it is kept. */
function keepAlternateScreen(terminal: Terminal): () => readonly ScreenRow[] | null {
  let last: readonly ScreenRow[] | null = null;
  terminal.parser.registerCsiHandler({ prefix: '?', final: 'l' }, (params) => {
    const closes = params.some((param) => param === 47 || param === 1047 || param === 1049);
    if (closes && terminal.buffer.active.type === 'alternate') last = rowsOf(terminal.buffer.alternate);
    return false;
  });
  return () => (terminal.buffer.active.type === 'alternate' ? rowsOf(terminal.buffer.alternate) : last);
}

function screenOf(terminal: Terminal, alternate: readonly ScreenRow[] | null): Screen {
  const normal = terminal.buffer.normal;
  const scrollback = terminal.options.scrollback ?? 0;
  return { rows: rowsOf(normal), alternate, olderRowsLost: normal.baseY >= scrollback && scrollback > 0 };
}

function rowsOf(buffer: IBuffer): readonly ScreenRow[] {
  const rows: ScreenRow[] = [];
  const cell = buffer.getNullCell();
  for (let y = 0; y < buffer.length; y += 1) {
    const line = buffer.getLine(y);
    rows.push(line === undefined ? [] : rowOf(line, cell));
  }
  while (rows.length > 0 && rows[rows.length - 1]!.length === 0) rows.pop();
  return rows;
}

function rowOf(line: IBufferLine, cell: IBufferCell): ScreenRow {
  const runs: { text: string; style: TextStyle }[] = [];
  for (let x = 0; x < line.length; x += 1) {
    const here = line.getCell(x, cell);
    if (here === undefined || here.getWidth() === 0) continue;
    const style = styleOf(here);
    const last = runs[runs.length - 1];
    if (last !== undefined && sameStyle(last.style, style)) last.text += here.getChars() || ' ';
    else runs.push({ text: here.getChars() || ' ', style });
  }
  return withoutTrailingBlanks(runs);
}

/** Blanks at the end of a row are the terminal's, not the program's, unless they are painted. */
function withoutTrailingBlanks(runs: { text: string; style: TextStyle }[]): ScreenRow {
  const last = runs[runs.length - 1];
  if (last === undefined || isPainted(last.style)) return runs;
  last.text = last.text.trimEnd();
  if (last.text !== '') return runs;
  runs.pop();
  return withoutTrailingBlanks(runs);
}

const isPainted = (style: TextStyle): boolean => style.background !== null || style.inverse || style.underline || style.strike;

const styleOf = (cell: IBufferCell): TextStyle => ({
  foreground: colourOf(cell.isFgRGB(), cell.isFgDefault(), cell.getFgColor()),
  background: colourOf(cell.isBgRGB(), cell.isBgDefault(), cell.getBgColor()),
  bold: cell.isBold() !== 0,
  dim: cell.isDim() !== 0,
  italic: cell.isItalic() !== 0,
  underline: cell.isUnderline() !== 0,
  strike: cell.isStrikethrough() !== 0,
  inverse: cell.isInverse() !== 0,
});

const colourOf = (isRgb: boolean, isDefault: boolean, value: number): TextColour =>
  isDefault ? null : isRgb ? [(value >> 16) & 255, (value >> 8) & 255, value & 255] : value;

const sameStyle = (a: TextStyle, b: TextStyle): boolean =>
  sameColour(a.foreground, b.foreground) &&
  sameColour(a.background, b.background) &&
  a.bold === b.bold &&
  a.dim === b.dim &&
  a.italic === b.italic &&
  a.underline === b.underline &&
  a.strike === b.strike &&
  a.inverse === b.inverse;

const sameColour = (a: TextColour, b: TextColour): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null && a.every((part, i) => part === b[i]));

/** The emulator ships widths of Unicode 6, where emoji are narrow; ours agree with the report's line renderer. */
const ourWidths: IUnicodeVersionProvider = {
  version: 'signoff',
  wcwidth: charWidth,
  charProperties(codePoint, preceding) {
    const cluster = extendCluster(preceding === 0 ? null : unpack(preceding), codePoint);
    return pack(cluster, cluster.joins);
  },
};

// The emulator's own packing: state in the high bits, then two bits of width, then whether to join the cell before.
const pack = ({ width, tail }: Cluster, joins: boolean): number => (tails.indexOf(tail) << 3) | (width << 1) | (joins ? 1 : 0);
const unpack = (properties: number): Cluster => ({ width: ((properties >> 1) & 3) as 0 | 1 | 2, tail: tails[properties >> 3] ?? 'plain' });
const tails: readonly Tail[] = ['plain', 'pictograph', 'joiner', 'flag'];
