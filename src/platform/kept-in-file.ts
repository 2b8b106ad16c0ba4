import type { Kept, NearPlace } from '../core/kept.ts';
import type { Clock } from '../world.ts';
import { type Database, openDatabase, sqliteProblem } from './sqlite.ts';

const schema = `
  CREATE TABLE IF NOT EXISTS kept (
    key TEXT PRIMARY KEY,
    /** NULL: gone. */
    value TEXT,
    until_ms INTEGER NOT NULL
  ) WITHOUT ROWID`;

type Row = { readonly key: string; readonly value: string | null; readonly until_ms: number };

/** A small private file beside the journal, which processes of one home share. Opened when it is first needed, and anew after a failure. */
export function keptInFile(path: string, clock: Pick<Clock, 'nowMs'>): NearPlace & { close(): void } {
  let open: Database | null = null;
  const close = (): void => {
    open?.close();
    open = null;
  };

  function use<T>(doing: string, work: (db: Database) => T): T {
    try {
      open ??= opened();
      return work(open);
    } catch (error) {
      close();
      throw sqliteProblem(error, doing, path);
    }
  }

  function opened(): Database {
    const db = openDatabase(path);
    try {
      db.exec(schema);
      db.prepare('DELETE FROM kept WHERE until_ms <= ?').run(clock.nowMs());
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  return {
    name: 'sqlite',
    close,
    get: (key) =>
      use('reading', (db) => {
        const row = db.prepare('SELECT key, value, until_ms FROM kept WHERE key = ? AND until_ms > ?').get(key, clock.nowMs());
        return row === undefined ? null : keptOf(row as Row);
      }),
    put: ({ key, value, untilMs }) =>
      use('writing', (db) => {
        db.prepare(
          `INSERT INTO kept (key, value, until_ms) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, until_ms = excluded.until_ms
           WHERE kept.value IS NOT NULL OR kept.until_ms <= ?`,
        ).run(key, value, untilMs, clock.nowMs());
        // The sessions of a person are few; this keeps what expired from staying.
        if (value === null) db.prepare('DELETE FROM kept WHERE until_ms <= ?').run(clock.nowMs());
      }),
    count: (key, untilMs) =>
      use('writing', (db) => {
        const row = db
          .prepare(
            `INSERT INTO kept (key, value, until_ms) VALUES (?1, '1', ?2) ON CONFLICT (key) DO UPDATE SET
               value = CASE WHEN until_ms <= ?3 THEN '1' ELSE CAST(CAST(value AS INTEGER) + 1 AS TEXT) END,
               until_ms = CASE WHEN until_ms <= ?3 THEN ?2 ELSE until_ms END
             RETURNING value`,
          )
          .get(key, untilMs, clock.nowMs()) as { value: string };
        return Number(row.value);
      }),
    all: (prefix) =>
      use('reading', (db) =>
        (
          db
            .prepare('SELECT key, value, until_ms FROM kept WHERE key >= ? AND key < ? AND until_ms > ? ORDER BY key')
            .all(prefix, `${prefix}\u{10ffff}`, clock.nowMs()) as Row[]
        ).map(keptOf),
      ),
  };
}

const keptOf = ({ key, value, until_ms }: Row): Kept => ({ key, value, untilMs: until_ms });
