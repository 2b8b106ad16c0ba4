import type { Durations, EndedFigures, EndedGroup, MetricsRange } from '../core/completion-metrics.ts';
import { type Outcome, terminalStatuses } from '../core/words.ts';
import type { Names } from './names.ts';
import { rowOf, rowsOf, type Value, type Work } from './work.ts';

/**
 * What ended in a time, counted by the database: todos, all their runs, and how long the run took that ended each. The table of records is
 * left alone: reports lie in it, and reading past them would cost more than the counting.
 */
export function* endedFigures(names: Names, range: MetricsRange): Work<EndedFigures> {
  const ended = endedIn(range);
  const groups = yield* rowsOf(
    `SELECT s.agent AS agent, s.status AS status, s.proof AS proof, COUNT(*) AS todos, SUM(s.runs) AS runs, MAX(s.runs) AS runs_max
     FROM (SELECT t.agent AS agent, t.status AS status, t.proof AS proof, (SELECT COUNT(*) FROM ${names.run} r WHERE r.todo_id = t.id) AS runs
           FROM ${endedRows(names)} WHERE ${ended.sql}) s
     GROUP BY s.agent, s.status, s.proof ORDER BY s.agent, s.status, s.proof`,
    ...ended.values,
  );
  const outcomes = yield* rowsOf(
    `SELECT r.outcome AS outcome, COUNT(*) AS runs FROM ${endedRows(names)} JOIN ${names.run} r ON r.todo_id = t.id
     WHERE ${ended.sql} AND r.outcome IS NOT NULL GROUP BY r.outcome ORDER BY r.outcome`,
    ...ended.values,
  );
  const counted = yield* rowsOf(
    `SELECT t.agent AS agent, COUNT(*) AS n, SUM(${took}) AS sum FROM ${lastRunOf(names)} WHERE ${ended.sql} AND ${hasEnded} GROUP BY t.agent ORDER BY t.agent`,
    ...ended.values,
  );
  const durations: (Durations & { agent: string | null })[] = [];
  const all = { agent: null, n: total(counted, 'n'), sum: total(counted, 'sum') };
  for (const { agent, n, sum } of [all, ...counted]) {
    const count = Number(n);
    const of = agent === null ? null : String(agent);
    durations.push({
      agent: of,
      count,
      meanMs: count === 0 ? null : Number(sum) / count,
      p50Ms: yield* percentile(names, ended, of, count, 0.5),
      p95Ms: yield* percentile(names, ended, of, count, 0.95),
    });
  }
  return {
    groups: groups.map(
      ({ agent, status, proof, todos, runs, runs_max }) =>
        ({ agent, status, proof, todos: Number(todos), runs: Number(runs), runsMax: Number(runs_max) }) as EndedGroup,
    ),
    outcomes: outcomes.map(({ outcome, runs }) => ({ outcome: outcome as Outcome, runs: Number(runs) })),
    durations,
  };
}

/** Also of an existing table, where somebody else may have ended a todo. */
const endedRows = ({ todos }: Names): string => `${todos.rows(terminalStatuses)} t`;

type Condition = { readonly sql: string; readonly values: readonly Value[] };

/** Started by the store's clock, ended by the host's: one that is behind makes no negative time. */
const took = '(CASE WHEN r.ended_at_ms > r.started_at_ms THEN r.ended_at_ms - r.started_at_ms ELSE 0 END)';
const hasEnded = 'r.ended_at_ms IS NOT NULL';
/** The fence of a todo is that of its last claim: the run that ended it. One that was cancelled before any has none. */
const lastRunOf = (names: Names): string => `${endedRows(names)} JOIN ${names.run} r ON r.todo_id = t.id AND r.fence = t.fence`;

const endedIn = ({ sinceMs, untilMs }: MetricsRange): Condition => ({
  sql: `t.status IN ('completed', 'failed', 'cancelled')${sinceMs === null ? '' : ' AND t.ended_at_ms >= ?'}${untilMs === null ? '' : ' AND t.ended_at_ms < ?'}`,
  values: [sinceMs, untilMs].filter((atMs) => atMs !== null),
});

/** The nearest rank: a duration that some run really took. */
function* percentile(names: Names, ended: Condition, agent: string | null, count: number, part: number): Work<number | null> {
  if (count === 0) return null;
  const row = yield* rowOf(
    `SELECT ${took} AS took FROM ${lastRunOf(names)} WHERE ${ended.sql} AND ${hasEnded}${agent === null ? '' : ' AND t.agent = ?'}
     ORDER BY took LIMIT 1 OFFSET ${Math.max(0, Math.ceil(count * part) - 1)}`,
    ...ended.values,
    ...(agent === null ? [] : [agent]),
  );
  return row === null ? null : Number(row['took']);
}

const total = (rows: readonly Readonly<Record<string, unknown>>[], column: string): number =>
  rows.reduce((sum, row) => sum + Number(row[column]), 0);
