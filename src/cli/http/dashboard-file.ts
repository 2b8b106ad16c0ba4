import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Shown } from '../../observe/shown.ts';
import { programFolder } from '../program.ts';

/** Files that the build made for browsers (bin/build.ts); null: there is none of that name. */
export const dashboardFile: Shown['dashboardFile'] = (name) =>
  readFile(join(programFolder, 'dist', 'dashboard', basename(name))).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
