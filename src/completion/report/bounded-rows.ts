/** Keeps the first and the last rows of a stream whose length nobody knows. */
export type KeptRows = {
  push(row: string): void;
  /** The kept rows, how many were left out, and before which of the kept ones they stood. */
  take(): { readonly rows: readonly string[]; readonly leftOut: number; readonly leftOutAt: number };
};

/**
 * Markup of one terminal in the report. Chosen so that the page stays under MySQL's default `max_allowed_packet` of 16 MiB also when every
 * character takes three bytes, and so that a browser opens it in about a second.
 */
export const renderedCharsMax = 4 * 1024 * 1024;

export function boundedRows(charsMax: number = renderedCharsMax): KeptRows {
  const head: string[] = [];
  const headMax = charsMax / 8;
  let headChars = 0;
  let headIsFull = false;
  let tail: string[] = [];
  let tailFrom = 0;
  let tailChars = 0;
  let leftOut = 0;

  return {
    push(row) {
      const cost = costOf(row);
      headIsFull ||= headChars + cost > headMax;
      if (!headIsFull) {
        headChars += cost;
        head.push(row);
        return;
      }
      tail.push(row);
      tailChars += cost;
      while (tailChars > charsMax - headMax) {
        tailChars -= costOf(tail[tailFrom]!);
        // Emptied, because the array still holds it until it is compacted.
        tail[tailFrom] = '';
        tailFrom += 1;
        leftOut += 1;
      }
      if (tailFrom > compactRows && tailFrom * 2 > tail.length) {
        tail = tail.slice(tailFrom);
        tailFrom = 0;
      }
    },
    take: () => ({ rows: [...head, ...tail.slice(tailFrom)], leftOut, leftOutAt: head.length }),
  };
}

/** An empty row costs a browser as much as a short one: this bounds the rows to some fifty thousand. */
const rowCostMin = 80;
const compactRows = 4_096;
const costOf = (row: string): number => Math.max(rowCostMin, row.length);
