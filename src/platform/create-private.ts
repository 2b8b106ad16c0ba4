import { closeSync, constants, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { OperationalError } from '../core/errors.ts';
import { syncFolder } from './sync-folder.ts';

/**
 * SQLite would create it by umask. Never opened here when it exists: closing any descriptor of a file
 * drops the locks that this process holds on it through another one.
 */
export function createPrivate(path: string): void {
  try {
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600));
  } catch {
    // It is there, or SQLite will say what is wrong.
    return;
  }
  const folder = dirname(path);
  try {
    syncFolder(folder);
  } catch (cause) {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new OperationalError(full ? 'DISK_FULL' : 'FILE_UNWRITABLE', { operation: 'syncing', subject: folder, cause });
  }
}
