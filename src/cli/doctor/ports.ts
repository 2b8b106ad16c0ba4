import type { ProcessId } from '../../core/entry.ts';
import { readHolder } from '../../platform/lock.ts';
import { holdersOf, type PortHolder } from '../../platform/port-holder.ts';
import type { Home } from '../../world.ts';
import { type Finding, fine } from './finding.ts';

/** Each port that is wanted, and by whom. A foreign holder is named with pid and command line, and never ended from here. */
export function lookAtPorts(ports: readonly number[], home: Home): readonly Finding[] {
  return ports.flatMap((port) => {
    const holders = holdersOf(port);
    return holders.length === 0 ? [fine(`port ${port}`, 'free')] : holders.map((holder) => heldBy(holder, home));
  });
}

function heldBy({ port, uid, process }: PortHolder, home: Home): Finding {
  const what = `port ${port}`;
  if (process === null)
    return { what, severity: 'unhealthy', evidence: `held by a process of user ${uid}`, mend: `as root: todo doctor --port ${port}` };
  if (isOurs(process, home)) return fine(what, `held by the daemon of this home (pid ${process.pid})`);
  const evidence = `held by pid ${process.pid} of user ${uid}: ${process.commandLine}`;
  return { what, severity: 'unhealthy', evidence, mend: `todo doctor --port ${port} --fix --kill ${process.pid}` };
}

const isOurs = ({ pid, startTicks, bootId }: ProcessId, home: Home): boolean => {
  const holder = readHolder(home.lock);
  return holder !== null && holder.pid === pid && holder.startTicks === startTicks && holder.bootId === bootId;
};

/** A process that holds one of these ports and is not ours; null where that pid is none. */
export const foreignHolder = (pid: number, ports: readonly number[], home: Home): (ProcessId & { readonly port: number }) | null => {
  const found = ports.flatMap((port) => holdersOf(port)).find(({ process }) => process?.pid === pid);
  return found?.process == null || isOurs(found.process, home) ? null : { ...found.process, port: found.port };
};
