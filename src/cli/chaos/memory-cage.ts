import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** A memory cgroup of our own. Who is in it and asks for more than it has is ended by the kernel's out-of-memory killer. */
export type MemoryCage = AsyncDisposable & {
  /** The process as it is; what it starts from now on is in it, too. False where it was in it already, or has ended. */
  take(pid: number): boolean;
  /** How many the kernel has ended in it. */
  kills(): number;
};

type Kind = { readonly limit: string; readonly swap: { readonly name: string; readonly none: string }; readonly events: string };

const v1: Kind = { limit: 'memory.limit_in_bytes', swap: { name: 'memory.swappiness', none: '0' }, events: 'memory.oom_control' };
const v2: Kind = { limit: 'memory.max', swap: { name: 'memory.swap.max', none: '0' }, events: 'memory.events' };

/** Our own place in the tree first; a container often sees its part as the root. */
function places(): readonly { readonly parent: string; readonly kind: Kind }[] {
  const own = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  return [
    { parent: join('/sys/fs/cgroup/memory', own), kind: v1 },
    { parent: '/sys/fs/cgroup/memory', kind: v1 },
    // Version 2 lets a group that holds processes have no groups with limits below it: at the top only.
    { parent: '/sys/fs/cgroup', kind: v2 },
  ].filter(({ parent, kind }) => existsSync(join(parent, kind === v1 ? kind.limit : 'cgroup.subtree_control')));
}

/** Null where it can be made; else why not. */
export function whyNoMemoryCage(): string | null {
  if (process.getuid?.() !== 0) return 'a memory limit of its own needs root (a cgroup)';
  const found = made();
  if (found === null) return 'no memory cgroup that may be written to is mounted at /sys/fs/cgroup';
  rmdirSync(found.folder);
  return null;
}

function made(): { readonly folder: string; readonly kind: Kind } | null {
  for (const { parent, kind } of places()) {
    const folder = join(parent, `todo-chaos-${process.pid}-${performance.now()}`);
    try {
      mkdirSync(folder);
    } catch (error) {
      if (!['EACCES', 'EROFS', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      continue;
    }
    if (existsSync(join(folder, kind.limit))) return { folder, kind };
    rmdirSync(folder);
  }
  return null;
}

/** More than so much for all in it together, beside what they had before, is too much. */
export function openMemoryCage(limitBytes: number): MemoryCage {
  const found = made();
  if (found === null) throw new Error('no memory cgroup');
  const { folder, kind } = found;
  writeFileSync(join(folder, kind.limit), String(limitBytes));
  if (existsSync(join(folder, kind.swap.name))) writeFileSync(join(folder, kind.swap.name), kind.swap.none);
  const procs = (at: string): string => join(at, 'cgroup.procs');
  return {
    take: (pid) => !readFileSync(procs(folder), 'utf8').split('\n').includes(String(pid)) && move(String(pid), procs(folder)),
    kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(folder, kind.events), 'utf8'))?.[1] ?? 0),
    async [Symbol.asyncDispose]() {
      for (let triesLeft = 50; ; triesLeft--) {
        for (const pid of readFileSync(procs(folder), 'utf8').split('\n').filter(Boolean)) move(pid, procs(join(folder, '..')));
        try {
          return rmdirSync(folder);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || triesLeft === 0) throw error;
          await setTimeout(100);
        }
      }
    },
  };
}

/** False: it has ended meanwhile. */
function move(pid: string, procs: string): boolean {
  try {
    writeFileSync(procs, pid);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    return false;
  }
}
