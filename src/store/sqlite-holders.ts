import { readFileSync, statSync } from 'node:fs';
import { writeLocksOf } from '../core/file-locks.ts';

/** The byte of the -shm file whose lock is the right to write (https://sqlite.org/walformat.html). */
const writeLockByte = 120;

/** Other processes that have the write lock of this database now, with their names. Linux tells it in /proc/locks; elsewhere nothing is known. */
export function writersOf(path: string): readonly { readonly pid: number; readonly name: string }[] {
  try {
    const { ino } = statSync(`${path}-shm`);
    return writeLocksOf(ino, readFileSync('/proc/locks', 'utf8'))
      .filter(({ pid, from, to }) => from <= writeLockByte && to >= writeLockByte && pid !== process.pid)
      .map(({ pid }) => ({ pid, name: nameOf(pid) }));
  } catch {
    return [];
  }
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return 'gone';
  }
}
