import type { Timeline } from './clock.ts';
import { createRows, type Rows } from './memory-store.ts';
import type { Dice } from './random.ts';

/** A node of the store's cluster that is behind the one which takes the writes: it catches up now and then, with all there is by then. */
export class Replica {
  readonly rows: Rows = createRows();
  readonly #primary: Rows;

  constructor(primary: Rows) {
    this.#primary = primary;
  }

  follow(timeline: Timeline, dice: Dice, { lagMaxMs, untilMs }: { readonly lagMaxMs: number; readonly untilMs: number }): void {
    const next = (): void => {
      copyRows(this.#primary, this.rows);
      if (timeline.nowMs < untilMs) timeline.after(dice.int(1, lagMaxMs), next);
    };
    next();
  }
}

/** What is in the database never changes in place, so that the rows themselves are shared. */
export function copyRows(from: Rows, to: Rows): void {
  for (const name of ['todos', 'runs', 'records', 'contents'] as const) {
    const table: Map<string, unknown> = to[name];
    table.clear();
    for (const [id, row] of from[name]) table.set(id, row);
  }
  for (const name of ['notes', 'comments', 'attachments'] as const)
    (to[name] as unknown[]).splice(0, Number.POSITIVE_INFINITY, ...from[name]);
  to.lastNumber = Math.max(to.lastNumber, from.lastNumber);
}
