import { isOperational } from '../../core/errors.ts';
import { readHolder, strangerAt } from '../../platform/lock.ts';
import type { Home } from '../../world.ts';
import type { Opened } from '../command.ts';
import { version } from '../configured-home.ts';
import { type Finding, fine } from './finding.ts';

const answersWithinMs = 2000;

/** Whether the one that lives is of this very build. */
export async function lookAtDaemon({ world, ask }: Opened): Promise<readonly Finding[]> {
  const what = 'daemon';
  try {
    const reply = await ask({ op: 'hello' }, answersWithinMs);
    if (reply?.ok === true && reply.kind === 'hello') {
      const said = `pid ${reply.pid}, version ${reply.version}`;
      if (reply.version === version) return [fine(what, `${said}, as this program`)];
      return [{ what, severity: 'degraded', evidence: `${said}; this program is ${version}`, mend: 'todo daemon restart' }];
    }
  } catch (error) {
    if (!isOperational(error)) throw error;
    return [{ what, severity: 'unhealthy', evidence: error.message, mend: 'todo daemon restart --force' }];
  }
  const holder = readHolder(world.home.lock);
  if (holder !== null && world.processes.alive(holder) === 'yes')
    return [
      { what, severity: 'unhealthy', evidence: `pid ${holder.pid} has this home and does not answer`, mend: 'todo daemon restart --force' },
    ];
  const locked = lookAtLock(world.home);
  return locked.length > 0 ? locked : [fine(what, `none runs; this program is ${version}`)];
}

/** Who keeps a daemon from starting without being one; a daemon that lives is found by asking it. */
export function lookAtLock({ lock }: Pick<Home, 'lock'>): readonly Finding[] {
  const stranger = strangerAt(lock);
  if (stranger === null) return [];
  const evidence = `none runs, and none can start: pid ${stranger.pid} has locked ${lock}: ${stranger.commandLine}`;
  return [{ what: 'daemon', severity: 'unhealthy', evidence, mend: `kill ${stranger.pid} (where you know what it is)` }];
}
