import type { Entry, Owner } from '../core/entry.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import type { Clock, Journal } from '../world.ts';
import { type Committer, type Database, sqliteProblem } from './sqlite.ts';

/** Grows with each change of the tables below; a file with a higher one is refused. */
const schemaVersion = 1;

const schema = `
  CREATE TABLE journal_schema (version INTEGER NOT NULL);
  CREATE TABLE journal (
    run_id TEXT PRIMARY KEY,
    todo_id TEXT NOT NULL,
    owner_pid INTEGER NOT NULL,
    owner_start_ticks INTEGER NOT NULL,
    owner_boot_id TEXT NOT NULL,
    fact TEXT NOT NULL,
    started_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    /** Counts the writes of this row: the same number is the same content. */
    revision INTEGER NOT NULL,
    json TEXT NOT NULL
  );
  CREATE INDEX journal_todo ON journal (todo_id);
  CREATE INDEX journal_live ON journal (fact) WHERE fact <> 'closed';
  CREATE TABLE journal_note (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  INSERT INTO journal_schema (version) VALUES (${schemaVersion});`;

const closedMax = 10_000;

type Row = {
  readonly revision: number;
  readonly owner_pid: number;
  readonly owner_start_ticks: number;
  readonly owner_boot_id: string;
  readonly json: string;
};
type Parsed = { readonly revision: number; readonly entry: Entry };

/**
 * The journal on a home's `todo.db`, which the store may share: one connection, one committer, one flush to disk for both.
 * Other processes of the home write it too (`todo run`), so every look goes to the database; only the parsing of rows that
 * have not changed since is spared. JOURNAL_NEWER when a newer program has made the file.
 */
export function openJournal(db: Database, committer: Committer, clock: Pick<Clock, 'nowMs'>): Journal {
  guarded('opening', () => prepareSchema(db));
  let kept = new Map<string, Parsed>();

  /** Null: it was forgotten since it was listed. */
  const read = (runId: string): Parsed | null => {
    const row = db.prepare('SELECT revision, owner_pid, owner_start_ticks, owner_boot_id, json FROM journal WHERE run_id = ?').get(runId) as
      | Row
      | undefined;
    if (row === undefined) return null;
    const owner: Owner = { pid: row.owner_pid, startTicks: row.owner_start_ticks, bootId: row.owner_boot_id };
    return { revision: row.revision, entry: { ...(JSON.parse(row.json) as Entry), owner } };
  };
  const look = (where: string, ...values: string[]): [runId: string, Parsed][] =>
    guarded('reading', () => {
      const listed = db.prepare(`SELECT run_id, revision FROM journal ${where}`).all(...values) as { run_id: string; revision: number }[];
      return listed.flatMap(({ run_id, revision }) => {
        const known = kept.get(run_id);
        const found = known?.revision === revision ? known : read(run_id);
        return found === null ? [] : [[run_id, found]];
      });
    });

  return {
    live() {
      kept = new Map(look("WHERE fact <> 'closed' ORDER BY started_at_ms, run_id"));
      return Array.from(kept.values(), ({ entry }) => entry);
    },
    get: (runId) => look('WHERE run_id = ?', runId)[0]?.[1].entry ?? null,
    ofTodo: (todoId) => look('WHERE todo_id = ? ORDER BY started_at_ms DESC, run_id DESC', todoId).map(([, { entry }]) => entry),

    save: (entry) => committed(committer, () => save(db, entry, clock.nowMs())),
    adopt: (runId, from, to) =>
      committed(committer, () => {
        const { changes } = db
          .prepare(
            `UPDATE journal SET owner_pid = ?, owner_start_ticks = ?, owner_boot_id = ?, revision = revision + 1
             WHERE run_id = ? AND owner_pid = ? AND owner_start_ticks = ? AND owner_boot_id = ?`,
          )
          .run(to.pid, to.startTicks, to.bootId, runId, from.pid, from.startTicks, from.bootId);
        return changes === 1;
      }),
    closed: (sinceMs) =>
      guarded('reading', () =>
        (
          db
            .prepare(
              `SELECT run_id FROM journal WHERE fact = 'closed' AND updated_at_ms >= ? ORDER BY updated_at_ms DESC, run_id LIMIT ${closedMax}`,
            )
            .all(sinceMs) as { run_id: string }[]
        )
          .map(({ run_id }) => run_id)
          .reverse(),
      ),
    forget: (closedBeforeMs) =>
      guarded('writing', () => {
        db.transaction(() => db.prepare("DELETE FROM journal WHERE fact = 'closed' AND updated_at_ms < ?").run(closedBeforeMs));
      }),

    getNote: (key) =>
      guarded(
        'reading',
        () => (db.prepare('SELECT value FROM journal_note WHERE key = ?').get(key) as { value: string } | undefined)?.value ?? null,
      ),
    setNote: (key, value) =>
      committed(committer, () => {
        db.prepare('INSERT INTO journal_note (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value').run(
          key,
          value,
        );
      }),
    notes: (prefix) =>
      guarded(
        'reading',
        () =>
          db.prepare('SELECT key, value FROM journal_note WHERE key >= ? AND key < ? ORDER BY key').all(prefix, `${prefix}\u{10ffff}`) as {
            key: string;
            value: string;
          }[],
      ),
    dropNotes: (keys) =>
      committed(committer, () => {
        for (const key of keys) db.prepare('DELETE FROM journal_note WHERE key = ?').run(key);
      }),
    removeNote: (key, value) =>
      committed(committer, () => db.prepare('DELETE FROM journal_note WHERE key = ? AND value = ?').run(key, value).changes === 1),
  };
}

function save(db: Database, entry: Entry, atMs: number): void {
  const { owner } = entry;
  const { changes } = db
    .prepare(
      `INSERT INTO journal (run_id, todo_id, owner_pid, owner_start_ticks, owner_boot_id, fact, started_at_ms, updated_at_ms, revision, json)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?)
       ON CONFLICT (run_id) DO UPDATE SET fact = excluded.fact, updated_at_ms = excluded.updated_at_ms, revision = revision + 1, json = excluded.json
       WHERE owner_pid = excluded.owner_pid AND owner_start_ticks = excluded.owner_start_ticks AND owner_boot_id = excluded.owner_boot_id`,
    )
    .run(
      entry.ref.runId,
      entry.ref.todoId,
      owner.pid,
      owner.startTicks,
      owner.bootId,
      entry.fact,
      entry.startedAtMs,
      atMs,
      JSON.stringify(entry),
    );
  if (changes !== 1) throw new OperationalError('NOT_OWNER', { operation: 'saving', subject: entry.ref.runId });
}

function prepareSchema(db: Database): void {
  const has = (): boolean => db.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'journal_schema'").get() !== undefined;
  // Looked for first: a home on a full disk can still be read.
  if (!has()) {
    db.transaction(() => {
      if (!has()) db.exec(schema);
    });
  }
  const { version } = db.prepare('SELECT version FROM journal_schema').get() as { version: number };
  if (version > schemaVersion) {
    throw new OperationalError('JOURNAL_NEWER', {
      operation: 'opening',
      subject: db.path,
      why: `it has version ${version}, this program knows ${schemaVersion}`,
    });
  }
}

async function committed<T>(committer: Committer, work: () => T): Promise<T> {
  try {
    return await committer.write(work);
  } catch (error) {
    throw asJournalProblem(error, 'writing');
  }
}

function guarded<T>(operation: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asJournalProblem(error, operation);
  }
}

/** The journal knows no conflict: a lock that is held for ten seconds means that it cannot be written. */
function asJournalProblem(error: unknown, operation: string): unknown {
  const problem = sqliteProblem(error, operation, 'the journal');
  return isOperational(problem) && problem.code === 'STORE_CONFLICT'
    ? new OperationalError('JOURNAL_UNWRITABLE', { operation, subject: 'the journal', cause: problem.cause ?? problem })
    : problem;
}
