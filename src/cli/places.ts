import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Config } from '../core/config.ts';
import { OperationalError } from '../core/errors.ts';
import { autoAgent } from '../core/runners.ts';

/** Absolute, there, and by its real name: an agent that resolves links names it so, too. */
export function existingFolder(path: string, from: string): string {
  const folder = resolve(from, path);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return realpathSync(folder);
  throw new OperationalError('BAD_DATA', {
    operation: 'looking for the working directory',
    subject: folder,
    why: existsSync(folder) ? 'it is not a folder' : 'it does not exist',
    hint: 'Make it first, or give another: --cwd FOLDER',
  });
}

/** Git top level of a folder, else the folder itself: what project slots count by. */
export function projectOf(folder: string): string {
  const real = realpathSync(folder);
  for (let at = real; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at;
    if (at === dirname(at)) return real;
  }
}

export async function agentNamed(name: string, config: Config): Promise<void> {
  const { agentNames } = await import('./agents.ts');
  const known = agentNames(config);
  if (known.includes(name)) return;
  throw new OperationalError('AGENT_UNKNOWN', {
    operation: 'looking for',
    subject: `agent ${name}`,
    why: `known are ${known.join(', ')}`,
    hint:
      name === autoAgent
        ? `Name who may be chosen first: todo config set runners '[{"agent": "claude"}]'`
        : `Use one of: ${known.join(', ')}`,
  });
}
