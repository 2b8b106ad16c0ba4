import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, normalize, sep } from 'node:path';

/**
 * Removes a folder and all in it, twice is once. Never follows a link, never leaves the file system it began on, and reaches every name through the
 * descriptor of its folder, so a folder that is swapped for a link meanwhile leads nowhere. Refuses what no run folder can be.
 */
export function removeTree(path: string): void {
  if (!isAbsolute(path) || normalize(path) !== path) throw new Error('not a plain absolute path');
  if (path.split(sep).filter(Boolean).length < 2) throw new Error('too near the root');
  if (`${homedir()}${sep}`.startsWith(`${path}${sep}`)) throw new Error("the user's home lies in it");

  const top = lstatSync(path, { throwIfNoEntry: false });
  if (top === undefined) return;
  if (!top.isDirectory()) {
    unlinkSync(path);
    return;
  }
  const fd = openFolder(path);
  try {
    empty({ fd, depth: 0, topFd: fd, dev: top.dev });
  } finally {
    closeSync(fd);
  }
  rmdirSync(path);
}

type Level = { readonly fd: number; readonly depth: number; readonly topFd: number; readonly dev: number };

/** Each level holds a descriptor and a frame. Deeper folders are moved to the top first and are met there again. */
const depthMax = 64;
/** Somebody may still be writing into it, and deep folders come back to the top one round each. */
const roundsMax = 1000;

function empty(level: Level): void {
  if (fstatSync(level.fd).dev !== level.dev) throw new Error('another file system is mounted in it');
  for (let round = 0; round < roundsMax; round++) {
    const names = readdirSync(at(level.fd));
    if (names.length === 0) return;
    for (const name of names) remove(name, level);
  }
}

function remove(name: string, { fd, depth, topFd, dev }: Level): void {
  const path = at(fd, name);
  const stat = lstatSync(path);
  if (!stat.isDirectory()) {
    unlinkSync(path);
  } else if (depth === depthMax) {
    renameSync(path, at(topFd, `.deep-${stat.ino}`));
  } else {
    const childFd = openFolder(path);
    try {
      empty({ fd: childFd, depth: depth + 1, topFd, dev });
    } finally {
      closeSync(childFd);
    }
    rmdirSync(path);
  }
}

const at = (fd: number, name = ''): string => `/proc/self/fd/${fd}/${name}`;

function openFolder(path: string): number {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  let fd: number;
  try {
    fd = openSync(path, flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    // A folder that its owner may not read, which agents' caches leave behind.
    chmodSync(path, 0o700);
    fd = openSync(path, flags);
  }
  if ((fstatSync(fd).mode & 0o700) !== 0o700) fchmodSync(fd, 0o700);
  return fd;
}
