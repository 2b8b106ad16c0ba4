import { closeSync, type FSWatcher, fstatSync, openSync, readSync, watch } from 'node:fs';

/**
 * Hands over what is appended to a file, from `fromByte` on, until `stop`. A change of its folder is a hint; the file is looked at anyway
 * twice a second. A file that was replaced (rotated) is read from its start.
 */
export async function followFile(
  path: string,
  fromByte: number,
  take: (bytes: Buffer) => void,
  over: () => boolean,
  stop?: AbortSignal,
): Promise<void> {
  let at = fromByte;
  let inode = inodeOf(path);
  for (;;) {
    // Asked before the look: what is written before the end is seen is still shown.
    const last = over() || (stop?.aborted ?? false);
    const now = inodeOf(path);
    if (now !== inode) {
      inode = now;
      at = 0;
    }
    at = readFrom(path, at, take);
    if (last) return;
    await changed(path, stop);
  }
}

const lookEveryMs = 500;
const chunkBytes = 64 * 1024;

export function readFrom(path: string, fromByte: number, take: (bytes: Buffer) => void): number {
  let at = fromByte;
  const descriptor = opened(path);
  if (descriptor === null) return at;
  try {
    if (fstatSync(descriptor).size < at) at = 0;
    for (;;) {
      const buffer = Buffer.allocUnsafe(chunkBytes);
      const count = readSync(descriptor, buffer, 0, chunkBytes, at);
      if (count === 0) return at;
      at += count;
      take(buffer.subarray(0, count));
    }
  } finally {
    closeSync(descriptor);
  }
}

function inodeOf(path: string): number | null {
  const descriptor = opened(path);
  if (descriptor === null) return null;
  try {
    return fstatSync(descriptor).ino;
  } finally {
    closeSync(descriptor);
  }
}

function opened(path: string): number | null {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
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
