import { isObject } from '../core/shape.ts';
import { tell } from './tell.ts';
import type { SlowRule, Window, WindowRule } from './window.ts';
import { newWindow } from './window.ts';

export type BreakerProfile = {
  readonly window: WindowRule;
  /** Null: however long an answer takes, it is an answer. */
  readonly slow: SlowRule | null;
  /** From opening to the first probe. */
  readonly openMs: number;
  /** Each opening by a failed probe waits this many times the one before … */
  readonly openFactor: number;
  /** … up to this. */
  readonly openMaxMs: number;
  /** A wait is prolonged by up to this share of itself, so that breakers of many processes do not probe in step. Never shortened. */
  readonly openSpread: number;
  /** Probes that must succeed, one after the other, until it closes. */
  readonly successes: number;
  /** A probe that has no answer by then no longer keeps the next one out. */
  readonly probeLeaseMs: number;
};

export type BreakerState = 'closed' | 'open' | 'half-open' | 'isolated';

/** ignored: the call said nothing about the health of the other side (it was aborted, or its error is an answer). */
export type CallOutcome = 'success' | 'failure' | 'ignored';

/** A call that was let through, to be given to `settle` once. Numbers, because there is one for every call. */
export type Permit = number;
/** Not let through. */
export const noPermit = -1;

export type BreakerChange = {
  readonly from: BreakerState;
  readonly to: BreakerState;
  /** Monotonic. */
  readonly atMs: number;
  readonly why: string;
  /** Until the first probe; null unless open. */
  readonly waitMs: number | null;
};

/** What a person is shown. */
export type BreakerLook = {
  readonly state: BreakerState;
  readonly why: string;
  readonly inStateForMs: number;
  /** See `retryAfterMs`. */
  readonly retryAfterMs: number | null;
  /** That count now, where it is closed. */
  readonly failures: number;
  /** Probes that succeeded in a row, where it is half-open. */
  readonly successes: number;
  /** Openings by a failed probe since it was last closed. */
  readonly reopenings: number;
  readonly refused: number;
  /** Results that came after the state they belong to was over. */
  readonly late: number;
};

/** What survives the process. `atMs` is UTC: monotonic time means nothing to the next process. */
export type SavedBreaker = {
  readonly v: 1;
  readonly state: 'closed' | 'open' | 'isolated';
  /** Of the wait until the first probe. 0 unless open. */
  readonly leftMs: number;
  readonly reopenings: number;
  readonly why: string;
  readonly atMs: number;
};

type State =
  | { readonly state: 'closed'; readonly window: Window }
  | { readonly state: 'open'; readonly probeAtMs: number }
  /** `leaseEndsAtMs` is null where the probe's place is free. */
  | { readonly state: 'half-open'; readonly successes: number; readonly leaseEndsAtMs: number | null }
  | { readonly state: 'isolated' };

/**
 * A circuit breaker as a state machine: time and chance come in, it has no timer, and the same calls lead to the same state.
 * All times are monotonic but those of `SavedBreaker`.
 *
 *     closed ──too much failed──▶ open ──its wait is over, by the next call──▶ half-open ──N probes succeeded──▶ closed
 *                                  ▲                                               │
 *                                  └──────────────── a probe failed ───────────────┘         isolate: any ▶ isolated, reset: any ▶ closed
 *
 * Invariants: at most one probe holds the place; a result changes something only while its permit is of the present generation;
 * what is refused was never sent.
 */
export class Breaker {
  #profile: BreakerProfile;
  #isTimed: boolean;
  readonly #random: () => number;
  readonly #changed: ((change: BreakerChange) => void) | undefined;
  #state: State;
  /** Grows with each change and each probe: a result that carries an older one is late. */
  #generation = 0;
  #reopenings = 0;
  #refused = 0;
  #late = 0;
  #why = 'new';
  #sinceMs: number;

  constructor(profile: BreakerProfile, nowMs: number, random: () => number, changed?: (change: BreakerChange) => void) {
    this.#profile = profile;
    this.#isTimed = isTimed(profile);
    this.#random = random;
    this.#changed = changed;
    this.#sinceMs = nowMs;
    this.#state = this.#closed();
  }

  get profile(): BreakerProfile {
    return this.#profile;
  }

  get state(): BreakerState {
    return this.#state.state;
  }

  /** Whether `admit` depends on the time that it is told; else any will do. */
  get asksTimeToAdmit(): boolean {
    return this.#profile.slow !== null || this.#state.state !== 'closed';
  }

  /** The same of `settle`. */
  get asksTimeToSettle(): boolean {
    return this.#isTimed || this.#state.state !== 'closed';
  }

  /** Whether `admit` would say no, without asking for a place. */
  refuses(nowMs: number): boolean {
    const state = this.#state;
    return state.state !== 'closed' && this.#waitMs(state, nowMs) !== 0;
  }

  /** A permit, or `noPermit`. Where the wait of an open breaker is over, the permit is that of the one probe. */
  admit(nowMs: number): Permit {
    const state = this.#state;
    if (state.state === 'closed') return this.#generation;
    if (this.#waitMs(state, nowMs) !== 0) {
      this.#refused++;
      return noPermit;
    }
    const successes = state.state === 'half-open' ? state.successes : 0;
    const leaseEndsAtMs = nowMs + this.#profile.probeLeaseMs;
    if (state.state === 'open') this.#become({ state: 'half-open', successes, leaseEndsAtMs }, nowMs, 'its wait is over', null);
    else {
      this.#generation++;
      this.#state = { state: 'half-open', successes, leaseEndsAtMs };
    }
    return this.#generation;
  }

  /** What became of a call that was let through. False where it is late: nothing changed. */
  settle(permit: Permit, outcome: CallOutcome, tookMs: number, nowMs: number): boolean {
    if (permit !== this.#generation) {
      this.#late++;
      return false;
    }
    const state = this.#state;
    if (state.state === 'closed') {
      if (outcome !== 'ignored') this.#count(state.window, outcome === 'failure', tookMs, nowMs);
    } else if (state.state === 'half-open') this.#probed(state.successes, outcome, tookMs, nowMs);
    return true;
  }

  /**
   * How long until a call may be let through: 0 now, null where only a command can tell (isolated). While a probe runs it is the rest of its
   * lease, the longest that it can take.
   */
  retryAfterMs(nowMs: number): number | null {
    const waitMs = this.#waitMs(this.#state, nowMs);
    return waitMs === Number.POSITIVE_INFINITY ? null : waitMs;
  }

  /** Held open until `reset`. By command. */
  isolate(nowMs: number, why: string): void {
    if (this.#state.state !== 'isolated') this.#become({ state: 'isolated' }, nowMs, why, null);
  }

  /** Closed, with nothing behind it. By command, or by a look from elsewhere that the other side is well. */
  reset(nowMs: number, why: string): void {
    this.#reopenings = 0;
    if (this.#state.state === 'closed') this.#state = this.#closed();
    else this.#become(this.#closed(), nowMs, why, null);
  }

  /** Other numbers from now on. Its state stays; failures in a row still count, and an open one waits no longer than it would by the new numbers. */
  retune(profile: BreakerProfile, nowMs: number): void {
    const state = this.#state;
    this.#profile = profile;
    this.#isTimed = isTimed(profile);
    if (state.state === 'closed')
      this.#state = { state: 'closed', window: newWindow(profile.window, profile.slow, state.window.failures(nowMs)) };
    if (state.state === 'open') this.#state = { state: 'open', probeAtMs: Math.min(state.probeAtMs, nowMs + this.#openMs()) };
  }

  /** Somebody else saw the other side answer: the wait of an open breaker is over, and the next call is its probe. */
  seen(nowMs: number): void {
    if (this.#state.state === 'open') this.#state = { state: 'open', probeAtMs: nowMs };
  }

  look(nowMs: number): BreakerLook {
    const state = this.#state;
    return {
      state: state.state,
      why: this.#why,
      inStateForMs: nowMs - this.#sinceMs,
      retryAfterMs: this.retryAfterMs(nowMs),
      failures: state.state === 'closed' ? state.window.failures(nowMs) : 0,
      successes: state.state === 'half-open' ? state.successes : 0,
      reopenings: this.#reopenings,
      refused: this.#refused,
      late: this.#late,
    };
  }

  /** To be written at each change. `utcMs` and `nowMs` are the same moment on both clocks. */
  save(nowMs: number, utcMs: number): SavedBreaker {
    const state = this.#state;
    const same = { v: 1, reopenings: this.#reopenings, why: this.#why, atMs: utcMs } as const;
    switch (state.state) {
      case 'closed':
      case 'isolated':
        return { ...same, state: state.state, leftMs: 0 };
      case 'open':
        return { ...same, state: 'open', leftMs: Math.max(0, state.probeAtMs - nowMs) };
      case 'half-open':
        // Nobody will hear what became of the probe, and it may be what ended the process: the whole wait again.
        return { ...same, state: 'open', leftMs: this.#openMs() };
      default:
        return state satisfies never;
    }
  }

  /**
   * Goes on where an earlier process stood. An open breaker keeps what is left of its wait; a UTC clock that was set back meanwhile cannot make
   * it longer than it was, one that was set forward ends it, which costs one probe. Nobody is told: nothing happened.
   */
  restore(saved: SavedBreaker, nowMs: number, utcMs: number): void {
    const passedMs = Math.max(0, utcMs - saved.atMs);
    this.#generation++;
    this.#reopenings = saved.reopenings;
    this.#why = saved.why;
    this.#sinceMs = nowMs - passedMs;
    this.#state =
      saved.state === 'open'
        ? { state: 'open', probeAtMs: nowMs + Math.max(0, Math.min(saved.leftMs, this.#longestMs()) - passedMs) }
        : saved.state === 'isolated'
          ? { state: 'isolated' }
          : this.#closed();
  }

  #closed(): State {
    return { state: 'closed', window: newWindow(this.#profile.window, this.#profile.slow) };
  }

  #waitMs(state: State, nowMs: number): number {
    switch (state.state) {
      case 'closed':
        return 0;
      case 'open':
        return Math.max(0, state.probeAtMs - nowMs);
      case 'half-open':
        return state.leaseEndsAtMs === null ? 0 : Math.max(0, state.leaseEndsAtMs - nowMs);
      case 'isolated':
        return Number.POSITIVE_INFINITY;
      default:
        return state satisfies never;
    }
  }

  #count(window: Window, failed: boolean, tookMs: number, nowMs: number): void {
    const { slow } = this.#profile;
    const isSlow = slow !== null && tookMs > slow.overMs;
    if (window.add(failed, isSlow, nowMs)) this.#open(nowMs, failed ? 'too many calls failed' : 'too many calls were slow');
  }

  #probed(successes: number, outcome: CallOutcome, tookMs: number, nowMs: number): void {
    const { slow } = this.#profile;
    const isSlow = slow !== null && tookMs > slow.overMs;
    if (outcome === 'failure' || (outcome === 'success' && isSlow)) {
      this.#reopenings++;
      this.#open(nowMs, outcome === 'failure' ? 'a probe failed' : 'a probe was slow');
      return;
    }
    const now = successes + (outcome === 'success' ? 1 : 0);
    if (now >= this.#profile.successes) {
      this.#reopenings = 0;
      this.#become(this.#closed(), nowMs, now === 1 ? 'a probe succeeded' : `${now} probes succeeded`, null);
      return;
    }
    this.#generation++;
    this.#state = { state: 'half-open', successes: now, leaseEndsAtMs: null };
  }

  #open(nowMs: number, why: string): void {
    const waitMs = this.#openMs();
    this.#become({ state: 'open', probeAtMs: nowMs + waitMs }, nowMs, why, waitMs);
  }

  #openMs(): number {
    const { openMs, openFactor, openMaxMs, openSpread } = this.#profile;
    const grownMs = Math.min(Math.max(openMs, openMaxMs), openMs * openFactor ** this.#reopenings);
    return grownMs * (1 + openSpread * this.#random());
  }

  #longestMs(): number {
    const { openMs, openMaxMs, openSpread } = this.#profile;
    return Math.max(openMs, openMaxMs) * (1 + openSpread);
  }

  #become(state: State, nowMs: number, why: string, waitMs: number | null): void {
    const from = this.#state.state;
    this.#generation++;
    this.#state = state;
    this.#sinceMs = nowMs;
    this.#why = why;
    if (this.#changed !== undefined) tell(this.#changed, { from, to: state.state, atMs: nowMs, why, waitMs });
  }
}

const isTimed = ({ window, slow }: BreakerProfile): boolean => window.kind === 'timed' || slow !== null;

/** What was saved, or null where it is not what we would have written: then the breaker starts closed and learns anew. */
export function parseSavedBreaker(value: unknown): SavedBreaker | null {
  if (!isObject(value)) return null;
  const { v, state, leftMs, reopenings, why, atMs } = value;
  const isCount = (it: unknown): it is number => typeof it === 'number' && Number.isFinite(it) && it >= 0;
  if (v !== 1 || (state !== 'closed' && state !== 'open' && state !== 'isolated')) return null;
  if (!isCount(leftMs) || !isCount(reopenings) || !Number.isInteger(reopenings) || typeof atMs !== 'number' || !Number.isFinite(atMs))
    return null;
  return { v, state, leftMs, reopenings, why: typeof why === 'string' ? why : '', atMs };
}
