import { drawCharacters, drawCodePoint } from './characters.ts';
import { endOfString, readSequence, stringCharsMax } from './escape-sequences.ts';
import { type Pen, plainPen, type RowBuilder, rowColumnsMax } from './row-builder.ts';
import { applySgr } from './sgr.ts';
import { cellSink, linearSink, type Sink } from './sinks.ts';

/** Renders terminal text as a stream: any split of the same text gives the same rows. */
export type LineRenderer = { push(text: string): void; end(): void };

/**
 * Shows text whose cursor stays on its line: colours, links, carriage return, backspace, erase, columns. Lines are not wrapped at the
 * terminal's width, since a program that writes to a pipe knows of none; `cols` only bounds how far the cursor can be moved.
 */
export function createLineRenderer(rows: RowBuilder, { cols }: { readonly cols: number }): LineRenderer {
  let pending: string[] = [];
  let state = startState;
  const linear = linearSink(rows);
  const line = (last: string): void => {
    state = renderLine(pending.length === 0 ? last : pending.join('') + last, state, rows, linear, cols);
    rows.endRow();
    pending = [];
  };
  const plainLines = (text: string): void => {
    for (const one of text.split('\n')) one.length <= rowColumnsMax ? rows.plainRow(one) : line(one);
  };
  return {
    push(text) {
      let from = 0;
      for (let end = endOfLine(text, 0); end >= 0; end = endOfLine(text, from)) {
        const plainEnd = pending.length === 0 && isStart(state) ? endOfPlainLines(text, from) : from;
        if (plainEnd > from) plainLines(text.slice(from, plainEnd - 1));
        else line(text.slice(from, end));
        from = Math.max(plainEnd, end + 1);
      }
      if (from < text.length) pending.push(text.slice(from));
    },
    end() {
      if (pending.length > 0) line('');
    },
  };
}

/** What one line leaves behind for the next: the pen, and a string (OSC, DCS …) that has not ended. */
type State = { readonly pen: Pen; readonly string: OpenString | null };
type OpenString = { readonly introducer: string; readonly content: string; readonly length: number };

const startState: State = { pen: plainPen, string: null };
const isStart = ({ pen, string }: State): boolean => string === null && pen.style === plainPen.style && pen.link === null;

function endOfLine(text: string, from: number): number {
  newline.lastIndex = from;
  return newline.exec(text)?.index ?? -1;
}
const newline = /[\n\v\f]/g;

/** Most output is printable ASCII: as many whole lines of it as there are go by in one piece. Answers the index behind their last line feed. */
function endOfPlainLines(text: string, from: number): number {
  notPlain.lastIndex = from;
  const end = notPlain.exec(text)?.index ?? text.length;
  return end - from < plainCharsMin ? from : text.lastIndexOf('\n', end - 1) + 1;
}
/** Below this, looking ahead costs more than it saves. */
const plainCharsMin = 256;
const notPlain = /[^\x20-\x7e\n]/g;

function renderLine(line: string, state: State, rows: RowBuilder, linear: Sink, cols: number): State {
  const text = line.endsWith('\r') ? line.replace(/(?<!\r)\r+$/, '') : line;
  if (!editsLine.test(text)) return scanLine(text, state, linear);
  const cells = cellSink(rows, cols);
  const after = scanLine(text, state, cells);
  cells.flush();
  return after;
}

/** Finds what goes back or over what already stands in the line. Erasing to the right of its end does neither. */
const editsLine = /[\r\b]|\x1b\[(?:[0-?]*[CDGa`]|0*[1-9:-?][0-?]*K)/;

/** Reads a line from left to right and hands what it draws to the sink. */
function scanLine(line: string, { pen, string }: State, sink: Sink): State {
  let at = 0;
  if (string !== null) ({ at, pen, string } = continueString(line, 0, string, pen));
  while (string === null && at < line.length) {
    at = drawCharacters(line, at, pen, sink);
    if (at >= line.length) break;
    if (line.charCodeAt(at) !== escapeCode) {
      drawControl(line.charCodeAt(at), pen, sink);
      at += 1;
      continue;
    }
    const sequence = readSequence(line, at);
    at = sequence.end;
    if (sequence.kind === 'sgr') pen = { style: applySgr(pen.style, sequence.params), link: pen.link };
    else if (sequence.kind === 'csi') applyEdit(sequence.final, sequence.params, sink);
    else if (sequence.kind === 'string') {
      ({ at, pen, string } = continueString(line, at, { introducer: sequence.introducer, content: '', length: 0 }, pen));
    }
  }
  // The line feed itself belongs to a string that goes on.
  return { pen, string: string === null ? null : { ...string, content: keepBeginning(string.content, '\n'), length: string.length + 1 } };
}

const escapeCode = 0x1b;

/** Carriage return and backspace move; bell and shifts have no picture; any other control is shown by its number. */
function drawControl(code: number, pen: Pen, sink: Sink): void {
  if (code === 13) sink.edit({ kind: 'column', to: 0 });
  else if (code === 8) sink.edit({ kind: 'move', by: -1 });
  else if (code !== 7 && code !== 14 && code !== 15) drawCodePoint(code, 0, pen, sink);
}

function applyEdit(final: string, params: string, sink: Sink): void {
  const number = Number.parseInt(params, 10) || 0;
  const count = Math.min(rowColumnsMax, Math.max(1, number));
  if (final === 'C' || final === 'a') sink.edit({ kind: 'move', by: count });
  else if (final === 'D') sink.edit({ kind: 'move', by: -count });
  else if (final === 'G' || final === '`') sink.edit({ kind: 'column', to: count - 1 });
  else if (final === 'K') sink.edit({ kind: 'erase', part: eraseParts[number] ?? 'after' });
  else if (final === 'J' && number === 0) sink.edit({ kind: 'erase', part: 'after' });
}

const eraseParts: readonly ('after' | 'before' | 'all')[] = ['after', 'before', 'all'];

/** Takes the rest of a string; where it ends a link may begin or end. A string past its bound is given up, and its rest is text again. */
function continueString(line: string, from: number, open: OpenString, pen: Pen): State & { readonly at: number } {
  const room = Math.max(0, stringCharsMax - open.length);
  const found = endOfString(line, from, open.introducer);
  const contentEnd = found?.contentEnd ?? line.length;
  if (contentEnd - from > room) return { at: from + room, pen, string: null };
  const content = keepBeginning(open.content, line.slice(from, contentEnd));
  if (found === null) return { at: line.length, pen, string: { ...open, content, length: open.length + line.length - from } };
  return { at: found.end, pen: open.introducer === ']' ? withLink(pen, content) : pen, string: null };
}

/** Of a string only the beginning is kept, and one character more to see that it was longer: enough for any link. */
const keepBeginning = (content: string, more: string): string => content + more.slice(0, contentCharsMax + 1 - content.length);

/** `OSC 8 ; params ; address` opens a link, without address it closes it. Any other string changes nothing. */
function withLink(pen: Pen, content: string): Pen {
  const found = content.length > contentCharsMax ? null : /^8;[^;]*;(.*)$/s.exec(content);
  return found === null ? pen : { style: pen.style, link: safeLink(found[1]!) };
}

/** Only plain web addresses, in their normal form (look-alike letters show as punycode) and without a user name that looks like a host. */
export function safeLink(address: string): string | null {
  if (address.length > linkCharsMax || !/^https?:\/\//i.test(address)) return null;
  const url = URL.parse(address);
  return url !== null && url.username === '' && url.password === '' ? url.href : null;
}

/** The longest address that browsers of old agreed on. */
const linkCharsMax = 2_083;
/** An address with the parameters before it. */
const contentCharsMax = linkCharsMax + 512;
