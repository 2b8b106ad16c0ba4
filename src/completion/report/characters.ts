import { type Cluster, charWidth, extendCluster } from '../../core/char-width.ts';
import { isInvisible, marksMax, showCodePoint } from './html.ts';
import type { Pen } from './row-builder.ts';
import { attributeBits } from './sgr.ts';
import type { Sink } from './sinks.ts';

/**
 * Draws characters up to the next control or the end, and answers the index where it stopped: narrow runs as they are, wide and
 * combined characters as clusters, invisible ones as ‹U+…›.
 */
export function drawCharacters(text: string, from: number, pen: Pen, sink: Sink): number {
  const to = text.length;
  let runStart = from;
  let at = from;
  while (at < to) {
    const kind = kindAt(text, at);
    if (kind === unit.plain) {
      at += 1;
      continue;
    }
    // A mark belongs to the character before it, which the run already holds.
    const base = kind === unit.mark && at > runStart ? at - 1 : at;
    if (base > runStart) sink.plain(pen, text.slice(runStart, base));
    if (kind === unit.control) return at;
    at = drawOne(text, base, pen, sink);
    runStart = at;
  }
  if (to > runStart) sink.plain(pen, text.slice(runStart, to));
  return to;
}

function drawOne(text: string, at: number, pen: Pen, sink: Sink): number {
  const kind = kindAt(text, at);
  if (kind === unit.shown) return drawCodePoint(text.charCodeAt(at), at + 1, pen, sink);
  if (kind !== unit.wide || mayBeJoined(text, at + 1)) return drawCluster(text, at, pen, sink);
  // East Asian text is wide character after wide character, so this is worth a way of its own.
  sink.cluster(pen, text[at]!, 2);
  return at + 1;
}

function mayBeJoined(text: string, next: number): boolean {
  if (next >= text.length) return false;
  const kind = kindAt(text, next);
  return kind === unit.mark || kind === unit.surrogate;
}

/** Draws a code point by its number and answers `next`. */
export function drawCodePoint(codePoint: number, next: number, pen: Pen, sink: Sink): number {
  sink.plain({ style: pen.style | attributeBits.shown, link: pen.link }, isSurrogate(codePoint) ? '\ufffd' : showCodePoint(codePoint));
  return next;
}

/** Draws one character with all that joins it, and answers the index behind it. */
function drawCluster(text: string, at: number, pen: Pen, sink: Sink): number {
  const first = text.codePointAt(at)!;
  if (isSurrogate(first) || charWidth(first) === 0 || isInvisible(first)) return drawCodePoint(first, at + unitsOf(first), pen, sink);
  const { end, width } = clusterAt(text, at);
  sink.cluster(pen, text.slice(at, end), width === 2 ? 2 : 1);
  return end;
}

function clusterAt(text: string, at: number): { readonly end: number; readonly width: number } {
  let cluster: Cluster = extendCluster(null, text.codePointAt(at)!);
  let end = at + unitsOf(text.codePointAt(at)!);
  for (let parts = 1; end < text.length; parts += 1) {
    const codePoint = text.codePointAt(end)!;
    const next = extendCluster(cluster, codePoint);
    if (!next.joins || parts > (next.tail === 'plain' ? marksMax : emojiPartsMax) || !mayJoin(text, end, cluster)) break;
    cluster = next;
    end += unitsOf(codePoint);
  }
  return { end, width: cluster.width };
}

/** The longest emoji of Unicode 16 (a couple with skin tones) has ten code points. */
const emojiPartsMax = 12;

/** A joiner joins only where a pictograph stands on both sides; elsewhere it is hidden text, and shown. */
function mayJoin(text: string, at: number, before: Cluster): boolean {
  const codePoint = text.codePointAt(at)!;
  if (codePoint !== zeroWidthJoiner) return !isInvisible(codePoint);
  return before.tail === 'pictograph' && at + 1 < text.length && pictograph.test(String.fromCodePoint(text.codePointAt(at + 1)!));
}

const pictograph = /\p{Extended_Pictographic}/u;
const zeroWidthJoiner = 0x200d;
const unitsOf = (codePoint: number): number => (codePoint > 0xffff ? 2 : 1);
const isSurrogate = (codePoint: number): boolean => codePoint >= 0xd800 && codePoint <= 0xdfff;

/** Kinds of UTF-16 units. */
const unit = { unknown: 0, plain: 1, shown: 2, wide: 3, mark: 4, surrogate: 5, control: 6 } as const;

/** Asked once a character, and filled as characters come: working all 65,536 out would take longer than most reports. */
const kindOfUnit = new Uint8Array(0x10000);

function kindAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  const kind = kindOfUnit[code]!;
  if (kind !== unit.unknown) return kind;
  kindOfUnit[code] = kindOf(code);
  return kindOfUnit[code]!;
}

function kindOf(code: number): number {
  if ((code >= 0x20 && code < 0x7f) || code === tab) return unit.plain;
  if (code < 0x20) return unit.control;
  if (code === zeroWidthJoiner) return unit.mark;
  if (isSurrogate(code)) return unit.surrogate;
  if (isInvisible(code)) return unit.shown;
  const width = charWidth(code);
  return width === 2 ? unit.wide : width === 0 ? unit.mark : unit.plain;
}

const tab = 9;
