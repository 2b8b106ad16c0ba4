import type { ConfigChange } from './config-keys.ts';
import type { EmergencyInfo } from './entry.ts';
import type { HealingOutcome } from './healing-event.ts';
import type { KeptState } from './kept.ts';
import type { ShownProgram } from './trial.ts';
import type { HealthStatus } from './words.ts';

/**
 * What a CLI asks of a live daemon over its socket: one JSON line there, one JSON line back.
 * Each is also served in-process by an engine where no daemon lives, so a verb means the same either way.
 */
export type ControlRequest =
  | { readonly op: 'hello' }
  /** A supervisor asks: answered once the loop has gone round and the journal has taken a write, both since the question. */
  | { readonly op: 'progress' }
  /** Look again now: a marker was written, a todo was added. */
  | { readonly op: 'wake' }
  /** Start this todo now (from `todo run ID` while a daemon lives). */
  | { readonly op: 'start'; readonly todoId: string }
  /** The agent's Stop hook asks what the checks said about this round. Answered when known, or at once when nothing is being checked. */
  | { readonly op: 'verdict'; readonly runId: string; readonly token: string; readonly round: number; readonly waitMs: number }
  | {
      readonly op: 'verb';
      readonly verb: 'done' | 'fail' | 'block' | 'park' | 'release' | 'cancel';
      readonly todoId: string;
      readonly summary: string | null;
      readonly reason: string | null;
      /** End the live run first. */
      readonly force: boolean;
      readonly notBeforeMs: number | null;
    }
  | { readonly op: 'emergency'; readonly todoId: string; readonly action: 'complete' | 'reset' | 'stall'; readonly reason: string | null }
  /** Hand over dead-lettered work again. */
  | { readonly op: 'requeue'; readonly id: string; readonly force: boolean }
  /** Circuit breakers of the daemon: `name` is null for list. */
  | { readonly op: 'breaker'; readonly action: 'list' | 'isolate' | 'reset'; readonly name: string | null; readonly why: string }
  /** Who can work on todos. `probe`: they are asked now, and waited for. */
  | { readonly op: 'agents'; readonly probe: boolean }
  | { readonly op: 'recover'; readonly apply: boolean }
  /** Healing by hand: of one component, one todo, or (null) of all. */
  | { readonly op: 'heal'; readonly what: string | null; readonly dryRun: boolean }
  | { readonly op: 'status' }
  /** What it counts and measures, as Prometheus reads it. */
  | { readonly op: 'metrics'; readonly format: 'text' | 'openmetrics' }
  /** What is in use of the configuration. */
  | { readonly op: 'configuration' }
  /** Look at hooks/config.json now, and take it up. */
  | { readonly op: 'reload'; readonly by: 'person' | 'SIGHUP' }
  /** Write that value (JSON, or text; null takes the key out) into hooks/config.json, if it is then still right, and take it up. */
  | { readonly op: 'configure'; readonly key: string; readonly value: string | null }
  /** Start anew in place. `force`: whatever the limits say. */
  | { readonly op: 'restart'; readonly reason: string | null; readonly force: boolean }
  /** Take todos again, though a restart was not validated. */
  | { readonly op: 'resume' }
  | { readonly op: 'stop'; readonly force: boolean };

export type ControlReply =
  | {
      readonly ok: true;
      readonly kind: 'hello';
      readonly pid: number;
      readonly startedAtMs: number;
      readonly version: string;
      readonly home: string;
      /** A person keeps this host from taking todos; as the store said at the last look for one. Absent in older daemons. */
      readonly drained?: boolean;
      readonly generation?: number;
      readonly intake?: ShownIntake;
      /** Where it serves HTTP; absent or null: nowhere. */
      readonly server?: ServerStatus | null;
      readonly program?: ShownProgram;
    }
  | { readonly ok: true; readonly kind: 'accepted' }
  /** `standstill`: what of it does not go on, though it answers; null: nothing. */
  | { readonly ok: true; readonly kind: 'progress'; readonly standstill: string | null }
  /** The daemon of that generation goes; the next one is to be waited for. */
  | { readonly ok: true; readonly kind: 'restarting'; readonly generation: number }
  /** `ended`: the run reached its end within the request (emergency, verbs wait for it up to 60 s). */
  | { readonly ok: true; readonly kind: 'ended'; readonly todoId: string; readonly status: string; readonly proof: string | null }
  | {
      readonly ok: true;
      readonly kind: 'verdict';
      readonly verdict: 'passed' | 'sent-back' | 'ended' | 'not-checked' | 'waiting';
      readonly feedback: string | null;
    }
  | {
      readonly ok: true;
      readonly kind: 'plans';
      readonly plans: readonly RecoveryPlan[];
      readonly results: readonly RepairResult[];
      /** Components that could not be looked at, so that there may be more. Absent in older daemons. */
      readonly notSeen?: readonly string[];
    }
  | { readonly ok: true; readonly kind: 'healed'; readonly healed: Healed }
  | { readonly ok: true; readonly kind: 'status'; readonly status: DaemonStatus }
  | { readonly ok: true; readonly kind: 'metrics'; readonly text: string }
  | {
      readonly ok: true;
      readonly kind: 'configuration';
      readonly configuration: ConfigurationStatus;
      readonly values: Readonly<Record<string, unknown>>;
    }
  /** `overridden`: the name in the environment that says over the key that was set. */
  | {
      readonly ok: true;
      readonly kind: 'configured';
      readonly changed: readonly ConfigChange[];
      readonly needsRestart: readonly string[];
      readonly overridden: string | null;
    }
  | { readonly ok: true; readonly kind: 'breakers'; readonly breakers: readonly ShownBreaker[]; readonly bounds: ShownBounds }
  | { readonly ok: true; readonly kind: 'agents'; readonly overall: HealthStatus; readonly agents: readonly ShownRunner[] }
  /** `already`: it had been requeued before. */
  | { readonly ok: true; readonly kind: 'requeued'; readonly id: string; readonly already: boolean }
  /** `retryAfterMs`: refused for now only. */
  | { readonly ok: false; readonly code: string; readonly message: string; readonly hint: string; readonly retryAfterMs?: number };

/** How one who can work on todos is, as people and programs see it. */
export type ShownRunner = {
  readonly agent: string;
  readonly status: HealthStatus;
  readonly reason: string;
  readonly sinceMs: number;
  readonly whatToDo: string | null;
};

/** Whether a daemon takes todos: open; while it looks whether a restart went well; or held, since that did not. */
export type ShownIntake =
  | { readonly kind: 'open' | 'validating' }
  | { readonly kind: 'held'; readonly sinceMs: number; readonly why: string };

/** What a daemon knows of its configuration. */
export type ConfigurationStatus = {
  /** When what is in use was read. */
  readonly takenAtMs: number;
  /** Keys whose value in the file is used only after a restart. */
  readonly needsRestart: readonly string[];
  /** What is wrong with the file as it is now; then the values before it stay in use. */
  readonly refused: string | null;
};

/** What bounds many calls together. */
export type ShownBounds = {
  /** How many retries are paid for now, of how many. */
  readonly budgets: readonly { readonly name: string; readonly retries: number; readonly of: number }[];
  /** `mostActive` and `waited` since the daemon began. */
  readonly bulkheads: readonly {
    readonly name: string;
    readonly limit: number;
    readonly active: number;
    readonly queued: number;
    readonly mostActive: number;
    readonly waited: number;
  }[];
};

/** A circuit breaker as a person sees it. */
export type ShownBreaker = {
  readonly name: string;
  readonly state: 'closed' | 'open' | 'half-open' | 'isolated';
  readonly why: string;
  readonly sinceMs: number;
  /** Until a call may be made; null where only a command ends it. */
  readonly retryAfterMs: number | null;
  readonly failures: number;
  readonly successes: number;
  readonly reopenings: number;
  readonly refused: number;
  readonly late: number;
  readonly profile: { readonly failureThreshold: number | null; readonly successThreshold: number; readonly timeoutMs: number };
};

/** What the daemon knows of itself that a look from outside cannot see. */
export type DaemonStatus = {
  readonly pid: number;
  readonly startedAtMs: number;
  readonly live: readonly {
    readonly todoId: string;
    readonly number: number;
    readonly title: string;
    readonly runId: string;
    readonly fact: string;
    readonly agent: string;
    readonly startedAtMs: number;
    readonly lastSignAtMs: number;
    readonly round: number;
    readonly nextDeadlineAtMs: number | null;
    readonly emergency: EmergencyInfo | null;
  }[];
  /** The loop's last whole pass: a heartbeat that proves progress. */
  readonly lastPassAtMs: number;
  readonly lastSweepAtMs: number | null;
  readonly store: {
    readonly reachable: 'yes' | 'no' | 'unknown';
    readonly sinceMs: number;
    readonly error: string | null;
    /** Connections of the daemon's pool; with SQLite how often another process kept the file from it. */
    readonly pool?: {
      readonly active: number;
      readonly idle: number;
      readonly limit: number;
      readonly waiting: number;
      readonly busy?: number;
    };
    /** Of several servers, the one in use. */
    readonly server?: string | null;
    /** Operations since the daemon began, those over 100 ms, those over a second, the last of these, and how far the server is (there and back). */
    readonly queries?: {
      readonly count: number;
      readonly slow: number;
      readonly verySlow: number;
      readonly lastSlow: string | null;
      readonly journeyMs?: number;
    };
    /** While it is slow: since when, who holds what, what could not be looked at, and what was done. */
    readonly trouble?: StoreTrouble | null;
  };
  readonly draining: boolean;
  readonly intake?: ShownIntake;
  readonly configuration?: ConfigurationStatus;
  /** Where it serves HTTP; absent or null: it has no server. */
  readonly server?: ServerStatus | null;
  readonly program?: ShownProgram;
  /** What the daemon measures of itself, its machine and what it needs; null before its first look. */
  readonly watched?: Watched | null;
};

export type Watched = {
  readonly atMs: number;
  /** A look that is much older than this is no look. */
  readonly everyMs: number;
  readonly components: readonly Component[];
  /** All components of the last look over everything: their status, and since when it is so. */
  readonly since: Readonly<Record<string, { readonly status: HealthStatus; readonly sinceMs: number }>>;
};

/** `url` is null while it cannot listen, `problem` says why. */
export type ServerStatus = {
  readonly url: string | null;
  readonly problem: string | null;
  readonly sinceMs: number;
  /** Where its sessions are kept; absent before it has listened. */
  readonly sessions?: KeptState;
};

export type StoreTrouble = {
  readonly sinceMs: number;
  readonly obstacles: readonly string[];
  readonly blind: string | null;
  readonly did: readonly string[];
};

/** One thing a person should know about, or a repair could mend. Never acts by itself. */
export type Finding = {
  readonly check:
    | 'hanging'
    | 'orphaned-session'
    | 'stale-marker'
    | 'store-consistency'
    | 'log-size'
    | 'queue'
    | 'completion-waiting'
    | 'dead-letter'
    | 'disk';
  readonly subject: string;
  readonly todoId: string | null;
  readonly runId: string | null;
  readonly reason: string;
  readonly sinceMs: number;
};

export type Component = {
  readonly name: string;
  readonly status: HealthStatus;
  readonly reason: string;
  /** As far as it is known: since when it has this status. */
  readonly sinceMs: number;
  /** What was measured or counted. */
  readonly evidence?: Readonly<Record<string, string | number | null>>;
  /** For a person; null where nothing needs to be done. */
  readonly whatToDo?: string | null;
};
export type Health = { readonly status: HealthStatus; readonly components: readonly Component[]; readonly findings: readonly Finding[] };

/** A suspicion turned into a plan: shown before it is done. */
export type RecoveryPlan = {
  readonly id: string;
  readonly action:
    | 'process-marker'
    | 'force-complete'
    | 'reset'
    | 'archive-orphan'
    | 'end-window'
    | 'end-processes'
    | 'rescue'
    | 'rotate-log'
    | 'block';
  readonly subject: string;
  readonly todoId: string | null;
  readonly runId: string | null;
  readonly why: string;
  /** What was seen: ids, times, figures. */
  readonly evidence: readonly string[];
  /** What could go wrong. */
  readonly risk: string;
  /** Whether behavior.* allows the daemon to do it by itself. */
  readonly automatic: boolean;
};

/** What came of a plan, after a second look. */
export type RepairResult = {
  readonly plan: string;
  readonly done: boolean;
  readonly outcome: HealingOutcome;
  readonly why: string;
};

/** What a heal by hand found, did and found then. `before` and `after` are the components that were asked for. */
export type Healed = {
  readonly what: string | null;
  readonly plans: readonly RecoveryPlan[];
  readonly results: readonly RepairResult[];
  readonly before: readonly Component[];
  readonly after: readonly Component[];
  /** Components that could not be looked at, so that there may be more to heal. Absent in older daemons. */
  readonly notSeen?: readonly string[];
};
