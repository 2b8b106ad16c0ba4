import type { Finding } from '../core/control.ts';
import type { HealthStatus } from '../core/words.ts';
import { type Family, gauge } from './metric.ts';
import type { ShownHealth } from './shown.ts';

/** Worse is more; unknown is apart. */
const numberOf: Readonly<Record<HealthStatus, number>> = { healthy: 0, degraded: 1, unhealthy: 2, unknown: 3 };
/** Each kind, so that it is there with nought before the first. */
const checks: Readonly<Record<Finding['check'], true>> = {
  hanging: true,
  'orphaned-session': true,
  'stale-marker': true,
  'store-consistency': true,
  'log-size': true,
  queue: true,
  'completion-waiting': true,
  'dead-letter': true,
  disk: true,
};

export function healthFamilies({ components, findings, lookedAtMs }: ShownHealth): Family[] {
  return [
    {
      name: 'todo_health_status',
      help: '0 healthy, 1 degraded, 2 unhealthy, 3 unknown.',
      type: 'gauge',
      series: components.map(({ name, status }) => ({ labels: { component: name }, value: numberOf[status] })),
    },
    {
      name: 'todo_findings',
      help: 'What the last look over everything found, by kind.',
      type: 'gauge',
      series: Object.keys(checks).map((check) => ({ labels: { check }, value: findings.filter((it) => it.check === check).length })),
    },
    gauge('todo_health_look_timestamp_seconds', 'When everything was last looked at, in seconds since 1970.', lookedAtMs / 1000),
  ];
}

export const buildInfo = (version: string): Family => ({
  name: 'todo_build_info',
  help: 'Version of the program; the value is always 1.',
  type: 'gauge',
  series: [{ labels: { version }, value: 1 }],
});
