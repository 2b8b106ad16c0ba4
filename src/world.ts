import type { EndedFigures, MetricsRange } from './core/completion-metrics.ts';
import type { Config } from './core/config.ts';
import type { Attachment, Comment } from './core/discussion.ts';
import type { Entry, Owner, ProcessId } from './core/entry.ts';
import type { SystemState } from './core/evidence.ts';
import type { FailedTry } from './core/failed-try.ts';
import type { HealingEvent } from './core/healing-event.ts';
import type { MetricRow, MetricsQuestion, Rollup } from './core/health-history.ts';
import type { ListFilter } from './core/list-filter.ts';
import type { PastRun } from './core/prediction.ts';
import type { Priorities } from './core/priority.ts';
import type { MachineFigures, PoolFigures, SelfFigures, TreeFigures } from './core/resources.ts';
import type { NewTodo, Run, RunRef, StoredRecord, TerminalRecord, Todo } from './core/todo.ts';
import type { Answer, HealthStatus, LivingStatus, TodoStatus } from './core/words.ts';

/**
 * The door: all that we do not control. Everything below `cli/` and above `platform/` and `store/` sees only this,
 * so the whole daemon runs in a seeded simulation. Durable calls are synchronous: they happen on the main thread, one after
 * the other, and a crash falls between two of them. Errors are `OperationalError`; anything else is a defect.
 */
export type World = {
  readonly clock: Clock;
  readonly random: Random;
  readonly digest: Digest;
  readonly files: Files;
  readonly processes: Processes;
  readonly terminals: Terminals;
  readonly resources: Resources;
  readonly journal: Journal;
  readonly store: Store;
  readonly network: Network;
  readonly log: Log;
  readonly host: Host;
  readonly home: Home;
};

export type Clock = {
  /** UTC milliseconds of this host. */
  nowMs(): number;
  /** Never goes back; for durations. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `stop` is aborted; never rejects. */
  sleep(ms: number, stop?: AbortSignal): Promise<void>;
};

export type Random = {
  /** [0, 1) */
  next(): number;
  uuidv7(): string;
  uuidv4(): string;
  /** 256 bits, base64url: a run's secret. */
  token(): string;
};

export type Digest = {
  /** Hex. */
  sha256(content: string | Uint8Array): string;
  sha256Base64(content: string): string;
};

export type FileStat = {
  readonly kind: 'file' | 'folder' | 'symlink' | 'fifo' | 'other';
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly dev: number;
  readonly ino: number;
  readonly uid: number;
  readonly mode: number;
  readonly nlink: number;
};

/**
 * Absent is an answer (null, false, empty); everything else that goes wrong is FILE_UNREADABLE, FILE_UNWRITABLE or DISK_FULL.
 * Nothing is durable before `sync` of the file, and no name before `syncFolder` of its folder.
 */
export type Files = {
  read(path: string): Uint8Array | null;
  readText(path: string): string | null;
  readRange(path: string, fromByte: number, lengthBytes: number): Uint8Array | null;
  /** Opened with O_NOFOLLOW|O_NONBLOCK and looked at by its descriptor: what another user put under a predictable name cannot lead astray. `bytes` is null for anything but a regular file of at most `maxBytes`. */
  readGuarded(path: string, maxBytes: number): { readonly stat: FileStat; readonly bytes: Uint8Array | null } | null;
  /** Of the name itself, links are not followed. */
  stat(path: string): FileStat | null;
  /** Names, sorted; empty when the folder is absent. */
  list(folder: string): readonly string[];
  /** Creates or replaces; not durable. Mode 0600 unless given. */
  write(path: string, content: string | Uint8Array, mode?: number): void;
  /** Creates with O_EXCL; false when the name is taken. Not durable. */
  create(path: string, content: string | Uint8Array, mode?: number): boolean;
  append(path: string, content: string): void;
  /** Flushes a file's content. */
  sync(path: string): void;
  /** Flushes a folder's names. */
  syncFolder(path: string): void;
  /** False when `from` is absent. Replaces files; a folder target must not exist (FILE_UNWRITABLE). */
  rename(from: string, to: string): boolean;
  /** False when `to` exists. */
  link(from: string, to: string): boolean;
  unlink(path: string): boolean;
  /** With parents, 0700; no error when it exists. */
  makeFolder(path: string): void;
  /** mkdir without parents; false when it exists: an atomic claim. */
  claimFolder(path: string): boolean;
  copy(from: string, to: string): void;
  removeTree(path: string): void;
  freeBytes(path: string): number;
};

export type StartPlan = {
  readonly argv: readonly string[];
  readonly cwd: string;
  /** Added to the daemon's own environment; a null value removes the name. */
  readonly env: Readonly<Record<string, string | null>>;
  /** Gets stdout and stderr, opened for appending before the start. */
  readonly outputPath: string;
};

export type RunPlan = {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | null>>;
  readonly timeoutMs: number;
  /** Tail of stdout and stderr together that is kept. */
  readonly tailBytes: number;
};

export type RunResult = {
  readonly exitCode: number | null;
  readonly osSignal: string | null;
  readonly timedOut: boolean;
  readonly startError: string | null;
  readonly tail: string;
  readonly bytes: number;
  readonly durationMs: number;
};

/** How a process that was started here ended: by a code, or by an OS signal. */
export type ProcessEnd = { readonly pid: number; readonly exitCode: number | null; readonly osSignal: string | null };

export type Processes = {
  /** Who we are. */
  self(): Owner;
  /** Starts in a session of its own; lives on when we die. SPAWN_FAILED. */
  start(plan: StartPlan): ProcessId;
  /** Runs to its end in a process group of its own; at timeout or stop the whole group is ended (TERM, then KILL). */
  run(plan: RunPlan, stop?: AbortSignal): Promise<RunResult>;
  /** By pid and start time: a reused pid is a 'no'. A zombie is a 'no'. */
  alive(id: ProcessId): Answer;
  /** Processes whose start environment has `name=value`. */
  tagged(name: string, value: string): readonly ProcessId[];
  /** Processes that runs of this home started, with the run that each belongs to. */
  ofHome(root: string): readonly { readonly process: ProcessId; readonly runId: string }[];
  /** CPU of all live processes with that tag, in milliseconds; null when it cannot be seen. */
  cpuMs(name: string, value: string): number | null;
  /**
   * TERM to all with that tag (and, unless `whom` is `tagged`, their sessions, groups and children), KILL after `graceMs`, until none is left.
   * True when none is left.
   */
  endTagged(name: string, value: string, graceMs: number, whom?: 'all' | 'tagged'): Promise<boolean>;
  /** How a round ended whose shell cannot write it to that folder, as it would stand in `exit`; null: there is no such shell, or it cannot be seen. */
  untoldEnd(runId: string, runFolder: string): string | null;
  /** The path of that program, as a start with that PATH would find it (null: with ours); null: there is none. */
  program(name: string, path: string | null): string | null;
  system(diskPath: string, tag?: { readonly name: string; readonly value: string }): SystemState;
};

/** How the processes of a run are found: by its tag, and by the session that was made for it. */
export type RunTag = { readonly name: string; readonly value: string; readonly session: ProcessId | null };

/** What this process and its machine use, and what can be done about it here. A look costs a few milliseconds. */
export type Resources = {
  /** What counts "since the last look" begins with the first one. */
  self(): SelfFigures;
  machine(diskPath: string): MachineFigures;
  /** By value of the tag: all processes of that run, found by tag, session, group and parent. Null: they could not be seen. */
  trees(runs: readonly RunTag[]): ReadonlyMap<string, TreeFigures> | null;
  /** Whether a thread for file work comes free. */
  pool(path: string, withinMs: number): Promise<PoolFigures>;
  /** Bytes of the heap that are in use after it. */
  collectGarbage(): Promise<number>;
  /** Drops caches and gives free memory back to the system. All stands still for some 50 ms. What there is after it. */
  giveBack(): Pick<SelfFigures, 'rssBytes' | 'heapUsedBytes'>;
  /** Writes a CPU profile (`.cpuprofile`) of so long. */
  profile(path: string, ms: number, stop?: AbortSignal): Promise<void>;
  /** Where the processes of a run stand, by a way in which that can be changed and taken back; or why there is none. */
  priorities(run: RunTag, by?: Priorities['by']): Priorities | { readonly why: string };
  /** How many were changed. */
  setPriorities(run: RunTag, wanted: Priorities): Promise<number>;
};

/** tmux, on a server of our own. TMUX_UNAVAILABLE when it cannot be used. */
export type Terminals = {
  available(): Answer;
  /** Starts argv in a new window; all it prints from the first byte on goes to outputPath. */
  start(plan: StartPlan & { readonly name: string; readonly columns: number; readonly rows: number }): {
    readonly target: string;
    readonly process: ProcessId;
  };
  alive(target: string): Answer;
  /** The screen as text with SGR; null when it is gone. */
  capture(target: string): string | null;
  /** Types text, and Enter apart from it. Only for a prompt that is known to be idle. */
  send(target: string, text: string): void;
  end(target: string): void;
  /** Targets of ours that exist. */
  list(): readonly string[] | null;
  /** How a person looks at it. */
  attachCommand(target: string): string;
};

/** Local record of live runs. A save is durable when its promise resolves; saves of one turn share a commit. */
export type Journal = {
  /** Entries that are not closed, of all owners in this home. */
  live(): readonly Entry[];
  get(runId: string): Entry | null;
  /** The newest entry of a todo, closed ones included. */
  ofTodo(todoId: string): readonly Entry[];
  /** Guarded by owner: NOT_OWNER when another process has taken the entry. JOURNAL_UNWRITABLE, DISK_FULL. */
  save(entry: Entry): Promise<void>;
  /** Takes an entry over from a dead owner; false when somebody else was quicker. */
  adopt(runId: string, from: Owner, to: Owner): Promise<boolean>;
  /** Runs that were closed since then, oldest first; the newest 10,000. */
  closed(sinceMs: number): readonly string[];
  /** Closed entries older than that are forgotten. */
  forget(closedBeforeMs: number): void;
  /** Small durable values of this home (last sweep, notices given). */
  getNote(key: string): string | null;
  setNote(key: string, value: string): Promise<void>;
  /** Those whose key begins so, by key. */
  notes(prefix: string): readonly { readonly key: string; readonly value: string }[];
  dropNotes(keys: readonly string[]): Promise<void>;
  /** False when it has another value by now, or is gone. */
  removeNote(key: string, value: string): Promise<boolean>;
};

export type ClaimRequest = {
  readonly runId: string;
  readonly tokenSha256: string;
  /** `<host>/<home>`; slots are counted by it. */
  readonly host: string;
  readonly kind: Run['kind'] | 'by-todo';
  readonly leaseMs: number;
  /** Take this one, whatever its flag and order, but never one that runs or has ended. Null: the next by priority, then age. */
  readonly todoId: string | null;
  /** Null: no slot limits (a person's claim). */
  readonly slots: { readonly total: number; readonly agent: number; readonly project: number } | null;
  /** Agents this host can start; null = any. */
  readonly agents: readonly string[] | null;
  /** Lease end for runs of kind external: nobody renews them. */
  readonly externalLeaseMs: number | null;
  /** Who takes a todo of agent `auto` here. Absent: the run keeps the word (a person works on it). */
  readonly auto?: AutoRunners;
};

/** By the session that the todo asks for; `any`: by none. */
export type AutoRunners = Readonly<Record<'any' | 'child' | 'tmux', string>> & {
  /** Where only the fallback is left, other hosts have so long to take the todo. */
  readonly fallbackAfterMs: number;
};

export type ClaimResult =
  | { readonly kind: 'claimed'; readonly todo: Todo; readonly run: Run }
  /** Nothing to take: none open, all waiting, no free slot, or this host is drained (asked only where slots are). */
  | { readonly kind: 'nothing'; readonly why: 'none-open' | 'no-slot' | 'drained'; readonly nextAtMs: number | null }
  /** The named todo cannot be taken. */
  | { readonly kind: 'refused'; readonly why: string };

/** One of those who share a store. */
export type HostRow = {
  /** `<host name>/<home id>` */
  readonly id: string;
  /** Todos in progress there. */
  readonly live: number;
  /** When it last looked for a todo and there was one; null: never. */
  readonly lastClaimAtMs: number | null;
  /** A person said that it shall take nothing new. */
  readonly drained: { readonly sinceMs: number; readonly reason: string | null } | null;
};

/**
 * System of record. Each write is guarded (`where id = ? and fence = ? and run_id = ?`, one affected row) and atomic.
 * Errors: STORE_UNREACHABLE and STORE_TIMEOUT where nothing was sent or only a read was; STORE_IN_DOUBT where a write may have happened;
 * STORE_CONFLICT where it certainly did not; STORE_REFUSED where it never will; STORE_SCHEMA.
 */
export type Store = {
  readonly driver: 'memory' | 'sqlite' | 'mysql';
  /** Creates, verifies and migrates the schema; four log events (P-13). Safe to call again. */
  open(): Promise<void>;
  close(): Promise<void>;
  /** A cheap look whether the store answers; throws as all others do. */
  ping(): Promise<void>;
  /** The store's clock. */
  nowMs(): Promise<number>;

  add(todo: NewTodo): Promise<Todo>;
  /** By number, id or unique prefix of the id (≥ 4 characters). AMBIGUOUS; null when none fits. */
  find(ref: string): Promise<Todo | null>;
  /** Newest first, by number. */
  list(filter: ListFilter): Promise<{ readonly todos: readonly Todo[]; readonly truncated: boolean }>;
  /** Open and parked ones that could be claimed now or later. */
  waiting(): Promise<number>;
  /** How many todos have not ended, by status. */
  living(): Promise<Readonly<Record<LivingStatus, number>>>;
  /** How many there are, by status, ended ones too: reads as many rows of an index. */
  byStatus(): Promise<Readonly<Partial<Record<TodoStatus, number>>>>;
  runsOf(todoId: string): Promise<readonly Run[]>;
  getRun(runId: string): Promise<Run | null>;

  /** One atomic select-and-claim: fence + 1, lease, run row with start time, status claimed. */
  claim(request: ClaimRequest): Promise<ClaimResult>;
  /** Keeps a host from claiming by itself, or (null) lets it again. False: nobody of that name was ever here, and none may be new. */
  drainHost(host: string, drain: { readonly reason: string | null; readonly mayBeNew: boolean } | null): Promise<boolean>;
  /** All that ever claimed here, or were drained, by id. */
  hosts(): Promise<readonly HostRow[]>;
  /** Status of a live run as shown: claimed → running → stalled → running; round. False = superseded. */
  mark(ref: RunRef, status: 'running' | 'stalled', round: number, reason: string | null): Promise<boolean>;
  /** Prolongs leases by the store's clock. An expired lease that nobody took is renewed, same fence. */
  renew(refs: readonly RunRef[], leaseMs: number): Promise<readonly { readonly ref: RunRef; readonly held: boolean }[]>;
  /** Gives back a claim whose agent was never started: open again, run outcome as given. False = superseded. */
  giveBack(ref: RunRef, outcome: 'released' | 'lost', reason: string, notBeforeMs: number | null, attempts: number): Promise<boolean>;
  /** Milliseconds until the next lease of a live run runs out, by the store's clock; null: none is to come. What has expired already does not count. */
  leaseEndsInMs(): Promise<number | null>;
  /** In-progress todos whose lease has expired (store's clock), with their run. */
  expired(): Promise<readonly { readonly todo: Todo; readonly run: Run }[]>;
  /** Takes a todo away from a run whose lease has expired: status open (or blocked), run lost. Guarded by the expired lease. False = it was renewed meanwhile. */
  rescue(
    ref: RunRef,
    to: {
      readonly status: 'open' | 'blocked';
      readonly outcome: 'lost' | 'reset';
      readonly reason: string;
      readonly attempts: number;
      readonly resets: number;
      readonly notBeforeMs: number | null;
    },
  ): Promise<boolean>;
  /** All claimed, running, stalled todos with their run, for the consistency check. */
  inProgress(): Promise<readonly { readonly todo: Todo; readonly run: Run | null }[]>;

  /** Changes of a todo without a live run: guarded by its present status and run_id null. False = it was not so any more. */
  change(
    todoId: string,
    from: readonly TodoStatus[],
    to: {
      readonly status?: TodoStatus;
      readonly held?: boolean;
      readonly reason?: string | null;
      readonly notBeforeMs?: number | null;
      /** Who changes it, for the history. */
      readonly by?: string;
    },
  ): Promise<boolean>;
  /** Blocks open and parked todos whose `after` ended badly (failed, cancelled, forced); returns them. */
  blockDependents(): Promise<readonly Todo[]>;

  /** The one guarded terminal write, in one transaction: run, todo, record. 'already' = this very run has a record (nothing changed). */
  record(record: TerminalRecord): Promise<'recorded' | 'already' | 'superseded'>;
  /** Of these runs (at most 500), those that have no record here. A look, no certainty: `reassert` finds out by a write. */
  missing(runIds: readonly string[]): Promise<readonly string[]>;
  /**
   * Writes a record again that was there and is not any more: a failover took its commit back. Guarded by the fence: only where nobody has claimed or
   * ended the todo since. With the claim gone too, the run is written again with it. gone = the todo itself is not there.
   */
  reassert(record: TerminalRecord, run: Run): Promise<'recorded' | 'already' | 'superseded' | 'gone'>;
  /** By value; null = certainly not there. */
  readBack(runId: string): Promise<StoredRecord | null>;
  /** Marks a todo whose completion was given up: dead-lettered and held; the run stays its run. False = superseded. */
  deadLetter(ref: RunRef, reason: string): Promise<boolean>;
  /** Takes a dead-lettered todo back to finishing for requeue (status running, not held). */
  requeue(ref: RunRef): Promise<boolean>;

  /** Append-only facts about what we did: kind `audit` | `retry` | `healing`. Best effort for the caller, atomic for the row. */
  note(row: {
    readonly kind: 'audit' | 'retry' | 'healing' | 'recovery';
    readonly todoId: string | null;
    readonly runId: string | null;
    readonly atMs: number;
    readonly what: string;
    readonly detail: string;
    /** Given where the row may be sent more than once: the same id is the same row. */
    readonly id?: string;
    /** Of a try that failed (kind `retry`). */
    readonly failed?: FailedTry;
    /** What waited for something that was away, drained (kind `recovery`). */
    readonly session?: { readonly host: string; readonly why: string; readonly outcome: string; readonly endedAtMs: number };
  }): Promise<void>;
  notesOf(todoId: string): Promise<
    readonly {
      readonly kind: string;
      readonly runId: string | null;
      readonly atMs: number;
      readonly what: string;
      readonly detail: string;
    }[]
  >;
  /** The newest of the audit trail, newest first; `number` where it is about a todo that is still known. */
  auditTail(limit: number): Promise<readonly AuditLine[]>;
  /** What was healed, newest first. */
  healingEvents(filter: { readonly todoId: string | null; readonly limit: number }): Promise<readonly HealingEvent[]>;
  /** Twice with the same id is once. */
  comment(row: Comment): Promise<void>;
  /** Oldest first. */
  commentsOf(todoId: string): Promise<readonly Comment[]>;
  /** `row.sha256` is the digest of `content`. STORE_REFUSED where it is larger than attachmentBytesMax or than this store takes. */
  attach(row: Attachment, content: Uint8Array): Promise<void>;
  /** Oldest first. */
  attachmentsOf(todoId: string): Promise<readonly Attachment[]>;
  /** Content by digest; null = certainly not there. */
  attached(sha256: string): Promise<Uint8Array | null>;
  /** What was measured; all or none. The same id is the same row. */
  keepMetrics(rows: readonly MetricRow[]): Promise<void>;
  /** Of a host (`<host name>/<home id>`): the newest, oldest first. */
  metrics(host: string, question: MetricsQuestion): Promise<readonly MetricRow[]>;
  /** Puts a part of what is due in place of finer rows; how many it took, 0 = nothing is left to do. */
  rollMetrics(host: string, rollup: Rollup): Promise<number>;
  /** Todos that ended in that time, counted. */
  ended(range: MetricsRange): Promise<EndedFigures>;
  /** The newest runs that agents ended on that host, newest first. */
  pastRuns(host: string, limit: number): Promise<readonly PastRun[]>;
  /** Connections and how long operations took, for health, status and metrics. */
  figures(): StoreFigures;
  /** Where a store can be looked into and helped while it is slow. None of these waits for a schema, or for what others hold. */
  readonly care?: StoreCare;
  /** How `store.map` and the table fit; null where no table is mapped. Needs nothing of ours to be there. */
  mapping?(): Promise<MappingReport | null>;
};

export type AuditLine = {
  readonly atMs: number;
  readonly todoId: string | null;
  readonly number: number | null;
  readonly what: string;
  readonly detail: string;
};

export type StoreCare = {
  /** Who holds what for how long. Changes nothing. */
  obstacles(): Promise<Obstacles>;
  /** Closes all connections, also those that wait, and opens one anew. Says what was done. */
  reset(): Promise<string>;
  /** New statistics of our tables for the server's planner. Says what came of it. */
  optimize(): Promise<string>;
  /** What makes it a safe system of record, each server of it by itself. Changes nothing. */
  conditions(): Promise<readonly Condition[]>;
};

export type Condition = {
  readonly name: string;
  /** Of several servers; null where there is only the home's own file. */
  readonly server: string | null;
  readonly status: HealthStatus;
  readonly found: string;
  /** What to do about it; null where it is as it should be. */
  readonly change: string | null;
};

export type Obstacle = {
  readonly kind: 'long-transaction' | 'row-lock' | 'table-lock' | 'busy';
  /** The server's number of the connection, or the process, that holds it; null where that cannot be seen. */
  readonly holder: number | null;
  readonly heldMs: number;
  /** One sentence for people: who holds what for how long, and who waits. Without values. */
  readonly text: string;
};
/** `blind`: what could not be looked at, and why. */
export type Obstacles = { readonly found: readonly Obstacle[]; readonly blind: string | null };

export type StoreFigures = {
  /** Connections that an operation has, that lie ready, and that there may be. */
  readonly active: number;
  readonly idle: number;
  readonly limit: number;
  /** Operations in line for a connection. */
  readonly waiting?: number;
  /** How long the way to the server and back takes, with nothing to do there: the quickest of late. */
  readonly journeyMs?: number;
  /** The server in use, of several. */
  readonly server?: string | null;
  /** How often another process had the file (SQLite). */
  readonly busy?: number;
  readonly queries?: QueryFigures;
};

/** Of this process, since it began: `todo_db_query_duration_seconds`. */
export type QueryFigures = {
  /** Upper bounds of the buckets, in milliseconds; what took longer is in `count` only. */
  readonly boundsMs: readonly number[];
  /** By kind of operation. `buckets` are cumulative: how many took at most as long as the bound. */
  readonly kinds: Readonly<Record<string, { readonly count: number; readonly sumMs: number; readonly buckets: readonly number[] }>>;
  /** Operations over 100 ms, and of these over a second or at their time limit. */
  readonly slow: number;
  readonly verySlow: number;
  /** Of these, how many took a second longer than the way to the server explains, or all of their time. */
  readonly heldUp: number;
  /** For how long the slowest operation under way has been waited for beyond what the way explains. */
  readonly heldUpForMs: number;
  /** The last one over a second, in words. */
  readonly lastSlow: string | null;
};

/** `todo store map --check` */
export type MappingReport = {
  readonly table: string;
  readonly timeZone: string;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    /** Keys of the mapping; none: it stays as it is. */
    readonly as: readonly string[];
    readonly does: 'reads' | 'writes' | 'reads and writes' | null;
  }[];
  readonly missing: readonly string[];
  readonly words: readonly {
    readonly word: string;
    readonly ours: readonly TodoStatus[];
    readonly rows: number;
    /** Of them, those that an agent would be given now or at their time. */
    readonly picked: number;
  }[];
  /** With any of these the store is not opened. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
};

export type Network = {
  /** One POST of JSON; NETWORK_FAILED on anything but 2xx, with `retryAfterMs` where the answer asked for a wait. */
  post(url: string, body: unknown, timeoutMs: number): Promise<void>;
  /** Whether somebody takes a connection there. Says nothing to him; NETWORK_FAILED. */
  reaches(url: string, timeoutMs: number): Promise<void>;
};

export type LogFields = Readonly<Record<string, unknown>>;
export type LogRoom = 'completion' | 'monitor' | 'emergency';
export type Log = {
  debug(room: LogRoom, event: string, fields?: LogFields): void;
  info(room: LogRoom, event: string, fields?: LogFields): void;
  warn(room: LogRoom, event: string, fields?: LogFields): void;
  error(room: LogRoom, event: string, fields?: LogFields): void;
  /** Also goes to emergency.log with level CRITICAL, whatever the room. */
  critical(room: LogRoom, event: string, fields?: LogFields): void;
  /** Starts a new file in place of a log that grew past its bound: `completion.log` … Rotation by size goes by itself; this is the repair. */
  rotate(name: string): void;
};

/** `hooks/config.json` of a home, with what the environment says over it. For who goes on living while it changes. */
export type Settings = {
  /** Differs whenever the file may have changed; null where there is none. */
  identity(): string | null;
  /** What it was before the process read its configuration. */
  readonly readAs: string | null;
  /** Null where there is none. FILE_UNREADABLE. */
  text(): string | null;
  /** CONFIG_INVALID with all that is wrong. An empty text is no configuration here: an editor may be in the middle of writing. */
  parse(text: string): Promise<{
    readonly config: Config;
    readonly warnings: readonly string[];
    /** What that configuration wants to be kept secret. */
    readonly secrets: readonly string[];
  }>;
  /** The text with one value more, or less (undefined), comments kept. CONFIG_INVALID where that is no configuration. */
  edited(text: string | null, key: string, value: unknown): Promise<string>;
  /** Whole and durable, by rename. REFUSED where the file is no longer the one of that identity. */
  replace(text: string, identity: string | null): void;
  /** The name in the environment that says over this key; null where none does. */
  overridden(key: string): string | null;
};

export type Host = {
  /** `<host name>/<home id>` */
  readonly id: string;
  readonly name: string;
  readonly uid: number;
  /** Primary group: a group-writable marker of our own group is ours. */
  readonly gid: number;
  /** HOME and the like, for adapters that look for transcripts. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the environment says over hooks/config.json. Our own processes get it; those of agents do not, for it may hold a password. */
  readonly configEnv: Readonly<Record<string, string>>;
  readonly utcOffsetMinutes: number;
  /** Argv prefix that calls this very `todo`. */
  readonly todoCommand: readonly string[];
  /** Folder with mark-done and progress. */
  readonly hooksFolder: string;
};

/** Absolute paths of one home (DESIGN 5). */
export type Home = {
  readonly root: string;
  readonly database: string;
  readonly lock: string;
  readonly spool: { readonly tmp: string; readonly new: string; readonly cur: string; readonly bad: string };
  readonly runs: string;
  readonly archive: string;
  readonly logs: string;
  readonly socket: string;
  readonly legacy: { readonly marker: string | null; readonly pointer: string | null; readonly sessionPrefix: string | null };
};
