import type { ColumnType } from './dialect.ts';

/**
 * The schema as a list of changes, oldest first. Forward only: a change that was released is never edited, a new one goes to the end and raises
 * the version. What tables must look like follows from the list, so there is no second description that could differ.
 */
export const tableNames = [
  'store_meta',
  'host',
  'todo',
  'run',
  'completion',
  'retry_attempts',
  'outbox',
  'self_healing_events',
  'health_metrics',
  'notification_history',
  'recovery_sessions',
  'audit',
  'comment',
  'attachment',
  'attachment_content',
] as const;
export type TableName = (typeof tableNames)[number];

export type Column = { readonly name: string; readonly type: ColumnType; readonly nullable: boolean };
export type Index = { readonly columns: readonly string[]; readonly unique: boolean };
export type Table = {
  readonly name: TableName;
  readonly key: string;
  readonly columns: readonly Column[];
  readonly indexes: readonly Index[];
};
export type Change =
  | { readonly create: Table }
  | { readonly table: TableName; readonly addColumn: Column }
  | { readonly table: TableName; readonly addIndex: Index };
export type Migration = { readonly version: number; readonly changes: readonly Change[] };

const column = (name: string, type: ColumnType): Column => ({ name, type, nullable: false });
const maybe = (name: string, type: ColumnType): Column => ({ name, type, nullable: true });
const index = (...columns: string[]): Index => ({ columns, unique: false });
const unique = (...columns: string[]): Index => ({ columns, unique: true });

/** Append-only facts about what we did. */
const notes = (name: TableName): Table => ({
  name,
  key: 'id',
  columns: [
    column('id', 'id'),
    maybe('todo_id', 'id'),
    maybe('run_id', 'id'),
    column('at_ms', 'number'),
    column('what', 'text'),
    column('detail', 'text'),
  ],
  indexes: [index('todo_id'), index('at_ms')],
});

/** Who said what of which todo, and when. */
const said = [column('id', 'id'), column('todo_id', 'id'), maybe('run_id', 'id'), column('at_ms', 'number'), column('author', 'name')];

export const migrations: readonly Migration[] = [
  {
    version: 1,
    changes: [
      // application, schema version, and the last number that a todo was given.
      { create: { name: 'store_meta', key: 'name', columns: [column('name', 'word'), column('value', 'number')], indexes: [] } },
      // Written first in each claim: the one place where the claims of a host stand in line, so that its slots can be counted.
      {
        create: {
          name: 'host',
          key: 'id',
          columns: [column('id', 'name'), column('claims', 'number'), column('claimed_at_ms', 'number')],
          indexes: [],
        },
      },
      {
        create: {
          name: 'todo',
          key: 'id',
          columns: [
            column('id', 'id'),
            column('number', 'number'),
            column('title', 'text'),
            column('prompt', 'text'),
            column('cwd', 'text'),
            column('project', 'text'),
            column('agent', 'name'),
            maybe('session', 'word'),
            column('checks', 'text'),
            column('priority', 'number'),
            maybe('timeout_ms', 'number'),
            column('rounds', 'number'),
            maybe('after_id', 'id'),
            column('held', 'number'),
            column('status', 'word'),
            maybe('proof', 'word'),
            maybe('reason', 'text'),
            column('fence', 'number'),
            maybe('run_id', 'id'),
            maybe('not_before_ms', 'number'),
            column('attempts', 'number'),
            column('resets', 'number'),
            maybe('summary', 'text'),
            maybe('report', 'text'),
            column('created_at_ms', 'number'),
            column('updated_at_ms', 'number'),
            maybe('ended_at_ms', 'number'),
          ],
          indexes: [
            unique('number'),
            index('status', 'priority', 'created_at_ms', 'number'),
            index('status', 'not_before_ms'),
            index('created_at_ms', 'number'),
            index('after_id'),
            index('run_id'),
          ],
        },
      },
      {
        create: {
          name: 'run',
          key: 'id',
          columns: [
            column('id', 'id'),
            column('todo_id', 'id'),
            column('fence', 'number'),
            column('agent', 'name'),
            column('kind', 'word'),
            column('host', 'name'),
            column('token_sha256', 'id'),
            column('lease_until_ms', 'number'),
            column('round', 'number'),
            column('started_at_ms', 'number'),
            maybe('ended_at_ms', 'number'),
            maybe('outcome', 'word'),
            maybe('said_by', 'word'),
          ],
          indexes: [unique('todo_id', 'fence')],
        },
      },
      {
        create: {
          name: 'completion',
          key: 'run_id',
          columns: [
            column('run_id', 'id'),
            column('todo_id', 'id'),
            column('fence', 'number'),
            column('outcome', 'word'),
            column('todo_status', 'word'),
            maybe('proof', 'word'),
            column('said_by', 'word'),
            maybe('reason', 'text'),
            maybe('not_before_ms', 'number'),
            column('attempts', 'number'),
            column('resets', 'number'),
            column('round', 'number'),
            column('summary', 'text'),
            column('report_html', 'text'),
            column('report_path', 'text'),
            column('output', 'text'),
            column('evidence', 'text'),
            // JSON: field → length and digest of the part that is stored, and of the whole that was sent.
            column('truncated', 'text'),
            column('manifest_sha256', 'id'),
            column('started_at_ms', 'number'),
            column('ended_at_ms', 'number'),
            column('recorded_at_ms', 'number'),
          ],
          indexes: [index('todo_id')],
        },
      },
      { create: notes('retry_attempts') },
      { create: notes('self_healing_events') },
      { create: notes('audit') },
      {
        create: {
          name: 'outbox',
          key: 'id',
          columns: [
            // Also the idempotency key of the delivery.
            column('id', 'id'),
            column('kind', 'word'),
            maybe('todo_id', 'id'),
            maybe('run_id', 'id'),
            column('payload', 'text'),
            column('attempts', 'number'),
            column('created_at_ms', 'number'),
            column('not_before_ms', 'number'),
            maybe('delivered_at_ms', 'number'),
            maybe('dead_at_ms', 'number'),
            maybe('last_error', 'text'),
          ],
          indexes: [index('delivered_at_ms', 'not_before_ms')],
        },
      },
      {
        create: {
          name: 'health_metrics',
          key: 'id',
          columns: [
            column('id', 'id'),
            column('host', 'name'),
            column('component', 'name'),
            column('status', 'word'),
            column('reason', 'text'),
            column('at_ms', 'number'),
          ],
          indexes: [index('component', 'at_ms'), index('at_ms')],
        },
      },
      {
        create: {
          name: 'notification_history',
          key: 'id',
          columns: [
            column('id', 'id'),
            column('incident', 'name'),
            column('channel', 'word'),
            column('severity', 'word'),
            column('what', 'text'),
            column('outcome', 'word'),
            column('detail', 'text'),
            column('at_ms', 'number'),
          ],
          indexes: [index('incident'), index('at_ms')],
        },
      },
      {
        create: {
          name: 'recovery_sessions',
          key: 'id',
          columns: [
            column('id', 'id'),
            column('host', 'name'),
            column('action', 'word'),
            column('subject', 'text'),
            maybe('todo_id', 'id'),
            maybe('run_id', 'id'),
            column('why', 'text'),
            maybe('outcome', 'word'),
            column('detail', 'text'),
            column('started_at_ms', 'number'),
            maybe('ended_at_ms', 'number'),
          ],
          indexes: [index('todo_id'), index('started_at_ms')],
        },
      },
    ],
  },
  {
    version: 2,
    changes: [
      { create: { name: 'comment', key: 'id', columns: [...said, column('body', 'text')], indexes: [index('todo_id', 'at_ms')] } },
      {
        create: {
          name: 'attachment',
          key: 'id',
          columns: [...said, column('name', 'name'), column('size_bytes', 'number'), column('sha256', 'id')],
          indexes: [index('todo_id', 'at_ms'), index('sha256')],
        },
      },
      {
        create: {
          name: 'attachment_content',
          key: 'sha256',
          columns: [column('sha256', 'id'), column('size_bytes', 'number'), column('base64', 'text')],
          indexes: [],
        },
      },
    ],
  },
  {
    version: 3,
    changes: [
      // What was tried, and when it will be again: `todo retry status`, and what other hosts wait for.
      { table: 'retry_attempts', addColumn: maybe('kind', 'word') },
      { table: 'retry_attempts', addColumn: maybe('class', 'word') },
      { table: 'retry_attempts', addColumn: maybe('attempt', 'number') },
      { table: 'retry_attempts', addColumn: maybe('attempts_max', 'number') },
      { table: 'retry_attempts', addColumn: maybe('status', 'word') },
      { table: 'retry_attempts', addColumn: maybe('next_at_ms', 'number') },
      { table: 'retry_attempts', addIndex: index('status', 'next_at_ms') },
      { table: 'self_healing_events', addColumn: maybe('type', 'name') },
      { table: 'self_healing_events', addIndex: index('type', 'at_ms') },
    ],
  },
  {
    version: 4,
    changes: [
      // A host that shall take nothing new: since when, and why a person said so.
      { table: 'host', addColumn: maybe('drained_at_ms', 'number') },
      { table: 'host', addColumn: maybe('drain_reason', 'text') },
    ],
  },
  {
    version: 5,
    changes: [
      // What was measured: `raw`, `1m` or `1h`, how many samples are in it, and the figures as JSON.
      { table: 'health_metrics', addColumn: maybe('resolution', 'word') },
      { table: 'health_metrics', addColumn: maybe('samples', 'number') },
      { table: 'health_metrics', addColumn: maybe('figures', 'text') },
      { table: 'health_metrics', addIndex: index('host', 'resolution', 'at_ms') },
      { table: 'health_metrics', addIndex: index('host', 'at_ms') },
    ],
  },
];

export const schemaVersion = migrations.at(-1)!.version;

/** Stands in store_meta under `application`, so that nobody else's table of that name is taken for ours. "signoff" as a number. */
export const applicationId = 0x5160ff;

/** What the tables must look like once all changes up to a version were made. */
export function tablesNow(version: number = schemaVersion): readonly Table[] {
  const tables = new Map<TableName, Table>();
  for (const change of migrations.filter((migration) => migration.version <= version).flatMap((migration) => migration.changes)) {
    if ('create' in change) tables.set(change.create.name, change.create);
    else {
      const table = tables.get(change.table)!;
      tables.set(
        change.table,
        'addColumn' in change
          ? { ...table, columns: [...table.columns, change.addColumn] }
          : { ...table, indexes: [...table.indexes, change.addIndex] },
      );
    }
  }
  return [...tables.values()];
}

/** Counted as they were added to their table, from 1. */
export const indexName = (table: string, at: number): string => `${table}_i${at}`;
