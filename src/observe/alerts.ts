export type Alert = {
  readonly name: string;
  readonly expr: string;
  /** How long it must hold; as Prometheus writes durations. */
  readonly holds: string;
  readonly severity: 'critical' | 'warning' | 'none';
  /** What it means, in one line. */
  readonly summary: string;
  /** What to do. */
  readonly runbook: string;
};

/** Of each daemon by itself: an alert without `instance` is not known to be of the daemon that is down. */
const badShare = (window: string): string =>
  `sum by (instance) (rate(todo_completions_total{outcome=~"failed|forced|lost"}[${window}])) / sum by (instance) (rate(todo_completions_total[${window}]))`;

/** On what the daemon exports, and nothing else: each has a test that fires and one that does not. */
export const alerts: readonly Alert[] = [
  {
    name: 'SystemDegraded',
    expr: 'todo_health_status == 1',
    holds: '5m',
    severity: 'warning',
    summary: '{{ $labels.component }} is degraded',
    runbook: 'todo health says why, since when, and what to do',
  },
  {
    name: 'SystemUnhealthy',
    expr: 'todo_health_status == 2',
    holds: '1m',
    severity: 'critical',
    summary: '{{ $labels.component }} is unhealthy',
    runbook: 'todo health says why, since when, and what to do',
  },
  {
    name: 'HighErrorRate',
    expr: 'rate(todo_errors_total[5m]) > 0.1',
    holds: '2m',
    severity: 'warning',
    summary: 'More than one step of completions fails in ten seconds',
    runbook: 'todo retry status',
  },
  {
    name: 'TodoDaemonDown',
    expr: 'up{job="todo"} == 0 or absent(up{job="todo"})',
    holds: '2m',
    severity: 'critical',
    summary: 'The daemon does not answer, or is not scraped',
    runbook: 'todo daemon status; todo doctor; todo start',
  },
  {
    name: 'TodoDaemonStuck',
    expr: 'time() - todo_daemon_last_pass_timestamp_seconds > 60',
    holds: '1m',
    severity: 'critical',
    summary: 'The daemon answers, but its loop has not gone round for a minute',
    runbook: 'todo daemon restart',
  },
  {
    name: 'TodoRestartLoop',
    expr: 'changes(todo_daemon_start_time_seconds[30m]) > 3',
    holds: '0m',
    severity: 'critical',
    summary: 'The daemon has started more than three times in half an hour',
    runbook: 'todo watchdog status; logs/watchdog_logs/incidents',
  },
  {
    name: 'TodoWatchdogDead',
    expr: 'todo_watchdog_up == 0',
    holds: '5m',
    severity: 'warning',
    summary: 'The watchdog of the daemon is dead, and the daemon has not got another one: nobody would restart it',
    runbook: 'todo watchdog status; todo start',
  },
  {
    name: 'TodoCompletionsFailFast',
    expr: `${badShare('5m')} > 0.5 and ${badShare('1h')} > 0.5`,
    holds: '2m',
    severity: 'critical',
    summary: 'More than half of the runs of the last hour ended badly, and they still do',
    runbook: 'todo list --status failed; todo why ID',
  },
  {
    name: 'TodoCompletionsFailSlowly',
    expr: `${badShare('30m')} > 0.2 and ${badShare('6h')} > 0.2`,
    holds: '15m',
    severity: 'warning',
    summary: 'More than a fifth of the runs of the last six hours ended badly, and they still do',
    runbook: 'todo list --status failed; todo why ID',
  },
  {
    name: 'TodoDeadLettersGrow',
    expr: 'sum by (instance) (increase(todo_dead_lettered_total[1h])) > 0',
    holds: '0m',
    severity: 'warning',
    summary: 'A completion was given up within the last hour',
    runbook: 'todo dead-letter list',
  },
  {
    name: 'TodoDeadLettersOld',
    expr: 'todo_findings{check="dead-letter"} > 0',
    holds: '1d',
    severity: 'warning',
    summary: 'Dead letters have waited for a person for a day',
    runbook: 'todo dead-letter list; todo dead-letter requeue ID',
  },
  {
    name: 'TodoStoreAway',
    expr: 'todo_store_up == 0',
    holds: '5m',
    severity: 'critical',
    summary: 'The store has not answered for five minutes; completions wait in the journal',
    runbook: 'todo store check',
  },
  {
    name: 'TodoBreakerOpenLong',
    expr: 'todo_breaker_state{state=~"open|isolated"} == 1',
    holds: '10m',
    severity: 'warning',
    summary: '{{ $labels.dependency }} has not been called for ten minutes',
    runbook: 'todo breaker list',
  },
  {
    name: 'TodoQueueStuck',
    expr: 'todo_findings{check="queue"} > 0',
    holds: '10m',
    severity: 'warning',
    summary: 'Todos wait, places are free, and nothing is started',
    runbook: 'todo health; todo host list; todo test',
  },
  {
    name: 'TodoRunsHang',
    expr: 'todo_findings{check="hanging"} > 0',
    holds: '30m',
    severity: 'warning',
    summary: 'A run has hung for half an hour and nobody has ended it',
    runbook: 'todo recover',
  },
  {
    name: 'TodoNotificationsFail',
    expr: 'todo_deliveries_oldest_seconds > 900 or todo_deliveries{state="dead"} > 0',
    holds: '5m',
    severity: 'warning',
    summary: 'Notifications do not arrive',
    runbook: 'todo dead-letter list; check monitoring.webhook_url',
  },
  {
    name: 'TodoDiskFull',
    // A disk that is half empty may fill and empty as it likes.
    expr: 'predict_linear(todo_disk_free_bytes[6h], 86400) < 0 and todo_disk_free_bytes / todo_disk_size_bytes < 0.4',
    holds: '30m',
    severity: 'warning',
    summary: 'At this rate the disk of the home is full within a day',
    runbook: 'todo doctor; free some disk space',
  },
  {
    name: 'TodoEventLoopBlocked',
    expr: 'todo_event_loop_delay_seconds > 1',
    holds: '5m',
    severity: 'warning',
    summary: 'The event loop of the daemon stands still for more than a second again and again',
    runbook: 'todo health --history',
  },
  {
    name: 'TodoSeriesDropped',
    expr: 'todo_metrics_dropped_total > 0',
    holds: '0m',
    severity: 'warning',
    summary: 'Series of metrics were left out: a defect',
    runbook: 'please report it',
  },
  {
    name: 'TodoHeartbeat',
    expr: 'vector(1)',
    holds: '0m',
    severity: 'none',
    summary: 'Always fires: whoever receives it no more knows that alerts do not arrive (a dead man’s switch)',
    runbook: 'route it to what misses it',
  },
];

/** The file that Prometheus loads (`rule_files`). */
export function alertRules(): string {
  const lines = ['# Made by: todo metrics --rules', 'groups:', '  - name: todo', '    rules:'];
  for (const { name, expr, holds, severity, summary, runbook } of alerts)
    lines.push(
      `      - alert: ${name}`,
      `        expr: ${quoted(expr)}`,
      `        for: ${holds}`,
      ...(keepsFiring(name, holds) ? ['        keep_firing_for: 3m'] : []),
      '        labels:',
      // Whoever has an Alertmanager already tells ours by it.
      '          service: todo',
      `          severity: ${severity}`,
      '        annotations:',
      `          summary: ${quoted(summary)}`,
      `          runbook: ${quoted(runbook)}`,
    );
  return `${lines.join('\n')}\n`;
}

/**
 * A daemon that goes down takes its figures with it: what it last said would be told as resolved, until it is known to be down and mutes that.
 * What fires at once looks back over an hour by itself.
 */
const keepsFiring = (name: string, holds: string): boolean => holds !== '0m' && name !== 'TodoDaemonDown';

/** As YAML is written by hand: in single quotes what has double ones. */
const quoted = (text: string): string => (text.includes('"') ? `'${text.replaceAll("'", "''")}'` : JSON.stringify(text));
