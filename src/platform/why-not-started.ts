import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

export function findProgram(name: string, path: string): string | null {
  const places = name.includes('/') ? [name] : path.split(':').map((folder) => join(folder || '.', name));
  return places.find(mayBeExecuted) ?? null;
}

function mayBeExecuted(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The kernel says ENOENT for a missing program and for a missing folder alike. */
export const whyNotStarted = (program: string, cwd: string): string =>
  existsSync(cwd) ? `${program} was not found or may not be executed` : `the folder ${cwd} does not exist`;
