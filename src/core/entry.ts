import type { CheckResult, DiffStat, OutputMeta, SourceTried, Structured, SystemState, TimelineEntry, Usage } from './evidence.ts';
import type { Choice } from './runners.ts';
import type { RunRef, Todo } from './todo.ts';
import type { UsageLimit } from './usage-limit.ts';
import type { Outcome, Proof, RunKind, SaidBy, Says, TodoStatus } from './words.ts';

/**
 * Where a run stands, as participles: the last thing that is durably true about it.
 * claimed and running belong to the run; from signalled on it is a completion.
 */
export const facts = [
  'claimed',
  'running',
  'signalled',
  'collected',
  'checked',
  'reported',
  'recorded',
  'confirmed',
  'cleaned',
  'closed',
  'dead-lettered',
] as const;
export type Fact = (typeof facts)[number];

export const isCompletion = (fact: Fact): boolean => facts.indexOf(fact) >= facts.indexOf('signalled');
export const hasEnded = (fact: Fact): boolean => fact === 'closed' || fact === 'dead-lettered';
/** The four layers that users know: 1 collect · 2 report · 3 record · 4 confirm and clean. */
export const layerOf = (fact: Fact): 1 | 2 | 3 | 4 | null =>
  fact === 'collected'
    ? 1
    : fact === 'checked'
      ? 1
      : fact === 'reported'
        ? 2
        : fact === 'recorded'
          ? 3
          : fact === 'confirmed' || fact === 'cleaned' || fact === 'closed'
            ? 4
            : null;

/** The process that may write this entry: a daemon or a `todo run`. Pid reuse safe. */
export type Owner = { readonly pid: number; readonly startTicks: number; readonly bootId: string };
export const sameOwner = (a: Owner, b: Owner): boolean => a.pid === b.pid && a.startTicks === b.startTicks && a.bootId === b.bootId;

export type ProcessId = { readonly pid: number; readonly startTicks: number; readonly bootId: string };
export type SessionRef =
  | { readonly kind: 'child'; readonly process: ProcessId }
  | { readonly kind: 'tmux'; readonly target: string; readonly process: ProcessId };

/** Something learned from outside about a run. A request, never proof. */
export type Signal = {
  /** Null where a signal is no word: a session that was lost. */
  readonly says: Says | null;
  readonly saidBy: SaidBy;
  readonly summary: string | null;
  readonly reason: string | null;
  readonly atMs: number;
  readonly round: number;
  /** What to remove once the record is confirmed, or how it came. */
  readonly from:
    | { readonly kind: 'marker'; readonly path: string; readonly sha256: string }
    | { readonly kind: 'legacy'; readonly path: string; readonly dev: number; readonly ino: number; readonly mtimeMs: number }
    | { readonly kind: 'hook'; readonly event: string; readonly path: string }
    | { readonly kind: 'exit'; readonly code: number | null; readonly osSignal: string | null }
    | { readonly kind: 'deadline'; readonly which: 'completion' | 'emergency' | 'run-max' | 'timeout' | 'output' | 'recoveries' }
    /** `scheduled`: which word that was put off (core/schedule.ts). */
    | { readonly kind: 'person'; readonly verb: string; readonly scheduled?: string };
  /** For park: when it comes back. */
  readonly notBeforeMs: number | null;
  /** Where the provider's usage limit is why. */
  readonly limit?: UsageLimit;
  /** Where its key or account is why. */
  readonly fault?: 'auth';
};

/** How the process of a round ended. lost: no exit file and no live process. */
export type Exit =
  | { readonly kind: 'code'; readonly code: number; readonly atMs: number }
  | { readonly kind: 'signal'; readonly osSignal: string; readonly atMs: number }
  | { readonly kind: 'spawn-error'; readonly why: string; readonly atMs: number }
  | { readonly kind: 'lost'; readonly atMs: number };

export type Collected = {
  readonly sources: readonly SourceTried[];
  readonly problems: readonly string[];
  readonly structured: Structured | null;
  readonly usage: Usage | null;
  readonly diffStat: DiffStat | null;
  readonly output: OutputMeta;
  /** The run's end: of the process if known, else the signal's time. Never the moment of collection. */
  readonly endedAtMs: number;
  /** SHA-256 of runs/<run>/collected.txt, the redacted text that report and record use. */
  readonly textSha256: string;
};

/** What the run comes to, decided once from signal and checks (core/verdict.ts). */
export type Ending = {
  readonly outcome: Outcome;
  readonly todoStatus: TodoStatus;
  readonly proof: Proof | null;
  readonly reason: string | null;
  readonly notBeforeMs: number | null;
  readonly attempts: number;
  readonly resets: number;
};

export type Reported = {
  /** Name of the folder in the archive. */
  readonly folder: string;
  readonly summary: string;
  readonly manifestSha256: string;
  /** SHA-256 over the record that will be sent (core/record.ts). */
  readonly recordDigest: string;
};

/** Emergency measures that led here, if any. */
export type EmergencyInfo = {
  /** What becomes of the run: completed with proof forced, open again, or left for a person. */
  readonly action: 'complete' | 'reset' | 'stall';
  readonly by: 'deadline' | 'person';
  readonly reason: string;
  readonly atMs: number;
  readonly actions: readonly string[];
  readonly system: SystemState | null;
};

/** How a completion was given up. */
export type Death = {
  readonly atMs: number;
  readonly errorClass: string;
  readonly code: string | null;
  readonly message: string;
  readonly causes: readonly string[];
  /** The fact at which it stood. */
  readonly at: Fact;
  /** The same for failures that read the same. */
  readonly fingerprint: string;
  /** Of what is kept; known once it is buried. */
  readonly payloadSha256?: string | null;
  readonly attempts: readonly { readonly atMs: number; readonly message: string; readonly delayMs: number | null }[];
};

/** One row of the journal: everything this host must know to bring one run to its end, though store and agent be away. */
export type Entry = {
  readonly v: 1;
  readonly ref: RunRef;
  /** As it was when claimed: the store may be away. Its agent is the one of this run, also where the todo itself says `auto`. */
  readonly todo: Todo;
  /** How that one was chosen; absent where the todo names its agent. */
  readonly choice?: Choice;
  readonly owner: Owner;
  readonly kind: RunKind;
  readonly conversationId: string;
  readonly tokenSha256: string;
  readonly startedAtMs: number;
  readonly round: number;
  readonly session: SessionRef | null;
  /** What the store was last told: the todo's status while the run lives. */
  readonly shown: 'claimed' | 'running' | 'stalled';
  /** Last sign of progress: output byte, hook event, `progress`, 1 s of CPU. */
  readonly lastSignAtMs: number;
  /** The longest time without one, so far. Absent before the first sign, and in older journals. */
  readonly silentMaxMs?: number;
  readonly seen: { readonly outputBytes: number; readonly cpuMs: number; readonly progressMs: number };
  /** What the agent's hooks reported about its main turn. */
  readonly turn: 'unreported' | 'busy' | 'ended' | 'paused';
  /** Hook events worth keeping (bounded, newest last). */
  readonly hooks: readonly { readonly event: string; readonly atMs: number; readonly text: string | null }[];
  /** A bare end of turn was answered once with "say todo done or todo block". */
  readonly nudged: boolean;
  /** When a silence was last warned about (completion timer, action warn). */
  readonly warnedAtMs: number | null;
  readonly exit: Exit | null;
  /** The legacy pointer file that we wrote for this run, by identity. */
  readonly pointer: { readonly dev: number; readonly ino: number } | null;
  /** The first word stands; later ones are evidence (bounded). */
  readonly signal: Signal | null;
  readonly later: readonly Signal[];
  readonly emergency: EmergencyInfo | null;

  readonly fact: Fact;
  /** Attempts at the next step, counted before each; 0 after a step was done. */
  readonly attempt: number;
  /** Times a later look disproved an earlier fact; bounded apart from attempts. */
  readonly disproved: number;
  /** Defects (errors without a code) at the same fact. */
  readonly defects: number;
  readonly nextAttemptAtMs: number;
  /** Minimal completion: source 4 only, minimal report (enable_robust_completion=false, or the second defect). */
  readonly simple: boolean;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly atMs: number;
    /** Messages behind it, outermost first. */
    readonly causes?: readonly string[];
    /** `resilience/error-class.ts`. */
    readonly errorClass?: string;
  } | null;
  readonly collected: Collected | null;
  readonly checks: readonly CheckResult[];
  readonly ending: Ending | null;
  readonly reported: Reported | null;
  /** Why the completion was given up: what remains is to bury it (dead letter). */
  readonly givenUp: string | null;
  /** Each time that it was given up, oldest first (bounded); a requeue adds to none and removes none. Absent in older journals. */
  readonly deaths?: readonly Death[];
  /** True when the store said that another run has the todo: output is archived, nothing is recorded. */
  readonly superseded: boolean;
  readonly timeline: readonly TimelineEntry[];
};
