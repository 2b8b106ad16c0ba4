/**
 * Virtual time. An event runs, then every promise that it set free runs to its end, then the next event: so one seed has one order.
 * Time moves only from event to event.
 */
export class Timeline {
  /** Milliseconds since the simulation began; each clock of the simulated world adds an offset of its own. */
  nowMs = 0;
  /** Events run so far: the bound of a simulation that never comes to rest. */
  steps = 0;
  /** Told before each event: between two of them everybody else may act. */
  beforeStep: (() => void) | null = null;
  readonly #heap: Event[] = [];
  #sequence = 0;
  #failure: { readonly error: unknown } | null = null;

  /** Runs `act` at that time (never before now). The answer takes it back. */
  at(atMs: number, act: () => void): () => void {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), sequence: this.#sequence++, act };
    this.#push(event);
    return () => {
      event.act = null;
    };
  }

  after(ms: number, act: () => void): () => void {
    return this.at(this.nowMs + ms, act);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Runs events until `until` says so, nothing is left, or a bound is met. */
  async run(
    until: () => boolean,
    bounds: { readonly untilMs: number; readonly steps: number },
  ): Promise<'done' | 'idle' | 'too-long' | 'too-many-steps'> {
    const lastStep = this.steps + bounds.steps;
    return new Promise((resolve, reject) => {
      const step = (): void => {
        if (this.#failure !== null) reject(this.#failure.error);
        else {
          const end = until() ? 'done' : this.steps >= lastStep ? 'too-many-steps' : this.#runNext(bounds.untilMs);
          if (end === 'went-on') afterMicrotasks(step);
          else resolve(end);
        }
      };
      afterMicrotasks(step);
    });
  }

  #runNext(untilMs: number): 'went-on' | 'idle' | 'too-long' {
    const event = this.#pop();
    if (event === undefined) return 'idle';
    if (event.atMs > untilMs) {
      this.#push(event);
      this.nowMs = untilMs;
      return 'too-long';
    }
    this.nowMs = event.atMs;
    this.steps++;
    try {
      this.beforeStep?.();
      event.act?.();
    } catch (error) {
      this.#failure ??= { error };
    }
    return 'went-on';
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  /** The next event that was not taken back. */
  #pop(): Event | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined) return undefined;
      const last = this.#heap.pop()!;
      if (last !== top) this.#sift(last);
      if (top.act !== null) return top;
    }
  }

  #sift(event: Event): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, event)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = event;
  }
}

type Event = { readonly atMs: number; readonly sequence: number; act: (() => void) | null };

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

/**
 * Node runs the nextTick queue only when no microtask is left, and it comes back to it before it turns to timers and sockets:
 * so this is "when all promises came to rest", without a turn of the event loop.
 */
const afterMicrotasks = (act: () => void): void => queueMicrotask(() => process.nextTick(act));
