/**
 * How many terminal columns a character takes, and which characters join the one before them. The report's line renderer
 * and the terminal emulator both ask here, so the same text has the same columns whichever of them shows it.
 */

/** What is known of the character cell being built: enough to say whether the next code point joins it. */
export type Cluster = { readonly width: 0 | 1 | 2; readonly tail: Tail };

/** The end of a cluster, as far as it decides on joining. `joiner` = a ZERO WIDTH JOINER after a pictograph, `flag` = half a flag. */
export type Tail = 'plain' | 'pictograph' | 'joiner' | 'flag';

/** Puts one more code point to a cluster: `joins` says whether it belongs to it or begins one of its own. */
export function extendCluster(before: Cluster | null, codePoint: number): Cluster & { readonly joins: boolean } {
  const width = charWidth(codePoint);
  if (before === null || before.width === 0) return { joins: false, width, tail: tailOf(codePoint) };
  if (codePoint === zeroWidthJoiner) {
    return { joins: true, width: before.width, tail: before.tail === 'pictograph' ? 'joiner' : before.tail };
  }
  if (codePoint === emojiPresentation) return { joins: true, width: before.tail === 'pictograph' ? 2 : before.width, tail: before.tail };
  if (codePoint === keycap) return { joins: true, width: 2, tail: 'plain' };
  if (width === 0) return { joins: true, width: before.width, tail: before.tail };
  if (before.tail === 'joiner' && isPictograph(codePoint)) return { joins: true, width: 2, tail: 'pictograph' };
  if (before.tail === 'pictograph' && isSkinTone(codePoint)) return { joins: true, width: 2, tail: 'pictograph' };
  if (before.tail === 'flag' && isFlagHalf(codePoint)) return { joins: true, width: 2, tail: 'plain' };
  return { joins: false, width, tail: tailOf(codePoint) };
}

/** Columns of a code point that stands alone: 0 for marks that sit on the one before, 2 for East Asian wide and emoji, else 1. */
export function charWidth(codePoint: number): 0 | 1 | 2 {
  if (codePoint < firstCombining) return 1;
  const char = String.fromCodePoint(codePoint);
  if (zeroWidth.test(char)) return 0;
  return emojiByDefault.test(char) || isWide(codePoint) ? 2 : 1;
}

const zeroWidthJoiner = 0x200d;
const emojiPresentation = 0xfe0f;
const keycap = 0x20e3;
const firstCombining = 0x300;

// Nonspacing and enclosing marks, Hangul vowels and finals that compose with the syllable before, and format characters.
const zeroWidth = /[\p{Mn}\p{Me}\u1160-\u11ff\p{Cf}]/u;
const emojiByDefault = /\p{Emoji_Presentation}/u;
const pictograph = /\p{Extended_Pictographic}/u;

const tailOf = (codePoint: number): Tail => (isFlagHalf(codePoint) ? 'flag' : isPictograph(codePoint) ? 'pictograph' : 'plain');
const isPictograph = (codePoint: number): boolean => codePoint > 0xa8 && pictograph.test(String.fromCodePoint(codePoint));
const isSkinTone = (codePoint: number): boolean => codePoint >= 0x1f3fb && codePoint <= 0x1f3ff;
const isFlagHalf = (codePoint: number): boolean => codePoint >= 0x1f1e6 && codePoint <= 0x1f1ff;
const isWide = (codePoint: number): boolean => wideRanges.some(([first, last]) => codePoint >= first && codePoint <= last);

/** East_Asian_Width W and F of Unicode 16, unassigned gaps closed, without what \p{Emoji_Presentation} already says. */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0x3247],
  [0x3250, 0xa4c6],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x1b2fb],
  [0x1d300, 0x1d376],
  [0x1f1ae, 0x1f1ae],
  [0x1f200, 0x1f320],
  [0x1f6d5, 0x1f6df],
  [0x1f7da, 0x1f7f0],
  [0x1fa70, 0x1fafa],
  [0x20000, 0x3fffd],
];
