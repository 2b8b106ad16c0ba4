import { isObject, parsedJson } from './shape.ts';

/** A healing event of a watchdog, as the store takes it. Its id makes it one row, however often and by whomever it is told. */
export type Untold = {
  readonly id: string;
  readonly kind: 'healing';
  readonly todoId: null;
  readonly runId: null;
  readonly atMs: number;
  readonly what: string;
  /** JSON. */
  readonly detail: string;
};

/** `NAME.untold` beside the state of a watchdog: what the store has not heard of yet, a line each, for the next watchdog or daemon of the home. */
export const untoldEnding = '.untold';

export const untoldLine = (row: Untold): string => `${JSON.stringify(row)}\n`;

/** A torn last line is nobody's row. */
export const untoldRows = (text: string): readonly Untold[] =>
  text.split('\n').flatMap((line) => {
    const row = parsedJson(line);
    return isObject(row) && row['kind'] === 'healing' && typeof row['id'] === 'string' ? [row as Untold] : [];
  });
