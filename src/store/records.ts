import { type LongField, longFields, type Measured, measure, type ReadBack, storable } from '../core/record.ts';
import type { TerminalRecord } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import { headOf } from './fit.ts';
import type { Names } from './names.ts';
import { recordColumns, recordIn, runColumns, runIn, selected, todoColumns, todoIn, valuesOf } from './rows.ts';
import type { Condition, Sets } from './shape.ts';
import { affectedBy, marks, rowOf, Undo, type Work } from './work.ts';

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
export function* record(names: Names, { record: sent, truncated, inOne }: Parcel, nowMs: number): Work<Recorded> {
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
  const sets: Sets = {
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
  };
  const guard: Condition = { sql: 'fence = ? AND run_id = ?', values: [sent.fence, sent.runId] };
  const changed = yield* names.todos.update(sent.todoId, sets, guard, nowMs);
  if (changed !== 1) throw new Undo('superseded' satisfies Recorded);
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
  return 'recorded';
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
