/**
 * A terminal's screen as plain values. `platform/screen.ts` makes it with a real emulator, `completion/report/` shows it;
 * the types stand here because rooms do not import one another.
 */

/** Shows `input` on a terminal of the given size and says what stands on it at the end. Effects (a lazy import, yields) are the emulator's. */
export type ScreenEmulator = (input: string, size: ScreenSize) => Promise<Screen>;

export type ScreenSize = {
  readonly cols: number;
  readonly rows: number;
  /** Lines kept above the screen. The emulator holds at most 2,000 (it costs 3-4 ms of CPU per 16 KB and a cell object per column). */
  readonly scrollbackLines: number;
  /** True for output of a pipe, where a line feed also returns to column 0; a terminal's own output has CR LF. */
  readonly lineFeedReturns: boolean;
};

export type Screen = {
  /** Scrollback and screen, oldest first, blank rows at the end left out. */
  readonly rows: readonly ScreenRow[];
  /** The last picture of the alternate screen (full-screen programs), also when it was closed again; null when never used. */
  readonly alternate: readonly ScreenRow[] | null;
  /** True when the scrollback ran full, so that older rows are gone. */
  readonly olderRowsLost: boolean;
};

/** Neighbouring cells of one style, blanks at the row's end left out. */
export type ScreenRow = readonly { readonly text: string; readonly style: TextStyle }[];

/** null = the terminal's default, a number = one of the 256 palette colours, three numbers = red, green, blue (0-255). */
export type TextColour = null | number | readonly [number, number, number];

export type TextStyle = {
  readonly foreground: TextColour;
  readonly background: TextColour;
  readonly bold: boolean;
  readonly dim: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly strike: boolean;
  readonly inverse: boolean;
};
