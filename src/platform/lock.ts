import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Owner } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { writeLocksOf } from '../core/file-locks.ts';
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

/** A process that has the lock and did not take it as a daemon does: somebody looks into `lock.db` by hand, or copies it with locks. Null where there is none. */
export function strangerAt(path: string): { readonly pid: number; readonly commandLine: string } | null {
  const pids = lockersOf(path);
  const pid = pids.find((it) => it !== process.pid);
  return pid === undefined || pids.includes(readHolder(path)?.pid ?? 0) ? null : { pid, commandLine: commandLineOf(pid) };
}

function lockersOf(path: string): readonly number[] {
  try {
    return writeLocksOf(statSync(path).ino, readFileSync('/proc/locks', 'utf8')).map(({ pid }) => pid);
  } catch {
    // It is not made yet, or this kernel tells nobody.
    return [];
  }
}

function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim().slice(0, commandCharsMax);
  } catch {
    return '';
  }
}
const commandCharsMax = 200;

function lockedBy(holder: Holder | null, path: string): OperationalError {
  const about = { operation: 'taking', subject: path };
  const stranger = strangerAt(path);
  if (stranger !== null)
    return new OperationalError('LOCKED', {
      ...about,
      why: `it is held by process ${stranger.pid}, which is no daemon: ${stranger.commandLine}`,
      hint: `Let it go on to its end, or: kill ${stranger.pid}`,
    });
  const who =
    holder === null
      ? 'a process that has not said who it is'
      : `process ${holder.pid}, running since ${new Date(holder.startedAtMs).toISOString()}`;
  return new OperationalError('LOCKED', { ...about, why: `it is held by ${who}` });
}
