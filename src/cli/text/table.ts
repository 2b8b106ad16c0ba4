import type { Colour, Paint } from '../command.ts';
import { columnsOf, fit, fold, pad, padStart } from './plain.ts';

export type Cell = string | { readonly text: string; readonly colour: Colour };
export type Column = {
  readonly title: string;
  readonly align?: 'right';
  /** Takes what room the others leave; longer text is cut there, or folded into more lines. At most one column has it. */
  readonly grows?: 'cut' | 'fold';
  /** Longer text is folded here, so that it leaves room for the others. */
  readonly most?: number;
};

const gap = 2;
/** Below this a growing column says nothing any more. */
const growsMin = 10;

/** Rows under dim titles, never wider than the terminal where a column grows. */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], width: number, paint: Paint): string[] {
  const widths = widthsOf(columns, rows, width);
  const titles: Cell[] = columns.map(({ title }) => ({ text: title, colour: 'dim' }));
  return [titles, ...rows].flatMap((cells) => linesOf(cells, columns, widths, paint));
}

function linesOf(cells: readonly Cell[], columns: readonly Column[], widths: readonly number[], paint: Paint): string[] {
  const folded = cells.map((cell, at) => (folds(columns[at]) ? fold(textOf(cell), widths[at] ?? 0) : [textOf(cell)]));
  const height = Math.max(...folded.map(({ length }) => length));
  return Array.from({ length: height }, (_, line) =>
    cells
      .map((cell, at) => shade(cell, place(folded[at]?.[line] ?? '', columns[at], widths[at] ?? 0, at === cells.length - 1), paint))
      .join(' '.repeat(gap))
      .trimEnd(),
  );
}

const folds = (column: Column | undefined): boolean => column?.grows === 'fold' || column?.most !== undefined;

function place(text: string, column: Column | undefined, width: number, last: boolean): string {
  const short = fit(text, width);
  return column?.align === 'right' ? padStart(short, width) : last ? short : pad(short, width);
}

const shade = (cell: Cell, text: string, paint: Paint): string =>
  typeof cell === 'string' || text.trim() === '' ? text : paint(cell.colour, text);

function widthsOf(columns: readonly Column[], rows: readonly (readonly Cell[])[], width: number): number[] {
  const natural = columns.map((column, index) =>
    Math.min(column.most ?? Infinity, Math.max(columnsOf(column.title), ...rows.map((row) => columnsOf(textOf(row[index] ?? ''))))),
  );
  const fixed = natural.reduce((sum, it, index) => sum + (columns[index]?.grows ? 0 : it), 0) + gap * (columns.length - 1);
  return natural.map((it, index) => (columns[index]?.grows ? Math.min(it, Math.max(growsMin, width - fixed)) : it));
}

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text);
