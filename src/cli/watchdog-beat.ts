import { newService, tellService } from '../daemon/service.ts';
import type { Log } from '../world.ts';
import type { Opened } from './command.ts';

/**
 * The heartbeat of a watchdog that a service manager watches (Type=notify, WatchdogSec): it is sent by a round of the watch, so where that stands still no
 * ping comes. Without the manager's socket nothing is sent.
 */
export function createBeat({ world: { host, processes, clock } }: Opened, log: Log) {
  const service = newService({ host, processes, clock });
  let telling: Promise<void> | null = null;
  return {
    /** A round is over, and the next one is to come within so long. */
    round(): number {
      if (service.socket === null) return Number.POSITIVE_INFINITY;
      const nowMs = clock.monotonicMs();
      if (telling === null && nowMs >= service.dueMs) {
        service.dueMs = service.everyMs === null ? Number.POSITIVE_INFINITY : nowMs + service.everyMs;
        const words = service.isReady ? ['WATCHDOG=1'] : ['READY=1', 'STATUS=watches'];
        service.isReady = true;
        telling = tellService({ service, world: { processes, log } }, words).finally(() => {
          telling = null;
        });
      }
      return Math.max(0, service.dueMs - nowMs);
    },
    async stopping(): Promise<void> {
      await telling;
      if (service.socket !== null) await tellService({ service, world: { processes, log } }, ['STOPPING=1']);
    },
  };
}
