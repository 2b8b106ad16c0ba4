import { inMs } from '../core/seconds.ts';
import type { Clock, Log } from '../world.ts';
import type { Engine } from './engine.ts';

/** restarts: all is handed over, and another daemon is to go on in our place. */
export type Lived = 'ended' | 'restarts';

/** Recover, loop, drain. `drain` asks for the end; `stop` (given to the engine) cuts short. */
export async function live(
  engine: Engine,
  { clock, log }: { clock: Clock; log: Log },
  drain: AbortSignal,
  stop: AbortSignal,
): Promise<Lived> {
  await engine.recover();
  log.info('completion', 'recovered', { live: engine.live().length });
  await engine.arrive();
  drain.addEventListener('abort', () => engine.wake(), { once: true });
  while (!drain.aborted && !stop.aborted && !engine.idle() && !engine.restarts()) await engine.sleepUntil(await engine.pass());
  if (stop.aborted) return 'ended';
  const pausedAtMs = clock.nowMs();
  const restarts = !drain.aborted && engine.restarts();
  if (restarts) engine.announceRestart();
  else engine.announceEnd();
  log.info('completion', 'draining', { live: engine.live().length });
  await engine.drain(pausedAtMs + inMs(engine.context.config.behavior.drain_timeout));
  if (!restarts || drain.aborted || stop.aborted) return 'ended';
  await engine.handOver(pausedAtMs);
  return 'restarts';
}
