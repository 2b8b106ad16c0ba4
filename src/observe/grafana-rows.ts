import { livingStatuses } from '../core/words.ts';

/** A question to Prometheus, and how its series are called; `{{label}}` is filled in by Grafana. */
export type Query = { readonly expr: string; readonly legend: string };
/** What a panel shows, in words of ours; `grafana.ts` says it in Grafana's. */
export type Panel = {
  readonly title: string;
  readonly about: string;
  readonly queries: readonly Query[];
  /** stat: a number each · lines: over time · stacked: the same, as shares of a whole · states: a coloured bar each. */
  readonly shows: 'stat' | 'lines' | 'stacked' | 'states';
  readonly unit?: 'short' | 's' | 'bytes' | 'percentunit' | 'cps' | 'dateTimeAsIso';
  /** Red from here on. */
  readonly redFrom?: number;
  readonly width?: number;
};
export type Row = { readonly title: string; readonly panels: readonly Panel[] };

/** Of the daemon that is chosen above the panels. */
export const of = (metric: string, matchers = ''): string =>
  `${metric}{${['job="todo"', 'instance=~"$instance"', matchers].filter(Boolean).join(', ')}}`;
const rate = (metric: string, matchers = ''): string => `rate(${of(metric, matchers)}[$__rate_interval])`;
const inRange = (metric: string, matchers = ''): string => `increase(${of(metric, matchers)}[$__range])`;
/** Completions are few: over a minute there is mostly none. */
const hourly = (metric: string): string => `rate(${of(metric)}[1h])`;
const quantile = (q: number, metric: string, by: string, over: (metric: string) => string = rate): string =>
  `histogram_quantile(${q}, sum by (${[by, 'le'].filter(Boolean).join(', ')}) (${over(`${metric}_bucket`)}))`;
/** The median, and what one in twenty exceeds, over the hour before. */
const middleAndMost = (metric: string, by: string, named: string): Panel['queries'] => [
  { expr: quantile(0.5, metric, by, hourly), legend: `${named}median` },
  { expr: quantile(0.95, metric, by, hourly), legend: `${named}95 %` },
];

export const rows: readonly Row[] = [
  {
    title: 'Health',
    panels: [
      {
        title: 'Daemon',
        about: 'Whether it is scraped. Down says nothing of what its agents do: they live on.',
        queries: [{ expr: of('up'), legend: '{{instance}}' }],
        shows: 'states',
        width: 6,
      },
      {
        title: 'Alerts',
        about: 'That fire now; the heartbeat always does and is left out.',
        queries: [
          { expr: 'count(ALERTS{service="todo", alertstate="firing", alertname!="TodoHeartbeat"}) or vector(0)', legend: 'firing' },
        ],
        shows: 'stat',
        redFrom: 1,
        width: 3,
      },
      {
        title: 'Up for',
        about: 'Since the last start.',
        queries: [{ expr: `time() - ${of('todo_daemon_start_time_seconds')}`, legend: '{{instance}}' }],
        shows: 'stat',
        unit: 's',
        width: 3,
      },
      {
        title: 'Components',
        about: '0 healthy, 1 degraded, 2 unhealthy, 3 unknown. todo health says why, since when, and what to do.',
        queries: [{ expr: of('todo_health_status'), legend: '{{component}}' }],
        shows: 'states',
      },
      {
        title: 'Findings',
        about: 'What the last look over everything found. todo recover shows what could be done.',
        queries: [{ expr: `${of('todo_findings')} > 0`, legend: '{{check}}' }],
        shows: 'lines',
      },
    ],
  },
  {
    title: 'Todos',
    panels: [
      {
        title: 'Todos that have not ended',
        about: 'Of all hosts that share the store.',
        queries: livingStatuses.map((status) => ({ expr: `max(${of('todo_todos', `status="${status}"`)})`, legend: status })),
        shows: 'stacked',
      },
      {
        title: 'Live runs',
        about: 'Of the daemon, by the last thing that is durably true about them.',
        queries: [{ expr: `sum by (fact) (${of('todo_live_runs')})`, legend: '{{fact}}' }],
        shows: 'stacked',
      },
      {
        title: 'Runs that ended, by outcome',
        about: 'In the range that is shown.',
        queries: [{ expr: `sum by (outcome) (${inRange('todo_completions_total')})`, legend: '{{outcome}}' }],
        shows: 'stat',
      },
      {
        title: 'Todos completed, by what proved it',
        about: 'verified: checks passed. unverified: there were none. forced: a deadline or todo emergency. overridden: a person said so.',
        queries: [{ expr: `sum by (proof) (${inRange('todo_completed_total')})`, legend: '{{proof}}' }],
        shows: 'stat',
      },
      {
        title: 'How long runs took',
        about: 'From the start of a run to its end, over the hour before: the median, and what one in twenty exceeds.',
        queries: middleAndMost('todo_run_duration_seconds', 'agent', '{{agent}} '),
        shows: 'lines',
        unit: 's',
      },
    ],
  },
  {
    title: 'Completion',
    panels: [
      {
        title: 'How long completions took',
        about: 'From the first word that a run has ended until all of it was recorded, confirmed and cleaned; over the hour before.',
        queries: middleAndMost('todo_completion_duration_seconds', '', ''),
        shows: 'lines',
        unit: 's',
      },
      {
        title: 'What each layer took',
        about: 'On average over the hour before, waits between tries left out.',
        queries: [
          {
            expr: `sum by (layer) (${hourly('todo_layer_duration_seconds_sum')}) / sum by (layer) (${hourly('todo_layer_duration_seconds_count')})`,
            legend: '{{layer}}',
          },
        ],
        shows: 'stacked',
        unit: 's',
      },
      {
        title: 'Where the output came from',
        about: 'Sources that were tried in the range that is shown, by verdict.',
        queries: [{ expr: `sum by (source, verdict) (${inRange('todo_collect_source_total')}) > 0`, legend: '{{source}}: {{verdict}}' }],
        shows: 'stat',
      },
      {
        title: 'Retries',
        about: 'Steps that failed and are tried again, a second, by class of error. todo retry status',
        queries: [
          { expr: `sum by (class) (${rate('todo_retry_attempts_total')}) > 0`, legend: '{{class}}' },
          { expr: `sum(${rate('todo_errors_total')})`, legend: 'all that failed' },
        ],
        shows: 'lines',
        unit: 'cps',
      },
      {
        title: 'Dead letters',
        about: 'That wait for a person, and those given up in the range that is shown. todo dead-letter list',
        queries: [
          { expr: `max(${of('todo_todos', 'status="dead-lettered"')})`, legend: 'waiting' },
          { expr: `sum(${inRange('todo_dead_lettered_total')})`, legend: 'given up' },
        ],
        shows: 'stat',
        redFrom: 1,
      },
    ],
  },
  {
    title: 'What it needs',
    panels: [
      {
        title: 'Breakers that are not closed',
        about: 'By dependency and state. todo breaker list',
        queries: [{ expr: `${of('todo_breaker_state', 'state!="closed"')} == 1`, legend: '{{dependency}}: {{state}}' }],
        shows: 'lines',
      },
      {
        title: 'Changes of breakers',
        about: 'Within five minutes.',
        queries: [
          {
            expr: `sum by (dependency, to) (increase(${of('todo_breaker_transitions_total')}[5m])) > 0`,
            legend: '{{dependency}} to {{to}}',
          },
        ],
        shows: 'lines',
      },
      {
        title: 'How long the store took',
        about: 'What one operation in twenty exceeds, by kind.',
        queries: [{ expr: quantile(0.95, 'todo_db_query_duration_seconds', 'kind'), legend: '{{kind}}' }],
        shows: 'lines',
        unit: 's',
      },
      {
        title: 'Connections to the store',
        about: 'And what stands in line for one.',
        queries: [
          { expr: `sum by (state) (${of('todo_store_connections')})`, legend: '{{state}}' },
          { expr: `sum(${of('todo_store_waiting')})`, legend: 'in line' },
        ],
        shows: 'lines',
      },
      {
        title: 'Leases',
        about: 'Runs of this host and of others, by whether their lease holds. An expired one is taken over.',
        queries: [{ expr: of('todo_leases'), legend: '{{instance}}: {{where}}, {{state}}' }],
        shows: 'lines',
      },
      {
        title: 'Hosts',
        about: 'That ever took a todo of this store. todo host list',
        queries: [{ expr: `max by (state) (${of('todo_hosts')})`, legend: '{{state}}' }],
        shows: 'stat',
        width: 6,
      },
      {
        title: 'Notifications',
        about: 'That wait to be delivered, and those given up.',
        queries: [{ expr: `sum by (state) (${of('todo_deliveries')})`, legend: '{{state}}' }],
        shows: 'stat',
        width: 6,
      },
    ],
  },
  {
    title: 'The daemon itself',
    panels: [
      {
        title: 'Restarts by the watchdog',
        about: 'In the last 24 hours, by cause. todo watchdog status',
        queries: [{ expr: of('todo_watchdog_restarts'), legend: '{{cause}}' }],
        shows: 'stat',
        redFrom: 3,
        width: 8,
      },
      {
        title: 'Watchdog',
        about: 'Whether it lives; nothing where the daemon has none (a service manager, or nobody).',
        queries: [{ expr: of('todo_watchdog_up'), legend: '{{instance}}' }],
        shows: 'states',
        width: 4,
      },
      {
        title: 'Starts',
        about: 'Each change is a start of the daemon.',
        queries: [{ expr: `changes(${of('todo_daemon_start_time_seconds')}[1h])`, legend: '{{instance}} in an hour' }],
        shows: 'lines',
      },
      {
        title: 'Memory',
        about: 'Of the daemon, and of all that its runs have started.',
        queries: [
          { expr: of('todo_process_resident_memory_bytes'), legend: '{{instance}} daemon' },
          { expr: of('todo_process_heap_used_bytes'), legend: '{{instance}} its objects' },
          { expr: of('todo_agents_resident_memory_bytes'), legend: '{{instance}} agents' },
        ],
        shows: 'lines',
        unit: 'bytes',
      },
      {
        title: 'CPU',
        about: 'Share of one core.',
        queries: [{ expr: rate('todo_process_cpu_seconds_total'), legend: '{{instance}}' }],
        shows: 'lines',
        unit: 'percentunit',
      },
      {
        title: 'Event loop',
        about: 'Its longest standstill, and the age of its last whole round.',
        queries: [
          { expr: of('todo_event_loop_delay_seconds'), legend: '{{instance}} standstill' },
          { expr: `time() - ${of('todo_daemon_last_pass_timestamp_seconds')}`, legend: '{{instance}} last round' },
        ],
        shows: 'lines',
        unit: 's',
      },
      {
        title: 'Disk of the home',
        about: 'Share that is free.',
        queries: [{ expr: `${of('todo_disk_free_bytes')} / ${of('todo_disk_size_bytes')}`, legend: '{{instance}}' }],
        shows: 'lines',
        unit: 'percentunit',
      },
      {
        title: 'Files that are open',
        about: 'Files, sockets and pipes of the daemon.',
        queries: [{ expr: of('todo_process_open_fds'), legend: '{{instance}}' }],
        shows: 'lines',
      },
      {
        title: 'Requests over HTTP',
        about: 'A second, and what one in a hundred exceeds.',
        queries: [{ expr: `sum by (page) (${rate('todo_http_requests_total')})`, legend: '{{page}}' }],
        shows: 'lines',
        unit: 'cps',
      },
      {
        title: 'How long answers over HTTP took',
        about: 'What one in a hundred exceeds.',
        queries: [{ expr: quantile(0.99, 'todo_http_request_duration_seconds', 'page'), legend: '{{page}}' }],
        shows: 'lines',
        unit: 's',
      },
    ],
  },
];
