import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Owner } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { createPrivate } from './create-private.ts';
import { sqliteProblem } from './sqlite.ts';

export type Lock = { release(): void };

/** Who took the lock last. It holds it still where the lock is taken. */
export type Holder = Owner & { readonly startedAtMs: number };

/**
 * One daemon a home: an exclusive SQLite lock on `lock.db`, which the kernel releases when its holder dies, however it dies.
 * What the holder says about itself stands in a file beside it, for people. LOCKED names pid and start time.
 *
 * `lock.db` itself is never opened with `fs` by a process that may hold the lock: closing any descriptor of it would drop the lock.
 */
export function takeLock(path: string, me: Holder): Lock {
  createPrivate(path);
  let connection: DatabaseSync | null = null;
  try {
    connection = new DatabaseSync(path, { timeout: 0 });
    connection.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
    noteHolder(path, me);
  } catch (error) {
    connection?.close();
    const problem = sqliteProblem(error, 'locking', path);
    throw problem instanceof OperationalError && problem.code === 'STORE_CONFLICT' ? lockedBy(readHolder(path), path) : problem;
  }
  const held = connection;
  return { release: () => held.isOpen && held.close() };
}

/** Informative only; null where nobody has ever taken it. */
export function readHolder(path: string): Holder | null {
  try {
    return JSON.parse(readFileSync(holderOf(path), 'utf8')) as Holder;
  } catch {
    return null;
  }
}

const holderOf = (path: string): string => `${path}.holder`;

function noteHolder(path: string, me: Holder): void {
  const draft = `${holderOf(path)}.${me.pid}`;
  try {
    writeFileSync(draft, `${JSON.stringify(me)}\n`, { mode: 0o600 });
    renameSync(draft, holderOf(path));
  } catch (cause) {
    throw new OperationalError('FILE_UNWRITABLE', { operation: 'locking', subject: path, cause });
  }
}

function lockedBy(holder: Holder | null, path: string): OperationalError {
  const who =
    holder === null
      ? 'a process that has not said who it is'
      : `process ${holder.pid}, running since ${new Date(holder.startedAtMs).toISOString()}`;
  return new OperationalError('LOCKED', { operation: 'taking', subject: path, why: `it is held by ${who}` });
}
