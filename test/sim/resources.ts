import type { Resources } from '../../src/world.ts';
import type { Machine } from './machine.ts';

/** It outlives whoever set it. */
const niceOn = new WeakMap<Machine, Map<number, number>>();

/** What a machine of the simulation uses: its processes take the CPU time that their script gives them, memory is what the faults say. */
export function resourcesOf(machine: Machine, schedule: (ms: number, act: () => void) => void): Resources {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => schedule(ms, resolve));
  const table = machine.processes;
  const nice = niceOn.get(machine) ?? new Map<number, number>();
  niceOn.set(machine, nice);
  return {
    self: () => ({
      cpuMs: machine.timeline.nowMs / 100,
      rssBytes: 80e6,
      heapUsedBytes: 20e6,
      heapLimitBytes: 2e9,
      loopDelayMs: 1,
      loopBusy: 0.01,
      openFiles: 20,
      openFilesMax: 1024,
      children: table.living.length,
      threads: 11,
    }),
    machine: () => ({
      cores: 2,
      cpu: { busyMs: machine.timeline.nowMs / 5, allMs: machine.timeline.nowMs * 2 },
      memoryTotalBytes: 4e9,
      memoryUsedBytes: 2e9,
      memoryLimitedBy: 'machine',
      disk: { totalBytes: 1e11, freeBytes: 5e10 },
    }),
    trees: (runs) =>
      machine.faults.looksUnknown()
        ? null
        : new Map(
            runs.map(({ value }) => {
              const processes = table.tagged(value);
              const cpuMs = processes.reduce((sum, process) => sum + process.cpuMs, 0);
              return [value, { cpuMs, rssBytes: processes.length * 10e6, processes: processes.length }];
            }),
          ),
    async pool(_path, withinMs) {
      await wait(1);
      return { waitMs: 1, withinMs };
    },
    async collectGarbage() {
      await wait(5);
      return 18e6;
    },
    giveBack: () => ({ rssBytes: 70e6, heapUsedBytes: 18e6 }),
    profile: (_path, ms) => wait(ms),
    priorities: ({ value }) => ({
      by: 'session',
      of: Object.fromEntries(table.tagged(value).map(({ id: { pid } }) => [String(pid), nice.get(pid) ?? 0])),
    }),
    async setPriorities({ value }, { of }) {
      await wait(1);
      const found = table.tagged(value).filter(({ id: { pid } }) => of[pid] !== undefined);
      for (const { id } of found) nice.set(id.pid, of[id.pid]!);
      return found.length;
    },
  };
}
