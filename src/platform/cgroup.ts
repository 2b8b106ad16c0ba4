import { join } from 'node:path';

export type CgroupMemory = { readonly limitBytes: number; readonly usedBytes: number };

/** v1 writes its "none" as the largest number of pages. */
const unlimitedBytes = 2 ** 60;

/**
 * The memory that the container lets us have, by the nearest bound on the way up; null where there is none. Version 2 has one tree, version 1 one for
 * memory alone; in a container its own part is often mounted as the root. Files are read by the caller's `read`, null = absent.
 */
export function cgroupMemory(self: string, read: (path: string) => string | null, root = '/sys/fs/cgroup'): CgroupMemory | null {
  const lines = self.split('\n').map((line) => line.split(':'));
  const v1 = lines.find(([, controllers = '']) => controllers.split(',').includes('memory'));
  const v2 = lines.find(([number, controllers]) => number === '0' && controllers === '');
  const trees = [
    v1 && { folder: join(root, 'memory'), path: v1.slice(2).join(':'), ...namesV1 },
    v2 && { folder: root, path: v2.slice(2).join(':'), ...namesV2 },
  ].filter((tree) => tree !== undefined);
  const bounds = trees.flatMap(({ folder, path, limit, used, cache }) =>
    upwards(path).flatMap((at) => {
      const number = (name: string): number => Number(read(join(folder, at, name))?.trim() || Number.NaN);
      const limitBytes = number(limit);
      const usedBytes = number(used);
      if (!(limitBytes < unlimitedBytes) || Number.isNaN(usedBytes)) return [];
      // Files that were read and may be forgotten at any time are no memory in use.
      const idle = Number(new RegExp(`^${cache} (\\d+)$`, 'm').exec(read(join(folder, at, 'memory.stat')) ?? '')?.[1] ?? 0);
      return [{ limitBytes, usedBytes: Math.max(0, usedBytes - idle) }];
    }),
  );
  return bounds.sort((a, b) => a.limitBytes - b.limitBytes)[0] ?? null;
}

/** Whether the CPU is divided among control groups, and ours is one of them: then what sessions are given counts for nothing. */
export function cpuIsDividedByGroups(self: string, read: (path: string) => string | null, root = '/sys/fs/cgroup'): boolean {
  const lines = self.split('\n').map((line) => line.split(':'));
  const v1 = lines.find(([, controllers = '']) => controllers.split(',').includes('cpu'));
  if (v1 !== undefined) return v1.slice(2).join(':') !== '/';
  const v2 = lines.find(([number, controllers]) => number === '0' && controllers === '');
  // The true root of all has no such file; in a container its own group looks like a root.
  return v2 !== undefined && upwards(v2.slice(2).join(':')).some((at) => read(join(root, at, 'cpu.weight')) !== null);
}

const namesV1 = { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', cache: 'total_inactive_file' };
const namesV2 = { limit: 'memory.max', used: 'memory.current', cache: 'inactive_file' };

/** The path itself, then all above it. */
function upwards(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  return Array.from({ length: parts.length + 1 }, (_, cut) => `/${parts.slice(0, parts.length - cut).join('/')}`);
}
