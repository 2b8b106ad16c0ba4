import type { Screen, ScreenEmulator, ScreenRow } from '../../core/screen.ts';
import { boundedRows, type KeptRows } from './bounded-rows.ts';
import { drawCharacters } from './characters.ts';
import { endOfString, readSequence, stringCharsMax } from './escape-sequences.ts';
import { escapeHtml, showInvisible } from './html.ts';
import { createLineRenderer } from './line-renderer.ts';
import { needsScreen } from './needs-screen.ts';
import { createRowBuilder, type RowBuilder } from './row-builder.ts';
import { type PackedStyle, packStyle } from './sgr.ts';
import { linearSink } from './sinks.ts';

export type { Screen, ScreenEmulator } from '../../core/screen.ts';

/** Terminal output as HTML. Made here only, so that its rows may stand in the report as they are. */
export type RenderedTerminal = {
  /** Markup, one row a screen line, each complete in itself. Elements: span with classes of ours, a with an http(s) address. */
  readonly rows: readonly string[];
  /** Rows that the size bound left out, counted into a row that says so. */
  readonly rowsLeftOut: number;
  readonly renderer: 'lines' | 'screen';
  /** What a reader should know about how this came to be, in sentences. */
  readonly notes: readonly string[];
  /** For `paletteRules`. */
  readonly styles: ReadonlySet<PackedStyle>;
};

export type RenderOptions = {
  /** null = cursor movement is left out, and a note says so. */
  readonly emulate: ScreenEmulator | null;
  /** The terminal's size; default is what a run without a terminal is shown on, 120 × 40. */
  readonly size?: { readonly cols: number; readonly rows: number };
  /** Lets other work run; awaited every 256 KiB. */
  readonly breathe?: () => Promise<void>;
};

/**
 * Shows what a person at the terminal would have seen, line by line where that is enough, else on an emulated screen.
 * Bytes that are no UTF-8 become U+FFFD. The collector bounds the input to 8 MiB; `renderedCharsMax` bounds the markup.
 */
export async function renderTerminal(output: string | Uint8Array, options: RenderOptions): Promise<RenderedTerminal> {
  const text = typeof output === 'string' ? output : decode(output);
  if (!needsScreen(text)) return renderText(text, options, []);
  if (options.emulate === null) return renderText(text, options, [cursorLeftOut]);
  try {
    return await renderScreen(text, options.emulate, options.size ?? defaultSize);
  } catch (error) {
    // A report is part of an honest end, so a picture that cannot be drawn must not stop it.
    return renderText(text, options, [`${cursorLeftOut} The terminal emulator failed: ${messageOf(error)}.`]);
  }
}

/** Shows a short text, as the tail of a check's output, line by line. */
export function renderTail(text: string): RenderedTerminal {
  const kept = boundedRows();
  const builder = createRowBuilder(kept.push);
  const renderer = createLineRenderer(builder, defaultSize);
  renderer.push(text);
  renderer.end();
  return rendered(kept, builder, 'lines', []);
}

const defaultSize = { cols: 120, rows: 40 };
const breatheChars = 256 * 1024;
/** What the emulator holds; older lines stay in the archived output. */
const scrollbackLines = 2_000;
const cursorLeftOut = 'The output moves the cursor; that is left out here, so lines may stand below each other that replaced one another.';

// The byte order mark is kept, to be shown: it is one more thing that cannot be seen.
const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

async function renderText(
  text: string,
  { size = defaultSize, breathe }: RenderOptions,
  notes: readonly string[],
): Promise<RenderedTerminal> {
  const kept = boundedRows();
  const builder = createRowBuilder(kept.push);
  const renderer = createLineRenderer(builder, size);
  for (let from = 0; from < text.length; from += breatheChars) {
    renderer.push(text.slice(from, from + breatheChars));
    await breathe?.();
  }
  renderer.end();
  return rendered(kept, builder, 'lines', notes);
}

async function renderScreen(
  text: string,
  emulate: ScreenEmulator,
  { cols, rows }: { readonly cols: number; readonly rows: number },
): Promise<RenderedTerminal> {
  const shown = await emulate(withoutStrings(text), { cols, rows, scrollbackLines, lineFeedReturns: !text.includes('\r\n') });
  const kept = boundedRows();
  const builder = createRowBuilder(kept.push);
  drawScreen(shown, builder, kept.push);
  const notes = [`Shown by a terminal emulator of ${cols} × ${rows}, because the output moves the cursor.`];
  if (shown.olderRowsLost)
    notes.push(`Its ${scrollbackLines.toLocaleString('en')} lines of scrollback ran full; older lines are in the archived output.`);
  return rendered(kept, builder, 'screen', notes);
}

function drawScreen({ rows, alternate }: Screen, builder: RowBuilder, keep: (row: string) => void): void {
  for (const row of rows) drawRow(row, builder);
  if (alternate === null) return;
  keep(noticeRow('the full-screen program, as it was last seen'));
  for (const row of alternate) drawRow(row, builder);
}

function drawRow(row: ScreenRow, builder: RowBuilder): void {
  const sink = linearSink(builder);
  for (const { text, style } of row) drawCharacters(text, 0, { style: packStyle(style), link: null }, sink);
  builder.endRow();
}

/** Strings (titles, clipboard, images) are taken out before the emulator sees them, since it would hide any length; the rest is made visible. */
function withoutStrings(text: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let at = text.indexOf('\x1b'); at >= 0; at = text.indexOf('\x1b', at)) {
    const sequence = readSequence(text, at);
    if (sequence.kind !== 'string') {
      at = sequence.end;
      continue;
    }
    parts.push(showHidden(text.slice(from, at)));
    const found = endOfString(text, sequence.end, sequence.introducer);
    from = Math.min(found?.end ?? text.length, sequence.end + stringCharsMax);
    at = from;
  }
  parts.push(showHidden(text.slice(from)));
  return parts.join('');
}

/** Controls that move the cursor stay; NUL, C1, bidi and zero-width characters become text. */
const showHidden = (text: string): string =>
  text
    .split(cursorControls)
    .map((part, i) => (i % 2 === 1 ? part : showInvisible(part)))
    .join('');
const cursorControls = /([\x07-\x0f\x1b]+)/;

function rendered(kept: KeptRows, builder: RowBuilder, renderer: 'lines' | 'screen', notes: readonly string[]): RenderedTerminal {
  const { rows, leftOut, leftOutAt } = kept.take();
  const shown =
    leftOut === 0
      ? rows
      : rows.toSpliced(leftOutAt, 0, noticeRow(`${leftOut.toLocaleString('en')} lines left out here; they are in the archived output`));
  return { rows: shown, rowsLeftOut: leftOut, renderer, notes, styles: builder.styles };
}

const noticeRow = (text: string): string => `<span class="n">⋯ ${escapeHtml(text)} ⋯</span>`;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
