import { fstatSync, ftruncateSync } from 'node:fs';
import { write } from './out.ts';

/** How much is printed between two looks at what it has come to. */
const lookEveryBytes = 64 * 1024;

/**
 * Log lines for a person, on stderr. In the background that is a file which nobody else bounds (`logs/daemon.out`): all of it stands in the logs
 * too, so it is emptied when it has grown past `bytesMax`. It is open for appending, so the next line is its first.
 */
export function mirrorOnStderr(bytesMax: number): (line: string) => void {
  let unseenBytes = lookEveryBytes;
  return (line) => {
    write(2, line);
    unseenBytes += line.length;
    if (unseenBytes < lookEveryBytes) return;
    unseenBytes = 0;
    const output = fstatSync(2);
    if (output.isFile() && output.size > bytesMax) ftruncateSync(2, 0);
  };
}
