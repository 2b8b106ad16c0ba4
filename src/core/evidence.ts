import type { Fact } from './entry.ts';
import type { Outcome, Proof, RunKind, SaidBy, Says, TodoStatus, Verdict } from './words.ts';

/**
 * Everything the daemon saw of one run's end: the content of evidence.json and all that the report shows.
 * Plain JSON, versioned. Times are UTC milliseconds, sizes bytes, digests SHA-256 in hex.
 */
export type Evidence = {
  readonly v: 1;
  readonly todo: {
    readonly id: string;
    readonly number: number;
    readonly title: string;
    readonly prompt: string;
    readonly cwd: string;
    readonly agent: string;
    readonly priority: number;
    readonly createdAtMs: number;
  };
  readonly run: {
    readonly id: string;
    readonly fence: number;
    readonly host: string;
    readonly kind: RunKind;
    readonly round: number;
    readonly startedAtMs: number;
    readonly endedAtMs: number;
  };
  readonly result: {
    readonly status: TodoStatus;
    readonly proof: Proof | null;
    readonly outcome: Outcome;
    readonly saidBy: SaidBy;
    readonly reason: string | null;
  };
  readonly summary: string;
  readonly said: { readonly says: Says | null; readonly saidBy: SaidBy; readonly summary: string | null; readonly atMs: number } | null;
  /** Words that came after the first; they changed nothing. */
  readonly laterSignals: readonly {
    readonly says: Says | null;
    readonly saidBy: SaidBy;
    readonly summary: string | null;
    readonly atMs: number;
  }[];
  readonly checks: readonly CheckResult[];
  readonly sources: readonly SourceTried[];
  readonly problems: readonly string[];
  readonly structured: Structured | null;
  readonly usage: Usage | null;
  readonly diffStat: DiffStat | null;
  readonly timeline: readonly TimelineEntry[];
  readonly emergency: {
    readonly reason: string;
    readonly atMs: number;
    readonly actions: readonly string[];
    readonly whatToDo: readonly string[];
  } | null;
  readonly system: SystemState | null;
  readonly output: OutputMeta;
  readonly digests: readonly { readonly name: string; readonly sha256: string; readonly sizeBytes: number }[];
  /** Minutes east of UTC on the host that ran it, for local times. */
  readonly utcOffsetMinutes: number;
};

export type CheckResult = {
  readonly command: string;
  readonly round: number;
  /** Null when it was ended by an OS signal, timed out or could not be started. */
  readonly exitCode: number | null;
  readonly osSignal: string | null;
  readonly timedOut: boolean;
  /** Could not be started at all: neither passed nor failed by its own word. */
  readonly startError: string | null;
  readonly passed: boolean;
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** Last bytes of stdout and stderr together, redacted. */
  readonly outputTail: string;
  readonly outputBytes: number;
};

export type SourceTried = {
  readonly name: 'structured output' | 'session folder' | 'terminal output' | 'store';
  readonly verdict: Verdict;
  /** Why it was taken or rejected. */
  readonly reason: string;
  readonly sizeBytes: number;
  readonly used: boolean;
};

/** What a structured source says the agent did. Lists are bounded by their reader. */
export type Structured = {
  readonly filesCreated: readonly string[];
  readonly filesChanged: readonly string[];
  readonly commands: readonly { readonly command: string; readonly exitCode: number | null }[];
  readonly errors: readonly string[];
  readonly keyActions: readonly string[];
  /** The agent's last words of its main turn. */
  readonly finalText: string | null;
};

export type Usage = {
  readonly model: string | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  /** The agent's own estimate. */
  readonly costUsd: number | null;
  readonly turns: number | null;
};

export type DiffStat = {
  readonly files: readonly {
    readonly path: string;
    readonly added: number;
    readonly removed: number;
    readonly binary: boolean;
    readonly untracked: boolean;
  }[];
  /** Files left out of the list because of its bound. */
  readonly more: number;
};

export type TimelineEntry = {
  readonly atMs: number;
  /** A fact, or what happened between facts. */
  readonly fact:
    | Fact
    | 'sent-back'
    | 'nudged'
    | 'warned'
    | 'chosen'
    | 'disproved'
    | 'failed-attempt'
    | 'late-signal'
    | 'adopted'
    | 'emergency'
    | 'stalled'
    | 'resumed'
    | 'requeued';
  readonly layer: 1 | 2 | 3 | 4 | null;
  readonly attempt: number;
  /** How long the step took; null where nothing ran. */
  readonly durationMs: number | null;
  readonly reason: string | null;
};

export type SystemState = {
  readonly atMs: number;
  readonly load: readonly [number, number, number];
  readonly cpus: number;
  readonly memoryTotalBytes: number;
  readonly memoryFreeBytes: number;
  readonly diskTotalBytes: number;
  readonly diskFreeBytes: number;
  readonly processes: readonly {
    readonly pid: number;
    readonly command: string;
    readonly cpuMs: number;
    readonly rssBytes: number;
    readonly state: string;
  }[];
};

/** The output as collected: first 1 MiB and last 7 MiB, the gap between them named. */
export type OutputMeta = {
  readonly totalBytes: number;
  readonly headBytes: number;
  readonly tailBytes: number;
  readonly gapBytes: number;
  /** Of the raw output.log up to 8 MiB, else of head and tail. */
  readonly sha256: string;
};
