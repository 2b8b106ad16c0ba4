import type { Run, TerminalRecord, Todo } from '../core/todo.ts';
import type { Row, Value } from './work.ts';

/** Field of ours → column of the table. Here and nowhere else. */
export const todoColumns = {
  id: 'id',
  number: 'number',
  title: 'title',
  prompt: 'prompt',
  cwd: 'cwd',
  project: 'project',
  agent: 'agent',
  session: 'session',
  checks: 'checks',
  priority: 'priority',
  timeoutMs: 'timeout_ms',
  rounds: 'rounds',
  after: 'after_id',
  held: 'held',
  status: 'status',
  proof: 'proof',
  reason: 'reason',
  fence: 'fence',
  runId: 'run_id',
  notBeforeMs: 'not_before_ms',
  attempts: 'attempts',
  resets: 'resets',
  summary: 'summary',
  report: 'report',
  createdAtMs: 'created_at_ms',
  updatedAtMs: 'updated_at_ms',
  endedAtMs: 'ended_at_ms',
} as const satisfies Record<keyof Todo, string>;

export const runColumns = {
  id: 'id',
  todoId: 'todo_id',
  fence: 'fence',
  agent: 'agent',
  kind: 'kind',
  host: 'host',
  tokenSha256: 'token_sha256',
  leaseUntilMs: 'lease_until_ms',
  round: 'round',
  startedAtMs: 'started_at_ms',
  endedAtMs: 'ended_at_ms',
  outcome: 'outcome',
  saidBy: 'said_by',
} as const satisfies Record<keyof Run, string>;

export const recordColumns = {
  todoId: 'todo_id',
  runId: 'run_id',
  fence: 'fence',
  outcome: 'outcome',
  todoStatus: 'todo_status',
  proof: 'proof',
  saidBy: 'said_by',
  reason: 'reason',
  notBeforeMs: 'not_before_ms',
  attempts: 'attempts',
  resets: 'resets',
  round: 'round',
  summary: 'summary',
  reportHtml: 'report_html',
  reportPath: 'report_path',
  output: 'output',
  evidence: 'evidence',
  manifestSha256: 'manifest_sha256',
  startedAtMs: 'started_at_ms',
  endedAtMs: 'ended_at_ms',
} as const satisfies Record<keyof TerminalRecord, string>;

/** `t.id AS t_id, …`: the columns of one table in a SELECT, under names that a join cannot mix up. */
export const selected = (alias: string, columns: Readonly<Record<string, string>>): string =>
  Object.values(columns)
    .map((column) => `${alias}.${column} AS ${alias}_${column}`)
    .join(', ');

export const todoIn = (row: Row, alias = 't'): Todo => {
  const fields = identified(fieldsIn(row, alias, todoColumns));
  return { ...fields, held: fields['held'] === 1, checks: JSON.parse(String(fields['checks'])) } as unknown as Todo;
};

export const runIn = (row: Row, alias = 'r'): Run => fieldsIn(row, alias, runColumns) as unknown as Run;

/** In somebody's table a todo that we never wrote to has no id of ours: it is its number. */
export const identified = (fields: Record<string, unknown>): Record<string, unknown> => ({
  ...fields,
  id: fields['id'] ?? String(fields['number']),
});

/** Null where an outer join found no run. */
export const runOrNullIn = (row: Row, alias = 'r'): Run | null => (row[`${alias}_id`] === null ? null : runIn(row, alias));

export const recordIn = (row: Row, alias = 'c'): TerminalRecord => fieldsIn(row, alias, recordColumns) as unknown as TerminalRecord;

/** Values of a row in the order of its columns. */
export const valuesOf = <Field extends string>(columns: Readonly<Record<Field, string>>, row: Readonly<Record<Field, unknown>>): Value[] =>
  (Object.keys(columns) as Field[]).map((field) => storedValue(row[field]));

const storedValue = (value: unknown): Value =>
  typeof value === 'string'
    ? value.toWellFormed()
    : typeof value === 'number' || value === null
      ? value
      : typeof value === 'boolean'
        ? Number(value)
        : JSON.stringify(value);

/** The fields of one table's row, in our names. */
export const fieldsIn = (row: Row, alias: string, columns: Readonly<Record<string, string>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(columns).map(([field, column]) => [field, row[`${alias}_${column}`]]));
