import type { Dice } from './random.ts';

/** A stretch of virtual time. */
export type Window = { readonly fromMs: number; readonly toMs: number };

export type StoreTrouble =
  /** Refused before anything was sent. */
  | 'unreachable'
  /** No answer in time: reads know nothing, writes are in doubt. */
  | 'timeout'
  /** The answer is lost; the write happened or not. */
  | 'in-doubt'
  /** Cut off one way: what is sent arrives, no answer comes back. */
  | 'one-way'
  /** Cut off both ways: nothing arrives, and nobody says so. */
  | 'two-way'
  | 'read-only'
  | 'access';

/** All that goes wrong in one scenario, until it heals. Probabilities are per call. */
export type FaultPlan = {
  /** From here on nothing new goes wrong: the time in which everything must come to an end. */
  readonly healAtMs: number;
  readonly store: readonly (Window & { readonly trouble: StoreTrouble })[];
  readonly storeFlaky: { readonly unreachable: number; readonly inDoubt: number; readonly conflict: number; readonly timeout: number };
  /** Reads are answered by a node that is behind the others. */
  readonly stale: readonly Window[];
  /** Share of in-doubt writes that happen, and of those the share that happens only after the client has given up. */
  readonly inDoubtApplied: number;
  readonly inDoubtLate: number;
  readonly latencyMaxMs: number;
  readonly diskFull: readonly Window[];
  readonly syncFails: { readonly full: number; readonly io: number };
  readonly journalFails: { readonly full: number; readonly unwritable: number };
  readonly blind: readonly Window[];
  readonly tmuxAway: readonly Window[];
  readonly spawnFails: number;
  readonly endFails: number;
  readonly networkFails: number;
  /** Times at which a host's wall clock jumps. */
  readonly clockJumps: readonly { readonly atMs: number; readonly byMs: number }[];
  /** The daemon is stopped (SIGSTOP, a suspended laptop) and goes on later. */
  readonly pauses: readonly (Window & { readonly machine: number })[];
  /** An agent's program fails its probe, or does not answer it. Absent: all are well. */
  readonly runnersIll?: readonly (Window & { readonly agent: string; readonly how: 'fails' | 'hangs' })[];
};

export const noFaults: FaultPlan = {
  healAtMs: 0,
  store: [],
  storeFlaky: { unreachable: 0, inDoubt: 0, conflict: 0, timeout: 0 },
  stale: [],
  inDoubtApplied: 0.5,
  inDoubtLate: 0,
  latencyMaxMs: 5,
  diskFull: [],
  syncFails: { full: 0, io: 0 },
  journalFails: { full: 0, unwritable: 0 },
  blind: [],
  tmuxAway: [],
  spawnFails: 0,
  endFails: 0,
  networkFails: 0,
  clockJumps: [],
  pauses: [],
};

/** The plan as one machine meets it. Counts what it did. */
export class Faults {
  readonly plan: FaultPlan;
  readonly dice: Dice;
  readonly counts: Record<string, number>;
  readonly #nowMs: () => number;

  constructor(plan: FaultPlan, dice: Dice, nowMs: () => number, counts: Record<string, number>) {
    this.plan = plan;
    this.dice = dice;
    this.#nowMs = nowMs;
    this.counts = counts;
  }

  #active(): boolean {
    return this.#nowMs() < this.plan.healAtMs;
  }

  #in(windows: readonly Window[]): boolean {
    const nowMs = this.#nowMs();
    return nowMs < this.plan.healAtMs && windows.some(({ fromMs, toMs }) => nowMs >= fromMs && nowMs < toMs);
  }

  #hit(name: string, happens: boolean): boolean {
    if (happens) this.counts[name] = (this.counts[name] ?? 0) + 1;
    return happens;
  }

  #roll(name: string, probability: number): boolean {
    return probability > 0 && this.#active() && this.#hit(name, this.dice.chance(probability));
  }

  storeTrouble(): StoreTrouble | 'conflict' | null {
    const nowMs = this.#nowMs();
    if (!this.#active()) return null;
    const window = this.plan.store.find(({ fromMs, toMs }) => nowMs >= fromMs && nowMs < toMs);
    const { unreachable, inDoubt, conflict, timeout } = this.plan.storeFlaky;
    const roll = this.dice.next();
    const trouble =
      window?.trouble ??
      (roll < unreachable
        ? 'unreachable'
        : roll < unreachable + inDoubt
          ? 'in-doubt'
          : roll < unreachable + inDoubt + conflict
            ? 'conflict'
            : roll < unreachable + inDoubt + conflict + timeout
              ? 'timeout'
              : null);
    if (trouble !== null) this.#hit(`store ${trouble}`, true);
    return trouble;
  }

  readsAreStale(): boolean {
    return this.#hit('store stale', this.#in(this.plan.stale));
  }

  diskIsFull(): boolean {
    return this.#in(this.plan.diskFull);
  }

  syncTrouble(): 'full' | 'io' | null {
    if (this.#roll('sync full', this.plan.syncFails.full)) return 'full';
    return this.#roll('sync io', this.plan.syncFails.io) ? 'io' : null;
  }

  journalTrouble(): 'DISK_FULL' | 'JOURNAL_UNWRITABLE' | null {
    if (this.diskIsFull()) return this.#hit('journal full', true) ? 'DISK_FULL' : null;
    if (this.#roll('journal full', this.plan.journalFails.full)) return 'DISK_FULL';
    return this.#roll('journal unwritable', this.plan.journalFails.unwritable) ? 'JOURNAL_UNWRITABLE' : null;
  }

  looksUnknown(): boolean {
    return this.#hit('blind look', this.#in(this.plan.blind));
  }

  tmuxFails(): boolean {
    return this.#hit('tmux away', this.#in(this.plan.tmuxAway));
  }

  probeTrouble(agent: string): 'fails' | 'hangs' | null {
    const ill = this.plan.runnersIll?.find((it) => it.agent === agent && this.#in([it]));
    return ill !== undefined && this.#hit(`probe ${ill.how}`, true) ? ill.how : null;
  }

  spawnFails(): boolean {
    return this.#roll('spawn', this.plan.spawnFails);
  }

  endFails(): boolean {
    return this.#roll('end', this.plan.endFails);
  }

  networkFails(): boolean {
    return this.#roll('network', this.plan.networkFails);
  }
}
