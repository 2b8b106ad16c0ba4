import { existsSync } from 'node:fs';
import type { ProcessId } from '../../core/entry.ts';
import { isOperational, OperationalError } from '../../core/errors.ts';
import { endOne } from '../../platform/end-processes.ts';
import { makeHome } from '../../platform/home.ts';
import { searchPath } from '../../platform/search-path.ts';
import type { Call } from '../command.ts';
import { installPackages, lookAtPackages } from './checkout.ts';
import { lookAtConfiguration } from './configured.ts';
import { lookAtFolders } from './folders.ts';
import { endLeftovers } from './leftovers.ts';
import { foreignHolder, numbersOf } from './ports.ts';
import { wantedPorts } from './preflight.ts';

/** What was tried to mend. */
export type Fixed = { readonly what: string; readonly done: boolean; readonly how: string };

type Wish = { readonly ports: readonly number[]; readonly kill: number | null; readonly step: (text: string) => void };

/** Only what is ours, and the one process that a person named. */
export async function fixWhatCanBe(call: Call, { ports, kill, step }: Wish): Promise<readonly Fixed[]> {
  const { config, home } = await lookAtConfiguration(call);
  const fixed: Fixed[] = [];
  // Before anything else: a wrong number changes nothing at all.
  const holder = kill === null ? null : namedHolder(kill, numbersOf(wantedPorts(config, ports)), home);
  if (existsSync(home.root) && lookAtFolders(home, call.env).some(({ mend }) => mend === 'todo doctor --fix')) {
    step('setting rights');
    fixed.push(tryTo('rights of our folders', 'private again', () => makeHome(home)));
  }
  if (config !== null) {
    await using opened = await call.open({ readOnly: true });
    if (lookAtPackages().some(({ severity }) => severity !== 'healthy')) {
      step('installing packages (npm ci)');
      const { done, said } = await installPackages(opened.world, searchPath(call.env));
      fixed.push({ what: 'packages', done, how: done ? 'npm ci brought them' : `npm ci failed: ${said}` });
    }
    step('ending what ended runs left');
    for (const { number, pids } of await endLeftovers(opened.world))
      fixed.push({ what: `leftover of todo ${number}`, done: true, how: `pid ${pids.join(', ')} ended` });
  }
  if (holder !== null) {
    step(`ending process ${holder.pid}`);
    const done = await endOne(holder, graceMs);
    fixed.push({ what: `port ${holder.port}`, done, how: done ? `process ${holder.pid} ended` : `process ${holder.pid} does not end` });
  }
  return fixed;
}

function tryTo(what: string, how: string, work: () => void): Fixed {
  try {
    work();
    return { what, done: true, how };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { what, done: false, how: error.message };
  }
}

function namedHolder(
  pid: number,
  ports: readonly number[],
  home: Parameters<typeof foreignHolder>[2],
): ProcessId & { readonly port: number } {
  const holder = foreignHolder(pid, ports, home);
  if (holder !== null) return holder;
  throw new OperationalError('REFUSED', {
    operation: 'ending',
    subject: `process ${pid}`,
    why: ports.length === 0 ? 'no port is wanted' : `it is no foreign holder of port ${ports.join(', ')}`,
    hint: 'Only who holds a wanted port is ended here. See: todo doctor --port PORT',
  });
}

const graceMs = 10_000;
