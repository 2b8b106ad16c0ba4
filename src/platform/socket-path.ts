import { hash } from 'node:crypto';
import { join } from 'node:path';

/** What `sockaddr_un` holds, without its final zero. */
const pathBytesMax = 107;

/** `control.sock` in the state folder; where that is too long for a socket, a private folder in /tmp of a name that everybody who knows the home can tell. */
export function socketPath(stateFolder: string): string {
  const path = join(stateFolder, 'control.sock');
  if (Buffer.byteLength(path) <= pathBytesMax) return path;
  return `/tmp/todo-${process.getuid?.() ?? 0}-${hash('sha256', stateFolder, 'hex').slice(0, 12)}/control.sock`;
}
