import type { PastRun } from '../core/prediction.ts';
import type { Outcome } from '../core/words.ts';
import type { Names } from './names.ts';
import { rowsOf, type Work } from './work.ts';

/** The newest runs of a host that have ended. Ids are made in the order of time, so the primary key finds them. */
export function* pastRuns(names: Names, host: string, limit: number): Work<readonly PastRun[]> {
  const rows = yield* rowsOf(
    `SELECT r.todo_id AS todo_id, r.agent AS agent, t.project AS project, r.outcome AS outcome, r.round AS round, r.started_at_ms AS started_at_ms,
       r.ended_at_ms AS ended_at_ms
     FROM ${names.run} r JOIN ${names.todos.rows()} t ON t.id = r.todo_id
     WHERE r.host = ? AND r.kind IN ('child', 'tmux') AND r.ended_at_ms IS NOT NULL AND r.outcome IS NOT NULL
     ORDER BY r.id DESC LIMIT ${Math.trunc(limit)}`,
    host,
  );
  return rows.map((row) => ({
    todoId: String(row['todo_id']),
    agent: String(row['agent']),
    project: String(row['project']),
    outcome: row['outcome'] as Outcome,
    round: Number(row['round']),
    startedAtMs: Number(row['started_at_ms']),
    endedAtMs: Number(row['ended_at_ms']),
  }));
}
