import { type Pen, plainPen, type RowBuilder, rowColumnsMax } from './row-builder.ts';

/** Where a line is drawn: straight into the row while it only grows, into cells once it is written over. */
export type Sink = {
  /** Text of which every UTF-16 unit is one column. A tab goes to the next multiple of eight. */
  plain(pen: Pen, text: string): void;
  /** One character with its marks. */
  cluster(pen: Pen, text: string, width: 1 | 2): void;
  edit(edit: Edit): void;
};

/** What a line can have done to itself. Columns count from 0. */
export type Edit =
  | { readonly kind: 'move'; readonly by: number }
  | { readonly kind: 'column'; readonly to: number }
  | { readonly kind: 'erase'; readonly part: 'after' | 'before' | 'all' };

/** Writes straight to the row: for lines without edits. */
export const linearSink = (rows: RowBuilder): Sink => ({ plain: rows.text, cluster: rows.cluster, edit() {} });

/** Keeps a line as cells, so that it can be written over; `flush` draws what stands there at the end. `cols` bounds how far the cursor can be moved. */
export function cellSink(rows: RowBuilder, cols: number): Sink & { flush(): void } {
  // A wide character stands in its first cell and leaves `null` in the second.
  let cells: (Cell | null)[] = [];
  let cursor = 0;

  const put = (pen: Pen, text: string, width: 1 | 2): void => {
    if (cursor + width > rowColumnsMax) {
      flush();
      rows.endRow();
    }
    while (cells.length < cursor) cells.push(blank);
    splitWide(cursor);
    splitWide(cursor + width);
    cells[cursor] = { text, pen };
    if (width === 2) cells[cursor + 1] = null;
    cursor += width;
  };
  /** Writing over one half of a wide character blanks the other. */
  const splitWide = (column: number): void => {
    if (cells[column] !== null) return;
    cells[column - 1] = blank;
    cells[column] = blank;
  };
  const moveTo = (column: number): void => {
    cursor = Math.max(0, Math.min(column, Math.max(cols - 1, cursor)));
  };
  const erase = (part: 'after' | 'before' | 'all'): void => {
    splitWide(part === 'after' ? cursor : cursor + 1);
    if (part === 'before') cells.fill(blank, 0, Math.min(cells.length, cursor + 1));
    else cells.length = part === 'all' ? 0 : Math.min(cells.length, cursor);
  };
  const flush = (): void => {
    drawCells(cells, rows);
    cells = [];
    cursor = 0;
  };

  return {
    plain(pen, text) {
      for (let at = 0; at < text.length; at += 1) {
        if (text[at] === '\t') moveTo(Math.min(rowColumnsMax - 1, (Math.floor(cursor / tabColumns) + 1) * tabColumns));
        else put(pen, text[at]!, 1);
      }
    },
    cluster: put,
    edit(edit) {
      if (edit.kind === 'erase') erase(edit.part);
      else moveTo(edit.kind === 'column' ? edit.to : cursor + edit.by);
    },
    flush,
  };
}

type Cell = { readonly text: string; readonly pen: Pen };
const blank: Cell = { text: ' ', pen: plainPen };
const tabColumns = 8;

function drawCells(cells: readonly (Cell | null)[], rows: RowBuilder): void {
  let run = '';
  let pen = plainPen;
  const endRun = (): void => {
    if (run !== '') rows.text(pen, run);
    run = '';
  };
  for (let column = 0; column < cells.length; column += 1) {
    const cell = cells[column];
    if (cell === null || cell === undefined) continue;
    const isWide = cells[column + 1] === null;
    if (isWide || cell.pen !== pen) endRun();
    pen = cell.pen;
    if (isWide) rows.cluster(pen, cell.text, 2);
    else run += cell.text;
  }
  endRun();
}
