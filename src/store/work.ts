/**
 * Store logic as generators: they hand out statements and are handed results. So one text runs inside SQLite, where all of it must happen
 * synchronously between BEGIN and COMMIT of a shared commit, and against a server, where each statement is a journey.
 * Work may run again from its start (deadlock, busy file): it keeps nothing outside the database.
 */
export type Work<T> = Generator<Statement, T, Result>;

export type Value = string | number | null;
export type Row = Readonly<Record<string, unknown>>;
/** Values are always bound, never part of the text. */
export type Statement = { readonly sql: string; readonly values: readonly Value[] };
/** `affected` counts the rows that the condition met, also where nothing changed in them. */
export type Result = { readonly rows: readonly Row[]; readonly affected: number };

export function* rowsOf(sql: string, ...values: readonly Value[]): Work<readonly Row[]> {
  return (yield { sql, values }).rows;
}

export function* rowOf(sql: string, ...values: readonly Value[]): Work<Row | null> {
  return (yield { sql, values }).rows[0] ?? null;
}

/** Runs a write and says how many rows its condition met: for guarded writes 1 is yes and 0 is no. */
export function* affectedBy(sql: string, ...values: readonly Value[]): Work<number> {
  return (yield { sql, values }).affected;
}

/** Thrown inside a write: everything is rolled back, and the write answers with this value all the same. */
export class Undo extends Error {
  readonly value: unknown;
  constructor(value: unknown) {
    super('the transaction is taken back');
    this.value = value;
  }
}

/** What a statement fails with is thrown where the work stands, which seldom has a use for it: then it goes on to whoever asked. */
export function runNow<T>(work: Work<T>, execute: (statement: Statement) => Result): T {
  let step = work.next();
  while (!step.done) {
    let result: Result;
    try {
      result = execute(step.value);
    } catch (error) {
      step = work.throw(error);
      continue;
    }
    step = work.next(result);
  }
  return step.value;
}

export async function runWith<T>(work: Work<T>, execute: (statement: Statement) => Promise<Result>): Promise<T> {
  let step = work.next();
  while (!step.done) {
    let result: Result;
    try {
      result = await execute(step.value);
    } catch (error) {
      step = work.throw(error);
      continue;
    }
    step = work.next(result);
  }
  return step.value;
}

/** `?, ?, ?` for a list of values. */
export const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ');
