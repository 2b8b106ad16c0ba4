import type { Run, RunRef, Todo } from '../core/todo.ts';
import type { Store } from '../world.ts';
import type { Names } from './names.ts';
import { noteChange, statusOf } from './notes.ts';
import { runColumns, runIn, selected, todoColumns, todoIn } from './rows.ts';
import type { Sets as AnySets } from './shape.ts';
import { affectedBy, rowOf, rowsOf, Undo, type Value, type Work } from './work.ts';

/**
 * Writes about a live run. Each is guarded by todo, run and fence, first on the run's row and then on the todo's, always in this order, so that
 * two of them meet at the same row. Both rows say one and the same: a run is live while it has not ended, and then the todo names it.
 */
function* endRun(
  names: Names,
  { runId, todoId, fence }: RunRef,
  end: { readonly outcome: string; readonly atMs: number },
  condition = '',
  ...values: readonly Value[]
): Work<boolean> {
  const ended = yield* affectedBy(
    `UPDATE ${names.run} SET outcome = ?, ended_at_ms = ?, token_sha256 = '' WHERE id = ? AND todo_id = ? AND fence = ? AND ended_at_ms IS NULL${condition}`,
    end.outcome,
    end.atMs,
    runId,
    todoId,
    fence,
    ...values,
  );
  return ended === 1;
}

type Sets = AnySets & { readonly status: string; readonly reason: string | null; readonly updated_at_ms: number };

/** One row or everything is taken back and the answer is false. */
function* changeTodo(names: Names, by: By, { todoId, runId, fence }: RunRef, sets: Sets, condition = ''): Work<true> {
  const from = yield* statusOf(names, todoId);
  const guard = { sql: `fence = ? AND run_id = ?${condition}`, values: [fence, runId] };
  const changed = yield* names.todos.update(todoId, sets, guard, sets.updated_at_ms);
  if (changed !== 1) throw new Undo(false);
  yield* noteChange(
    names,
    by.noteId,
    { todoId, runId, atMs: sets.updated_at_ms, what: 'status' },
    { from, to: sets.status, by: by.name, reason: sets.reason },
  );
  return true;
}

/** Who changes a todo, and the id of the audit row that says so: the same at each try of one write. */
export type By = { readonly name: string; readonly noteId: string };

const live = ` AND status IN ('claimed', 'running', 'stalled')`;

export function* mark(
  names: Names,
  by: By,
  ref: RunRef,
  status: 'running' | 'stalled',
  round: number,
  reason: string | null,
  nowMs: number,
): Work<boolean> {
  yield* names.todos.align(ref.todoId, nowMs);
  const found = yield* affectedBy(
    `UPDATE ${names.run} SET round = ? WHERE id = ? AND todo_id = ? AND fence = ? AND ended_at_ms IS NULL`,
    round,
    ref.runId,
    ref.todoId,
    ref.fence,
  );
  if (found !== 1) return false;
  return yield* changeTodo(names, by, ref, { status, reason, updated_at_ms: nowMs }, live);
}

/** So many leases in one statement: a far server is asked once for all, and the statement stays short. */
const leasesMax = 50;

/** The one statement that prolongs also says whether the runs are still ours. */
export function* renew(
  names: Names,
  refs: readonly RunRef[],
  leaseMs: number,
  nowMs: number,
): Work<readonly { readonly ref: RunRef; readonly held: boolean }[]> {
  const held = new Set<string>();
  // In one order for all, so that two who renew cannot wait for each other.
  const sorted = [...refs].sort((a, b) => (a.runId < b.runId ? -1 : 1));
  for (const { todoId } of sorted) yield* names.todos.align(todoId, nowMs);
  for (let from = 0; from < sorted.length; from += leasesMax) {
    const some = sorted.slice(from, from + leasesMax);
    const ours = `ended_at_ms IS NULL AND (${some.map(() => '(id = ? AND todo_id = ? AND fence = ?)').join(' OR ')})`;
    const values = some.flatMap(({ runId, todoId, fence }) => [runId, todoId, fence]);
    const prolonged = yield* affectedBy(`UPDATE ${names.run} SET lease_until_ms = ? WHERE ${ours}`, nowMs + leaseMs, ...values);
    if (prolonged === 0) continue;
    // Our own write keeps everybody else from these rows, so this finds the very ones that it prolonged.
    const which = `SELECT id, todo_id, fence FROM ${names.run} WHERE lease_until_ms = ? AND ${ours}`;
    const found = prolonged === some.length ? null : yield* rowsOf(which, nowMs + leaseMs, ...values);
    const still = found?.map((row) => keyOf({ runId: String(row['id']), todoId: String(row['todo_id']), fence: Number(row['fence']) }));
    for (const key of still ?? some.map(keyOf)) held.add(key);
  }
  return refs.map((ref) => ({ ref, held: held.has(keyOf(ref)) }));
}

const keyOf = ({ runId, todoId, fence }: RunRef): string => `${runId} ${todoId} ${fence}`;

export function* giveBack(
  names: Names,
  by: By,
  ref: RunRef,
  back: { readonly outcome: 'released' | 'lost'; readonly reason: string; readonly notBeforeMs: number | null; readonly attempts: number },
  nowMs: number,
): Work<boolean> {
  yield* names.todos.align(ref.todoId, nowMs);
  if (!(yield* endRun(names, ref, { outcome: back.outcome, atMs: nowMs }))) return false;
  return yield* changeTodo(names, by, ref, {
    status: 'open',
    run_id: null,
    reason: back.reason,
    not_before_ms: back.notBeforeMs,
    attempts: back.attempts,
    updated_at_ms: nowMs,
  });
}

/** Of a todo `t` and its run `r`. */
export const isLive = `t.status IN ('claimed', 'running', 'stalled') AND r.ended_at_ms IS NULL`;

export function* leaseEndsInMs(names: Names, nowMs: number): Work<number | null> {
  const row = yield* rowOf(
    `SELECT MIN(r.lease_until_ms) AS ends_ms FROM ${names.todo} t JOIN ${names.run} r ON r.id = t.run_id WHERE ${isLive} AND r.lease_until_ms > ?`,
    nowMs,
  );
  const endsMs = row?.['ends_ms'];
  return typeof endsMs === 'number' ? endsMs - nowMs : null;
}

export function* expired(names: Names, nowMs: number): Work<readonly { readonly todo: Todo; readonly run: Run }[]> {
  const rows = yield* rowsOf(
    `SELECT ${selected('t', todoColumns)}, ${selected('r', runColumns)} FROM ${names.todo} t JOIN ${names.run} r ON r.id = t.run_id
     WHERE ${isLive} AND r.lease_until_ms <= ? ORDER BY t.number`,
    nowMs,
  );
  return rows.map((row) => ({ todo: todoIn(row), run: runIn(row) }));
}

/** Guarded by the expired lease on the very row that renewing writes: of the two, one is first and the other sees it. */
export function* rescue(names: Names, by: By, ref: RunRef, to: Parameters<Store['rescue']>[1], nowMs: number): Work<boolean> {
  yield* names.todos.align(ref.todoId, nowMs);
  if (!(yield* endRun(names, ref, { outcome: to.outcome, atMs: nowMs }, ' AND lease_until_ms <= ?', nowMs))) return false;
  const { status, reason, attempts, resets } = to;
  return yield* changeTodo(
    names,
    by,
    ref,
    { status, run_id: null, reason, attempts, resets, not_before_ms: to.notBeforeMs, updated_at_ms: nowMs },
    live,
  );
}

export function* deadLetter(names: Names, by: By, ref: RunRef, reason: string, nowMs: number): Work<boolean> {
  yield* names.todos.align(ref.todoId, nowMs);
  const again = ` AND status IN ('claimed', 'running', 'stalled', 'dead-lettered')`;
  return yield* changeTodo(names, by, ref, { status: 'dead-lettered', held: 1, reason, updated_at_ms: nowMs }, again);
}

/** A requeued run is live again: what a lease is at least (DESIGN 6), so that nobody rescues it before its holder has renewed it. */
const requeuedLeaseMs = 60_000;

export function* requeue(names: Names, by: By, ref: RunRef, nowMs: number): Work<boolean> {
  yield* names.todos.align(ref.todoId, nowMs);
  const prolonged = yield* affectedBy(
    `UPDATE ${names.run} SET lease_until_ms = CASE WHEN lease_until_ms > ? THEN lease_until_ms ELSE ? END WHERE id = ? AND todo_id = ? AND fence = ? AND ended_at_ms IS NULL`,
    nowMs + requeuedLeaseMs,
    nowMs + requeuedLeaseMs,
    ref.runId,
    ref.todoId,
    ref.fence,
  );
  if (prolonged !== 1) return false;
  return yield* changeTodo(
    names,
    by,
    ref,
    { status: 'running', held: 0, reason: null, updated_at_ms: nowMs },
    ` AND status = 'dead-lettered'`,
  );
}
