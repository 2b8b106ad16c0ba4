import { isOperational } from '../core/errors.ts';
import type { Needs } from './context.ts';

/** Ten files of ten megabytes, the one that is written included. */
const sizeMax = 10 * 1024 * 1024;
const filesMax = 10;

/**
 * What a command prints goes to a file that it holds open for appending, so a rotation copies it and empties it in place: the command lives on when its
 * watchdog dies, which a pipe would not let it. What it prints between the two calls is lost; it is the price.
 */
export function rotateOutput(path: string, { files, log }: Pick<Needs, 'files' | 'log'>): void {
  try {
    if ((files.stat(path)?.sizeBytes ?? 0) < sizeMax) return;
    for (let number = filesMax - 2; number > 0; number--) files.rename(`${path}.${number}`, `${path}.${number + 1}`);
    files.copy(path, `${path}.1`);
    files.write(path, '');
  } catch (error) {
    if (!isOperational(error)) throw error;
    log.warn('monitor', 'watchdog: output not rotated', { path, reason: error.message });
  }
}
