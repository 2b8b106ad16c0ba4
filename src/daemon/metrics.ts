import { facts } from '../core/entry.ts';
import { livingStatuses } from '../core/words.ts';
import { buildInfo, healthFamilies } from '../observe/health-families.ts';
import { counter, type Family, gauge, type HistogramSeries } from '../observe/metric.ts';
import { sessionFamilies } from '../observe/session-families.ts';
import type { ShownHealth } from '../observe/shown.ts';
import { shownBounds } from './bounds.ts';
import { shownBreakers } from './breaker-events.ts';
import { type Census, census, restartCauses } from './census.ts';
import type { Context } from './context.ts';

/** What is counted as it happens, and what is so now. Nothing is asked of anybody for it. */
export function families(context: Context, health: ShownHealth, version: string): readonly Family[] {
  return [
    ...context.tally.families(),
    ...loopFamilies(context),
    ...healthFamilies(health),
    ...breakerFamilies(context),
    ...storeFamilies(context),
    ...censusFamilies(census(context)),
    ...machineFamilies(context),
    ...sessionFamilies(context.state.server?.sessions),
    counter(
      'todo_metrics_dropped',
      'Increases of series beyond the most that are kept; anything but 0 is a defect.',
      context.tally.dropped(),
    ),
    buildInfo(version),
  ];
}

function loopFamilies({ state, ledger, startedAtMs, deliveries, world }: Context): Family[] {
  const live = ledger.all();
  const waiting = [...deliveries.all.values()];
  const oldestMs = Math.min(...waiting.filter(({ isDead }) => !isDead).map(({ createdAtMs }) => createdAtMs));
  return [
    gauge('todo_daemon_start_time_seconds', 'When the daemon started, in seconds since 1970.', startedAtMs / 1000),
    gauge(
      'todo_daemon_last_pass_timestamp_seconds',
      'When its loop last looked at everything, in seconds since 1970.',
      state.lastPassAtMs / 1000,
    ),
    gauge(
      'todo_daemon_last_sweep_timestamp_seconds',
      'When its monitor last ended a whole look, in seconds since 1970.',
      state.lastSweepAtMs === null ? null : state.lastSweepAtMs / 1000,
    ),
    gauge('todo_daemon_draining', '1 while it finishes what runs and takes nothing new.', state.draining ? 1 : 0),
    gauge('todo_host_drained', '1 while a person keeps this host from taking todos.', state.drained ? 1 : 0),
    {
      name: 'todo_live_runs',
      help: 'Runs of this daemon, by the last thing that is durably true about them.',
      type: 'gauge',
      series: facts
        .filter((fact) => fact !== 'closed')
        .map((fact) => ({ labels: { fact }, value: live.filter((entry) => entry.fact === fact).length })),
    },
    {
      name: 'todo_deliveries',
      help: 'Notifications that are kept, by what they wait for.',
      type: 'gauge',
      series: [
        { labels: { state: 'waiting' }, value: waiting.filter(({ isDead }) => !isDead).length },
        { labels: { state: 'dead' }, value: waiting.filter(({ isDead }) => isDead).length },
      ],
    },
    gauge(
      'todo_deliveries_oldest_seconds',
      'Age of the oldest notification that waits.',
      Number.isFinite(oldestMs) ? Math.max(0, world.clock.nowMs() - oldestMs) / 1000 : 0,
    ),
  ];
}

const states = ['closed', 'open', 'half-open', 'isolated'] as const;

function breakerFamilies(context: Context): Family[] {
  const { budgets, bulkheads } = shownBounds(context.bounds);
  return [
    {
      name: 'todo_breaker_state',
      help: '1 for the state in which a circuit breaker is.',
      type: 'gauge',
      series: shownBreakers(context).flatMap(({ name, state }) =>
        states.map((each) => ({ labels: { dependency: name, state: each }, value: each === state ? 1 : 0 })),
      ),
    },
    {
      name: 'todo_retry_budget',
      help: 'Retries that are paid for now.',
      type: 'gauge',
      series: budgets.map(({ name, retries }) => ({ labels: { of: name }, value: retries })),
    },
    {
      name: 'todo_bulkhead_queued',
      help: 'Calls that wait for a place.',
      type: 'gauge',
      series: bulkheads.map(({ name, queued }) => ({ labels: { of: name }, value: queued })),
    },
  ];
}

function storeFamilies({ state, world }: Context): Family[] {
  const { active, idle, limit, waiting = 0, queries } = world.store.figures();
  const { reachable } = state.store;
  return [
    gauge(
      'todo_store_up',
      '1 while the store answers, 0 while it does not; absent as long as nobody knows.',
      reachable === 'unknown' ? null : reachable === 'yes' ? 1 : 0,
    ),
    {
      name: 'todo_store_connections',
      help: 'Connections to the store.',
      type: 'gauge',
      series: [
        { labels: { state: 'active' }, value: active },
        { labels: { state: 'idle' }, value: idle },
        { labels: { state: 'limit' }, value: limit },
      ],
    },
    gauge('todo_store_waiting', 'Operations in line for a connection.', waiting),
    ...(queries === undefined
      ? []
      : [
          counter('todo_db_slow_queries', 'Operations of the store that took over 100 ms.', queries.slow),
          counter('todo_db_very_slow_queries', 'Operations of the store that took over a second, or all of their time.', queries.verySlow),
          {
            name: 'todo_db_query_duration_seconds',
            help: 'How long operations of the store took, by kind.',
            type: 'histogram' as const,
            series: Object.entries(queries.kinds).map(
              ([kind, { count, sumMs, buckets }]): HistogramSeries => ({
                labels: { kind },
                count,
                sum: sumMs / 1000,
                buckets: queries.boundsMs.map((ms, at) => ({ le: ms / 1000, count: buckets[at] ?? 0 })),
              }),
            ),
          },
        ]),
  ];
}

/** Absent while nobody knows. */
function censusFamilies(counted: Census | null): Family[] {
  if (counted === null) return [];
  const { todos, leases, hosts, watchdog } = counted;
  return [
    {
      name: 'todo_todos',
      help: 'Todos that have not ended, of all hosts, by status.',
      type: 'gauge',
      series: livingStatuses.map((status) => ({ labels: { status }, value: todos[status] })),
    },
    {
      name: 'todo_leases',
      help: 'Runs under a lease, of this host or another, by whether it holds.',
      type: 'gauge',
      series: leases.map(({ where, state, runs }) => ({ labels: { where, state }, value: runs })),
    },
    {
      name: 'todo_hosts',
      help: 'Hosts that ever took a todo of this store, by whether they take more.',
      type: 'gauge',
      series: [
        { labels: { state: 'taking' }, value: hosts.taking },
        { labels: { state: 'drained' }, value: hosts.drained },
      ],
    },
    gauge(
      'todo_watchdog_up',
      '1 while the watchdog of this daemon lives, 0 when it is dead; absent where there is to be none.',
      watchdog === null || watchdog.isAlive === null ? null : watchdog.isAlive ? 1 : 0,
    ),
    {
      name: 'todo_watchdog_restarts',
      help: 'How often its watchdog restarted this daemon in the last 24 hours, by cause.',
      type: 'gauge',
      series: watchdog === null ? [] : restartCauses.map((cause) => ({ labels: { cause }, value: watchdog.restarts[cause] })),
    },
  ];
}

/** As the last look of the daemon measured them; absent before it. */
function machineFamilies({ watch, restarting }: Context): Family[] {
  const last = watch.last;
  const trees = [...(last?.trees?.values() ?? [])];
  const sum = (of: (tree: (typeof trees)[number]) => number): number | null =>
    last === null || last.trees === null ? null : trees.reduce((total, tree) => total + of(tree), 0);
  const disk = last?.machine.disk ?? null;
  return [
    gauge(
      'todo_event_loop_delay_seconds',
      'The longest standstill of the event loop in the last interval.',
      inSeconds(last?.self.loopDelayMs),
    ),
    gauge('todo_event_loop_busy_ratio', 'Share of the last interval in which the event loop had work.', last?.self.loopBusy ?? null),
    gauge('todo_disk_free_bytes', 'Free space where the home is.', disk?.freeBytes ?? null),
    gauge('todo_disk_size_bytes', 'Size of the file system where the home is.', disk?.totalBytes ?? null),
    gauge('todo_machine_memory_used_bytes', 'Memory in use, of the machine or of the container.', last?.machine.memoryUsedBytes ?? null),
    gauge('todo_machine_memory_size_bytes', 'Memory of the machine or of the container.', last?.machine.memoryTotalBytes ?? null),
    gauge(
      'todo_agents_resident_memory_bytes',
      'Memory of all processes of all runs.',
      sum(({ rssBytes }) => rssBytes),
    ),
    gauge(
      'todo_agents_processes',
      'Processes of all runs.',
      sum(({ processes }) => processes),
    ),
    gauge('todo_resources_look_timestamp_seconds', 'When this was measured, in seconds since 1970.', inSeconds(last?.wallMs)),
    gauge('todo_daemon_generation', 'How often the daemon of this home has restarted in place.', restarting.generation),
  ];
}

const inSeconds = (ms: number | null | undefined): number | null => (ms === null || ms === undefined ? null : ms / 1000);
