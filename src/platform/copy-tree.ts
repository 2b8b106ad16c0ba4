import { createHash } from 'node:crypto';
import { closeSync, constants, fchmodSync, lstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeFolder } from './make-folder.ts';

/** A file that was copied, or is to be: its name below the top, with slashes. */
export type CopiedFile = { readonly path: string; readonly sizeBytes: number; readonly sha256: string; readonly mode: number };

const chunkBytes = 1024 * 1024;

/** Copies one regular file and says what it was, from one reading of it; null where it is no regular file, or has gone. Links are not followed. */
export function copyFile(from: string, to: string): Omit<CopiedFile, 'path'> | null {
  const source = openRegular(from);
  if (source === null) return null;
  makeFolder(dirname(to));
  const target = openSync(to, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600);
  try {
    const seen = readThrough(source.fd, (chunk) => {
      for (let at = 0; at < chunk.length; ) at += writeSync(target, chunk, at);
    });
    fchmodSync(target, source.mode & 0o700);
    return { ...seen, mode: source.mode & 0o700 };
  } finally {
    closeSync(source.fd);
    closeSync(target);
  }
}

/** What a file is now; null where there is no regular file of that name. */
export function digestOf(path: string): Pick<CopiedFile, 'sizeBytes' | 'sha256'> | null {
  const source = openRegular(path);
  if (source === null) return null;
  try {
    return readThrough(source.fd, () => {});
  } finally {
    closeSync(source.fd);
  }
}

/** Names of all files below a folder, with slashes, sorted; what is neither file nor folder is in `others`. */
export function filesBelow(top: string, folder = ''): { readonly files: readonly string[]; readonly others: readonly string[] } {
  const files: string[] = [];
  const others: string[] = [];
  for (const entry of listed(join(top, folder))) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      const below = filesBelow(top, name);
      files.push(...below.files);
      others.push(...below.others);
    } else (entry.isFile() ? files : others).push(name);
  }
  return { files: files.sort(), others };
}

function listed(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function openRegular(path: string): { readonly fd: number; readonly mode: number } | null {
  try {
    const { mode } = lstatSync(path);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) return null;
    return { fd: openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK), mode };
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

function readThrough(fd: number, each: (chunk: Buffer) => void): Pick<CopiedFile, 'sizeBytes' | 'sha256'> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(chunkBytes);
  let sizeBytes = 0;
  for (;;) {
    const got = readSync(fd, buffer);
    if (got === 0) return { sizeBytes, sha256: hash.digest('hex') };
    const chunk = buffer.subarray(0, got);
    hash.update(chunk);
    each(chunk);
    sizeBytes += got;
  }
}

/** Moved or removed by a daemon meanwhile; ENOTDIR where a folder above it went. */
const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
