import { closeSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import type { ProcessId } from '../core/entry.ts';

/** What /proc/<pid>/stat says. Ticks are hundredths of a second: that is fixed for user space. */
export type ProcessStat = ProcessId & {
  readonly command: string;
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** Its own and that of children it has waited for. */
  readonly cpuMs: number;
  readonly rssBytes: number;
};

/** Null: there is no such process. Throws where it could not be looked at. */
export function processStat(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
  // The command may hold blanks and parentheses: all that follows the last one is numbers.
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  const number = (field: number): number => Number(fields[field - 3]);
  return {
    pid,
    startTicks: number(22),
    bootId: bootId(),
    command: text.slice(text.indexOf('(') + 1, close),
    state: fields[0] ?? '?',
    parent: number(4),
    group: number(5),
    session: number(6),
    cpuMs: (number(14) + number(15) + number(16) + number(17)) * 10,
    rssBytes: number(24) * pageBytes,
  };
}

const pageBytes = 4096;

/** A zombie has ended; nobody has asked how. */
export const hasEnded = ({ state }: ProcessStat): boolean => state === 'Z' || state === 'X' || state === 'x';

/** All that live and can be seen. */
export function everyProcess(): readonly ProcessStat[] {
  const look = thisTurn();
  look.stats ??= pids().flatMap((pid) => {
    const stat = visible(() => processStat(pid));
    return stat === null || hasEnded(stat) ? [] : [stat];
  });
  return look.stats;
}

/** Those whose environment at their start had `name=value`. What may not be read is somebody else's. */
export function withEnvironment(name: string, value: string): ProcessStat[] {
  const wanted = Buffer.from(`${name}=${value}\0`);
  const look = thisTurn();
  look.environments ??= pids().flatMap((pid) => {
    const text = visible(() => environmentOf(pid));
    return text === null ? [] : [{ pid, text }];
  });
  return look.environments.flatMap(({ pid, text }) => {
    if (!has(text, wanted)) return [];
    const stat = visible(() => processStat(pid));
    return stat === null || hasEnded(stat) ? [] : [stat];
  });
}

/** Processes whose environment at their start had `name=value`, with what it said under another name; without that name they are left out. */
export function taggedWith(name: string, value: string, other: string): readonly (ProcessStat & { readonly value: string })[] {
  const prefix = `${other}=`;
  return withEnvironment(name, value).flatMap((stat) => {
    const text = visible(() => environmentOf(stat.pid));
    const found =
      text === null
        ? undefined
        : text
            .toString('utf8')
            .split('\0')
            .find((pair) => pair.startsWith(prefix));
    return found === undefined ? [] : [{ ...stat, value: found.slice(prefix.length) }];
  });
}

type Look = { environments: readonly { readonly pid: number; readonly text: Buffer }[] | null; stats: readonly ProcessStat[] | null };
let shared: Look | null = null;

/**
 * One pass over /proc serves all who ask in one turn of the event loop: dozens of completions end their sessions at once. Nothing that carries a
 * tag of ours can come from anywhere but from what carried it already, or from us: who starts a process says so by `forgetLook`.
 */
function thisTurn(): Look {
  if (shared === null) {
    shared = { environments: null, stats: null };
    // Not unref'd: the loop would first sleep, and what wakes it would see what was true before.
    setImmediate(forgetLook);
  }
  return shared;
}

export function forgetLook(): void {
  shared = null;
}

function environmentOf(pid: number): Buffer {
  const fd = openSync(`/proc/${pid}/environ`, 'r');
  try {
    let filled = 0;
    for (;;) {
      const got = readSync(fd, scratch, filled, scratch.length - filled, filled);
      filled += got;
      if (got === 0 || filled === scratch.length) break;
    }
    return Buffer.from(scratch.subarray(0, filled));
  } finally {
    closeSync(fd);
  }
}

function has(text: Buffer, wanted: Buffer): boolean {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) if (at === 0 || text[at - 1] === 0) return true;
  return false;
}

/** Linux allows a quarter of the stack for arguments and environment: 2 MiB. Pages never read into cost nothing. */
const scratch = Buffer.allocUnsafeSlow(2 * 1024 * 1024);

function pids(): number[] {
  return readdirSync('/proc').flatMap((name) => (name.charCodeAt(0) >= 0x31 && name.charCodeAt(0) <= 0x39 ? [Number(name)] : []));
}

/** From its parent up to the first process. */
export function ancestorsOf(pid: number): number[] {
  const found: number[] = [];
  for (let at = visible(() => processStat(pid)); at !== null && at.parent > 0 && !found.includes(at.parent); ) {
    found.push(at.parent);
    const parent = at.parent;
    at = visible(() => processStat(parent));
  }
  return found;
}

let knownBootId: string | null = null;
export function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}

const isGone = (error: unknown): boolean => ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '');

function visible<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (isGone(error) || ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}
