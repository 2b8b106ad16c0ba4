/** One escape sequence, read from a line of terminal output. `end` is the index behind it. */
export type Sequence =
  | { readonly kind: 'sgr'; readonly end: number; readonly params: string }
  | { readonly kind: 'csi'; readonly end: number; readonly final: string; readonly params: string }
  | { readonly kind: 'string'; readonly end: number; readonly introducer: string }
  | { readonly kind: 'other'; readonly end: number; readonly text: string };

/** Reads the sequence that begins with ESC at `at`. A torn one ends where it stops making sense, and is dropped like a whole one. */
export function readSequence(text: string, at: number): Sequence {
  const next = text[at + 1];
  if (next === '[') return readCsi(text, at);
  if (next !== undefined && stringIntroducers.includes(next)) return { kind: 'string', end: at + 2, introducer: next };
  otherSequence.lastIndex = at;
  const found = otherSequence.exec(text);
  return found === null ? { kind: 'other', end: at + 1, text: '' } : { kind: 'other', end: otherSequence.lastIndex, text: found[0] };
}

/**
 * Finds the end of an OSC, DCS, SOS, PM or APC string from `from` on; null when the text ends first. ESC ends a string whether or
 * not a backslash follows, as terminals do: what comes next is a sequence of its own.
 */
export function endOfString(text: string, from: number, introducer: string): { readonly contentEnd: number; readonly end: number } | null {
  stringEnd.lastIndex = from;
  for (let found = stringEnd.exec(text); found !== null; found = stringEnd.exec(text)) {
    if (found[0] === '\x07' && introducer !== ']') continue;
    const closes = found[0] === '\x1b' && text[found.index + 1] !== '\\' ? found.index : stringEnd.lastIndex;
    return { contentEnd: found.index, end: found[0] === '\x1b' && text[found.index + 1] === '\\' ? found.index + 2 : closes };
  }
  return null;
}

/** What a command may hide in a string (a title, a clipboard, an image) before we take it for text again. */
export const stringCharsMax = 64 * 1024;

function readCsi(text: string, at: number): Sequence {
  let end = at + 2;
  let isSgr = true;
  // Parameters are 0x30-0x3f, of which SGR uses digits, colon and semicolon; intermediates are 0x20-0x2f, the final is 0x40-0x7e.
  for (let code = text.charCodeAt(end); code >= 0x20 && code < 0x40; code = text.charCodeAt(++end)) isSgr &&= code >= 0x30 && code < 0x3c;
  const final = text[end] ?? '';
  if (final === 'm' && isSgr) return { kind: 'sgr', end: end + 1, params: text.slice(at + 2, end) };
  return final >= '@' && final <= '~'
    ? { kind: 'csi', end: end + 1, final, params: text.slice(at + 2, end) }
    : { kind: 'other', end, text: '' };
}

const otherSequence = /\x1b[ -/]*[0-~]/y;
const stringIntroducers = ']PX^_';
const stringEnd = /[\x07\x18\x1a\x1b\u009c]/g;
