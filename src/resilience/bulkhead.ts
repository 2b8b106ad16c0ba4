export type BulkheadRule = {
  /** Calls that run at the same time. */
  readonly limit: number;
  /** Calls that may wait for a place; the next one is refused at once. */
  readonly queue: number;
  /** How long one waits for a place. */
  readonly maxWaitMs: number;
};

/** Someone who wants a place. The bulkhead writes the fields below it; nobody else does. */
export interface Waiting {
  /** It has the place now, and gives it back with `leave`. */
  onEntered(): void;
  isQueued: boolean;
  nextInLine: Waiting | null;
  previousInLine: Waiting | null;
}

/** Keeps one slow dependency from taking all there is: so many calls at a time, so many in a line, first come, first served. */
export class Bulkhead {
  readonly rule: BulkheadRule;
  #active = 0;
  #queued = 0;
  #mostActive = 0;
  #waited = 0;
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #isServing = false;

  constructor(rule: BulkheadRule) {
    this.rule = rule;
  }

  get active(): number {
    return this.#active;
  }

  get queued(): number {
    return this.#queued;
  }

  /** Since it was made: the most that ran at the same time … */
  get mostActive(): number {
    return this.#mostActive;
  }

  /** … and how many had to wait for a place. */
  get waited(): number {
    return this.#waited;
  }

  /** Takes a place, if one is free and nobody is in line for it. */
  tryEnter(): boolean {
    if (this.#active >= this.rule.limit || this.#queued > 0) return false;
    this.#enter();
    return true;
  }

  /** Gets in line; false where that is full. */
  enqueue(waiting: Waiting): boolean {
    if (this.#queued >= this.rule.queue) return false;
    waiting.isQueued = true;
    waiting.previousInLine = this.#last;
    if (this.#last === null) this.#first = waiting;
    else this.#last.nextInLine = waiting;
    this.#last = waiting;
    this.#queued++;
    this.#waited++;
    return true;
  }

  /** Gets out of line; nothing, where it is not in it. */
  abandon(waiting: Waiting): void {
    if (!waiting.isQueued) return;
    if (waiting.previousInLine === null) this.#first = waiting.nextInLine;
    else waiting.previousInLine.nextInLine = waiting.nextInLine;
    if (waiting.nextInLine === null) this.#last = waiting.previousInLine;
    else waiting.nextInLine.previousInLine = waiting.previousInLine;
    waiting.isQueued = false;
    waiting.nextInLine = null;
    waiting.previousInLine = null;
    this.#queued--;
  }

  #enter(): void {
    this.#active++;
    if (this.#active > this.#mostActive) this.#mostActive = this.#active;
  }

  /** Gives the place back, to the first in line. */
  leave(): void {
    this.#active--;
    // One loop serves all: those who enter and leave within their turn would else nest as deep as the line is long.
    if (this.#first === null || this.#isServing) return;
    this.#isServing = true;
    try {
      while (this.#first !== null && this.#active < this.rule.limit) {
        const next = this.#first;
        this.abandon(next);
        this.#enter();
        next.onEntered();
      }
    } finally {
      this.#isServing = false;
    }
  }
}
