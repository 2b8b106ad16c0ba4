export type Rgb = readonly [number, number, number];

/** The palette entry nearest to a true colour: the report's policy allows no inline style, so colours are 256 classes. */
export function nearestPaletteIndex([red, green, blue]: Rgb): number {
  const cube = 16 + 36 * nearestLevel(red) + 6 * nearestLevel(green) + nearestLevel(blue);
  const grey = 232 + Math.min(23, Math.max(0, Math.round((red + green + blue) / 30 - 0.8)));
  const wanted: Rgb = [red, green, blue];
  return distance(paletteColour(grey), wanted) < distance(paletteColour(cube), wanted) ? grey : cube;
}

/** The 256 colours of a terminal: sixteen named, a 6 × 6 × 6 cube, 24 greys. */
export function paletteColour(index: number): Rgb {
  if (index < 16) return baseColours[index]!;
  if (index >= 232) return [8 + 10 * (index - 232), 8 + 10 * (index - 232), 8 + 10 * (index - 232)];
  const cube = index - 16;
  return [levels[Math.floor(cube / 36)]!, levels[Math.floor(cube / 6) % 6]!, levels[cube % 6]!];
}

const levels: readonly number[] = [0, 95, 135, 175, 215, 255];
const nearestLevel = (value: number): number => (value < 48 ? 0 : value < 115 ? 1 : Math.min(5, Math.floor((value - 35) / 40)));

/** The sixteen named colours: less glaring than xterm's, in the order black, red, green, yellow, blue, magenta, cyan, white, then bright. */
const baseColours: readonly Rgb[] = [
  [27, 29, 32],
  [204, 62, 68],
  [78, 160, 95],
  [196, 145, 42],
  [66, 118, 204],
  [160, 88, 180],
  [46, 145, 158],
  [197, 200, 198],
  [120, 124, 130],
  [235, 102, 102],
  [104, 190, 120],
  [232, 190, 90],
  [110, 160, 240],
  [200, 130, 216],
  [92, 190, 200],
  [240, 241, 240],
];

const distance = (a: Rgb, b: Rgb): number => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
