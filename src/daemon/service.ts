import type { World } from '../world.ts';
import type { Context } from './context.ts';
import { journalAnswers, schedulerStandsStill } from './progress.ts';

/** What a service manager was told; sd_notify(3). Without its socket in the environment nobody is told anything. */
export type Service = {
  readonly socket: string | null;
  /** Between two pings: a third of the time after which it restarts us. Null: it does not watch. */
  readonly everyMs: number | null;
  /** By the monotonic clock. */
  dueMs: number;
  isReady: boolean;
  /** Why nobody is told that all goes on, said once. */
  standstill: string | null;
  /** Why it could not be told, said once. */
  failure: string | null;
};

const perPing = 3;
const tellWithinMs = 10_000;

export function newService({ host, processes, clock }: Pick<World, 'host' | 'processes' | 'clock'>): Service {
  const socket = host.env['NOTIFY_SOCKET'] || null;
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: pid } = host.env;
  // Another process is watched: systemd says whom it means.
  const isOurs = pid === undefined || pid === '' || (socket !== null && Number(pid) === processes.self().pid);
  const watchMs = isOurs ? Number(usec ?? 0) / 1000 : 0;
  return {
    socket,
    everyMs: watchMs > 0 ? Math.max(1, watchMs / perPing) : null,
    dueMs: clock.monotonicMs(),
    isReady: false,
    standstill: null,
    failure: null,
  };
}

/**
 * A heartbeat that proves progress: a pass of the loop begins it, unless todos are not scheduled any more, and it is sent after the journal has answered a write. Where
 * any of the three stands still no ping is sent.
 */
export function beatService(context: Context): void {
  const { service, world, tasks } = context;
  if (service.socket === null || world.clock.monotonicMs() < service.dueMs || tasks.busy('service:beat')) return;
  service.dueMs = service.everyMs === null ? Number.POSITIVE_INFINITY : world.clock.monotonicMs() + service.everyMs;
  const before = service.standstill;
  service.standstill = schedulerStandsStill(context);
  if (service.standstill !== null) {
    if (before === null) world.log.error('monitor', 'no heartbeat to the service manager', { reason: service.standstill });
    return;
  }
  tasks.start(
    'service:beat',
    async () => {
      await journalAnswers(context);
      // After a restart in place the manager has long heard READY=1, and still counts from the last ping of the daemon before this one.
      await tellService(context, service.isReady ? ['WATCHDOG=1'] : ['READY=1', 'WATCHDOG=1', 'STATUS=takes todos to their end']);
      service.isReady = true;
    },
    (error) => world.log.warn('monitor', 'no heartbeat to the service manager', { reason: error.message }),
  );
}

export const beatDueMs = ({ service, tasks }: Context): number =>
  service.socket === null || tasks.busy('service:beat') ? Number.POSITIVE_INFINITY : service.dueMs;

/** A drain is no standstill. */
export function tellStopping(context: Context): void {
  if (context.service.socket === null) return;
  context.tasks.start(
    'service:stopping',
    () => tellService(context, ['STOPPING=1', 'STATUS=finishes what completes']),
    () => {},
  );
}

/** Node has no datagram sockets of Unix (nodejs/node#61933), so the word is carried by the program that comes with systemd. */
export async function tellService(
  { service, world }: { readonly service: Service; readonly world: Pick<World, 'processes' | 'log'> },
  words: readonly string[],
): Promise<void> {
  const plan = {
    argv: ['systemd-notify', ...words],
    cwd: '/',
    env: { NOTIFY_SOCKET: service.socket },
    timeoutMs: tellWithinMs,
    tailBytes: 500,
  };
  const { exitCode, startError, tail } = await world.processes.run(plan);
  const failure = exitCode === 0 ? null : (startError ?? (tail.trim() || `systemd-notify ended with ${exitCode}`));
  if (failure !== null && failure !== service.failure)
    world.log.error('monitor', 'the service manager could not be told', {
      words: words[0],
      reason: failure,
      hint: 'apt-get install systemd',
    });
  service.failure = failure;
}
