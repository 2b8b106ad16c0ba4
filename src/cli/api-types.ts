// What `import { completionApi } from 'signoff'` gives, for programs that are written in TypeScript. The build hands this file out as it is
// (dist/api.d.mts, dist/api.d.cts), so it imports nothing; that api.ts is what it says is checked when it is compiled.

/** A todo's number, its id, or a unique start of the id (at least 4 characters). */
export type TodoRef = number | string;

export interface HomeOption {
  /** The home with journal, store and archive. Else `$TODO_HOME`, else as the command `todo` finds it. */
  readonly home?: string;
}

export type ScheduledVerb = 'done' | 'fail' | 'block' | 'release' | 'cancel';
export type Verb = ScheduledVerb | 'park';
export type TodoStatus =
  | 'open'
  | 'claimed'
  | 'running'
  | 'parked'
  | 'stalled'
  | 'blocked'
  | 'dead-lettered'
  | 'completed'
  | 'failed'
  | 'cancelled';
/** verified: checks passed · unverified: there were none · forced: a deadline or `todo emergency` · overridden: a person said so. */
export type Proof = 'verified' | 'unverified' | 'forced' | 'overridden';

export interface WordOptions extends HomeOption {
  /** What was done, in one line. */
  readonly summary?: string;
  readonly reason?: string;
  /** End a live run first; without it a todo whose agent works on it is refused. Default false. */
  readonly force?: boolean;
}

export interface ScheduleOptions extends WordOptions {
  /** From now, in milliseconds; more than 0, at most 366 days. Either this or `atMs`. */
  readonly inMs?: number;
  /** UTC milliseconds. */
  readonly atMs?: number;
  /** Default done. */
  readonly verb?: ScheduledVerb;
}

export interface ScheduledCompletion {
  /** Names this very word; whatever comes of it says so in the todo's history. */
  readonly id: string;
  readonly todo: { readonly id: string; readonly number: number };
  readonly verb: ScheduledVerb;
  /** UTC milliseconds. */
  readonly atMs: number;
  /** Whether a daemon of this home lives now. Only one can say the word at its time; without one it waits for the next. */
  readonly daemon: boolean;
}

export interface BatchOptions extends WordOptions {
  /** Default done. `park` without a time waits for a person. */
  readonly verb?: Verb;
}

/** What became of one of them. */
export type CompletionResult =
  | {
      readonly ref: string;
      readonly ok: true;
      readonly id: string;
      readonly number: number;
      /** As the store has it afterwards: still in progress where its checks take longer than a minute. */
      readonly status: TodoStatus;
      readonly proof: Proof | null;
      readonly error: null;
    }
  | { readonly ref: string; readonly ok: false; readonly error: OperationalError };

export interface BatchResult {
  /** True when every one of them went well. */
  readonly ok: boolean;
  /** In the order that they were given. */
  readonly results: readonly CompletionResult[];
}

export interface MetricsOptions extends HomeOption {
  /** Todos that ended from then on, UTC milliseconds. */
  readonly sinceMs?: number;
  /** … and before then. */
  readonly untilMs?: number;
}

/** Milliseconds from the claim of the run that ended a todo to its end. Percentiles are times that some run really took (nearest rank). */
export interface Durations {
  readonly count: number;
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
}

export interface CompletionCounts {
  /** Todos that ended. */
  readonly ended: number;
  readonly byStatus: { readonly completed: number; readonly failed: number; readonly cancelled: number };
  /** Of the completed ones. */
  readonly byProof: { readonly [proof in Proof]: number };
  /** Forced ones among the completed, 0 to 1; null where none completed. */
  readonly forcedShare: number | null;
  /** Runs that these todos took: in all, for one on average, for one at most. */
  readonly attempts: { readonly total: number; readonly mean: number | null; readonly max: number };
  readonly durations: Durations;
}

export interface CompletionMetrics extends CompletionCounts {
  readonly sinceMs: number | null;
  readonly untilMs: number | null;
  /** Runs of these todos by how they ended: done, failed, cancelled, forced, blocked, parked, released, reset, lost, superseded. */
  readonly byOutcome: { readonly [outcome: string]: number };
  readonly byAgent: { readonly [agent: string]: CompletionCounts };
}

export interface ExportOptions extends HomeOption {
  /** Written too, whole and flushed (0600): the same document as one line of JSON. Relative to the working directory. */
  readonly file?: string;
}

export interface ExportedContent {
  readonly sizeBytes: number;
  /** SHA-256 of the content, hex. */
  readonly sha256: string;
  readonly encoding: 'utf8' | 'base64';
  readonly content: string;
}

/** All that is known of a todo. More fields may stand beside these. */
export interface SessionData {
  readonly schemaVersion: 1;
  readonly kind: 'export';
  readonly todo: {
    readonly id: string;
    readonly number: number;
    readonly title: string;
    readonly prompt: string;
    readonly cwd: string;
    readonly agent: string;
    readonly checks: readonly string[];
    readonly priority: number;
    /** As `todo show` says it; `finishing` where its completion is under way. */
    readonly status: TodoStatus | 'finishing';
    readonly proof: Proof | null;
    readonly summary: string | null;
    readonly reason: string | null;
    /** Path of report.html on the host that made it. */
    readonly report: string | null;
    readonly createdAtMs: number;
    readonly endedAtMs: number | null;
    readonly runs: readonly {
      readonly id: string;
      readonly fence: number;
      readonly agent: string;
      readonly host: string;
      readonly startedAtMs: number;
      readonly endedAtMs: number | null;
      readonly outcome: string | null;
      readonly saidBy: string | null;
    }[];
  };
  /** What `todo why` tells. */
  readonly story: readonly { readonly atMs: number; readonly fact: string; readonly reason: string | null; readonly run: string | null }[];
  /** What `todo show --history` tells. */
  readonly history: readonly {
    readonly atMs: number;
    readonly kind: string;
    readonly what: string;
    readonly from: string | number | null;
    readonly to: string | number | null;
    readonly by: string | null;
    readonly detail: string;
    readonly run: string | null;
  }[];
  /** One of each run that ended, without its long values: these are files of its archive. */
  readonly records: readonly {
    readonly runId: string;
    readonly outcome: string;
    readonly proof: Proof | null;
    readonly summary: string;
    readonly manifestSha256: string;
    readonly startedAtMs: number;
    readonly endedAtMs: number;
  }[];
  /** Every file of every archive, each of them checked against the manifest, and the manifest against the record. */
  readonly archives: readonly {
    readonly run: string;
    readonly folder: string;
    readonly manifestSha256: string;
    /** False where the archive lies on another host or was removed; then there are no files. */
    readonly here: boolean;
    readonly files: readonly (ExportedContent & {
      readonly name: string;
      /** Whether the manifest vouches for it. */
      readonly listed: boolean;
    })[];
  }[];
  readonly comments: readonly { readonly atMs: number; readonly author: string; readonly text: string; readonly runId: string | null }[];
  readonly attachments: readonly (ExportedContent & { readonly atMs: number; readonly author: string; readonly name: string })[];
}

export interface SessionExport {
  readonly data: SessionData;
  /** Null without `file`. */
  readonly saved: { readonly file: string; readonly sizeBytes: number; readonly sha256: string } | null;
}

/**
 * Every error that is not a defect of signoff. `code` is one for good (`NOT_FOUND`, `AMBIGUOUS`, `REFUSED`, `USAGE`, `BAD_DATA`, `CONFIG_INVALID`,
 * `STORE_UNREACHABLE`, `STORE_TIMEOUT`, `STORE_IN_DOUBT` …); `message` says what was tried, on what and why; `hint` which command helps.
 */
export interface OperationalError extends Error {
  readonly code: string;
  readonly operation: string;
  readonly subject: string;
  readonly hint: string;
}

/**
 * The words of a person about todos, from a program. Each function does what the command of the same name does, by the same code; where no
 * daemon lives, what can be done at once is done in this process. All reject with an OperationalError; inside a run (`$TODO_RUN`) words are
 * refused with REFUSED, since a run speaks for its own todo only, by `todo done`.
 */
export interface CompletionApi {
  /**
   * Puts a word off: durable when it resolves, said once by the daemon of the home when its time has come, as `todo done ID --in 60s`.
   * A later one takes the place of an earlier one. NOT_FOUND, AMBIGUOUS; REFUSED for a todo that has ended; USAGE for a time out of bounds.
   */
  scheduleCompletion(todo: TodoRef, options: ScheduleOptions): Promise<ScheduledCompletion>;
  /** Takes that word back, as `todo unschedule ID`; false where there was none, or it is just being said. */
  cancelScheduledCompletion(todo: TodoRef, options?: HomeOption): Promise<boolean>;
  /** As `todo done ID ID …`: one after the other, each with its own result. Rejects only where not one of them could be tried. At most 10,000. */
  batchComplete(todos: readonly TodoRef[], options?: BatchOptions): Promise<BatchResult>;
  /** What ended in a time, counted by the store; as `todo status --completions --json`. */
  getCompletionMetrics(options?: MetricsOptions): Promise<CompletionMetrics>;
  /** As `todo export ID`. BAD_DATA where an archive is not what its manifest says; then nothing is written. */
  exportSessionData(todo: TodoRef, options?: ExportOptions): Promise<SessionExport>;
}

export type IsOperationalError = (error: unknown) => error is OperationalError;
