import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { ProcessId } from '../core/entry.ts';
import { type ProcessStat, processStat } from './proc.ts';

/** Who listens on a TCP port. `process` is null where that may not be seen: it is another user's. */
export type PortHolder = { readonly port: number; readonly uid: number; readonly process: HeldBy | null };
export type HeldBy = ProcessId & { readonly commandLine: string };

/** All that listen on that port, on any address; empty: it is free. */
export function holdersOf(port: number): readonly PortHolder[] {
  const sockets = listening(port);
  if (sockets.length === 0) return [];
  const owners = ownersOf(new Set(sockets.map(({ inode }) => inode)));
  const holders = sockets.flatMap(({ inode, uid }): PortHolder[] => {
    const found = owners.filter((it) => it.inode === inode);
    return found.length === 0 ? [{ port, uid, process: null }] : found.map(({ stat }) => ({ port, uid, process: heldBy(stat) }));
  });
  // A server that listens on IPv4 and IPv6 is one.
  return holders.filter((it, at) => holders.findIndex((other) => other.process?.pid === it.process?.pid) === at);
}

const stateListen = '0A';

/** /proc/net/tcp and tcp6 (man 5 proc): local address, state, uid and inode of each socket. */
function listening(port: number): { inode: string; uid: number }[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    linesOf(path).flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      return fields[1]?.endsWith(wanted) && fields[3] === stateListen ? [{ uid: Number(fields[7]), inode: fields[9] ?? '' }] : [];
    }),
  );
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1);
  } catch (error) {
    // A kernel without IPv6 has no tcp6.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function ownersOf(inodes: ReadonlySet<string>): { inode: string; stat: ProcessStat }[] {
  const links = new Map([...inodes].map((inode) => [`socket:[${inode}]`, inode]));
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) =>
      [...new Set(linksOf(`/proc/${pid}/fd`))].flatMap((link) => {
        const inode = links.get(link);
        const stat = inode === undefined ? null : processStat(Number(pid));
        return inode === undefined || stat === null ? [] : [{ inode, stat }];
      }),
    );
}

/** What may not be read is another user's, or has just ended. */
function linksOf(folder: string): string[] {
  try {
    return readdirSync(folder).flatMap((name) => {
      try {
        return [readlinkSync(`${folder}/${name}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

const commandCharsMax = 200;

function heldBy({ pid, startTicks, bootId, command }: ProcessStat): HeldBy {
  let words = '';
  try {
    words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
  } catch {
    // It has ended since, or is another user's: its name is what is left.
  }
  return { pid, startTicks, bootId, commandLine: (words || command).slice(0, commandCharsMax) };
}
