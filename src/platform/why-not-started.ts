import { existsSync } from 'node:fs';

/** The kernel says ENOENT for a missing program and for a missing folder alike. */
export const whyNotStarted = (program: string, cwd: string): string =>
  existsSync(cwd) ? `${program} was not found or may not be executed` : `the folder ${cwd} does not exist`;
