import { readFileSync, statSync } from 'node:fs';

/** The byte of the -shm file whose lock is the right to write (https://sqlite.org/walformat.html). */
const writeLockByte = 120;

/** Other processes that have the write lock of this database now, with their names. Linux tells it in /proc/locks; elsewhere nothing is known. */
export function writersOf(path: string): readonly { readonly pid: number; readonly name: string }[] {
  try {
    const { ino } = statSync(`${path}-shm`);
    return readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .flatMap((line) => {
        // 1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 120 120
        const found = /POSIX\s+ADVISORY\s+WRITE\s+(\d+)\s+\S+:(\d+)\s+(\d+)\s+(\d+|EOF)/.exec(line);
        if (found === null || Number(found[2]) !== ino) return [];
        const [pid, from, to] = [Number(found[1]), Number(found[3]), Number(found[4])];
        const isWriter = from <= writeLockByte && (Number.isNaN(to) || to >= writeLockByte);
        return isWriter && pid !== process.pid ? [{ pid, name: nameOf(pid) }] : [];
      });
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
