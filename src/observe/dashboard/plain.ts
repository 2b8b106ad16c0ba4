/** Controls, what turns the direction of text, and what has no width; a joiner of emoji may stay. Lone halves of a character, too. */
const hidden =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu;

const asCode = (character: string): string => `‹U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}›`;

/** Words of others as they may be shown: nothing in them is invisible or turns what stands beside them, and nobody's title fills the page. */
export const oneLine = (text: string, most = 300): string =>
  bounded(text.replace(/[ \t\r\n\f\v\u2028\u2029]+/g, ' '), most).replace(hidden, asCode);

/** The same with its lines. */
export const lines = (text: string, most = 100_000): string => bounded(text.replace(/\r\n?/g, '\n'), most).replace(hidden, asCode);

function bounded(text: string, most: number): string {
  if (text.length <= most) return text;
  // Not through the middle of a character.
  const end = /[\ud800-\udbff]/.test(text[most - 1] ?? '') ? most - 1 : most;
  return `${text.slice(0, end)}…`;
}
