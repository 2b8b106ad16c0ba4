import type { Config } from './config.ts';
import { inMs } from './seconds.ts';

/** Of the daemon's own process. What has no value could not be seen. */
export type SelfFigures = {
  /** Since it began. */
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** Where V8 ends the process. */
  readonly heapLimitBytes: number;
  /** The longest that the event loop stood still since the last look. */
  readonly loopDelayMs: number | null;
  /** The part of the time since the last look in which the event loop had something to do. */
  readonly loopBusy: number | null;
  readonly openFiles: number | null;
  readonly openFilesMax: number | null;
  readonly children: number | null;
  readonly threads: number | null;
};

/** Of the machine, or of the container where that is less. */
export type MachineFigures = {
  readonly cores: number;
  /** Of all cores since the start; null where they could not be seen. */
  readonly cpu: { readonly busyMs: number; readonly allMs: number } | null;
  readonly memoryTotalBytes: number;
  readonly memoryUsedBytes: number;
  readonly memoryLimitedBy: 'cgroup' | 'machine';
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number } | null;
};

/** All processes of one run together. */
export type TreeFigures = { readonly cpuMs: number; readonly rssBytes: number; readonly processes: number };

/** `waitMs` is how long a look at a file waited for a thread of the pool; null = none came free in time. */
export type PoolFigures = { readonly waitMs: number | null; readonly withinMs: number };

export type Level = 'ok' | 'warning' | 'critical' | 'unknown';

/** Raised when the value was at it for so long; 0 = at once. */
export type Bound = { readonly value: number; readonly forMs: number };
export type Bounds = {
  readonly warning: Bound | null;
  readonly critical: Bound | null;
  /** What was raised ends only so far below its bound, or a value that stands on it would raise it again and again. */
  readonly slack: number;
};

/** One thing that is measured, as it stands. Times by the monotonic clock. */
export type Gauge = {
  readonly level: Level;
  /** The last value that was seen. */
  readonly value: number | null;
  readonly seenAtMs: number;
  /** Since when it has been at the bound without a break; null: it is not. */
  readonly above: { readonly warning: number | null; readonly critical: number | null };
};

/** What was seen: of a rate since `fromMs`, of a moment with both times the same. */
export type Reading = { readonly value: number | null; readonly fromMs: number; readonly atMs: number };

/** No value is no good value: it breaks every window, and after `staleMs` nothing is known. */
export function next(gauge: Gauge | null, { value, fromMs, atMs }: Reading, bounds: Bounds, staleMs: number): Gauge {
  if (value === null) {
    const seenAtMs = gauge?.seenAtMs ?? atMs;
    const known = gauge !== null && atMs - seenAtMs < staleMs;
    return { level: known ? gauge.level : 'unknown', value: null, seenAtMs, above: { warning: null, critical: null } };
  }
  const above = {
    warning: streak(gauge?.above.warning ?? null, gauge?.level === 'warning' || gauge?.level === 'critical', bounds.warning, bounds.slack),
    critical: streak(gauge?.above.critical ?? null, gauge?.level === 'critical', bounds.critical, bounds.slack),
  };
  return { level: levelOf(above, bounds, atMs), value, seenAtMs: atMs, above };

  function streak(sinceMs: number | null, raised: boolean, bound: Bound | null, slack: number): number | null {
    if (bound === null) return null;
    if (value! >= bound.value) return sinceMs ?? fromMs;
    return raised && value! >= bound.value - slack ? (sinceMs ?? fromMs) : null;
  }
}

function levelOf(above: Gauge['above'], bounds: Bounds, atMs: number): Level {
  if (isRaised(above.critical, bounds.critical, atMs)) return 'critical';
  return isRaised(above.warning, bounds.warning, atMs) ? 'warning' : 'ok';
}

const isRaised = (sinceMs: number | null, bound: Bound | null, atMs: number): boolean =>
  sinceMs !== null && bound !== null && (bound.forMs === 0 || atMs - sinceMs > bound.forMs);

/** What is measured of the daemon and its machine. Shares are of 1, waits in milliseconds. */
export type GaugeName = 'memory' | 'cpu' | 'loop' | 'pool' | 'files' | 'machine-cpu' | 'machine-memory' | 'machine-disk';
export type AgentGaugeName = 'agent-cpu' | 'agent-memory';

/** A pool that was busy for one look has work to do; one that is it for three in a row is blocked. */
const blockedLooks = 2;
const slackShare = 0.05;
const fullShare = 0.95;

export function boundsOf(name: GaugeName | AgentGaugeName, { resource }: Pick<Config, 'resource'>): Bounds {
  const share = (percent: number, seconds = 0): Bound => ({ value: percent / 100, forMs: inMs(seconds) });
  const cpu = {
    warning: share(resource.cpu_warning, resource.cpu_warning_after),
    critical: share(resource.cpu_critical, resource.cpu_critical_after),
    slack: slackShare,
  };
  const memory = { warning: share(resource.memory_warning), critical: share(resource.memory_critical), slack: slackShare };
  const blockedMs = inMs(resource.interval) * blockedLooks;
  switch (name) {
    case 'memory':
    case 'agent-memory':
      return memory;
    case 'cpu':
    case 'agent-cpu':
      return cpu;
    case 'loop':
      return { warning: { value: inMs(resource.loop_warning), forMs: 0 }, critical: null, slack: 0 };
    case 'pool': {
      const value = inMs(resource.pool_within);
      return { warning: { value, forMs: 0 }, critical: { value, forMs: blockedMs }, slack: 0 };
    }
    case 'files':
      return { warning: share(resource.files_warning), critical: { value: fullShare, forMs: 0 }, slack: slackShare };
    case 'machine-cpu':
      return { ...cpu, warning: share(resource.machine_cpu_warning, resource.cpu_warning_after) };
    case 'machine-memory':
      return { ...memory, warning: share(resource.machine_memory_warning), critical: { value: fullShare, forMs: 0 } };
    case 'machine-disk':
      return { warning: share(resource.machine_disk_warning), critical: null, slack: 0.01 };
    default:
      return name satisfies never;
  }
}

/** What the daemon may have: the least of what it was given, its container and the machine. */
export function memoryLimit(
  { memoryTotalBytes, memoryLimitedBy }: Pick<MachineFigures, 'memoryTotalBytes' | 'memoryLimitedBy'>,
  maxMemoryMb: number | null,
): { readonly bytes: number; readonly by: 'max_memory' | MachineFigures['memoryLimitedBy'] } {
  const given = maxMemoryMb === null ? Number.POSITIVE_INFINITY : maxMemoryMb * 1024 * 1024;
  return given < memoryTotalBytes ? { bytes: given, by: 'max_memory' } : { bytes: memoryTotalBytes, by: memoryLimitedBy };
}

/** The part of its memory that a process has used up: of what the system lets it have, or of what V8 does, whichever ends it first. */
export const memoryShare = ({ rssBytes, heapUsedBytes, heapLimitBytes }: SelfFigures, limitBytes: number): number =>
  Math.max(rssBytes / limitBytes, heapUsedBytes / heapLimitBytes);

/** Of one core; null where there is nothing to compare with. */
export const cpuShare = (beforeMs: number | null, nowMs: number, tookMs: number): number | null =>
  beforeMs === null || tookMs <= 0 ? null : Math.max(0, nowMs - beforeMs) / tookMs;

export function machineCpuShare(before: MachineFigures['cpu'], now: MachineFigures['cpu']): number | null {
  if (before === null || now === null || now.allMs <= before.allMs) return null;
  return Math.min(1, Math.max(0, (now.busyMs - before.busyMs) / (now.allMs - before.allMs)));
}

/** What a busy time must have left before it is worth a standstill to give it back. */
const leftOver = { share: 1.25, bytes: 16 * 1024 * 1024 };

/** Memory of the process since it was last as small as it gets. */
export const isLeftOver = (rssBytes: number, smallestBytes: number): boolean =>
  rssBytes >= smallestBytes * leftOver.share && rssBytes - smallestBytes >= leftOver.bytes;
