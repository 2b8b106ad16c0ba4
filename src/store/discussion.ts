import type { Attachment, Comment } from '../core/discussion.ts';
import type { Dialect } from './dialect.ts';
import type { Names } from './names.ts';
import { fieldsIn, selected, valuesOf } from './rows.ts';
import { affectedBy, marks, rowOf, rowsOf, type Work } from './work.ts';

const commentColumns = {
  id: 'id',
  todoId: 'todo_id',
  runId: 'run_id',
  atMs: 'at_ms',
  author: 'author',
  text: 'body',
} as const satisfies Record<keyof Comment, string>;

const attachmentColumns = {
  id: 'id',
  todoId: 'todo_id',
  runId: 'run_id',
  atMs: 'at_ms',
  author: 'author',
  name: 'name',
  sizeBytes: 'size_bytes',
  sha256: 'sha256',
} as const satisfies Record<keyof Attachment, string>;

/** An id that is there already was written by an attempt whose answer was lost. */
export function* comment(names: Names, { insertIgnore }: Dialect, row: Comment): Work<void> {
  yield* insert(names.comment, insertIgnore, commentColumns, row);
}

/** Oldest first. */
export function* commentsOf(names: Names, todoId: string): Work<readonly Comment[]> {
  const rows = yield* rowsOf(
    `SELECT ${selected('c', commentColumns)} FROM ${names.comment} c WHERE c.todo_id = ? ORDER BY c.at_ms, c.id`,
    todoId,
  );
  return rows.map((row) => fieldsIn(row, 'c', commentColumns) as unknown as Comment);
}

/** Name and content in one transaction; content that is there already, of whichever todo, is not kept twice. */
export function* attach(names: Names, { insertIgnore }: Dialect, row: Attachment, base64: string): Work<void> {
  yield* affectedBy(
    `${insertIgnore} INTO ${names.attachment_content} (sha256, size_bytes, base64) VALUES (?, ?, ?)`,
    row.sha256,
    row.sizeBytes,
    base64,
  );
  yield* insert(names.attachment, insertIgnore, attachmentColumns, row);
}

export function* attachmentsOf(names: Names, todoId: string): Work<readonly Attachment[]> {
  const rows = yield* rowsOf(
    `SELECT ${selected('a', attachmentColumns)} FROM ${names.attachment} a WHERE a.todo_id = ? ORDER BY a.at_ms, a.id`,
    todoId,
  );
  return rows.map((row) => fieldsIn(row, 'a', attachmentColumns) as unknown as Attachment);
}

export function* attached(names: Names, sha256: string): Work<string | null> {
  const row = yield* rowOf(`SELECT base64 FROM ${names.attachment_content} WHERE sha256 = ?`, sha256);
  return row === null ? null : String(row['base64']);
}

function* insert<Field extends string>(
  table: string,
  insertIgnore: string,
  columns: Readonly<Record<Field, string>>,
  row: Readonly<Record<Field, unknown>>,
): Work<void> {
  const values = valuesOf(columns, row);
  yield* affectedBy(`${insertIgnore} INTO ${table} (${Object.values(columns).join(', ')}) VALUES (${marks(values)})`, ...values);
}
