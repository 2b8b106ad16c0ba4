// On the fast path of `todo list --json`: no imports at run time, and SQLite builds the text.

/** What is used of a connection. */
type Database = { prepare(sql: string): { get(...values: (string | number | null)[]): unknown } };

export type ListJsonOptions = {
  /** Statuses as stored; null = all. */
  readonly statuses?: readonly string[] | null;
  /** Ids of todos whose completion stands in the journal: those in progress are shown as finishing. */
  readonly finishing?: readonly string[];
  /** What was put off, by todo: `{"<id>":{…}}` as it is to be shown; null = nothing. */
  readonly scheduled?: string | null;
  /** `store.table_prefix`. */
  readonly prefix?: string;
};

/** The whole document of `todo list --json`, newest first. Prompts are left out: they may be long, and `todo show` has them. */
export function listJson(
  database: Database,
  limit: number,
  { statuses = null, finishing = [], scheduled = null, prefix = '' }: ListJsonOptions = {},
): string {
  if (!/^([A-Za-z_][A-Za-z0-9_]*)?$/.test(prefix)) throw new Error(`not a table prefix: ${JSON.stringify(prefix)}`);
  const row = database
    .prepare(textOf(prefix, scheduled !== null))
    .get(
      JSON.stringify(finishing),
      statuses === null ? null : JSON.stringify(statuses),
      Math.max(0, Math.trunc(limit)),
      ...(scheduled === null ? [] : [scheduled]),
    );
  return (row as { document: string }).document;
}

const textOf = (prefix: string, scheduled: boolean): string => `
WITH shown AS (
  SELECT rowid AS place FROM "${prefix}todo" WHERE ?2 IS NULL OR status IN (SELECT value FROM json_each(?2))
  ORDER BY number DESC LIMIT ?3
)
SELECT json_object(
  'schemaVersion', 1,
  'kind', 'todos',
  'todos', (SELECT json_group_array(json_object(
    'id', t.id, 'number', t.number, 'title', t.title,
    'status', CASE WHEN t.status IN ('claimed', 'running', 'stalled') AND t.id IN (SELECT value FROM json_each(?1)) THEN 'finishing' ELSE t.status END,
    'proof', t.proof, 'priority', t.priority, 'agent', t.agent, 'cwd', t.cwd, 'checks', json(t.checks), 'summary', t.summary, 'report', t.report,
    'runs', json((SELECT json_group_array(json_object(
      'id', r.id, 'fence', r.fence, 'agent', r.agent, 'host', r.host, 'startedAtMs', r.started_at_ms, 'endedAtMs', r.ended_at_ms,
      'outcome', r.outcome, 'saidBy', r.said_by, 'kind', r.kind, 'round', r.round) ORDER BY r.fence) FROM "${prefix}run" r WHERE r.todo_id = t.id)),
    'project', t.project, 'session', t.session, 'timeoutMs', t.timeout_ms, 'rounds', t.rounds, 'after', t.after_id,
    'held', json(CASE t.held WHEN 0 THEN 'false' ELSE 'true' END), 'reason', t.reason, 'fence', t.fence, 'runId', t.run_id,
    'notBeforeMs', t.not_before_ms, 'attempts', t.attempts, 'resets', t.resets,
    'createdAtMs', t.created_at_ms, 'updatedAtMs', t.updated_at_ms, 'endedAtMs', t.ended_at_ms,
    'scheduled', ${scheduled ? `json(CASE WHEN t.ended_at_ms IS NULL THEN json_extract(?4, '$."' || t.id || '"') END)` : 'NULL'}
  ) ORDER BY t.number DESC) FROM shown JOIN "${prefix}todo" t ON t.rowid = shown.place),
  'truncated', json(CASE WHEN (SELECT COUNT(*) FROM "${prefix}todo" WHERE ?2 IS NULL OR status IN (SELECT value FROM json_each(?2))) > ?3 THEN 'true' ELSE 'false' END)
) AS document`;
