import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  type Stats,
  statfsSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { type ErrorCode, OperationalError } from '../core/errors.ts';
import type { FileStat, Files } from '../world.ts';
import { makeFolder } from './make-folder.ts';
import { removeTree } from './remove-tree.ts';

/**
 * The file system, by synchronous calls on the main thread: the crash sweep counts them one by one.
 * Nothing is written through a link or into a pipe that somebody laid under the last name of a path.
 */
export const files: Files = {
  read: (path) => reading(path, () => readFileSync(path)),
  readText: (path) => reading(path, () => readFileSync(path, 'utf8')),
  readRange: (path, fromByte, lengthBytes) =>
    reading(path, () => opened(path, constants.O_RDONLY, (fd) => readFrom(fd, fromByte, lengthBytes))),
  readGuarded,
  stat: (path) => reading(path, () => statIfThere(path)),
  list: (folder) => failing('FILE_UNREADABLE', 'listing', folder, () => (absent(() => readdirSync(folder), ['ENOENT']) ?? []).sort()),

  write: (path, content, mode) => writing('writing', path, () => put(path, constants.O_CREAT | constants.O_TRUNC, content, mode)),
  create: (path, content, mode) => writing('creating', path, () => create(path, content, mode)),
  append: (path, content) => writing('appending to', path, () => put(path, constants.O_CREAT | constants.O_APPEND, content, undefined)),
  sync: (path) => writing('syncing', path, () => opened(path, constants.O_RDONLY, fsyncSync)),
  syncFolder: (path) => writing('syncing', path, () => opened(path, constants.O_RDONLY | constants.O_DIRECTORY, fsyncSync)),

  rename: (from, to) => writing('renaming', `${from} to ${to}`, () => rename(from, to)),
  link: (from, to) => writing('linking', `${from} to ${to}`, () => takenAs(() => done(linkSync, from, to)) ?? false),
  unlink: (path) => writing('removing', path, () => absent(() => done(unlinkSync, path)) ?? false),
  makeFolder: (path) => writing('making folder', path, () => void makeFolder(path)),
  claimFolder: (path) => writing('making folder', path, () => takenAs(() => done(mkdirSync, path, { mode: 0o700 })) ?? false),
  copy: (from, to) => writing('copying', `${from} to ${to}`, () => copy(from, to)),
  removeTree: (path) => writing('removing', path, () => removeTree(path)),
  freeBytes: (path) => failing('FILE_UNREADABLE', 'looking at the disk of', path, () => freeBytes(path)),
};

/** A name in a folder where others may write: looked at by its descriptor only, so it cannot change between look and read. */
function readGuarded(path: string, maxBytes: number): { readonly stat: FileStat; readonly bytes: Uint8Array | null } | null {
  return reading(path, () => {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      const stat = absent(() => statOf(lstatSync(path)));
      const code = codeOf(error);
      // A link, a socket, or another user's file: an answer, and its stat says why there are no bytes.
      if (stat !== null && (code === 'ELOOP' || code === 'ENXIO' || stat.uid !== process.getuid?.())) return { stat, bytes: null };
      throw error;
    }
    try {
      const stat = statOf(fstatSync(fd));
      if (stat.kind !== 'file' || stat.sizeBytes > maxBytes) return { stat, bytes: null };
      const bytes = readFrom(fd, 0, maxBytes + 1);
      return { stat, bytes: bytes.length > maxBytes ? null : bytes };
    } finally {
      closeSync(fd);
    }
  });
}

function readFrom(fd: number, fromByte: number, lengthBytes: number): Uint8Array {
  const room = Math.max(0, Math.min(lengthBytes, fstatSync(fd).size - fromByte + 1));
  const bytes = new Uint8Array(room);
  let filled = 0;
  while (filled < room) {
    const got = readSync(fd, bytes, filled, room - filled, fromByte + filled);
    if (got === 0) break;
    filled += got;
  }
  return bytes.subarray(0, filled);
}

function put(path: string, flags: number, content: string | Uint8Array, mode: number | undefined): void {
  // O_NONBLOCK so that a pipe under that name is an error and not a wait for its reader.
  opened(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | flags, (fd) => {
    if (mode !== undefined) fchmodSync(fd, mode);
    writeFileSync(fd, content);
  });
}

function create(path: string, content: string | Uint8Array, mode: number | undefined): boolean {
  const fd = takenAs(() => openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600));
  if (fd === null) return false;
  try {
    if (mode !== undefined) fchmodSync(fd, mode);
    writeFileSync(fd, content);
    return true;
  } catch (error) {
    // A name with half a content would say "taken" for ever.
    absent(() => unlinkSync(path));
    throw error;
  } finally {
    closeSync(fd);
  }
}

function rename(from: string, to: string): boolean {
  if (lstatSync(to, { throwIfNoEntry: false })?.isDirectory()) throw new Error('a folder is there already');
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && lstatSync(from, { throwIfNoEntry: false }) === undefined) return false;
    throw error;
  }
}

/** The copy is ours (0600), whatever the rights of the original, so that it can be made twice. */
function copy(from: string, to: string): void {
  if (!statSync(from).isFile()) throw new Error('not a regular file');
  absent(() => unlinkSync(to));
  copyFileSync(from, to, constants.COPYFILE_EXCL);
  opened(to, constants.O_RDONLY | constants.O_NOFOLLOW, (fd) => fchmodSync(fd, 0o600));
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function opened<T>(path: string, flags: number, use: (fd: number) => T): T {
  const fd = openSync(path, flags, 0o600);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Mostly nothing is there, and an error with its stack is dear. */
function statIfThere(path: string): FileStat | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats === undefined ? null : statOf(stats);
}

function statOf(stats: Stats): FileStat {
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'symlink' : stats.isFIFO() ? 'fifo' : 'other',
    sizeBytes: stats.size,
    mtimeMs: stats.mtimeMs,
    dev: stats.dev,
    ino: stats.ino,
    uid: stats.uid,
    mode: stats.mode & 0o7777,
    nlink: stats.nlink,
  };
}

const reading = <T>(path: string, work: () => T): T | null => failing('FILE_UNREADABLE', 'reading', path, () => absent(work));

const writing = <T>(operation: string, path: string, work: () => T): T => failing('FILE_UNWRITABLE', operation, path, work);

function failing<T>(code: ErrorCode, operation: string, subject: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const full = codeOf(cause) === 'ENOSPC' || codeOf(cause) === 'EDQUOT';
    throw new OperationalError(full ? 'DISK_FULL' : code, { operation, subject, cause });
  }
}

function absent<T>(work: () => T, codes: readonly string[] = ['ENOENT', 'ENOTDIR']): T | null {
  try {
    return work();
  } catch (error) {
    if (codes.includes(codeOf(error) ?? '')) return null;
    throw error;
  }
}

function takenAs<T>(work: () => T): T | null {
  return absent(work, ['EEXIST']);
}

function done<A extends unknown[]>(work: (...args: A) => unknown, ...args: A): true {
  work(...args);
  return true;
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;
