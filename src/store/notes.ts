import { type HealingEvent, healingEventOf } from '../core/healing-event.ts';
import { numberMeant } from '../core/list-filter.ts';
import type { AuditLine, Store } from '../world.ts';
import type { Names } from './names.ts';
import { affectedBy, marks, rowOf, rowsOf, type Work } from './work.ts';

type Note = Parameters<Store['note']>[0];

const tableOfTodo = { audit: 'audit', retry: 'retry_attempts', healing: 'self_healing_events' } as const;
const tableOf = { ...tableOfTodo, recovery: 'recovery_sessions' } as const satisfies Record<Note['kind'], keyof Names>;

export function* note(names: Names, newId: string, row: Note): Work<void> {
  const table = names[tableOf[row.kind]];
  const values: Record<string, string | number | null> = {
    id: row.id ?? newId,
    todo_id: row.todoId,
    run_id: row.runId,
    detail: row.detail,
    ...(row.kind === 'recovery' ? sessionOf(row) : { at_ms: row.atMs, what: row.what, ...moreOf(row) }),
  };
  if (row.id !== undefined && (yield* rowOf(`SELECT id FROM ${table} WHERE id = ?`, row.id)) !== null) return;
  const columns = Object.keys(values);
  yield* affectedBy(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks(columns)})`, ...Object.values(values));
}

const sessionOf = ({ what, atMs, session }: Note): Record<string, string | number | null> => ({
  host: session?.host ?? '',
  action: 'drain',
  subject: what,
  why: session?.why ?? '',
  outcome: session?.outcome ?? null,
  started_at_ms: atMs,
  ended_at_ms: session?.endedAtMs ?? null,
});

/** What only one of the tables has: that by which its rows are found quickly. */
function moreOf({ kind, what, failed }: Note): Record<string, string | number | null> {
  if (kind === 'healing') return { type: what.slice(0, typeCharsMax) };
  if (kind !== 'retry' || failed === undefined) return {};
  return {
    kind: failed.of,
    class: failed.errorClass,
    attempt: failed.attempt,
    attempts_max: failed.attemptsMax,
    status: failed.nextAtMs === null ? 'given-up' : 'waiting',
    next_at_ms: failed.nextAtMs,
  };
}

/** Of a column that every database can index whole. */
const typeCharsMax = 255;

/** What an audit row says of a change: `{"from":…,"to":…,"by":…,"reason":…}`. */
export type ChangeOfTodo = {
  readonly from: string | number | null;
  readonly to: string | number | null;
  /** Who or what made it. */
  readonly by: string;
  readonly reason: string | null;
};

/** Written in the transaction that makes the change, so that neither is there without the other. Claims and ends need none: run and record say them. */
export function* noteChange(
  names: Names,
  id: string,
  about: { readonly todoId: string; readonly runId: string | null; readonly atMs: number; readonly what: 'status' | 'held' },
  change: ChangeOfTodo,
): Work<void> {
  if (change.from === change.to) return;
  yield* note(names, id, { kind: 'audit', ...about, detail: JSON.stringify(change) });
}

export function* statusOf(names: Names, todoId: string): Work<string | null> {
  const byId = names.todos.byId(todoId);
  const row = yield* rowOf(`SELECT t.status AS status FROM ${names.todos.rows()} t WHERE ${byId.sql}`, ...byId.values);
  return row === null ? null : String(row['status']);
}

/** Oldest first. */
export function* notesOf(names: Names, todoId: string): Work<Awaited<ReturnType<Store['notesOf']>>> {
  const found: { kind: string; id: string; runId: string | null; atMs: number; what: string; detail: string }[] = [];
  for (const [kind, table] of Object.entries(tableOfTodo)) {
    for (const row of yield* rowsOf(`SELECT id, run_id, at_ms, what, detail FROM ${names[table]} WHERE todo_id = ?`, todoId)) {
      const { id, run_id, at_ms, what, detail } = row;
      const runId = run_id === null ? null : String(run_id);
      found.push({ kind, id: String(id), runId, atMs: Number(at_ms), what: String(what), detail: String(detail) });
    }
  }
  found.sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
  return found.map(({ kind, runId, atMs, what, detail }) => ({ kind, runId, atMs, what, detail }));
}

/** Newest first. */
export function* auditTail(names: Names, limit: number): Work<readonly AuditLine[]> {
  const rows = yield* rowsOf(
    `SELECT a.todo_id, a.at_ms, a.what, a.detail, t.number FROM (SELECT id, todo_id, at_ms, what, detail FROM ${names.audit} ORDER BY at_ms DESC, id DESC LIMIT ${Math.trunc(limit)}) a LEFT JOIN ${names.todo} t ON t.id = a.todo_id ORDER BY a.at_ms DESC, a.id DESC`,
  );
  return rows.map(({ todo_id, at_ms, what, detail, number }) => ({
    atMs: Number(at_ms),
    todoId: todo_id === null ? null : String(todo_id),
    // In somebody's table a todo that we never wrote to is named by its number.
    number: number === null ? numberMeant(String(todo_id)) : Number(number),
    what: String(what),
    detail: String(detail),
  }));
}

/** Newest first. */
export function* healingEvents(names: Names, { todoId, limit }: Parameters<Store['healingEvents']>[0]): Work<readonly HealingEvent[]> {
  const which = todoId === null ? { sql: '', values: [] } : { sql: 'WHERE todo_id = ?', values: [todoId] };
  const found = yield* rowsOf(
    `SELECT id, todo_id, run_id, at_ms, what, detail FROM ${names.self_healing_events} ${which.sql} ORDER BY at_ms DESC, id DESC LIMIT ${Math.trunc(limit)}`,
    ...which.values,
  );
  const text = (value: unknown): string | null => (value === null ? null : String(value));
  return found.map(({ id, todo_id, run_id, at_ms, what, detail }) =>
    healingEventOf({
      ...{ id: String(id), todoId: text(todo_id), runId: text(run_id) },
      ...{ atMs: Number(at_ms), what: String(what), detail: String(detail) },
    }),
  );
}
