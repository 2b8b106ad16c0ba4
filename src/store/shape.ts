import type { TerminalRecord, Todo } from '../core/todo.ts';
import type { TodoStatus } from '../core/words.ts';
import type { Tables } from './names.ts';
import { todoColumns, valuesOf } from './rows.ts';
import { affectedBy, marks, type Value, type Work } from './work.ts';

export type Condition = { readonly sql: string; readonly values: readonly Value[] };
export type Sets = Readonly<Record<string, Value>>;

/**
 * Where the todos are: in our own table, or in somebody's with ours beside it (mapped.ts). All that the store's logic knows of the difference.
 * Ours always has a row with fence, run and counts for each todo that was ever written to, so guarded writes are the same in both.
 */
export type Shape = {
  /** First in every operation. */
  prepare(): Work<void>;
  /** Looks at their table anew with the next operation. */
  forget(): void;
  /** What is wrong with their table, told at opening. */
  problems(): Work<readonly string[]>;
  /** Stands in store_meta, so that numbers of ours are never taken for theirs. Null: our own table. */
  readonly signature: number | null;
  /** For people. */
  readonly table: string;
  /** Behind FROM or JOIN: a todo a row, all columns of `todoColumns`; at least all of these statuses, so that an index of their table can help. */
  rows(statuses?: readonly TodoStatus[]): string;
  /** Behind JOIN: id, number, status and proof of todos that others may wait for. */
  readonly ends: string;
  /** Where a record's todo is looked for, in this order: a row that somebody else deleted is still known to us. */
  readonly kept: readonly string[];
  /** Whether somebody else may change a todo that has ended. */
  readonly isShared: boolean;
  /** The same for a look at what waits, narrowed to what an index of their table can find: only open and parked ones that nobody holds. */
  readonly waitingRows: string;
  /** The queue, also as it is sorted when two looks are put together. */
  readonly order: { readonly sql: string; compare(a: Place, b: Place): number };
  /** Conditions on a todo of that id, under alias t. */
  byId(id: string): Condition;
  /**
   * Before a guarded write: ours says what theirs says, and nobody changes either until the transaction ends. Where they took the todo from its
   * run, that run ends here. False: its run has not heard of it yet, so nobody else may start (only where `patient`).
   */
  align(todoId: string, nowMs: number, patient?: boolean): Work<boolean>;
  /** The guarded write: how many rows met id and guard. */
  update(todoId: string, sets: Sets, guard: Condition, nowMs: number): Work<number>;
  insert(todo: Todo): Work<void>;
  /** What a run left, where their table has columns for it. */
  show(record: TerminalRecord, nowMs: number): Work<void>;
};

export type Place = Pick<Todo, 'priority' | 'createdAtMs' | 'number'>;

export function ownShape(names: Pick<Tables, 'todo'>): Shape {
  return {
    *prepare() {},
    // biome-ignore lint/correctness/useYield: nothing to ask
    *problems() {
      return [];
    },
    forget() {},
    signature: null,
    table: names.todo,
    rows: () => names.todo,
    ends: names.todo,
    kept: [names.todo],
    isShared: false,
    waitingRows: names.todo,
    order: {
      sql: 't.priority, t.created_at_ms, t.number',
      compare: (a, b) => a.priority - b.priority || a.createdAtMs - b.createdAtMs || a.number - b.number,
    },
    byId: (id) => ({ sql: 't.id = ?', values: [id] }),
    // biome-ignore lint/correctness/useYield: the row itself is the truth
    *align() {
      return true;
    },
    update: (todoId, sets, guard) => updateOwn(names, todoId, sets, guard),
    *insert(todo) {
      yield* insertOwn(names, todo);
    },
    *show() {},
  };
}

export function* updateOwn(names: Pick<Tables, 'todo'>, todoId: string, sets: Sets, guard: Condition): Work<number> {
  return yield* affectedBy(
    `UPDATE ${names.todo} SET ${Object.keys(sets)
      .map((column) => `${column} = ?`)
      .join(', ')} WHERE id = ? AND ${guard.sql}`,
    ...Object.values(sets),
    todoId,
    ...guard.values,
  );
}

export function* insertOwn(names: Pick<Tables, 'todo'>, todo: Todo): Work<void> {
  const values = valuesOf(todoColumns, todo);
  yield* affectedBy(`INSERT INTO ${names.todo} (${Object.values(todoColumns).join(', ')}) VALUES (${marks(values)})`, ...values);
}
