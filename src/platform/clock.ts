import type { Clock } from '../world.ts';

/** Node's timers go no further (24 days). */
const timerMaxMs = 2 ** 31 - 1;

export const clock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(ms, stop) {
    // Also a sleep of no length lets the event loop turn: whoever asks "until then" for a time that has passed must not starve all others.
    if (ms <= 0) return new Promise((resolve) => setImmediate(resolve));
    const endsAtMs = performance.now() + ms;
    for (let leftMs = ms; leftMs > 0 && !stop?.aborted; leftMs = endsAtMs - performance.now())
      await nap(Math.min(leftMs, timerMaxMs), stop);
  },
};

function nap(ms: number, stop: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', wake);
      resolve();
    };
    // Rounded up: a timer may fire a fraction early, and whoever slept until a deadline must not find that it lies ahead.
    const timer = setTimeout(wake, Math.ceil(ms));
    stop?.addEventListener('abort', wake, { once: true });
  });
}
