/** Markup that is safe to put into the report as it stands. Only this file and the terminal renderer make it. */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

export type HtmlValue = Html | string | number | null | false | undefined | readonly HtmlValue[];

/** A template in which every value that is not `Html` is escaped: forgetting to escape is not possible. */
export function html(markup: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = markup[0] ?? '';
  for (const [i, value] of values.entries()) text += markupOf(value) + markup[i + 1];
  return new Html(text);
}

function markupOf(value: HtmlValue): string {
  if (value instanceof Html) return value.markup;
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  if (value === null || value === undefined || value === false) return '';
  return value.map(markupOf).join('');
}

/** Text for a text node or a quoted attribute, with what cannot be seen made visible. */
export const escapeHtml = (text: string): string => (asItIs.test(text) ? text : escapeMarkup(showInvisible(text)));

/** Most values of a page are printable ASCII that means nothing in HTML. */
const asItIs = /^[\t\n !#-%(-;=?-~]*$/;

/** The characters that mean something in HTML, quotes too: for attributes and text alike. */
export const escapeMarkup = (text: string): string => escapeText(text).replaceAll('"', '&quot;').replaceAll("'", '&#39;');

/** The characters that mean something in a text node; terminals print a hundred times more text than attributes. */
export const escapeText = (text: string): string =>
  special.test(text) ? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') : text;

/**
 * Bidi controls, zero-width and control characters as ‹U+202E›, so that what a person reads is what the bytes say. Emoji keep
 * their joiner. Half surrogates become U+FFFD, and marks that pile up on one letter are shown apart.
 */
export function showInvisible(text: string): string {
  const wellFormed = text.toWellFormed().replace(/\r\n/g, '\n');
  return wellFormed
    .replace(invisible, (char, at: number, whole: string) =>
      joinsPictographs(char, at, whole) ? char : showCodePoint(char.codePointAt(0)!),
    )
    .replace(
      piledMarks,
      (_, kept: string, rest: string) => kept + Array.from(rest, (mark) => showCodePoint(mark.codePointAt(0)!)).join(''),
    );
}

/** Whether a code point that stands alone has to be shown by its number. */
export const isInvisible = (codePoint: number): boolean => oneInvisible.test(String.fromCodePoint(codePoint));

export const showCodePoint = (codePoint: number): string => `‹U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}›`;

/** Marks on one letter that still read as one; Vietnamese needs two, Hebrew with accents up to four. */
export const marksMax = 8;

/** Code points that print nothing or change the order of what follows. Tab and line feed are layout and stay. */
const invisible =
  /\u034f|\u17b4|\u17b5|[\u180b-\u180d]|\u180f|[\ufe00-\ufe0d]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

const oneInvisible = new RegExp(invisible.source, 'u');

const special = /[&<>]/;

const joinsPictographs = (char: string, at: number, whole: string): boolean =>
  char === '\u200d' &&
  endsInPictograph.test(whole.slice(Math.max(0, at - 3), at)) &&
  beginsWithPictograph.test(whole.slice(at + 1, at + 3));

const endsInPictograph = /(?:\p{Extended_Pictographic}\ufe0f?|[\u{1f3fb}-\u{1f3ff}])$/u;
const beginsWithPictograph = /^\p{Extended_Pictographic}/u;
const piledMarks = new RegExp(`((?:\\p{Mn}|\\p{Me}){${marksMax}})((?:\\p{Mn}|\\p{Me})+)`, 'gu');
