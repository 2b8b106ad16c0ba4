import { escapeMarkup, escapeText } from './html.ts';
import { type PackedStyle, plainStyle } from './sgr.ts';
import { classesOf } from './style-classes.ts';

/** How text is drawn: its style, and where it links to (null = nowhere). */
export type Pen = { readonly style: PackedStyle; readonly link: string | null };

export const plainPen: Pen = { style: plainStyle, link: null };

/** Writes rows of HTML. A row closes every element it opens, so rows may be left out or put elsewhere one by one. */
export type RowBuilder = {
  /** Adds text of which every UTF-16 unit is one column wide. */
  text(pen: Pen, text: string): void;
  /** Adds one character with its marks. Two columns are held to exactly two by a class, whatever the font says. */
  cluster(pen: Pen, text: string, width: 1 | 2): void;
  /** Adds a whole row of unstyled narrow text, at most `rowColumnsMax` of it. */
  plainRow(text: string): void;
  endRow(): void;
  /** Styles seen so far: the page needs rules for these and no others. */
  readonly styles: ReadonlySet<PackedStyle>;
};

/** Rows longer than this go on in the next: minified files are printed in one line, and a browser lays out a row as a whole. */
export const rowColumnsMax = 8_192;

export function createRowBuilder(keep: (row: string) => void): RowBuilder {
  const tags = new Map<PackedStyle, string>();
  let row = '';
  let columns = 0;
  let open: Pen = plainPen;

  const endRow = (): void => {
    keep(row + closeTag(open));
    row = '';
    columns = 0;
    open = plainPen;
  };
  const draw = (pen: Pen, markup: string, width: number): void => {
    if (pen.style !== open.style || pen.link !== open.link) {
      row += closeTag(open) + openTag(pen);
      open = pen;
    }
    row += markup;
    columns += width;
    if (columns >= rowColumnsMax || row.length > rowCharsMax) endRow();
  };
  const openTag = ({ style, link }: Pen): string => {
    let tag = tags.get(style);
    if (tag === undefined) {
      tag = style === plainStyle ? '' : `<span class="${classesOf(style)}">`;
      tags.set(style, tag);
    }
    return link === null ? tag : `<a href="${escapeMarkup(link)}" rel="noopener noreferrer">${tag}`;
  };

  return {
    text(pen, text) {
      for (let from = 0; from < text.length; ) {
        const piece = text.length - from <= rowColumnsMax - columns ? text.slice(from) : text.slice(from, from + rowColumnsMax - columns);
        from += piece.length;
        draw(pen, escapeText(piece), piece.length);
      }
    },
    cluster: (pen, text, width) => draw(pen, width === 2 ? `<span class="w">${escapeText(text)}</span>` : escapeText(text), width),
    plainRow: (text) => keep(escapeText(text)),
    endRow,
    get styles() {
      return new Set(tags.keys());
    },
  };
}

/** A row that grows past this goes on in the next: one row must not be able to carry the whole page. */
const rowCharsMax = 64 * 1024;

const closeTag = ({ style, link }: Pen): string => (style === plainStyle ? '' : '</span>') + (link === null ? '' : '</a>');
