import type { TheirColumn } from './layout.ts';
import { rowOf, type Work } from './work.ts';

/** How a text went into somebody's column. */
export type Fitted = {
  readonly text: string;
  /** Characters that the column's charset does not have. */
  readonly replaced: number;
  /** Characters left out at the end. */
  readonly cut: number;
};

/**
 * What a column can hold of a text: characters that its charset lacks are written as numbers in HTML (a browser shows them as they were), and
 * as a question mark elsewhere; what is too long is cut. Which characters those are the server itself is asked, so that no table of ours can be wrong.
 */
export function* fit(column: TheirColumn, given: string, { isHtml, bytesMax }: { isHtml: boolean; bytesMax: number }): Work<Fitted> {
  const text = given.toWellFormed();
  const held = yield* heldBy(column, text, bytesMax, isHtml);
  const short = shortened(column, held.text, bytesMax);
  return { text: short, replaced: held.replaced, cut: held.cut + [...held.text].length - [...short].length };
}

function* heldBy(column: TheirColumn, given: string, bytesMax: number, isHtml: boolean): Work<Fitted> {
  const { charset } = column;
  if (charset === null || charset === 'utf8mb4' || isAscii(given)) return { text: given, replaced: 0, cut: 0 };
  const text = headOf(given, bytesMax);
  // The name comes from the server's own list of charsets.
  if (!/^[a-z0-9_]+$/.test(charset)) return { text, replaced: 0, cut: [...given].length - [...text].length };
  const row = yield* rowOf(`SELECT CONVERT(CONVERT(? USING ${charset}) USING utf8mb4) AS held`, text);
  const heldChars = [...String(row?.['held'] ?? '')];
  const parts: string[] = [];
  let replaced = 0;
  let at = 0;
  for (const char of text) {
    const same = heldChars[at] === char;
    at += 1;
    if (same) parts.push(char);
    else {
      replaced += 1;
      parts.push(isHtml ? `&#${char.codePointAt(0)};` : '?');
    }
  }
  return { text: parts.join(''), replaced, cut: [...given].length - [...text].length };
}

const isAscii = (text: string): boolean => /^[\0-\x7f]*$/.test(text);

function shortened(column: TheirColumn, text: string, bytesMax: number): string {
  const { charsMax, bytesMax: columnBytes, kind, charBytesMax, charset } = column;
  const counted = kind === 'char' || kind === 'varchar';
  const chars = counted && charsMax !== null ? headOfChars(text, charsMax) : text;
  const bytes = Math.min(bytesMax, counted || columnBytes === null ? bytesMax : columnBytes);
  // UTF-8 counts as it is; of other charsets no character has more bytes than the longest.
  if (charset === null || charset.startsWith('utf8')) return headOf(chars, bytes);
  return headOfChars(chars, Math.floor(bytes / charBytesMax));
}

function headOfChars(text: string, most: number): string {
  if (text.length <= most) return text;
  const chars = [...text];
  return chars.length <= most ? text : chars.slice(0, most).join('');
}

/** The first bytes of a text as UTF-8, never ending inside a character. */
export function headOf(text: string, bytesMax: number): string {
  // A character of JavaScript is at most three bytes of UTF-8: most values need no counting.
  if (text.length * 3 <= bytesMax) return text;
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, end));
}
