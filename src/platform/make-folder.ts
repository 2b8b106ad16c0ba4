import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * With parents, 0700; gives the uppermost that was made, null when all were there. By hand, because Node's own tries for ever where a
 * folder takes no folders and the kernel calls that ENOENT (/proc).
 */
export function makeFolder(path: string): string | null {
  // Mostly it is there, and an error with its stack is dear.
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return null;
  let made: string | null = null;
  try {
    mkdirSync(path, { mode: 0o700 });
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return null;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    made = makeFolder(dirname(path));
  }
  mkdirSync(path, { mode: 0o700 });
  return made ?? path;
}
