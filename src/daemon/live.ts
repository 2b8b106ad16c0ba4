import type { Clock, Log } from '../world.ts';
import type { Engine } from './engine.ts';

/** How long a drain waits for completions that are under way. */
export const drainMs = 30_000;

/** Recover, loop, drain. `drain` asks for the end; `stop` (given to the engine) cuts short. */
export async function live(
  engine: Engine,
  { clock, log }: { clock: Clock; log: Log },
  drain: AbortSignal,
  stop: AbortSignal,
): Promise<void> {
  await engine.recover();
  log.info('completion', 'recovered', { live: engine.live().length });
  drain.addEventListener('abort', () => engine.wake(), { once: true });
  while (!drain.aborted && !stop.aborted && !engine.idle()) await engine.sleepUntil(await engine.pass());
  if (stop.aborted) return;
  log.info('completion', 'draining', { live: engine.live().length });
  await engine.drain(clock.nowMs() + drainMs);
}
