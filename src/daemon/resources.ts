import { messageOf } from '../core/errors.ts';
import { type MetricRow, sampled } from '../core/health-history.ts';
import { type LeakVerdict, leakIn, type UseAt, withUse } from '../core/leak.ts';
import {
  cpuShare,
  type Gauge,
  isLeftOver,
  type MachineFigures,
  machineCpuShare,
  memoryShare,
  type PoolFigures,
  type Reading,
  type SelfFigures,
  type TreeFigures,
} from '../core/resources.ts';
import { inMs } from '../core/seconds.ts';
import type { HealthStatus } from '../core/words.ts';
import { megabytes, percent, resourceComponents } from '../healing/resources.ts';
import type { Context } from './context.ts';
import { limitOf, measure, runOf, tagOf, watchedRuns } from './gauges.ts';
import { type Acting, actingWords, actOnTrouble, newActing } from './ladder.ts';
import { noteEvent } from './notebook.ts';

/** All that one look saw. */
export type Sample = {
  /** By the wall clock, and by the monotonic one. */
  readonly wallMs: number;
  readonly atMs: number;
  readonly self: SelfFigures;
  readonly machine: MachineFigures;
  readonly pool: PoolFigures;
  /** Null: the processes of agents could not be seen. */
  readonly trees: ReadonlyMap<string, TreeFigures> | null;
};

export type Watch = {
  /** By the monotonic clock. */
  dueMs: number;
  last: Sample | null;
  /** `cpu`, `agent-cpu RUN` … */
  readonly gauges: Map<string, Gauge>;
  rss: readonly UseAt[];
  /** Of the heap, right after a garbage collection. */
  heap: readonly UseAt[];
  leak: LeakVerdict;
  /** What the process had at its first look, and each time after it gave back what it did not need. */
  smallestBytes: number | null;
  /** At the last look something was being completed or started. */
  wasBusy: boolean;
  /** What the store has not been told yet. */
  rows: MetricRow[];
  readonly acting: Acting;
};

export const newWatch = (): Watch => ({
  dueMs: 0,
  last: null,
  gauges: new Map(),
  rss: [],
  heap: [],
  leak: { kind: 'too-early' },
  smallestBytes: null,
  wasBusy: true,
  rows: [],
  acting: newActing(),
});

/** Of a leak's window: garbage is collected so often to see what is left. */
const heapLooks = 1 / 10;
/** Rows of agents that one look leaves: those that take the most. */
const treesKeptMax = 20;
/** A store that is away for a day. */
const rowsMax = 5000;

/** The look at memory, CPU, disk, event loop, files and the agents' processes, every resource.interval. */
export function watchResources(context: Context): void {
  const { watch, world, config, tasks, state } = context;
  const nowMs = world.clock.monotonicMs();
  if (state.draining || tasks.busy('resources') || nowMs < watch.dueMs) return;
  watch.dueMs = nowMs + inMs(config.resource.interval);
  tasks.start(
    'resources',
    () => lookAtResources(context),
    (error) => world.log.warn('monitor', 'resources could not be looked at', { reason: messageOf(error) }),
  );
}

export const resourcesDueMs = ({ watch, tasks, state }: Context): number =>
  state.draining || tasks.busy('resources') ? Number.POSITIVE_INFINITY : watch.dueMs;

async function lookAtResources(context: Context): Promise<void> {
  const { watch } = context;
  const before = watch.last;
  const sample = await takeSample(context);
  watch.last = sample;
  for (const [key, reading] of readings(context, before, sample)) measure(context, key, reading);
  await lookForLeak(context, sample);
  giveBackAtRest(context, sample);
  forgetEnded(watch, sample);
  keepRows(context, before, sample);
  await actOnTrouble(context);
}

async function takeSample(context: Context): Promise<Sample> {
  const { world, config } = context;
  const self = world.resources.self();
  const machine = world.resources.machine(world.home.root);
  const runs = watchedRuns(context).map(tagOf);
  const trees = runs.length === 0 ? new Map<string, TreeFigures>() : world.resources.trees(runs);
  const at = { wallMs: world.clock.nowMs(), atMs: world.clock.monotonicMs() };
  return { ...at, self, machine, trees, pool: await world.resources.pool(world.home.root, inMs(config.resource.pool_within)) };
}

function readings(context: Context, before: Sample | null, now: Sample): Map<string, Reading> {
  const { self, machine, pool, trees, atMs } = now;
  const fromMs = before?.atMs ?? atMs;
  const moment = (value: number | null): Reading => ({ value, fromMs: atMs, atMs });
  const rate = (value: number | null): Reading => ({ value, fromMs, atMs });
  const tookMs = atMs - fromMs;
  const found = new Map<string, Reading>([
    ['memory', moment(memoryShare(self, limitOf(context, machine).bytes))],
    ['cpu', rate(cpuShare(before?.self.cpuMs ?? null, self.cpuMs, tookMs))],
    ['loop', moment(self.loopDelayMs)],
    ['pool', moment(pool.waitMs ?? pool.withinMs)],
    ['files', moment(self.openFiles === null || self.openFilesMax === null ? null : self.openFiles / self.openFilesMax)],
    ['machine-cpu', rate(machineCpuShare(before?.machine.cpu ?? null, machine.cpu))],
    ['machine-memory', moment(machine.memoryUsedBytes / machine.memoryTotalBytes)],
    ['machine-disk', moment(machine.disk === null ? null : 1 - machine.disk.freeBytes / machine.disk.totalBytes)],
  ]);
  for (const { ref } of watchedRuns(context)) {
    const tree = trees?.get(ref.runId) ?? null;
    const cpuBefore = before?.trees?.get(ref.runId)?.cpuMs ?? null;
    found.set(`agent-cpu ${ref.runId}`, rate(tree === null ? null : cpuShare(cpuBefore, tree.cpuMs, tookMs)));
    found.set(`agent-memory ${ref.runId}`, moment(tree === null ? null : tree.rssBytes / machine.memoryTotalBytes));
  }
  return found;
}

/** Two series, because each hides what the other shows: what V8 holds, and what all the rest of the process does. */
async function lookForLeak(context: Context, { atMs, self }: Sample): Promise<void> {
  const { watch, world, config } = context;
  const windowMs = inMs(config.resource.leak_window);
  watch.rss = withUse(watch.rss, { atMs, bytes: self.rssBytes });
  if (atMs - (watch.heap.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY) >= windowMs * heapLooks)
    watch.heap = withUse(watch.heap, { atMs, bytes: await world.resources.collectGarbage() });
  const verdicts = [leakIn(watch.heap, windowMs), leakIn(watch.rss, windowMs)];
  const before = watch.leak.kind;
  watch.leak = verdicts.find((it) => it.kind === 'growing') ?? verdicts[0]!;
  const growing = watch.leak;
  if (growing.kind !== 'growing' || before === 'growing') return;
  const fields = {
    mbPerHour: megabytes(growing.bytesPerHour),
    of: verdicts[0]?.kind === 'growing' ? 'heap' : 'process',
    rssMb: megabytes(self.rssBytes),
    heapMb: megabytes(self.heapUsedBytes),
    overMs: windowMs,
  };
  world.log.warn('monitor', 'memory grows steadily: a leak', fields);
  noteEvent(context, { kind: 'healing', what: 'memory_leak', detail: JSON.stringify(fields) });
}

/** What V8 and SQLite grew into they keep for as long as the process lives, though it may rest for days. Two looks in a row without work are rest. */
function giveBackAtRest({ watch, world, tasks }: Context, { self }: Sample): void {
  const isBusy = tasks.count('run:') + tasks.count('start:') > 0;
  const rests = !isBusy && !watch.wasBusy;
  watch.wasBusy = isBusy;
  watch.smallestBytes ??= self.rssBytes;
  if (!rests || !isLeftOver(self.rssBytes, watch.smallestBytes)) return;
  const fromMs = world.clock.monotonicMs();
  const { rssBytes, heapUsedBytes } = world.resources.giveBack();
  const stoodStillMs = Math.round(world.clock.monotonicMs() - fromMs);
  watch.smallestBytes = rssBytes;
  const fields = { rssMbBefore: megabytes(self.rssBytes), rssMb: megabytes(rssBytes), heapMb: megabytes(heapUsedBytes), stoodStillMs };
  world.log.info('monitor', 'memory given back', fields);
}

/** Of runs that are over there is nothing to measure. */
function forgetEnded(watch: Watch, { trees }: Sample): void {
  if (trees === null) return;
  for (const key of watch.gauges.keys()) {
    const run = runOf(key);
    if (run !== null && !trees.has(run)) watch.gauges.delete(key);
  }
}

/** One row for the daemon, one for its machine, one for each agent. */
function keepRows(context: Context, before: Sample | null, now: Sample): void {
  const { watch, world } = context;
  const of = new Map(resources(context)?.map((component) => [component.name, component]));
  const statusOf = (...names: readonly string[]): { status: HealthStatus; reason: string } => {
    const parts = names.flatMap((name) => of.get(name) ?? []);
    const wrong = parts.filter(({ status }) => status !== 'healthy');
    return { status: wrong[0]?.status ?? 'healthy', reason: wrong.map(({ reason }) => reason).join('; ') };
  };
  const row = (
    component: string,
    about: { status: HealthStatus; reason: string },
    figures: Readonly<Record<string, number | null>>,
  ): void => {
    watch.rows.push(sampled({ id: world.random.uuidv7(), host: world.host.id, component, ...about, atMs: now.wallMs }, figures));
  };
  const value = (key: string): number | null => percent(watch.gauges.get(key)?.value);
  const { self, pool, trees } = now;
  row('daemon', statusOf('memory', 'cpu', 'event-loop', 'files'), {
    cpu_percent: value('cpu'),
    memory_percent: value('memory'),
    rss_mb: megabytes(self.rssBytes),
    heap_mb: megabytes(self.heapUsedBytes),
    loop_delay_ms: self.loopDelayMs,
    loop_busy_percent: percent(self.loopBusy),
    pool_wait_ms: pool.waitMs ?? pool.withinMs,
    open_files: self.openFiles,
    children: self.children,
    threads: self.threads,
  });
  row('machine', statusOf('machine'), {
    cpu_percent: value('machine-cpu'),
    memory_percent: value('machine-memory'),
    disk_percent: value('machine-disk'),
  });
  const heaviest = [...(trees ?? [])].sort(([, a], [, b]) => b.rssBytes - a.rssBytes || b.cpuMs - a.cpuMs).slice(0, treesKeptMax);
  for (const [runId, { rssBytes, processes, cpuMs }] of heaviest) {
    const todo = context.ledger.has(runId) ? context.ledger.get(runId).todo.number : null;
    const took = before === null ? null : cpuShare(before.trees?.get(runId)?.cpuMs ?? null, cpuMs, now.atMs - before.atMs);
    row(
      `run:${runId}`,
      { status: 'healthy', reason: todo === null ? '' : `todo ${todo}` },
      {
        cpu_percent: percent(took),
        rss_mb: megabytes(rssBytes),
        processes,
      },
    );
  }
  if (watch.rows.length > rowsMax) watch.rows.splice(0, watch.rows.length - rowsMax);
}

/** As components of health; null before the first look. */
export function resources(context: Context) {
  const { watch, world, config, ledger } = context;
  if (watch.last === null) return null;
  const { self, machine, trees } = watch.last;
  return resourceComponents({
    nowMs: world.clock.nowMs(),
    config,
    gauges: watch.gauges,
    self,
    machine,
    limit: limitOf(context, machine),
    leak: watch.leak,
    agents: watchedRuns({ ledger }).map(({ ref, todo }) => ({
      runId: ref.runId,
      name: `todo ${todo.number}`,
      rssBytes: trees?.get(ref.runId)?.rssBytes ?? 0,
      givesWay: watch.acting.givingWay.some(({ runId }) => runId === ref.runId),
      keepsIt: watch.acting.keepingIt.get(ref.runId) ?? null,
    })),
    acting: actingWords(watch.acting),
  });
}
