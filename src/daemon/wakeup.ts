import type { Clock } from '../world.ts';

/** Given as the reason, because without one each abort makes an error with a stack: dear for what happens many times a second. */
const rang = 'rang';

/** A bell that can be rung from anywhere: a ring while nobody sleeps is kept for the next sleep. */
export function createWakeup(clock: Pick<Clock, 'sleep' | 'nowMs'>) {
  let rung = false;
  let ring: (() => void) | null = null;
  return {
    ring(): void {
      rung = true;
      ring?.();
    },
    /** Until that time, a ring, or the stop. */
    async sleepUntil(atMs: number, stop: AbortSignal): Promise<void> {
      const bell = new AbortController();
      const end = () => bell.abort(rang);
      ring = end;
      stop.addEventListener('abort', end, { once: true });
      // Also when it has rung already the event loop gets its turn: commits, timers and ends of processes come from there.
      await clock.sleep(rung || stop.aborted ? 0 : Math.max(0, atMs - clock.nowMs()), bell.signal);
      stop.removeEventListener('abort', end);
      ring = null;
      rung = false;
    },
  };
}

/** Lets somebody wait until something about the entries has changed. */
export function createChanges(clock: Clock) {
  const waiting = new Set<() => void>();
  return {
    tell(): void {
      for (const wake of [...waiting]) wake();
    },
    /** Looks again after each change; false when `untilMs` passed or `stop` came first. */
    async until(holds: () => boolean, untilMs: number, stop: AbortSignal): Promise<boolean> {
      // A clock that is set back while we wait must not make the wait longer.
      const endsMs = clock.monotonicMs() + untilMs - clock.nowMs();
      while (!holds()) {
        const left = endsMs - clock.monotonicMs();
        if (left <= 0 || stop.aborted) return false;
        const bell = new AbortController();
        const wake = () => bell.abort(rang);
        waiting.add(wake);
        stop.addEventListener('abort', wake, { once: true });
        await clock.sleep(left, bell.signal);
        stop.removeEventListener('abort', wake);
        waiting.delete(wake);
      }
      return true;
    },
  };
}
