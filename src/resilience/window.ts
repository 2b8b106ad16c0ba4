/** What a closed breaker remembers of the calls behind it, and when that is too much. */
export type WindowRule =
  /** So many failures one after the other. A slow call is one of them. */
  | { readonly kind: 'consecutive'; readonly failures: number }
  /** Of the last `calls`; nothing is judged before `minCalls`. */
  | { readonly kind: 'counted'; readonly calls: number; readonly minCalls: number; readonly failureRate: number }
  /** Of the calls that ended within `windowMs`, to a tenth of it. */
  | { readonly kind: 'timed'; readonly windowMs: number; readonly minCalls: number; readonly failureRate: number };

/** Calls that take longer than this count too; `rate` of them is too much (not asked for by a consecutive window). */
export type SlowRule = { readonly overMs: number; readonly rate: number };

export interface Window {
  /** True when this is too much. Only a call that failed or was slow can be. */
  add(failed: boolean, slow: boolean, atMs: number): boolean;
  /** For people: failures that count now. */
  failures(atMs: number): number;
}

/** `inARow`: failures that were counted before, by a window with other numbers. */
export function newWindow(rule: WindowRule, slow: SlowRule | null, inARow = 0): Window {
  switch (rule.kind) {
    case 'consecutive':
      return new Consecutive(rule.failures, inARow);
    case 'counted':
      return new Counted(rule.calls, { minCalls: rule.minCalls, failureRate: rule.failureRate, slowRate: slow?.rate ?? Number.NaN });
    case 'timed':
      return new Timed(rule.windowMs, { minCalls: rule.minCalls, failureRate: rule.failureRate, slowRate: slow?.rate ?? Number.NaN });
    default:
      return rule satisfies never;
  }
}

/** `slowRate` is NaN where slowness does not count: no comparison with it is true. */
type Bounds = { readonly minCalls: number; readonly failureRate: number; readonly slowRate: number };

const isTooMuch = (calls: number, failed: number, slow: number, bounds: Bounds): boolean =>
  calls >= bounds.minCalls && (failed >= calls * bounds.failureRate || slow >= calls * bounds.slowRate);

class Consecutive implements Window {
  readonly #most: number;
  #inARow: number;

  constructor(failures: number, inARow: number) {
    this.#most = failures;
    this.#inARow = inARow;
  }

  add(failed: boolean, slow: boolean): boolean {
    if (!failed && !slow) {
      this.#inARow = 0;
      return false;
    }
    this.#inARow++;
    return this.#inARow >= this.#most;
  }

  failures(): number {
    return this.#inARow;
  }
}

const failedBit = 1;
const slowBit = 2;

/** A ring of the last calls, two bits each. */
class Counted implements Window {
  readonly #bounds: Bounds;
  readonly #ring: Uint8Array;
  #next = 0;
  #calls = 0;
  #failed = 0;
  #slow = 0;

  constructor(calls: number, bounds: Bounds) {
    this.#ring = new Uint8Array(calls);
    this.#bounds = bounds;
  }

  add(failed: boolean, slow: boolean): boolean {
    const ring = this.#ring;
    if (this.#calls === ring.length) {
      const oldest = ring[this.#next]!;
      if (oldest & failedBit) this.#failed--;
      if (oldest & slowBit) this.#slow--;
    } else this.#calls++;
    ring[this.#next] = (failed ? failedBit : 0) | (slow ? slowBit : 0);
    this.#next = this.#next + 1 === ring.length ? 0 : this.#next + 1;
    if (failed) this.#failed++;
    if (slow) this.#slow++;
    return (failed || slow) && isTooMuch(this.#calls, this.#failed, this.#slow, this.#bounds);
  }

  failures(): number {
    return this.#failed;
  }
}

const bucketCount = 10;
/** Ticks before the beginning of time have a place too. */
const placeOf = (tick: number): number => (((tick % bucketCount) + bucketCount) % bucketCount) * 3;

/** Ten buckets; one whose time is over is emptied before anything is judged, however long nothing happened. */
class Timed implements Window {
  readonly #bounds: Bounds;
  readonly #bucketMs: number;
  /** Per bucket: calls, failed, slow. */
  readonly #counts = new Float64Array(bucketCount * 3);
  /** Number of the bucket of now, counted from the beginning of time. */
  #tick = Number.NEGATIVE_INFINITY;
  #bucketEndsAtMs = Number.NEGATIVE_INFINITY;
  #calls = 0;
  #failed = 0;
  #slow = 0;

  constructor(windowMs: number, bounds: Bounds) {
    this.#bucketMs = windowMs / bucketCount;
    this.#bounds = bounds;
  }

  add(failed: boolean, slow: boolean, atMs: number): boolean {
    if (atMs >= this.#bucketEndsAtMs) this.#move(atMs);
    const at = placeOf(this.#tick);
    this.#counts[at]!++;
    this.#calls++;
    if (failed) {
      this.#counts[at + 1]!++;
      this.#failed++;
    }
    if (slow) {
      this.#counts[at + 2]!++;
      this.#slow++;
    }
    return (failed || slow) && isTooMuch(this.#calls, this.#failed, this.#slow, this.#bounds);
  }

  failures(atMs: number): number {
    if (atMs >= this.#bucketEndsAtMs) this.#move(atMs);
    return this.#failed;
  }

  #move(atMs: number): void {
    const tick = Math.floor(atMs / this.#bucketMs);
    const counts = this.#counts;
    // Emptied one by one where few are over, all where none is left; never more than there are.
    const over = Math.min(bucketCount, tick - this.#tick);
    for (let i = 0; i < over; i++) {
      const at = placeOf(tick - i);
      this.#calls -= counts[at]!;
      this.#failed -= counts[at + 1]!;
      this.#slow -= counts[at + 2]!;
      counts.fill(0, at, at + 3);
    }
    this.#tick = tick;
    this.#bucketEndsAtMs = (tick + 1) * this.#bucketMs;
  }
}
