import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { OperationalError } from '../core/errors.ts';
import { createPrivate } from './create-private.ts';

/**
 * One connection to a home's `todo.db`. Journal and SQLite store share it and its committer, so that their writes share commits.
 * Everything is synchronous: a crash falls between two calls, never inside one that we know of.
 */
export type Database = {
  readonly path: string;
  /** Statements are kept by their text: asking again costs nothing. */
  prepare(sql: string): StatementSync;
  exec(sql: string): void;
  /** Runs `work` in one `BEGIN IMMEDIATE … COMMIT`, or in a savepoint where a transaction is open already. Rolled back when it throws; DISK_FULL, JOURNAL_UNWRITABLE, STORE_CONFLICT. */
  transaction<T>(work: () => T): T;
  readonly inTransaction: boolean;
  close(): void;
};

/** Group commit: what is asked for in one turn of the event loop shares one transaction and its one flush to disk. */
export type Committer = {
  /**
   * Runs `work` (synchronous; it may run again when the database was busy) and resolves with its value after COMMIT. Work that throws is rolled back and
   * rejects alone; when the commit fails, all of it rejects: DISK_FULL, JOURNAL_UNWRITABLE (in doubt), STORE_CONFLICT (busy for too long; nothing was written).
   */
  write<T>(work: () => T): Promise<T>;
  /** Commits what is queued now, without waiting for the turn's end. For the way out. */
  flush(): void;
};

/** How long one call waits, with the event loop standing still, while another process writes. */
const busyTimeoutMs = 100;
/** How long a transaction that somebody waits for synchronously tries to begin. */
const standstillMs = 3_000;
/** How long the committer tries again, with the event loop running. A commit takes milliseconds: this says that somebody sits on the lock. */
const busyPatienceMs = 10_000;
/** A wave: larger ones gained nothing (DESIGN 8). */
const waveMax = 64;
/** The write-ahead log is cut to this after a checkpoint. */
const walBytesMax = 64 * 1024 * 1024;
/** Pages kept in memory: what hundreds of live runs touch again and again. Only taken when used. */
const cacheKib = 16 * 1024;

/**
 * Opens or creates the file (0600): WAL, every commit flushed. JOURNAL_UNWRITABLE, DISK_FULL.
 * With `readOnly` it must be there, and nothing of it is changed.
 */
export function openDatabase(path: string, { readOnly = false }: { readonly readOnly?: boolean } = {}): Database {
  if (readOnly) return looking(path);
  createPrivate(path);
  const connection = attempt('opening', path, () => new DatabaseSync(path, { timeout: busyTimeoutMs, enableForeignKeyConstraints: true }));
  try {
    // Changing to WAL needs the file alone for a moment, and the busy handler is not asked for that.
    again(() => connection.exec('PRAGMA journal_mode = WAL'));
    connection.exec(`PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${walBytesMax}; PRAGMA cache_size = -${cacheKib}`);
  } catch (error) {
    connection.close();
    throw sqliteProblem(error, 'opening', path);
  }
  return wrap(connection, path);
}

/**
 * Who only looks leaves no trace. SQLite lays a write-ahead log beside a file that it opens for reading, and leaves it there; while there is none
 * nobody writes, so the file is read as one that cannot change. It is looked for again before each statement, because a writer may come.
 */
function looking(path: string): Database {
  const isWritten = (): boolean => existsSync(`${path}-wal`);
  const open = (written: boolean): Database => {
    const location = written ? path : `${pathToFileURL(path)}?immutable=1`;
    return wrap(
      attempt('opening', path, () => new DatabaseSync(location, { readOnly: true, timeout: busyTimeoutMs })),
      path,
    );
  };
  let written = isWritten();
  let current = open(written);
  const now = (): Database => {
    if (written || !isWritten()) return current;
    written = true;
    current.close();
    current = open(true);
    return current;
  };
  return {
    path,
    prepare: (sql) => now().prepare(sql),
    exec: (sql) => now().exec(sql),
    transaction: (work) => now().transaction(work),
    get inTransaction() {
      return current.inTransaction;
    },
    close: () => current.close(),
  };
}

const openOnes = new Set<DatabaseSync>();

/** Pages that SQLite keeps to be quick are given back; it reads them again when it needs them. */
export function shrinkDatabases(): void {
  for (const connection of openOnes) if (connection.isOpen) connection.exec('PRAGMA shrink_memory');
}

function wrap(connection: DatabaseSync, path: string): Database {
  openOnes.add(connection);
  const statements = new Map<string, StatementSync>();
  const db: Database = {
    path,
    prepare(sql) {
      let statement = statements.get(sql);
      if (statement === undefined) {
        statement = connection.prepare(sql);
        statements.set(sql, statement);
      }
      return statement;
    },
    exec: (sql) => connection.exec(sql),
    transaction: (work) => (connection.isTransaction ? inSavepoint(db, work) : inTransaction(db, work)),
    get inTransaction() {
      return connection.isTransaction;
    },
    close() {
      statements.clear();
      openOnes.delete(connection);
      if (connection.isOpen) connection.close();
    },
  };
  return db;
}

function inTransaction<T>(db: Database, work: () => T): T {
  try {
    again(() => db.exec('BEGIN IMMEDIATE'));
    const value = work();
    db.exec('COMMIT');
    return value;
  } catch (error) {
    rollBack(db);
    throw sqliteProblem(error, 'writing to', db.path);
  }
}

function inSavepoint<T>(db: Database, work: () => T): T {
  db.exec('SAVEPOINT part');
  try {
    const value = work();
    db.exec('RELEASE part');
    return value;
  } catch (error) {
    // A full disk or a read error ends the whole transaction by itself: then there is no savepoint any more.
    if (db.inTransaction) db.exec('ROLLBACK TO part; RELEASE part');
    throw error;
  }
}

function rollBack(db: Database): void {
  try {
    if (db.inTransaction) db.exec('ROLLBACK');
  } catch {
    // The first error is the one to tell.
  }
}

type Queued = {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  readonly askedAtMs: number;
};
type Done = { readonly queued: Queued; readonly value: unknown };

export function createCommitter(db: Database, { patienceMs = busyPatienceMs }: { readonly patienceMs?: number } = {}): Committer {
  let queue: Queued[] = [];
  let scheduled = false;

  const schedule = (afterMs: number): void => {
    if (scheduled || queue.length === 0) return;
    scheduled = true;
    // setImmediate comes after all that is ready in this turn, and at once when nothing is.
    if (afterMs === 0) setImmediate(wave);
    else setTimeout(wave, afterMs);
  };

  const wave = (): void => {
    scheduled = false;
    const batch = queue.slice(0, waveMax);
    if (batch.length === 0) return;
    queue = queue.slice(batch.length);
    const busy = commit(batch);
    if (busy !== null) {
      const patient = batch.filter((it) => performance.now() - it.askedAtMs < patienceMs);
      for (const it of batch) if (!patient.includes(it)) it.reject(sqliteProblem(busy, 'committing to', db.path));
      queue = [...patient, ...queue];
    }
    schedule(busy === null ? 0 : 5 + Math.random() * 20);
  };

  /** Null when everybody has an answer; the error when the database was busy, so that nobody has one. */
  const commit = (batch: readonly Queued[]): unknown => {
    const done: Done[] = [];
    const failed: { readonly queued: Queued; readonly error: unknown }[] = [];
    try {
      db.exec('BEGIN IMMEDIATE');
      for (const queued of batch) {
        try {
          done.push({ queued, value: db.transaction(queued.work) });
        } catch (error) {
          if (isMachine(error) || !db.inTransaction) throw error;
          failed.push({ queued, error });
        }
      }
      db.exec('COMMIT');
    } catch (error) {
      rollBack(db);
      if (primaryCode(error) === busyCode) return error;
      const problem = sqliteProblem(error, 'committing to', db.path);
      for (const queued of batch) queued.reject(problem);
      return null;
    }
    for (const { queued, value } of done) queued.resolve(value as never);
    for (const { queued, error } of failed) queued.reject(error);
    return null;
  };

  return {
    write: (work) =>
      new Promise((resolve, reject) => {
        queue.push({ work, resolve, reject, askedAtMs: performance.now() });
        schedule(0);
      }),
    flush() {
      const deadlineMs = performance.now() + patienceMs;
      while (queue.length > 0) {
        const batch = queue.slice(0, waveMax);
        queue = queue.slice(batch.length);
        const busy = commit(batch);
        if (busy === null) continue;
        if (performance.now() < deadlineMs) queue = [...batch, ...queue];
        else for (const it of batch) it.reject(sqliteProblem(busy, 'committing to', db.path));
      }
    },
  };
}

const busyCode = 5;
/** https://sqlite.org/rescode.html: what the machine did, not what the statement asked for. */
const machineCodes: Readonly<Record<number, 'DISK_FULL' | 'JOURNAL_UNWRITABLE' | 'STORE_CONFLICT'>> = {
  [busyCode]: 'STORE_CONFLICT',
  6: 'STORE_CONFLICT', // LOCKED
  7: 'JOURNAL_UNWRITABLE', // NOMEM
  8: 'JOURNAL_UNWRITABLE', // READONLY
  9: 'JOURNAL_UNWRITABLE', // INTERRUPT
  10: 'JOURNAL_UNWRITABLE', // IOERR
  11: 'JOURNAL_UNWRITABLE', // CORRUPT
  13: 'DISK_FULL',
  14: 'JOURNAL_UNWRITABLE', // CANTOPEN
  15: 'STORE_CONFLICT', // PROTOCOL: too much traffic on the lock
  26: 'JOURNAL_UNWRITABLE', // NOTADB
};

/** An OperationalError where the machine is to blame; anything else (a constraint, a mistake in a statement) as it came. */
export function sqliteProblem(error: unknown, operation: string, subject: string): unknown {
  const code = machineCodes[primaryCode(error) ?? -1];
  return code === undefined ? error : new OperationalError(code, { operation, subject, cause: error });
}

const isMachine = (error: unknown): boolean => machineCodes[primaryCode(error) ?? -1] !== undefined;

function primaryCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code & 0xff : null;
}

function attempt<T>(operation: string, subject: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw sqliteProblem(error, operation, subject);
  }
}

/** Tries again while somebody else writes, with the event loop standing still. */
function again(work: () => void): void {
  const deadlineMs = performance.now() + standstillMs;
  for (;;) {
    try {
      work();
      return;
    } catch (error) {
      if (primaryCode(error) !== busyCode || performance.now() > deadlineMs) throw error;
      Atomics.wait(sleeper, 0, 0, 5 + Math.random() * 20);
    }
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));
