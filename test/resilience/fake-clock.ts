import { setImmediate as turn } from 'node:timers/promises';
import { Timeouts } from '../../src/resilience/timeouts.ts';
import type { Clock } from '../../src/world.ts';

type Sleeper = { readonly atMs: number; readonly wake: () => void };

/** Time that moves when a test moves it. Monotonic and UTC are apart, so that one can jump without the other. */
export class FakeClock implements Clock {
  #monotonicMs: number;
  #utcMs: number;
  #sleepers: Sleeper[] = [];

  constructor(monotonicMs = 5000, utcMs = Date.UTC(2026, 0, 1)) {
    this.#monotonicMs = monotonicMs;
    this.#utcMs = utcMs;
  }

  nowMs = (): number => this.#utcMs;
  monotonicMs = (): number => this.#monotonicMs;

  /** Timers that would hold a real process. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, stop?: AbortSignal): Promise<void> {
    if (ms <= 0) return turn();
    if (stop?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers = this.#sleepers.filter((it) => it !== sleeper);
        stop?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper: Sleeper = { atMs: this.#monotonicMs + ms, wake };
      this.#sleepers.push(sleeper);
      stop?.addEventListener('abort', wake, { once: true });
    });
  }

  /** Someone set the clock on the wall. */
  setUtc(ms: number): void {
    this.#utcMs = ms;
  }

  /** Lets that much time pass: sleepers wake one after the other, each at its time, and all that they set free comes to rest. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#moveTo(next.atMs);
      next.wake();
      await settle();
    }
    this.#moveTo(untilMs);
    await settle();
  }

  #moveTo(monotonicMs: number): void {
    this.#utcMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }
}

/** All promises come to rest; no time passes. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await turn();
}

/** What parts need, on a fake clock. `draw` is what chance says: the middle, unless told. */
export function world(draw: () => number = () => 0.5) {
  const clock = new FakeClock();
  return { clock, random: draw, timeouts: new Timeouts(clock) };
}

export const offline = (message = 'connect ECONNREFUSED'): Error => Object.assign(new Error(message), { code: 'ECONNREFUSED' });
export const wrong = (): Error => Object.assign(new Error('bad request'), { status: 400 });
export const denied = (): Error => Object.assign(new Error('who are you'), { status: 401 });

/** How a promise stands now. */
export function watched<T>(promise: Promise<T>) {
  const seen: { state: 'pending' | 'resolved' | 'rejected'; value: T | undefined; error: unknown } = {
    state: 'pending',
    value: undefined,
    error: undefined,
  };
  promise.then(
    (value) => Object.assign(seen, { state: 'resolved', value }),
    (error: unknown) => Object.assign(seen, { state: 'rejected', error }),
  );
  return seen;
}
