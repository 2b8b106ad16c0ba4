import { OperationalError } from '../../core/errors.ts';
import type { World } from '../../world.ts';

type Processes = Pick<World, 'processes'>;

export const isTarball = (path: string): boolean => /\.(tar|tar\.gz|tgz)$/.test(path);

const withinMs = 6 * 3_600_000;

export async function pack(folder: string, file: string, name: string, needs: Processes): Promise<void> {
  await tar(['--create', ...compression(name), '--file', file, '--directory', folder, '.'], file, needs);
}

/** Every byte of it with what went into it. */
export async function compare(folder: string, file: string, needs: Processes): Promise<void> {
  await tar(['--compare', '--file', file, '--directory', folder], file, needs);
}

/** Into a folder of its own. Only files and folders below it: a link, a device or a way out of it refuses all. */
export async function unpack(file: string, folder: string, needs: Processes): Promise<void> {
  const listed = await tar(['--list', '--verbose', '--quoting-style=escape', '--file', file], file, needs);
  const strange = listed
    .split('\n')
    .find((line) => line !== '' && !/^[-d]\S+ +\S+ +\d+ +\S+ +\S+ \.\/(?!.*(^|\/)\.\.(\/|$)).*$/.test(line));
  if (strange !== undefined)
    throw new OperationalError('BAD_DATA', {
      operation: 'unpacking',
      subject: file,
      why: `it holds something that no backup has: ${strange}`,
    });
  await tar(['--extract', '--no-same-owner', '--no-same-permissions', '--file', file, '--directory', folder], file, needs);
}

const compression = (name: string): string[] => (/gz$/.test(name) ? ['--gzip'] : []);

/** A list of a hundred thousand archived files. */
const tailBytes = 64 * 1024 * 1024;

async function tar(args: readonly string[], subject: string, { processes }: Processes): Promise<string> {
  const { exitCode, tail, startError } = await processes.run({ argv: ['tar', ...args], cwd: '/', env: {}, timeoutMs: withinMs, tailBytes });
  if (exitCode === 0) return tail;
  const why = startError ?? tail.trim().split('\n').slice(-2).join('; ');
  throw new OperationalError(/no space left/i.test(why) ? 'DISK_FULL' : 'BAD_DATA', { operation: 'running tar on', subject, why });
}
