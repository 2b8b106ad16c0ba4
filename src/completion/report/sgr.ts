import type { TextColour, TextStyle } from '../../core/screen.ts';
import { nearestPaletteIndex } from './palette.ts';

/**
 * A text style in one number: foreground + 1 in bits 0-8, background + 1 in bits 9-17 (0 = the terminal's default), then one bit
 * an attribute. One number compares and caches at no cost, and there are a million characters to style.
 */
export type PackedStyle = number;

export const plainStyle: PackedStyle = 0;

export const attributeBits = {
  bold: 1 << 18,
  dim: 1 << 19,
  italic: 1 << 20,
  underline: 1 << 21,
  strike: 1 << 22,
  inverse: 1 << 23,
  /** Not from SGR: a ‹U+202E› of ours, marked so that it cannot be mistaken for the program's own text. */
  shown: 1 << 24,
} as const;

/** The style after `CSI params m`. What the allow-list does not name (blink, conceal, fonts) changes nothing: concealed text stays readable. */
export function applySgr(style: PackedStyle, params: string): PackedStyle {
  if (params === '' || params === '0') return plainStyle;
  if (params.length <= 2) return applyCode(style, params);
  const codes = params.split(';');
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i]!;
    if (code.startsWith('38') || code.startsWith('48') || code.startsWith('58')) {
      const { colour, used } = readColour(codes, i);
      i += used;
      if (colour !== null) style = withColour(style, code.slice(0, 2), colour);
    } else style = applyCode(style, code);
  }
  return style;
}

export const packStyle = (style: TextStyle): PackedStyle =>
  (paletteIndex(style.foreground) + 1) |
  ((paletteIndex(style.background) + 1) << 9) |
  (style.bold ? attributeBits.bold : 0) |
  (style.dim ? attributeBits.dim : 0) |
  (style.italic ? attributeBits.italic : 0) |
  (style.underline ? attributeBits.underline : 0) |
  (style.strike ? attributeBits.strike : 0) |
  (style.inverse ? attributeBits.inverse : 0);

/** Palette index of the foreground, -1 for the default. */
export const foregroundOf = (style: PackedStyle): number => (style & 0x1ff) - 1;
export const backgroundOf = (style: PackedStyle): number => ((style >> 9) & 0x1ff) - 1;

/** Reads `38;5;n`, `38;2;r;g;b` and their colon forms at `codes[at]`; `used` counts the codes after `at` that belong to it. */
function readColour(codes: readonly string[], at: number): { readonly colour: number | null; readonly used: number } {
  const parts = codes[at]!.split(':');
  if (parts.length > 1) return { colour: colourOf(parts[1], parts.length > 5 ? parts.slice(3) : parts.slice(2)), used: 0 };
  const used = codes[at + 1] === '5' ? 2 : codes[at + 1] === '2' ? 4 : 0;
  return { colour: colourOf(codes[at + 1], codes.slice(at + 2, at + 1 + used)), used };
}

function colourOf(kind: string | undefined, parts: readonly string[]): number | null {
  const values = parts.map((part) => Number(part === '' ? '0' : part));
  if (values.some((value) => !Number.isInteger(value) || value < 0 || value > 255)) return null;
  if (kind === '5') return values[0] ?? null;
  return kind === '2' && values.length >= 3 ? nearestPaletteIndex([values[0]!, values[1]!, values[2]!]) : null;
}

function withColour(style: PackedStyle, which: string, colour: number): PackedStyle {
  if (which === '38') return (style & ~0x1ff) | (colour + 1);
  if (which === '48') return (style & ~(0x1ff << 9)) | ((colour + 1) << 9);
  return style;
}

function applyCode(style: PackedStyle, code: string): PackedStyle {
  if (code === '4:0') return style & ~attributeBits.underline;
  const n = code === '' ? 0 : Number.parseInt(code, 10);
  if (n >= 30 && n <= 37) return withColour(style, '38', n - 30);
  if (n >= 40 && n <= 47) return withColour(style, '48', n - 40);
  if (n >= 90 && n <= 97) return withColour(style, '38', n - 82);
  if (n >= 100 && n <= 107) return withColour(style, '48', n - 92);
  const change = changes[n];
  return change === undefined ? style : (style & ~change.off) | change.on;
}

const { bold, dim, italic, underline, strike, inverse } = attributeBits;

const changes: Readonly<Record<number, { readonly off: number; readonly on: number }>> = {
  0: { off: -1, on: 0 },
  1: { off: 0, on: bold },
  2: { off: 0, on: dim },
  3: { off: 0, on: italic },
  4: { off: 0, on: underline },
  7: { off: 0, on: inverse },
  9: { off: 0, on: strike },
  21: { off: 0, on: underline },
  22: { off: bold | dim, on: 0 },
  23: { off: italic, on: 0 },
  24: { off: underline, on: 0 },
  27: { off: inverse, on: 0 },
  29: { off: strike, on: 0 },
  39: { off: 0x1ff, on: 0 },
  49: { off: 0x1ff << 9, on: 0 },
};

const paletteIndex = (colour: TextColour): number =>
  colour === null ? -1 : typeof colour === 'number' ? colour : nearestPaletteIndex(colour);
