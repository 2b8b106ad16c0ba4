import type { Outcome, Proof, RunKind, SaidBy, TodoStatus } from './words.ts';

/** One unit of agent work as the store has it. Times are UTC milliseconds. */
export type Todo = {
  /** UUIDv7, made by us. */
  readonly id: string;
  /** Short number for people, unique in one store. */
  readonly number: number;
  readonly title: string;
  readonly prompt: string;
  /** Absolute path. */
  readonly cwd: string;
  /** Git top level of cwd, else cwd: what project slots count by. */
  readonly project: string;
  readonly agent: string;
  /** Where its runs live; null takes the agent's default. */
  readonly session: 'child' | 'tmux' | null;
  /** Acceptance commands, run by `sh -c` in cwd, in this order. */
  readonly checks: readonly string[];
  /** 0 first … 9 last. */
  readonly priority: number;
  /** Hard cap of one run; null takes the configured one. */
  readonly timeoutMs: number | null;
  /** How often the command of an agent without a conversation runs at most (`--rounds`). Conversational agents are bounded by behavior.max_rounds. */
  readonly rounds: number;
  /** Id of the todo that must be completed first. */
  readonly after: string | null;
  readonly held: boolean;
  readonly status: TodoStatus;
  /** Null unless completed. */
  readonly proof: Proof | null;
  /** Why it stands where it stands, when that needs saying. */
  readonly reason: string | null;
  /** Grows with each claim; whoever holds an older one changes nothing. */
  readonly fence: number;
  /** The live run, or null. */
  readonly runId: string | null;
  /** Not claimed before this time: park, backoff of new attempts. */
  readonly notBeforeMs: number | null;
  /** Runs lost without an answer (policy `job`, at most 5). */
  readonly attempts: number;
  /** Resets by recovery (at most 3, then blocked). */
  readonly resets: number;
  readonly summary: string | null;
  /** Path of report.html, absolute on the host that wrote it. */
  readonly report: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly endedAtMs: number | null;
};

export type NewTodo = Pick<
  Todo,
  'id' | 'title' | 'prompt' | 'cwd' | 'project' | 'agent' | 'session' | 'checks' | 'priority' | 'timeoutMs' | 'rounds' | 'after' | 'held'
>;

/** One agent working on one todo. */
export type Run = {
  readonly id: string;
  readonly todoId: string;
  readonly fence: number;
  readonly agent: string;
  readonly kind: RunKind;
  /** `<host name>/<home id>`: slots are counted by it, and a restarted daemon finds its own runs by it. */
  readonly host: string;
  /** SHA-256 of the token, hex; void when the run has ended. */
  readonly tokenSha256: string;
  readonly leaseUntilMs: number;
  readonly round: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number | null;
  readonly outcome: Outcome | null;
  readonly saidBy: SaidBy | null;
};

/** What every guarded write about a run is conditioned on. */
export type RunRef = { readonly todoId: string; readonly runId: string; readonly fence: number };

/** The content of the one record a run leaves. `digestOf` (core/record.ts) hashes it; confirm hashes what came back. */
export type TerminalRecord = RunRef & {
  readonly outcome: Outcome;
  /** Status that the todo takes: terminal, or open / parked / blocked when it goes on. */
  readonly todoStatus: TodoStatus;
  readonly proof: Proof | null;
  readonly saidBy: SaidBy;
  readonly reason: string | null;
  readonly notBeforeMs: number | null;
  /** Values for todo.attempts and todo.resets after this run. */
  readonly attempts: number;
  readonly resets: number;
  readonly round: number;
  /** ≤ 150 characters. */
  readonly summary: string;
  /** report.html as text. */
  readonly reportHtml: string;
  /** Path of report.html in the archive. */
  readonly reportPath: string;
  /** Collected output as text (redacted). */
  readonly output: string;
  /** evidence.json as text. */
  readonly evidence: string;
  /** SHA-256 of manifest.json in the archive. */
  readonly manifestSha256: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
};

/** What the store shows when asked for a run's record: the same values, long ones as stored. */
export type StoredRecord = {
  readonly record: TerminalRecord;
  /** Values that the store could hold only in part: field → bytes and SHA-256 (hex) of the part that was stored. */
  readonly truncated: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  /** The todo row of now, not of then: a terminal todo must show the record's status. */
  readonly todo: Todo;
  readonly run: Run;
  /** The todo stands in somebody else's table (`store.map`), and they changed or deleted it after this record: it need not show it any more. */
  readonly changedByOthers?: boolean;
};
