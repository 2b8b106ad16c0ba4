import { extendCluster } from '../../core/char-width.ts';

/** Titles, summaries and reasons come from agents: on a terminal they are text of one line, and no control character of theirs acts. */
export const plain = (text: string): string =>
  text
    .replace(/\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?/gs, '')
    .replace(/[\s\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/[\p{Bidi_Control}]/gu, '')
    .trim();

/** Cut to that many columns, with an ellipsis where something is missing. */
export function fit(text: string, columns: number): string {
  if (columns <= 0) return '';
  if (columnsOf(text) <= columns) return text;
  let width = 0;
  let kept = '';
  for (const cluster of clusters(text)) {
    if (width + cluster.width > columns - 1) break;
    kept += cluster.text;
    width += cluster.width;
  }
  return `${kept}…`;
}

export const pad = (text: string, columns: number): string => text + ' '.repeat(Math.max(0, columns - columnsOf(text)));
export const padStart = (text: string, columns: number): string => ' '.repeat(Math.max(0, columns - columnsOf(text))) + text;

export function columnsOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return clusters(text).reduce((sum, { width }) => sum + width, 0);
}

/** Folded at spaces into lines of at most that many columns; a longer word, a path mostly, goes on in the next line. */
export function fold(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ').flatMap((it) => pieces(it, columns))) {
    if (line !== '' && columnsOf(line) + 1 + columnsOf(word) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' && lines.length > 0 ? lines : [...lines, line];
}

function pieces(word: string, columns: number): string[] {
  if (columns <= 1 || columnsOf(word) <= columns) return [word];
  const found: string[] = [];
  let piece = '';
  let width = 0;
  for (const cluster of clusters(word)) {
    if (width + cluster.width > columns) {
      found.push(piece);
      piece = '';
      width = 0;
    }
    piece += cluster.text;
    width += cluster.width;
  }
  return [...found, piece];
}

function clusters(text: string): { text: string; width: number }[] {
  const found: { text: string; width: number; tail: ReturnType<typeof extendCluster>['tail'] }[] = [];
  for (const char of text) {
    const last = found.at(-1);
    const next = extendCluster(last ? { width: last.width as 0 | 1 | 2, tail: last.tail } : null, char.codePointAt(0) ?? 0);
    if (next.joins && last) Object.assign(last, { text: last.text + char, width: next.width, tail: next.tail });
    else found.push({ text: char, width: next.width, tail: next.tail });
  }
  return found;
}
