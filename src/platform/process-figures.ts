import { readdirSync } from 'node:fs';
import { processStat } from './proc.ts';

export type ProcessFigures = {
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  readonly cpuSeconds: number;
  /** Null where this machine does not say. */
  readonly openFiles: number | null;
  /** Share of the time since the start in which the event loop had work. */
  readonly loopBusyRatio: number;
};

/** What this process uses. Costs a few system calls. */
export function processFigures(): ProcessFigures {
  const { heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    rssBytes: processStat(process.pid)?.rssBytes ?? process.memoryUsage.rss(),
    heapUsedBytes: heapUsed,
    cpuSeconds: (user + system) / 1_000_000,
    openFiles: openFiles(),
    loopBusyRatio: performance.eventLoopUtilization().utilization,
  };
}

function openFiles(): number | null {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    // Not on this system.
    return null;
  }
}
