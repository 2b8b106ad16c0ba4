import { readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { MachineFigures, SelfFigures, TreeFigures } from '../core/resources.ts';
import type { Resources } from '../world.ts';
import { cgroupMemory } from './cgroup.ts';
import { belonging } from './end-processes.ts';
import { priorities, setPriorities } from './priorities.ts';
import { forgetLook } from './proc.ts';
import { shrinkDatabases } from './sqlite.ts';

/** The event loop is asked so often whether it still turns; a standstill is known to within this. */
const loopLookMs = 200;

/** What this process and its machine use, by /proc and Node. Nothing runs before the first look. */
export function createResources(): Resources {
  let loop: ReturnType<typeof monitorEventLoopDelay> | null = null;
  let busy = performance.eventLoopUtilization();
  let loopDelayMs: number | null = null;
  let resetAtMs = performance.now();
  return {
    self() {
      const first = loop === null;
      const nowMs = performance.now();
      if (loop === null) {
        loop = monitorEventLoopDelay({ resolution: loopLookMs });
        loop.enable();
        resetAtMs = nowMs;
      }
      const now = performance.eventLoopUtilization();
      const loopBusy = first ? null : performance.eventLoopUtilization(now, busy).utilization;
      busy = now;
      const told = loop.count === 0 ? { ms: 0, maxMs: 0 } : { ms: (loop.mean * loop.count) / 1e6, maxMs: loop.max / 1e6 };
      // Time that no look at the loop has accounted for: after a standstill we may come before the look that would tell it, and a reset forgets it. The
      // first look after a reset tells nothing, and the last one may be that old.
      const untoldMs = nowMs - resetAtMs - told.ms - 2 * loopLookMs;
      // Two looks in a row may be closer than two looks at the loop: then it is as it was.
      if (!first && (loop.count > 0 || untoldMs > 0)) loopDelayMs = Math.max(0, told.maxMs - loopLookMs, untoldMs);
      if (loop.count > 0 || untoldMs > 0) {
        loop.reset();
        resetAtMs = nowMs;
      }
      return { ...processFigures(), loopDelayMs, loopBusy };
    },
    machine: machineFigures,
    trees(runs) {
      try {
        return new Map(runs.map(({ name, value, session }) => [value, treeOf({ name, value }, session)]));
      } catch {
        // What /proc does not show is not known; it is not nothing.
        return null;
      }
    },
    pool: (path, withinMs) => poolAnswers(path, withinMs),
    collectGarbage: async () => {
      await garbageCollector()({ type: 'major', execution: 'async' });
      return process.memoryUsage().heapUsed;
    },
    giveBack() {
      forgetLook();
      shrinkDatabases();
      // Only this kind shrinks what V8 keeps for young objects: it grows with each busy time (118 MB after 200 completions), and would stay so for good.
      void garbageCollector()({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      const { rss, heapUsed } = process.memoryUsage();
      return { rssBytes: rss, heapUsedBytes: heapUsed };
    },
    profile: takeProfile,
    priorities,
    setPriorities,
  };
}

/** What this process uses now; asking changes nothing. */
export function processFigures(): Omit<SelfFigures, 'loopDelayMs' | 'loopBusy'> {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const v8 = process.getBuiltinModule('node:v8');
  return {
    cpuMs: (user + system) / 1000,
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    heapLimitBytes: v8.getHeapStatistics().heap_size_limit,
    openFiles: counted('/proc/self/fd', 1),
    openFilesMax: openFilesMax(),
    children: childrenOfUs(),
    threads: counted('/proc/self/task', 0),
  };
}

/** `own`: the descriptor that the counting itself has open. */
function counted(folder: string, own: number): number | null {
  try {
    return readdirSync(folder).length - own;
  } catch {
    return null;
  }
}

let knownFilesMax: number | null = null;
function openFilesMax(): number | null {
  knownFilesMax ??= Number(/^Max open files\s+(\d+)/m.exec(tryRead('/proc/self/limits') ?? '')?.[1] ?? Number.NaN);
  return Number.isNaN(knownFilesMax) ? null : knownFilesMax;
}

function childrenOfUs(): number | null {
  const text = tryRead(`/proc/self/task/${process.pid}/children`);
  return text === null ? null : text.split(' ').filter(Boolean).length;
}

function machineFigures(diskPath: string): MachineFigures {
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(tryRead('/proc/meminfo') ?? '')?.[1] ?? Number.NaN) * 1024;
  const machine = { limitBytes: totalmem(), usedBytes: Number.isNaN(available) ? 0 : totalmem() - available };
  const container = cgroupMemory(tryRead('/proc/self/cgroup') ?? '', tryRead);
  const bound = container !== null && container.limitBytes < machine.limitBytes ? container : machine;
  return {
    cores: availableParallelism(),
    cpu: cpuOfAll(),
    memoryTotalBytes: bound.limitBytes,
    memoryUsedBytes: bound.usedBytes,
    memoryLimitedBy: bound === container ? 'cgroup' : 'machine',
    disk: diskOf(diskPath),
  };
}

function diskOf(path: string): MachineFigures['disk'] {
  try {
    const { blocks, bfree, bavail, bsize } = statfsSync(path);
    // As df counts: what is kept for root is neither used nor free.
    return { totalBytes: (blocks - bfree + bavail) * bsize, freeBytes: bavail * bsize };
  } catch {
    return null;
  }
}

/** Ticks of user, nice, system, idle, iowait, irq, softirq, steal: a hundredth of a second each. */
function cpuOfAll(): MachineFigures['cpu'] {
  const ticks = /^cpu +(.*)$/m
    .exec(tryRead('/proc/stat') ?? '')?.[1]
    ?.split(' ')
    .slice(0, 8)
    .map(Number);
  if (ticks === undefined) return null;
  const all = ticks.reduce((sum, each) => sum + each, 0);
  return { busyMs: (all - (ticks[3] ?? 0) - (ticks[4] ?? 0)) * 10, allMs: all * 10 };
}

function treeOf(
  tag: { readonly name: string; readonly value: string },
  session: Parameters<typeof belonging>[1][number] | null,
): TreeFigures {
  const processes = belonging(tag, session === null ? [] : [session]);
  return {
    cpuMs: processes.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
    rssBytes: processes.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    processes: processes.length,
  };
}

/** Work with files is done by a few threads; where all of them hang, nothing of that kind goes on. */
async function poolAnswers(path: string, withinMs: number): Promise<{ waitMs: number | null; withinMs: number }> {
  const fromMs = performance.now();
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), withinMs);
  // Whatever it finds: an answer is all that is asked for.
  const answered = stat(path).then(
    () => performance.now() - fromMs,
    () => performance.now() - fromMs,
  );
  const waitMs = await Promise.race([answered, late.promise]);
  clearTimeout(timer);
  return { waitMs, withinMs };
}

type Collector = (how: { type: 'major'; execution: 'async' | 'sync'; flavor?: 'last-resort' }) => Promise<unknown> | undefined;
let collector: Collector | null = null;

/** V8 shows it only to contexts that are made after the flag is set. */
function garbageCollector(): Collector {
  if (collector === null) {
    const { setFlagsFromString } = process.getBuiltinModule('node:v8');
    setFlagsFromString('--expose-gc');
    collector = process.getBuiltinModule('node:vm').runInNewContext('gc') as Collector;
    // Code that is kept for the next start is of use only to one with the same flags.
    setFlagsFromString('--no-expose-gc');
  }
  return collector;
}

/** Once in 5 ms: what takes the time of minutes is seen, and the profile stays small. */
const profileEveryUs = 5000;

/** Where the CPU time of this process goes, as Chromium's tools and VS Code read it. */
async function takeProfile(path: string, ms: number, stop?: AbortSignal): Promise<void> {
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: profileEveryUs });
    await session.post('Profiler.start');
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      stop?.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    const { profile } = await session.post('Profiler.stop');
    writeFileSync(path, JSON.stringify(profile), { mode: 0o600 });
  } finally {
    session.disconnect();
  }
}

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
