import type { HealthStatus } from '../core/words.ts';
import type { Shown, ShownHealth } from './shown.ts';

/** draft-inadarei-api-health-check-06. What could not be looked at is a warning: nobody knows that it failed. */
const wordOf: Readonly<Record<HealthStatus, 'pass' | 'warn' | 'fail'>> = {
  healthy: 'pass',
  degraded: 'warn',
  unknown: 'warn',
  unhealthy: 'fail',
};

/** `health` has our own word beside the standard's three; a check's `output` says why, `since` from when on, `whatToDo` which command helps. */
export function healthDocument({ status, components, lookedAtMs }: ShownHealth, { version, pid }: Pick<Shown, 'version' | 'pid'>) {
  const isoOf = (atMs: number): string => new Date(atMs).toISOString();
  const worrying = components.filter((it) => it.status !== 'healthy');
  return {
    status: wordOf[status],
    health: status,
    version,
    serviceId: `todo-daemon-${pid}`,
    output: worrying.map(({ name, reason }) => `${name}: ${reason}`).join('; '),
    time: isoOf(lookedAtMs),
    checks: Object.fromEntries(
      components.map(({ name, status: of, reason, sinceMs, evidence = {}, whatToDo = null }) => [
        name,
        [
          {
            componentId: name,
            status: wordOf[of],
            health: of,
            output: reason,
            since: isoOf(sinceMs),
            ...(Object.keys(evidence).length === 0 ? {} : { evidence }),
            ...(whatToDo === null ? {} : { whatToDo }),
          },
        ],
      ]),
    ),
  };
}
