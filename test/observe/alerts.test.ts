// The alerts that ship, judged by Prometheus's own tool: each fires where it shall, and is quiet just below.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Alert, alertRules, alerts } from '../../src/observe/alerts.ts';
import { programs } from '../programs.ts';

/** Series as promtool writes them, a value a minute, and when to look. */
type Scene = { readonly series: Readonly<Record<string, string>>; readonly at: string };
type Fires = Scene & { readonly labels?: Readonly<Record<string, string>> };
type Case = { readonly fires: Fires | readonly Fires[]; readonly quiet: readonly Scene[] };

const always = (value: number, minutes = 2000): string => `${value}+0x${minutes}`;
const runsAt = (outcome: string, instance: string): string => `todo_completions_total{outcome="${outcome}",instance="${instance}"}`;
const runs = (outcome: string): string => `todo_completions_total{outcome="${outcome}"}`;

const cases: Readonly<Record<string, Case>> = {
  SystemDegraded: {
    fires: [
      { series: { 'todo_health_status{component="timers"}': always(1) }, at: '5m', labels: { component: 'timers' } },
      // The daemon went down a moment ago: that is not yet known, and nothing is resolved by it.
      { series: { 'todo_health_status{component="timers"}': '1+0x6 stale' }, at: '9m', labels: { component: 'timers' } },
    ],
    quiet: [
      { series: { 'todo_health_status{component="timers"}': always(1) }, at: '4m' },
      { series: { 'todo_health_status{component="timers"}': '1 1 1 1 0 1 1 1 1' }, at: '8m' },
      { series: { 'todo_health_status{component="store"}': always(2) }, at: '10m' },
      { series: { 'todo_health_status{component="timers"}': '1+0x6 stale' }, at: '11m' },
    ],
  },
  SystemUnhealthy: {
    fires: { series: { 'todo_health_status{component="disk"}': always(2) }, at: '1m', labels: { component: 'disk' } },
    quiet: [{ series: { 'todo_health_status{component="disk"}': always(1) }, at: '9m' }],
  },
  HighErrorRate: {
    // Seven a minute are more than one in ten seconds, five are less.
    fires: { series: { todo_errors_total: '0+7x30' }, at: '8m' },
    quiet: [
      { series: { todo_errors_total: '0+5x30' }, at: '20m' },
      { series: { todo_errors_total: '0+0x10 0+7x3 21+0x10' }, at: '14m' },
    ],
  },
  TodoDaemonDown: {
    fires: [
      { series: { 'up{job="todo"}': always(0) }, at: '2m', labels: { job: 'todo' } },
      // Nobody scrapes it.
      { series: { 'up{job="other"}': always(1) }, at: '2m', labels: { job: 'todo' } },
    ],
    quiet: [
      { series: { 'up{job="todo"}': always(1) }, at: '9m' },
      { series: { 'up{job="todo"}': '1 1 0 1 1 1' }, at: '5m' },
    ],
  },
  TodoDaemonStuck: {
    fires: { series: { todo_daemon_last_pass_timestamp_seconds: always(0) }, at: '3m' },
    quiet: [{ series: { todo_daemon_last_pass_timestamp_seconds: '0+60x20' }, at: '9m' }],
  },
  TodoRestartLoop: {
    fires: { series: { todo_daemon_start_time_seconds: '0 60 120 180 240 240 240' }, at: '6m' },
    quiet: [{ series: { todo_daemon_start_time_seconds: '0 60 120 180 180 180 180' }, at: '6m' }],
  },
  TodoWatchdogDead: {
    fires: { series: { todo_watchdog_up: always(0) }, at: '5m' },
    quiet: [
      { series: { todo_watchdog_up: always(1) }, at: '1h' },
      { series: { todo_watchdog_up: '1 0 0 0 1 1 1 1 1 1' }, at: '8m' },
    ],
  },
  TodoCompletionsFailFast: {
    fires: [
      { series: { [runs('failed')]: '0+3x90', [runs('done')]: '0+2x90' }, at: '80m' },
      // One daemon of two: said of that one.
      { series: { [runsAt('failed', 'a')]: '0+3x90', [runsAt('done', 'b')]: '0+9x90' }, at: '80m', labels: { instance: 'a' } },
    ],
    quiet: [
      { series: { [runs('failed')]: '0+2x90', [runs('done')]: '0+3x90' }, at: '80m' },
      // It was bad and is good again.
      { series: { [runs('failed')]: '0+9x60 540+0x20', [runs('done')]: '0+0x60 0+2x20' }, at: '72m' },
    ],
  },
  TodoCompletionsFailSlowly: {
    fires: { series: { [runs('forced')]: '0+3x500', [runs('done')]: '0+7x500' }, at: '8h' },
    quiet: [{ series: { [runs('forced')]: '0+1x500', [runs('done')]: '0+9x500' }, at: '8h' }],
  },
  TodoDeadLettersGrow: {
    fires: { series: { 'todo_dead_lettered_total{class="permanent"}': '0x10 1x10' }, at: '15m' },
    quiet: [{ series: { 'todo_dead_lettered_total{class="permanent"}': always(3) }, at: '3h' }],
  },
  TodoDeadLettersOld: {
    fires: { series: { 'todo_findings{check="dead-letter"}': always(1) }, at: '1d', labels: { check: 'dead-letter' } },
    quiet: [{ series: { 'todo_findings{check="dead-letter"}': always(1) }, at: '23h' }],
  },
  TodoStoreAway: {
    fires: { series: { todo_store_up: always(0) }, at: '5m' },
    quiet: [{ series: { todo_store_up: '0 0 0 0 1 0 0 0 0' }, at: '8m' }],
  },
  TodoBreakerOpenLong: {
    fires: ['open', 'isolated'].map((state) => ({
      series: { [`todo_breaker_state{dependency="webhook",state="${state}"}`]: always(1) },
      at: '10m',
      labels: { dependency: 'webhook', state },
    })),
    quiet: [
      { series: { 'todo_breaker_state{dependency="webhook",state="open"}': always(1) }, at: '9m' },
      { series: { 'todo_breaker_state{dependency="webhook",state="closed"}': always(1) }, at: '1h' },
    ],
  },
  TodoQueueStuck: {
    fires: { series: { 'todo_findings{check="queue"}': always(2) }, at: '10m', labels: { check: 'queue' } },
    quiet: [{ series: { 'todo_findings{check="queue"}': always(0) }, at: '1h' }],
  },
  TodoRunsHang: {
    fires: { series: { 'todo_findings{check="hanging"}': always(1) }, at: '30m', labels: { check: 'hanging' } },
    quiet: [{ series: { 'todo_findings{check="hanging"}': always(1) }, at: '29m' }],
  },
  TodoNotificationsFail: {
    fires: [
      { series: { todo_deliveries_oldest_seconds: '0+60x60' }, at: '25m' },
      { series: { 'todo_deliveries{state="dead"}': always(1) }, at: '5m', labels: { state: 'dead' } },
    ],
    quiet: [{ series: { todo_deliveries_oldest_seconds: always(800), 'todo_deliveries{state="dead"}': always(0) }, at: '1h' }],
  },
  TodoDiskFull: {
    // A gigabyte left, and a megabyte less each minute: sixteen hours.
    fires: { series: { todo_disk_free_bytes: '1000000000-1000000x600', todo_disk_size_bytes: always(4_000_000_000) }, at: '7h' },
    quiet: [
      { series: { todo_disk_free_bytes: '1000000000-100000x600', todo_disk_size_bytes: always(4_000_000_000) }, at: '7h' },
      { series: { todo_disk_free_bytes: '1000000000-1000000x600', todo_disk_size_bytes: always(1_000_000_000) }, at: '7h' },
    ],
  },
  TodoEventLoopBlocked: {
    fires: { series: { todo_event_loop_delay_seconds: always(1.5) }, at: '5m' },
    quiet: [{ series: { todo_event_loop_delay_seconds: always(0.9) }, at: '1h' }],
  },
  TodoSeriesDropped: {
    fires: { series: { todo_metrics_dropped_total: always(1) }, at: '1m' },
    quiet: [{ series: { todo_metrics_dropped_total: always(0) }, at: '1h' }],
  },
  TodoHeartbeat: { fires: { series: {}, at: '1m' }, quiet: [] },
};

test('[P-48] every alert fires where it shall and is quiet just below; the shipped file is what the program prints', () => {
  // The heartbeat is there to fire always; every other one is quiet somewhere.
  assert.deepEqual(
    Object.keys(cases).filter((name) => cases[name]!.quiet.length === 0),
    ['TodoHeartbeat'],
  );
  assert.deepEqual(Object.keys(cases).toSorted(), alerts.map(({ name }) => name).toSorted(), 'a case for every alert');
  assert.equal(
    readFileSync(new URL('../../docs/prometheus/alerts.yml', import.meta.url), 'utf8'),
    alertRules(),
    'todo metrics --rules > docs/prometheus/alerts.yml',
  );
  assert.equal(judged(alertRules()), '');
});

test('the judge has teeth: another threshold, another time, another name is found out', () => {
  const only = (name: string): readonly Alert[] => alerts.filter((it) => it.name === name);
  assert.match(
    judged(alertRules().replace('todo_health_status == 1', 'todo_health_status >= 1'), only('SystemDegraded')),
    /SystemDegraded/,
  );
  assert.match(judged(alertRules().replace('[5m]) > 0.1', '[5m]) > 0.2'), only('HighErrorRate')), /HighErrorRate/);
  assert.match(judged(alertRules().replace('for: 10m', 'for: 9m'), only('TodoBreakerOpenLong')), /TodoBreakerOpenLong/);
});

/** What promtool has against these rules; nothing when all is as expected. Each by itself: else every rule is evaluated in every scene. */
function judged(rules: string, only: readonly Alert[] = alerts): string {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-rules-'));
  try {
    const [head = '', ...parts] = rules.split(/(?=^ {6}- alert: )/m);
    assert.equal(parts.length, alerts.length);
    for (const alert of only) {
      const part = parts.find((it) => it.startsWith(`      - alert: ${alert.name}\n`)) ?? '';
      writeFileSync(join(folder, `${alert.name}.yml`), head + part);
      // JSON is YAML.
      const about = { rule_files: [`${alert.name}.yml`], evaluation_interval: '1m', tests: scenesOf(alert, cases[alert.name]!) };
      writeFileSync(join(folder, `${alert.name}.test.yml`), JSON.stringify(about));
    }
    const files = only.map(({ name }) => join(folder, `${name}.test.yml`));
    execFileSync(programs().promtool, ['test', 'rules', ...files], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    return '';
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    if (stderr === undefined) throw error;
    return `${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function scenesOf({ name, severity, summary, runbook }: Alert, { fires, quiet }: Case) {
  const scene = ({ series, at }: Scene, expects: readonly unknown[]) => ({
    interval: '1m',
    name,
    input_series: Object.entries(series).map(([of, values]) => ({ series: of, values })),
    alert_rule_test: [{ eval_time: at, alertname: name, exp_alerts: expects }],
  });
  const firing = ([fires].flat() as readonly Fires[]).map(({ labels = {}, ...it }) => {
    const told = summary.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '');
    return scene(it, [{ exp_labels: { service: 'todo', severity, ...labels }, exp_annotations: { summary: told, runbook } }]);
  });
  return [...firing, ...quiet.map((it) => scene(it, []))];
}
