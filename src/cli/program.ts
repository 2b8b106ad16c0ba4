import { basename, dirname, join } from 'node:path';

const here = import.meta.dirname;
const built = basename(here) === 'dist';

/** The folder that holds `bin/`, `hooks/` and `package.json` of this very program. */
export const programFolder = built ? dirname(here) : join(here, '..', '..');

/** Argv prefix that calls this very program again, past the launcher: agents' hooks wait for it. */
export const todoCommand: readonly string[] = [process.execPath, built ? join(here, 'todo.cjs') : join(here, 'main.ts')];

/** mark-done and progress. */
export const hooksFolder = join(programFolder, 'hooks');
