import { type LongField, longFields, type Measured, measure, type ReadBack, storable } from '../core/record.ts';
import type { Run, TerminalRecord } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import { headOf } from './fit.ts';
import type { Names } from './names.ts';
import { recordColumns, recordIn, runColumns, runIn, selected, todoColumns, todoIn, valuesOf } from './rows.ts';
import type { Condition, Sets } from './shape.ts';
import { runById, todoById } from './todos.ts';
import { affectedBy, marks, rowOf, rowsOf, Undo, type Work } from './work.ts';

type Recorded = 'recorded' | 'already' | 'superseded';
type Sha256 = (content: string | Uint8Array) => string;

/** What one store can hold of a record: long values cut to its bound, each cut noted. Made once, before any attempt to send it. */
export type Parcel = {
  readonly record: TerminalRecord;
  /** Whether all long values together fit into one statement. */
  readonly inOne: boolean;
  readonly truncated: Readonly<Record<string, Measured & { readonly whole: Measured }>>;
};

export function parcelOf(given: TerminalRecord, valueBytesMax: number, sha256: Sha256): Parcel {
  const record = storable(given);
  const parts: Partial<Record<LongField, string>> = {};
  const truncated: Record<string, Measured & { whole: Measured }> = {};
  for (const field of longFields) {
    const part = headOf(record[field], valueBytesMax);
    if (part === record[field]) continue;
    parts[field] = part;
    truncated[field] = { ...measure(part, sha256), whole: measure(record[field], sha256) };
  }
  const whole = { ...record, ...parts };
  return { record: whole, truncated, inOne: longFields.reduce((sum, field) => sum + whole[field].length * 3, 0) <= valueBytesMax };
}

/**
 * Run, todo and record in one transaction, or none of them. Where long values are too large together each travels in a
 * statement of its own, so that a server's bound on one packet bounds one value and not their sum.
 */
export function* record(names: Names, parcel: Parcel, nowMs: number): Work<Recorded> {
  const { record: sent } = parcel;
  yield* names.todos.align(sent.todoId, nowMs);
  const ended = yield* affectedBy(
    `UPDATE ${names.run} SET outcome = ?, ended_at_ms = ?, said_by = ?, round = ?, token_sha256 = '' WHERE id = ? AND todo_id = ? AND fence = ? AND ended_at_ms IS NULL`,
    sent.outcome,
    sent.endedAtMs,
    sent.saidBy,
    sent.round,
    sent.runId,
    sent.todoId,
    sent.fence,
  );
  if (ended !== 1) return (yield* hasRecord(names, sent.runId)) ? 'already' : 'superseded';
  // What was given up stays so until it is requeued: the write of a process that died may come that late.
  const guard: Condition = { sql: `fence = ? AND run_id = ? AND status <> 'dead-lettered'`, values: [sent.fence, sent.runId] };
  const changed = yield* names.todos.update(sent.todoId, endOf(sent, nowMs), guard, nowMs);
  if (changed !== 1) throw new Undo('superseded' satisfies Recorded);
  yield* insert(names, parcel, nowMs);
  return 'recorded';
}

/** What the todo shows from then on. */
const endOf = (sent: TerminalRecord, nowMs: number): Sets => ({
  status: sent.todoStatus,
  proof: sent.proof,
  reason: sent.reason,
  not_before_ms: sent.notBeforeMs,
  attempts: sent.attempts,
  resets: sent.resets,
  summary: sent.summary,
  report: sent.reportPath,
  run_id: null,
  ended_at_ms: isTerminal(sent.todoStatus) ? sent.endedAtMs : null,
  updated_at_ms: nowMs,
});

function* insert(names: Names, { record: sent, truncated, inOne }: Parcel, nowMs: number): Work<void> {
  const row = inOne ? sent : { ...sent, reportHtml: '', output: '', evidence: '' };
  const columns = [...Object.values(recordColumns), 'truncated', 'recorded_at_ms'];
  yield* affectedBy(
    `INSERT INTO ${names.completion} (${columns.join(', ')}) VALUES (${marks(columns)})`,
    ...valuesOf(recordColumns, row),
    JSON.stringify(truncated),
    nowMs,
  );
  for (const field of inOne ? [] : longFields)
    yield* affectedBy(`UPDATE ${names.completion} SET ${recordColumns[field]} = ? WHERE run_id = ?`, sent[field], sent.runId);
  yield* names.todos.show(sent, nowMs);
}

/** Ends of a run that only say that nobody had heard of it: what was recorded of it counts. */
const unheard: ReadonlySet<string | null> = new Set([null, 'lost', 'released']);

/**
 * Run, todo and record again, as `record` writes them, where the claim and its end (or its end alone) are gone. Whoever claimed or ended the todo
 * since has the last word.
 */
export function* reassert(names: Names, parcel: Parcel, run: Run, nowMs: number): Work<Recorded | 'gone'> {
  const { record: sent } = parcel;
  yield* names.todos.align(sent.todoId, nowMs);
  if (yield* hasRecord(names, sent.runId)) return 'already';
  const todo = yield* todoById(names, sent.todoId);
  if (todo === null) return 'gone';
  const found = yield* runById(names, sent.runId);
  const another = yield* rowOf(
    `SELECT id FROM ${names.run} WHERE todo_id = ? AND fence >= ? AND id <> ?`,
    sent.todoId,
    sent.fence,
    sent.runId,
  );
  const isFree = todo.runId === null || todo.runId === sent.runId;
  if (!isFree || another !== null || todo.fence > sent.fence || isTerminal(todo.status) || (found !== null && !unheard.has(found.outcome)))
    return 'superseded';
  if (found === null) {
    const values = valuesOf(runColumns, run);
    yield* affectedBy(`INSERT INTO ${names.run} (${Object.values(runColumns).join(', ')}) VALUES (${marks(values)})`, ...values);
  } else {
    yield* affectedBy(
      `UPDATE ${names.run} SET outcome = ?, ended_at_ms = ?, said_by = ?, round = ?, token_sha256 = '' WHERE id = ? AND fence = ?`,
      sent.outcome,
      sent.endedAtMs,
      sent.saidBy,
      sent.round,
      sent.runId,
      sent.fence,
    );
  }
  const guard: Condition = {
    sql: 'fence = ? AND status = ? AND (run_id IS NULL OR run_id = ?)',
    values: [todo.fence, todo.status, sent.runId],
  };
  const changed = yield* names.todos.update(sent.todoId, { ...endOf(sent, nowMs), fence: sent.fence }, guard, nowMs);
  if (changed !== 1) throw new Undo('superseded' satisfies Recorded);
  yield* insert(names, parcel, nowMs);
  return 'recorded';
}

export function* missing(names: Names, runIds: readonly string[]): Work<readonly string[]> {
  const rows = yield* rowsOf(`SELECT run_id FROM ${names.completion} WHERE run_id IN (${marks(runIds)})`, ...runIds);
  const there = new Set(rows.map((row) => String(row['run_id'])));
  return runIds.filter((runId) => !there.has(runId));
}

function* hasRecord(names: Names, runId: string): Work<boolean> {
  return (yield* rowOf(`SELECT run_id FROM ${names.completion} WHERE run_id = ?`, runId)) !== null;
}

export function* readBack(names: Names, runId: string): Work<ReadBack | null> {
  const { kept, isShared } = names.todos;
  for (const [at, todos] of kept.entries()) {
    const row = yield* rowOf(
      `SELECT ${selected('c', recordColumns)}, c.truncated AS truncated, ${selected('t', todoColumns)}, ${selected('r', runColumns)}
       FROM ${names.completion} c JOIN ${todos} t ON t.id = c.todo_id JOIN ${names.run} r ON r.id = c.run_id WHERE c.run_id = ?`,
      runId,
    );
    if (row === null) continue;
    const record = recordIn(row);
    const todo = todoIn(row);
    const changed = isShared && (at > 0 || todo.status !== record.todoStatus || todo.fence !== record.fence);
    return {
      record,
      truncated: JSON.parse(String(row['truncated'])) as ReadBack['truncated'],
      todo,
      run: runIn(row),
      ...(changed ? { changedByOthers: true } : {}),
    };
  }
  return null;
}

/** Waits until nobody is writing this run's row: a commit whose answer was lost may still be on its way. Then "not there" is certain. */
export function* settle(names: Names, forUpdate: string, runId: string): Work<void> {
  yield* rowOf(`SELECT id FROM ${names.run} WHERE id = ?${forUpdate}`, runId);
}
