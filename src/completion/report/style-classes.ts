import { paletteColour, type Rgb } from './palette.ts';
import { attributeBits, backgroundOf, foregroundOf, type PackedStyle } from './sgr.ts';

/** Class names of a style, from the allow-list only. */
export function classesOf(style: PackedStyle): string {
  const names: string[] = [];
  const { foreground, background } = shownColours(style);
  if (foreground !== null) names.push(`${background === null ? 'f' : 'c'}${foreground}`);
  if (background !== null) names.push(`g${background}`);
  for (const [bit, name] of attributeClasses) if (style & bit) names.push(name);
  return names.join(' ');
}

/**
 * The rules for exactly the colours that `styles` use, so that a report without colour carries none.
 * `f` = foreground on the panel, kept readable in light and dark; `c` on `g` = foreground on a background of its own, as the program chose.
 */
export function paletteRules(styles: Iterable<PackedStyle>): { readonly light: string; readonly dark: string } {
  const onPanel = new Set<number>();
  const onColour = new Set<number>();
  const backgrounds = new Set<number>();
  for (const style of styles) {
    const { foreground, background } = shownColours(style);
    if (typeof foreground === 'number') (background === null ? onPanel : onColour).add(foreground);
    if (typeof background === 'number') backgrounds.add(background);
  }
  const sorted = (set: Set<number>): number[] => [...set].sort((a, b) => a - b);
  const fixed = [
    ...sorted(backgrounds).map(
      (n) => `.g${n}{background:${hex(paletteColour(n))};color:${luminance(paletteColour(n)) > 0.3 ? '#111' : '#eee'}}`,
    ),
    ...sorted(onColour).map((n) => `.c${n}{color:${hex(paletteColour(n))}}`),
  ];
  const panel = (base: Rgb): string =>
    sorted(onPanel)
      .map((n) => `.f${n}{color:${readable(base, n)}}`)
      .join('');
  return { light: panel(lightPanel) + fixed.join(''), dark: panel(darkPanel) };
}

const readableKnown = new Map<string, string>();

/** Each of the 512 answers takes a search for the right lightness: found once. */
function readable(base: Rgb, n: number): string {
  const key = `${n} ${base}`;
  const known = readableKnown.get(key) ?? hex(readableOn(base, paletteColour(n)));
  readableKnown.set(key, known);
  return known;
}

/** Backgrounds of the terminal panel; `style.ts` paints them. */
export const lightPanel: Rgb = [247, 246, 242];
export const darkPanel: Rgb = [17, 19, 23];

export const hex = (colour: Rgb): string => `#${colour.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;

const attributeClasses: readonly (readonly [number, string])[] = [
  [attributeBits.bold, 'b'],
  [attributeBits.dim, 'd'],
  [attributeBits.italic, 'i'],
  [attributeBits.underline, 'u'],
  [attributeBits.strike, 'k'],
  [attributeBits.shown, 'x'],
];

/** Colours after inverse; 'i' stands for the panel's own colour on the other side. */
function shownColours(style: PackedStyle): { readonly foreground: number | 'i' | null; readonly background: number | 'i' | null } {
  const foreground = foregroundOf(style) < 0 ? null : foregroundOf(style);
  const background = backgroundOf(style) < 0 ? null : backgroundOf(style);
  if ((style & attributeBits.inverse) === 0) return { foreground, background };
  return { foreground: background ?? 'i', background: foreground ?? 'i' };
}

/** Moves a colour towards black or white until it has the contrast that WCAG asks of text (4.5 : 1). */
function readableOn(panel: Rgb, colour: Rgb): Rgb {
  const pole: Rgb = luminance(panel) > 0.5 ? [0, 0, 0] : [255, 255, 255];
  for (let step = 0; step <= 20; step += 1) {
    const mixed = mix(colour, pole, step / 20);
    if (contrast(mixed, panel) >= 4.5) return mixed;
  }
  return pole;
}

const mix = (from: Rgb, to: Rgb, share: number): Rgb => [0, 1, 2].map((i) => from[i]! + (to[i]! - from[i]!) * share) as unknown as Rgb;

function contrast(a: Rgb, b: Rgb): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** Relative luminance of WCAG 2, 0 black to 1 white. */
const luminance = ([red, green, blue]: Rgb): number => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
const linear = (part: number): number => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
