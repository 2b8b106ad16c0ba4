import type { ProcessId } from '../../core/entry.ts';
import { readHolder } from '../../platform/lock.ts';
import { holdersOf, type PortHolder } from '../../platform/port-holder.ts';
import type { Home } from '../../world.ts';
import { type Finding, fine } from './finding.ts';

/** Those that somebody asked for, and the one of the configuration. */
export type WantedPorts = { readonly asked: readonly number[]; readonly ofServer: number | null };

/** Each port that is wanted, and by whom. A foreign holder is named with pid and command line, and never ended from here. */
export function lookAtPorts(ports: WantedPorts, home: Home): readonly Finding[] {
  return numbersOf(ports).flatMap((port) => {
    const holders = holdersOf(port);
    return holders.length === 0 ? [fine(`port ${port}`, 'free')] : holders.map((holder) => heldBy(holder, ports, home));
  });
}

export const numbersOf = ({ asked, ofServer }: WantedPorts): readonly number[] => [
  ...new Set([...(ofServer === null ? [] : [ofServer]), ...asked]),
];

function heldBy({ port, uid, process }: PortHolder, { asked, ofServer }: WantedPorts, home: Home): Finding {
  const what = `port ${port}`;
  if (process !== null && isOurs(process, home)) return fine(what, `held by the daemon of this home (pid ${process.pid})`);
  const holder = process === null ? `a process of user ${uid}` : `pid ${process.pid} of user ${uid}: ${process.commandLine}`;
  const end = process === null ? `as root: todo doctor --port ${port}` : `todo doctor --port ${port} --fix --kill ${process.pid}`;
  if (port !== ofServer || asked.includes(port)) return { what, severity: 'unhealthy', evidence: `held by ${holder}`, mend: end };
  // As `todo health` judges it: the daemon works without, and takes it when it comes free.
  const evidence = `server.port is held by ${holder}; a daemon works all the same, and serves nothing there until it is free`;
  return { what, severity: 'degraded', evidence, mend: `todo config set server.port 0 (any free one), or: ${end}` };
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
