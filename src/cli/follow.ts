import { closeSync, type FSWatcher, fstatSync, openSync, readSync, statSync, watch } from 'node:fs';

const lookEveryMs = 500;
const chunkBytes = 64 * 1024;

/**
 * Hands over what is appended to a file, from `fromByte` on, until it is over or `stop`. The file is kept open: what was written before it was moved
 * away or put aside is still read, then the new one of its name from the start. A change is a hint; it is looked at anyway twice a second.
 */
export async function followFile(
  path: string,
  fromByte: number,
  take: (bytes: Buffer) => void,
  over: () => boolean,
  stop?: AbortSignal,
): Promise<void> {
  let file = openedAt(path, fromByte);
  try {
    for (;;) {
      // Asked before the look: what is written before the end is seen is still shown.
      const last = over() || (stop?.aborted ?? false);
      if (file !== null) readOn(file, take);
      const next = file === null || isReplaced(path, file) ? openedAt(path, 0) : null;
      if (next !== null) {
        if (file !== null) closeSync(file.descriptor);
        file = next;
        readOn(file, take);
      }
      if (last) return;
      await changed(path, stop);
    }
  } finally {
    if (file !== null) closeSync(file.descriptor);
  }
}

/** All that stands in a file from there on; answers with where it ends. An absent one has nothing. */
export function readFrom(path: string, fromByte: number, take: (bytes: Buffer) => void): number {
  const file = openedAt(path, fromByte);
  if (file === null) return fromByte;
  try {
    readOn(file, take);
    return file.at;
  } finally {
    closeSync(file.descriptor);
  }
}

type Opened = { readonly descriptor: number; readonly inode: number; at: number };

function openedAt(path: string, fromByte: number): Opened | null {
  try {
    const descriptor = openSync(path, 'r');
    return { descriptor, inode: fstatSync(descriptor).ino, at: fromByte };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function readOn(file: Opened, take: (bytes: Buffer) => void): void {
  // Cut short by somebody: its content begins anew.
  if (fstatSync(file.descriptor).size < file.at) file.at = 0;
  for (;;) {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    const count = readSync(file.descriptor, buffer, 0, chunkBytes, file.at);
    if (count === 0) return;
    file.at += count;
    take(buffer.subarray(0, count));
  }
}

function isReplaced(path: string, { inode }: Opened): boolean {
  const now = statSync(path, { throwIfNoEntry: false });
  return now !== undefined && now.ino !== inode;
}

function changed(path: string, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let watcher: FSWatcher | null = null;
    const done = () => {
      clearTimeout(timer);
      watcher?.close();
      stop?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, lookEveryMs);
    stop?.addEventListener('abort', done);
    try {
      watcher = watch(path, done);
      watcher.on('error', done);
    } catch {
      // Not there yet: the next look finds it.
    }
  });
}
