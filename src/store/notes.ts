import type { Store } from '../world.ts';
import type { Names } from './names.ts';
import { affectedBy, rowsOf, type Work } from './work.ts';

type Note = Parameters<Store['note']>[0];

const tableOf = { audit: 'audit', retry: 'retry_attempts', healing: 'self_healing_events' } as const satisfies Record<
  Note['kind'],
  keyof Names
>;

export function* note(names: Names, id: string, { kind, todoId, runId, atMs, what, detail }: Note): Work<void> {
  yield* affectedBy(
    `INSERT INTO ${names[tableOf[kind]]} (id, todo_id, run_id, at_ms, what, detail) VALUES (?, ?, ?, ?, ?, ?)`,
    id,
    todoId,
    runId,
    atMs,
    what,
    detail,
  );
}

/** Oldest first. */
export function* notesOf(names: Names, todoId: string): Work<Awaited<ReturnType<Store['notesOf']>>> {
  const found: { kind: string; id: string; atMs: number; what: string; detail: string }[] = [];
  for (const [kind, table] of Object.entries(tableOf)) {
    for (const row of yield* rowsOf(`SELECT id, at_ms, what, detail FROM ${names[table]} WHERE todo_id = ?`, todoId)) {
      found.push({ kind, id: String(row['id']), atMs: Number(row['at_ms']), what: String(row['what']), detail: String(row['detail']) });
    }
  }
  found.sort((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
  return found.map(({ kind, atMs, what, detail }) => ({ kind, atMs, what, detail }));
}
