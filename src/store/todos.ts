import { OperationalError } from '../core/errors.ts';
import { type ListFilter, numberMeant } from '../core/list-filter.ts';
import type { NewTodo, Run, Todo } from '../core/todo.ts';
import { inProgressStatuses, isTerminal, type LivingStatus, livingStatuses, type TodoStatus } from '../core/words.ts';
import type { Store } from '../world.ts';
import type { Dialect } from './dialect.ts';
import type { Names } from './names.ts';
import { noteChange } from './notes.ts';
import { runColumns, runIn, runOrNullIn, selected, todoColumns, todoIn } from './rows.ts';
import type { Condition, Sets } from './shape.ts';
import { affectedBy, marks, rowOf, rowsOf, Undo, type Work } from './work.ts';

const todoSelected = selected('t', todoColumns);
const runSelected = selected('r', runColumns);

/** Twice with the same id is once. */
export function* add(names: Names, given: NewTodo, nowMs: number): Work<Todo> {
  // Taken first: two who add stand in line here, and who comes second finds the first one's todo.
  yield* affectedBy(`UPDATE ${names.store_meta} SET value = value + 1 WHERE name = 'number'`);
  const before = yield* todoById(names, given.id);
  if (before !== null) throw new Undo(before);
  const last = yield* rowOf(`SELECT value FROM ${names.store_meta} WHERE name = 'number'`);
  const todo: Todo = {
    ...given,
    number: Number(last?.['value']),
    status: 'open',
    proof: null,
    reason: null,
    fence: 0,
    runId: null,
    notBeforeMs: null,
    attempts: 0,
    resets: 0,
    summary: null,
    report: null,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    endedAtMs: null,
  };
  yield* names.todos.insert(todo);
  return (yield* todoById(names, given.id)) ?? todo;
}

export function* todoById(names: Names, id: string): Work<Todo | null> {
  const { sql, values } = names.todos.byId(id);
  const row = yield* rowOf(`SELECT ${todoSelected} FROM ${names.todos.rows()} t WHERE ${sql}`, ...values);
  return row === null ? null : todoIn(row);
}

/** Fewer characters of an id than this name nothing. */
const prefixMin = 4;

export function* find(names: Names, ref: string): Work<Todo | null> {
  // Numbers are shown without a leading zero, and ids of our time begin with one: no text is both.
  if (/^[1-9][0-9]{0,14}$/.test(ref)) {
    const row = yield* rowOf(`SELECT ${todoSelected} FROM ${names.todos.rows()} t WHERE t.number = ?`, Number(ref));
    if (row !== null) return todoIn(row);
  }
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(ref)) return null;
  const exact = yield* todoById(names, ref);
  if (exact !== null || ref.length < prefixMin) return exact;
  // '~' sorts behind all that an id is made of.
  const fitting = yield* rowsOf(`SELECT ${todoSelected} FROM ${names.todos.rows()} t WHERE t.id >= ? AND t.id < ? LIMIT 2`, ref, `${ref}~`);
  if (fitting.length > 1)
    throw new OperationalError('AMBIGUOUS', { operation: 'finding', subject: `todo ${ref}`, why: 'more than one id begins so' });
  return fitting[0] === undefined ? null : todoIn(fitting[0]);
}

export function* list(
  names: Names,
  dialect: Pick<Dialect, 'contains' | 'unindexed'>,
  filter: ListFilter,
): Work<{ readonly todos: readonly Todo[]; readonly truncated: boolean }> {
  const { statuses } = filter;
  if (statuses?.length === 0) return { todos: [], truncated: false };
  const conditions = conditionsOf(filter, dialect, yield* statusColumn(names, statuses, dialect));
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`;
  const limit = Math.max(0, Math.trunc(filter.limit));
  // Numbers grow, and are a key in every table: the newest are found without sorting all.
  const rows = yield* rowsOf(
    `SELECT ${todoSelected} FROM ${names.todos.rows(statuses ?? undefined)} t ${where} ORDER BY t.number DESC LIMIT ${limit + 1}`,
    ...conditions.flatMap(({ values }) => values),
  );
  return { todos: rows.slice(0, limit).map((row) => todoIn(row)), truncated: rows.length > limit };
}

function conditionsOf(
  { statuses, text = null, agent = null, project = null, before = null }: ListFilter,
  { contains }: Pick<Dialect, 'contains'>,
  statusColumn: string,
): Condition[] {
  return [
    ...(before === null ? [] : [{ sql: 't.number < ?', values: [before] }]),
    ...(statuses === null ? [] : [{ sql: `${statusColumn} IN (${marks(statuses)})`, values: statuses }]),
    ...(agent === null ? [] : [{ sql: 't.agent = ?', values: [agent] }]),
    ...(project === null ? [] : [{ sql: 't.project = ?', values: [project] }]),
    ...(text === null
      ? []
      : [anyOf([contains('t.title', text), contains('t.summary', text), { sql: 't.number = ?', values: [numberMeant(text)] }])]),
  ];
}

const anyOf = (conditions: readonly Condition[]): Condition => ({
  sql: `(${conditions.map(({ sql }) => sql).join(' OR ')})`,
  values: conditions.flatMap(({ values }) => values),
});

/** So many todos are sorted at once; of more the newest are looked for from the newest on. */
const fewTodos = 2000;

/** Where the database has no statistics it would sort a hundred thousand that are completed to find the newest hundred. */
function* statusColumn(names: Names, statuses: readonly TodoStatus[] | null, { unindexed }: Pick<Dialect, 'unindexed'>): Work<string> {
  if (statuses === null || unindexed === null) return 't.status';
  const row = yield* rowOf(
    `SELECT COUNT(*) AS todos FROM (SELECT 1 FROM ${names.todos.rows(statuses)} t WHERE t.status IN (${marks(statuses)}) LIMIT ${fewTodos})`,
    ...statuses,
  );
  return Number(row?.['todos']) < fewTodos ? 't.status' : unindexed('t.status');
}

export function* waiting(names: Names): Work<number> {
  const row = yield* rowOf(
    `SELECT COUNT(*) AS waiting FROM ${names.todos.waitingRows} t WHERE t.status IN ('open', 'parked') AND t.held = 0`,
  );
  return Number(row?.['waiting']);
}

export function* living(names: Names): Work<Readonly<Record<LivingStatus, number>>> {
  const rows = yield* rowsOf(
    `SELECT t.status AS status, COUNT(*) AS todos FROM ${names.todos.rows(livingStatuses)} t WHERE t.status IN (${marks(livingStatuses)}) GROUP BY t.status`,
    ...livingStatuses,
  );
  const counted = new Map(rows.map((row) => [String(row['status']), Number(row['todos'])]));
  return Object.fromEntries(livingStatuses.map((status) => [status, counted.get(status) ?? 0])) as Record<LivingStatus, number>;
}

export function* byStatus(names: Names): Work<Readonly<Partial<Record<TodoStatus, number>>>> {
  const rows = yield* rowsOf(`SELECT t.status AS status, COUNT(*) AS todos FROM ${names.todos.rows()} t GROUP BY t.status`);
  return Object.fromEntries(rows.map((row) => [String(row['status']), Number(row['todos'])]));
}

export function* runsOf(names: Names, todoId: string): Work<readonly Run[]> {
  const rows = yield* rowsOf(`SELECT ${runSelected} FROM ${names.run} r WHERE r.todo_id = ? ORDER BY r.fence`, todoId);
  return rows.map((row) => runIn(row));
}

export function* runById(names: Names, id: string): Work<Run | null> {
  const row = yield* rowOf(`SELECT ${runSelected} FROM ${names.run} r WHERE r.id = ?`, id);
  return row === null ? null : runIn(row);
}

export function* inProgress(names: Names): Work<readonly { readonly todo: Todo; readonly run: Run | null }[]> {
  const rows = yield* rowsOf(
    `SELECT ${todoSelected}, ${runSelected} FROM ${names.todos.rows(inProgressStatuses)} t LEFT JOIN ${names.run} r ON r.id = t.run_id WHERE t.status IN ('claimed', 'running', 'stalled') ORDER BY t.number`,
  );
  return rows.map((row) => ({ todo: todoIn(row), run: runOrNullIn(row) }));
}

const changedTo: ReadonlySet<TodoStatus> = new Set<TodoStatus>(['open', 'parked', 'blocked', 'failed', 'cancelled']);

/**
 * For todos without a live run. A dead-lettered one still has its run: changing its status takes the run away from it, which is what release means.
 * Nothing ever leaves completed, failed or cancelled.
 */
export function* change(
  names: Names,
  todoId: string,
  from: readonly TodoStatus[],
  to: Parameters<Store['change']>[2],
  nowMs: number,
  newId: () => string,
): Work<boolean> {
  // Completed comes from a record alone, and a run's own words from its run (promise 3): whoever asks for them here is wrong.
  if (to.status !== undefined && !changedTo.has(to.status)) throw new Error(`a todo is never changed to ${to.status} without a run`);
  const movable = from.filter((status) => !isTerminal(status));
  if (movable.length === 0) return false;
  yield* names.todos.align(todoId, nowMs);
  const before = yield* todoById(names, todoId);
  if (before === null) return false;
  const givesUpRun = before.status === 'dead-lettered' && before.runId !== null && to.status !== undefined;
  const sets: Sets = {
    updated_at_ms: nowMs,
    ...(to.status !== undefined && { status: to.status }),
    ...(to.status !== undefined && isTerminal(to.status) && { ended_at_ms: nowMs }),
    ...(to.held !== undefined && { held: Number(to.held) }),
    ...(to.reason !== undefined && { reason: to.reason }),
    ...(to.notBeforeMs !== undefined && { not_before_ms: to.notBeforeMs }),
    ...(givesUpRun && { run_id: null }),
  };
  // Guarded by what was just read: whoever came between finds or makes another fence, status or run.
  const guard = {
    sql: `fence = ? AND status = ? AND status IN (${marks(movable)}) AND (run_id IS NULL OR status = 'dead-lettered')`,
    values: [before.fence, before.status, ...movable],
  };
  if ((yield* names.todos.update(before.id, sets, guard, nowMs)) !== 1) return false;
  const by = to.by ?? 'signoff';
  const about = { todoId, runId: null, atMs: nowMs };
  const reason = to.reason ?? null;
  if (to.status !== undefined)
    yield* noteChange(names, newId(), { ...about, what: 'status' }, { from: before.status, to: to.status, by, reason });
  if (to.held !== undefined)
    yield* noteChange(names, newId(), { ...about, what: 'held' }, { from: Number(before.held), to: Number(to.held), by, reason: null });
  if (givesUpRun) {
    const outcome = to.status === 'cancelled' ? 'cancelled' : 'released';
    yield* affectedBy(
      `UPDATE ${names.run} SET outcome = ?, ended_at_ms = ?, token_sha256 = '' WHERE id = ? AND ended_at_ms IS NULL`,
      outcome,
      nowMs,
      before.runId,
    );
  }
  return true;
}

/** How the todo that others wait for must not have ended. */
const endedBadly = `(d.status IN ('failed', 'cancelled') OR (d.status = 'completed' AND d.proof = 'forced'))`;

/** In this form no index finds it: all that have ended have no run either, and they are the many. */
const hasNoRun = `COALESCE(t.run_id, '') = ''`;

export function* dependentsToBlock(names: Names): Work<readonly { readonly todo: Todo; readonly reason: string }[]> {
  const rows = yield* rowsOf(
    `SELECT ${todoSelected}, d.number AS d_number, d.status AS d_status FROM ${names.todos.rows(['open', 'parked'])} t JOIN ${names.todos.ends} d ON d.id = t.after_id WHERE t.status IN ('open', 'parked') AND ${hasNoRun} AND ${endedBadly} ORDER BY t.number`,
  );
  return rows.map((row) => ({
    todo: todoIn(row),
    reason: `todo ${row['d_number']}, which it waits for, ended ${row['d_status'] === 'completed' ? 'completed by force' : row['d_status']}`,
  }));
}

/** What a todo waits for has ended for good, so only the todo itself needs guarding. */
export function* blockDependents(names: Names, nowMs: number, newId: () => string): Work<readonly Todo[]> {
  const blocked: Todo[] = [];
  for (const { todo, reason } of yield* dependentsToBlock(names)) {
    yield* names.todos.align(todo.id, nowMs);
    const guard = { sql: `status IN ('open', 'parked') AND run_id IS NULL`, values: [] };
    const changed = yield* names.todos.update(todo.id, { status: 'blocked', reason, updated_at_ms: nowMs }, guard, nowMs);
    if (changed === 1)
      yield* noteChange(
        names,
        newId(),
        { todoId: todo.id, runId: null, atMs: nowMs, what: 'status' },
        { from: todo.status, to: 'blocked', by: 'signoff', reason },
      );
    const after = changed === 1 ? yield* todoById(names, todo.id) : null;
    if (after !== null) blocked.push(after);
  }
  return blocked;
}
