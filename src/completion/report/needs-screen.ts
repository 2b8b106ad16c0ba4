import { endOfString, readSequence, stringCharsMax } from './escape-sequences.ts';

/**
 * Whether output has to be shown by a terminal emulator: it moves the cursor off its line, scrolls, uses the other screen or the
 * line-drawing set. What stays on its line (colour, CR, backspace, erase in line, columns) the line renderer shows, a hundred times faster.
 */
export function needsScreen(text: string): boolean {
  for (let at = text.indexOf('\x1b'); at >= 0; ) {
    const sequence = readSequence(text, at);
    if (sequence.kind === 'csi' && leavesLine(sequence.final, sequence.params)) return true;
    if (sequence.kind === 'other' && screenEscapes.has(sequence.text)) return true;
    at = text.indexOf('\x1b', sequence.kind === 'string' ? behindString(text, sequence.end, sequence.introducer) : sequence.end);
  }
  return false;
}

function behindString(text: string, from: number, introducer: string): number {
  const end = endOfString(text, from, introducer)?.end ?? text.length;
  return Math.min(end, from + stringCharsMax);
}

function leavesLine(final: string, params: string): boolean {
  if (final === 'h' || final === 'l') {
    return (
      params.startsWith('?') &&
      params
        .slice(1)
        .split(';')
        .some((mode) => screenModes.has(mode))
    );
  }
  // Sequences with `<`, `=`, `>` or `?` are private: they ask and set, and move nothing.
  if (/[<-?]/.test(params)) return false;
  if (final === 'J') return params !== '' && params !== '0';
  return screenFinals.has(final);
}

/** Up, down, next line, previous line, position, row, insert and delete (lines, characters), scroll, region, save, restore, repeat, tabs. */
const screenFinals = new Set([...'ABEFHfdLMP@XSTrsubIZ']);
/** Origin mode, auto-wrap off, the alternate screen in its three spellings. */
const screenModes = new Set(['6', '7', '47', '1047', '1048', '1049']);
/** Save, restore, index, next line, reverse index, reset, line-drawing characters. */
const screenEscapes = new Set(['\x1b7', '\x1b8', '\x1bD', '\x1bE', '\x1bM', '\x1bc', '\x1b(0', '\x1b)0', '\x1b#8']);
