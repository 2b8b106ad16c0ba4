import type { Clock } from '../world.ts';

/** Something that has a deadline. The wheel writes the fields below it; nobody else does. */
export interface Timed {
  onTimeout(nowMs: number): void;
  /** Monotonic. */
  deadlineAtMs: number;
  inList: List | null;
  before: Timed | null;
  after: Timed | null;
}

/** Those armed with the same duration, in the order in which they end. */
export class List {
  readonly durationMs: number;
  head: Timed | null = null;
  tail: Timed | null = null;

  constructor(durationMs: number) {
    this.durationMs = durationMs;
  }
}

/**
 * The deadlines of all calls behind one timer. Who has the same duration ends in the order of coming, so arming and disarming is the end or the
 * middle of a list: no timer, no AbortController and no search for a call that is answered in time.
 */
export class Timeouts {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'sleep'>;
  readonly #lists = new Map<number, List>();
  #last = new List(Number.NaN);
  #armed = 0;
  /** When the nap of now ends; Infinity where nobody naps. */
  #wakesAtMs = Number.POSITIVE_INFINITY;
  #nap: AbortController | null = null;
  #isResting = false;

  constructor(clock: Pick<Clock, 'monotonicMs' | 'sleep'>) {
    this.#clock = clock;
  }

  get armed(): number {
    return this.#armed;
  }

  /** `timed` must not be armed already. */
  arm(timed: Timed, durationMs: number, nowMs: number): void {
    const list = this.#last.durationMs === durationMs ? this.#last : this.#listOf(durationMs);
    timed.deadlineAtMs = nowMs + durationMs;
    timed.inList = list;
    timed.before = list.tail;
    if (list.tail === null) list.head = timed;
    else list.tail.after = timed;
    list.tail = timed;
    this.#armed++;
    if (timed.deadlineAtMs < this.#wakesAtMs) this.#wakeAt(timed.deadlineAtMs);
  }

  /** Nothing, where it is not armed. */
  disarm(timed: Timed): void {
    const list = timed.inList;
    if (list === null) return;
    if (timed.before === null) list.head = timed.after;
    else timed.before.after = timed.after;
    if (timed.after === null) list.tail = timed.before;
    else timed.after.before = timed.before;
    timed.inList = null;
    timed.before = null;
    timed.after = null;
    this.#armed--;
    if (this.#armed === 0 && !this.#isResting) void this.#rest();
  }

  #listOf(durationMs: number): List {
    let list = this.#lists.get(durationMs);
    if (list === undefined) {
      list = new List(durationMs);
      this.#lists.set(durationMs, list);
    }
    this.#last = list;
    return list;
  }

  #wakeAt(atMs: number): void {
    this.#wakesAtMs = atMs;
    if (this.#nap === null) void this.#watch();
    else this.#nap.abort();
  }

  /** One loop while anything is armed: nap until the next deadline, end what is due, look again. */
  async #watch(): Promise<void> {
    while (this.#armed > 0) {
      this.#nap = new AbortController();
      await this.#clock.sleep(this.#wakesAtMs - this.#clock.monotonicMs(), this.#nap.signal);
      this.#endDue(this.#clock.monotonicMs());
    }
    this.#nap = null;
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
  }

  #endDue(nowMs: number): void {
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    for (const list of this.#lists.values()) {
      while (list.head !== null && list.head.deadlineAtMs <= nowMs) {
        const due = list.head;
        this.disarm(due);
        due.onTimeout(nowMs);
      }
      if (list.head !== null) this.#wakesAtMs = Math.min(this.#wakesAtMs, list.head.deadlineAtMs);
      // Odd durations (what is left of a total deadline) come once.
      else if (list !== this.#last) this.#lists.delete(list.durationMs);
    }
  }

  /**
   * Where nothing is armed any more the nap is given up, so that no timer holds the process; but only after a turn of the event loop, because
   * calls that follow each other would pay for a nap each.
   */
  async #rest(): Promise<void> {
    this.#isResting = true;
    await this.#clock.sleep(0);
    this.#isResting = false;
    if (this.#armed === 0) this.#nap?.abort();
  }
}
