import type { StatementSync } from 'node:sqlite';
import { type ErrorCode, isOperational, OperationalError } from '../core/errors.ts';
import type { Clock, Store } from '../world.ts';
import { sqliteDialect } from './dialect.ts';
import type { About, Driver } from './driver.ts';
import { span } from './span.ts';
import { sqliteConditions } from './sqlite-conditions.ts';
import { writersOf } from './sqlite-holders.ts';
import { createStore, type StoreNeeds } from './store.ts';
import { affectedBy, type Result, rowOf, runNow, type Statement, Undo, type Work } from './work.ts';

/** What this driver uses of `platform/sqlite.ts`, which it may not import: journal and store share one connection and its commits. */
export type SqliteDatabase = { prepare(sql: string): StatementSync; readonly path?: string };
export type SqliteCommitter = { write<T>(work: () => T): Promise<T>; flush(): void };

export type SqliteStoreOptions = Omit<StoreNeeds, 'driver'> & {
  readonly database: SqliteDatabase;
  readonly committer: SqliteCommitter;
  /** With SQLite the host's clock is the store's. */
  readonly clock: Pick<Clock, 'nowMs'>;
};

/** The store built in: tables in the home's own file. Whoever opened the file closes it; `close` flushes what is queued. */
export function createSqliteStore({ database, committer, clock, ...needs }: SqliteStoreOptions): Store {
  return createStore({ ...needs, driver: sqliteDriver(database, committer, clock) });
}

export function sqliteDriver(database: SqliteDatabase, committer: SqliteCommitter, clock: Pick<Clock, 'nowMs'>): Driver {
  const execute = (statement: Statement): Result => run(database, statement);
  let busy = 0;
  /** Since the first write in a row that somebody else kept from the file. */
  let busySinceMs: number | null = null;
  const problem = (error: unknown, about: About, kind?: 'read'): unknown => {
    const told = problemOf(error, about, kind);
    if (isOperational(told) && told.code === 'STORE_TIMEOUT') {
      busy += 1;
      busySinceMs ??= clock.nowMs();
    }
    return told;
  };
  // Several that are asked for in one turn share one commit and its one flush to disk.
  const write = async <T>(about: About, work: () => Work<T>): Promise<T> => {
    try {
      const value = await committer.write(() => runNow(work(), execute));
      busySinceMs = null;
      return value;
    } catch (error) {
      if (error instanceof Undo) return error.value as T;
      throw problem(error, about);
    }
  };
  return {
    name: 'sqlite',
    dialect: sqliteDialect,
    async read(about, work) {
      try {
        return runNow(work(), execute);
      } catch (error) {
        throw problem(error, about, 'read');
      }
    },
    write,
    define: write,
    // biome-ignore lint/correctness/useYield: the host's clock needs no statement
    *now() {
      return Math.floor(clock.nowMs());
    },
    nowSql: () => ({ sql: '?', values: [Math.floor(clock.nowMs())] }),
    valueBytesMax: async () => valueBytesMax,
    figures: () => ({ active: 0, idle: 1, limit: 1, busy }),
    care: {
      async obstacles() {
        // A process that has the lock for a moment is no obstacle: only one that somebody gave up on.
        if (busySinceMs === null) return { found: [], blind: null };
        const heldMs = Math.max(0, clock.nowMs() - busySinceMs);
        const writers = database.path === undefined ? [] : writersOf(database.path);
        const who = writers.map(({ pid, name }) => `process ${pid} (${name})`).join(' and ') || 'another process';
        const text = `${who} has kept the file from us for ${span(heldMs)}; we gave up ${busy} ${busy === 1 ? 'time' : 'times'} since this process began`;
        return { found: [{ kind: 'busy', holder: writers[0]?.pid ?? null, heldMs, text }], blind: null };
      },
      reset: async () => 'nothing to close: SQLite has one connection, which the journal needs too',
      async optimize() {
        const about = { operation: 'dropping', subject: 'the statistics of the store' };
        const dropped = await write(about, dropStatistics);
        return dropped === 0 ? 'nothing to renew: SQLite plans without statistics' : `statistics of ${dropped} indexes dropped`;
      },
      conditions: async () => sqliteConditions(database),
    },
    async close() {
      committer.flush();
    },
  };
}

/**
 * SQLite's statistics are averages: where ten statuses share a million todos each is taken for a tenth of them, and the two that run are looked for
 * by reading all. Without any it takes the index that an equality names, which our statements are written for. Somebody may have run ANALYZE.
 */
function* dropStatistics(): Work<number> {
  if ((yield* rowOf(`SELECT name FROM sqlite_master WHERE name = 'sqlite_stat1'`)) === null) return 0;
  const dropped = yield* affectedBy('DELETE FROM sqlite_stat1');
  // Read anew, also by this connection and for statements that are prepared.
  yield* affectedBy('ANALYZE sqlite_schema');
  return dropped;
}

/** SQLite holds 1,000,000,000 bytes in one row; a record has three long values. */
const valueBytesMax = 256 * 1024 * 1024;

function run(database: SqliteDatabase, { sql, values }: Statement): Result {
  const statement = database.prepare(sql);
  if (/^\s*SELECT/i.test(sql)) return { rows: statement.all(...values), affected: 0 };
  return { rows: [], affected: Number(statement.run(...values).changes) };
}

/** https://sqlite.org/rescode.html, by primary code. Anything else is a mistake in a statement: a defect. */
const codes: Readonly<Record<number, ErrorCode>> = {
  5: 'STORE_TIMEOUT', // BUSY
  6: 'STORE_TIMEOUT', // LOCKED
  8: 'STORE_READ_ONLY',
  10: 'STORE_UNREACHABLE', // IOERR
  11: 'STORE_UNREACHABLE', // CORRUPT
  13: 'STORE_FULL',
  14: 'STORE_UNREACHABLE', // CANTOPEN
  18: 'STORE_REFUSED', // TOOBIG
  19: 'STORE_REFUSED', // CONSTRAINT
  20: 'STORE_REFUSED', // MISMATCH
  26: 'STORE_SCHEMA', // NOTADB
};

/** The committer's words for the shared file, in the store's. */
const sharedCodes: Partial<Record<ErrorCode, ErrorCode>> = {
  DISK_FULL: 'STORE_FULL',
  STORE_CONFLICT: 'STORE_TIMEOUT',
  JOURNAL_UNWRITABLE: 'STORE_IN_DOUBT',
};

function problemOf(error: unknown, about: About, kind: 'read' | 'write' = 'write'): unknown {
  if (isOperational(error)) {
    const readOnly = primaryCode(error.cause) === 8;
    const code = readOnly ? 'STORE_READ_ONLY' : sharedCodes[error.code];
    return code === undefined ? error : new OperationalError(code, { ...about, cause: error.cause ?? error });
  }
  const primary = primaryCode(error);
  if (primary === 1 && /no such (table|column)/.test(String((error as Error).message)))
    return new OperationalError('STORE_SCHEMA', { ...about, cause: error });
  const code = primary === null ? undefined : codes[primary];
  if (code === undefined) return error;
  // A flush that failed may have reached the disk all the same.
  return new OperationalError(primary === 10 && kind === 'write' ? 'STORE_IN_DOUBT' : code, { ...about, cause: error });
}

const primaryCode = (error: unknown): number | null => {
  const code = (error as { errcode?: unknown } | null | undefined)?.errcode;
  return typeof code === 'number' ? code & 0xff : null;
};
