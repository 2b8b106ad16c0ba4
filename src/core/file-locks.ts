/** Who has a right to write, and to which bytes of the file. */
export type WriteLock = { readonly pid: number; readonly from: number; readonly to: number };

/** Of a file, by its inode, in the text of Linux' /proc/locks. A holder in another PID namespace has no number here and is left out. */
export function writeLocksOf(inode: number, procLocks: string): readonly WriteLock[] {
  return procLocks.split('\n').flatMap((line) => {
    // 1: POSIX  ADVISORY  WRITE 1234 fd:01:5678 120 120
    const found = /POSIX\s+ADVISORY\s+WRITE\s+(\d+)\s+\S+:(\d+)\s+(\d+)\s+(\d+|EOF)/.exec(line);
    if (found === null || Number(found[2]) !== inode || found[1] === '0') return [];
    return [{ pid: Number(found[1]), from: Number(found[3]), to: found[4] === 'EOF' ? Number.POSITIVE_INFINITY : Number(found[4]) }];
  });
}
