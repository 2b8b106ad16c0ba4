import { OperationalError } from '../../core/errors.ts';
import type { World } from '../../world.ts';

const withinMs = 10 * 60_000;

/** All of the disk that a path lies on, in one call for thousands of files. */
export async function flush(path: string, { processes }: Pick<World, 'processes'>): Promise<void> {
  const plan = { argv: ['sync', '--file-system', path], cwd: '/', env: {}, timeoutMs: withinMs, tailBytes: 1000 };
  const { exitCode, tail, startError } = await processes.run(plan);
  if (exitCode !== 0)
    throw new OperationalError('FILE_UNWRITABLE', { operation: 'flushing', subject: path, why: startError ?? tail.trim() });
}
