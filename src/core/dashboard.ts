import type { Component, DaemonStatus, Healed, ShownBreaker } from './control.ts';
import type { HealingEvent } from './healing-event.ts';
import type { HealthStatus, ShownStatus } from './words.ts';

/**
 * What server and dashboard say to one another: JSON under `/api`, times in UTC milliseconds. Both sides are compiled against these types.
 * Whatever could not be looked at is null and never an empty list; a part that is of an earlier moment says of which.
 */

/** Each may do what those before it may. viewer: look · operator: act on todos and breakers · admin: configuration, sessions, restart. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

export const mayAct = (role: Role | null, wanted: Role): boolean => role !== null && roles.indexOf(role) >= roles.indexOf(wanted);

/** Who asks, as pages and the audit trail know it. role null: nobody who is known; only pages that need nobody see such a one. */
export type Asker = {
  readonly role: Role | null;
  readonly actor: string;
  readonly via: 'cookie' | 'token' | 'nothing';
  /** Its id; null: not by a cookie. */
  readonly session: string | null;
  readonly expiresAtMs: number | null;
};

/** Of every request that changes something: no form and no page of another origin can send it. */
export const requestHeader = { name: 'x-todo-request', value: '1' } as const;

/** GET /api/session: who asks. 401 where nobody is logged in. */
export type SessionInfo = {
  readonly role: Role;
  /** As the audit trail names them. */
  readonly actor: string;
  /** Null with the token: it does not end. */
  readonly expiresAtMs: number | null;
  readonly via: 'cookie' | 'token';
  /** Where sessions are kept now. */
  readonly keptIn: 'redis' | 'sqlite' | 'memory';
};

/** POST /api/login: what stands behind `#login=` in the address that `todo dashboard` prints. 401 CODE_INVALID; 429 with Retry-After. */
export type LoginRequest = { readonly code: string };

/** GET /api/sessions: all to an admin, one's own to everybody. DELETE /api/sessions/ID ends one; POST /api/logout one's own. */
export type SessionList = {
  readonly schemaVersion: 1;
  readonly kind: 'sessions';
  readonly sessions: readonly {
    readonly id: string;
    readonly role: Role;
    readonly actor: string;
    readonly from: string;
    readonly createdAtMs: number;
    readonly seenAtMs: number;
    readonly expiresAtMs: number;
    readonly own: boolean;
  }[];
};

/** A part of a document that is asked of the store, or of files: null where that cannot be looked at, and why. */
export type Part<T> = { readonly value: T | null; readonly asOfMs: number | null; readonly problem: string | null };

/**
 * GET /api/overview, and event `overview` of GET /api/events: at first, after each change (a storm of them is one), and each 15 s if nothing
 * changes: a page that has heard nothing for twice as long shows what is past.
 */
export type Overview = {
  readonly schemaVersion: 1;
  readonly kind: 'overview';
  /** When this was put together, by the server's clock. */
  readonly atMs: number;
  readonly version: string;
  readonly host: string;
  /** Null: no daemon lives here, and somebody who only looks answers. Then nothing can be done from here. */
  readonly daemon: Pick<DaemonStatus, 'pid' | 'startedAtMs' | 'draining' | 'lastPassAtMs' | 'store'> | null;
  /** Whether what changes something is served here: not by who only looks. */
  readonly acts: boolean;
  readonly health: { readonly status: HealthStatus; readonly components: readonly Component[]; readonly lookedAtMs: number };
  /** Another number than before: some todo changed, and whoever shows a list asks for it again. Begins anew with the daemon. */
  readonly todosVersion: number;
  /** By status, of the whole store; those of which there is none are left out. */
  readonly todos: Part<Readonly<Record<string, number>>>;
  readonly live: DaemonStatus['live'];
  readonly breakers: readonly ShownBreaker[];
  /** What failed and waits for its next attempt, the next one first; at most 50 of `count`. */
  readonly retries: Part<{ readonly count: number; readonly nextAtMs: number | null; readonly items: readonly WaitingRetry[] }>;
  /** The newest first; at most 50 of `count`. */
  readonly deadLetters: Part<{ readonly count: number; readonly items: readonly ShownDeadLetter[] }>;
  readonly watchdogs: Part<readonly ShownWatchdog[]>;
  /** Notifications that are on their way, and those given up. */
  readonly notifications: Part<{ readonly waiting: number; readonly dead: number; readonly configured: boolean }>;
  /** The last 20 acts of healing, newest first. */
  readonly healing: Part<readonly HealingEvent[]>;
  /** The last 20 lines of the audit trail, newest first. The first look of all parts comes a moment after the first question: till then `asOfMs` is null. */
  readonly audit: Part<readonly ShownNote[]>;
};

/** Something that failed and will be tried again. */
export type WaitingRetry = {
  readonly kind: 'completion' | 'start' | 'run' | 'delivery';
  readonly id: string;
  readonly todoId: string | null;
  readonly number: number | null;
  readonly class: string;
  /** The next one, from 1. */
  readonly attempt: number;
  /** Null: never given up. */
  readonly attemptsMax: number | null;
  readonly nextAtMs: number;
  readonly lastError: string;
};

export type ShownDeadLetter = {
  readonly id: string;
  readonly kind: 'completion' | 'delivery';
  readonly todoId: string | null;
  readonly number: number | null;
  readonly class: string;
  readonly sinceMs: number;
  readonly attempts: number;
  readonly lastError: string;
};

export type ShownWatchdog = {
  readonly name: string;
  /** As `todo watchdog status` says it. */
  readonly state: string;
  readonly sinceMs: number | null;
  readonly pid: number | null;
  readonly restarts: number;
  readonly reason: string | null;
};

export type ShownNote = {
  readonly atMs: number;
  readonly todoId: string | null;
  readonly number: number | null;
  readonly what: string;
  readonly detail: string;
};

/** A todo as a line of the list: what `todo list --json` has, without its prompt. */
export type TodoLine = {
  readonly id: string;
  readonly number: number;
  readonly title: string;
  readonly status: ShownStatus;
  readonly proof: string | null;
  readonly priority: number;
  readonly agent: string;
  readonly project: string;
  readonly held: boolean;
  readonly summary: string | null;
  readonly reason: string | null;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly endedAtMs: number | null;
  readonly notBeforeMs: number | null;
};

/**
 * GET /api/todos?limit=100&status=open,running&q=TEXT&agent=NAME&project=PATH&before=CURSOR: newest first, by number.
 * `q` (at most 200 characters, capital letters or not) is looked for in title and summary, and is the number; `finishing` is a status, too.
 * `x-cache: stale` and `asOf` where the store is away.
 */
export type TodoPage = {
  readonly schemaVersion: 1;
  readonly kind: 'todos';
  readonly todos: readonly TodoLine[];
  readonly truncated: boolean;
  /** For `before` of the next page; null: this was the last one. */
  readonly next: string | null;
  readonly stale?: true;
  readonly asOf?: string;
  readonly storeError?: string;
};

/** GET /api/todos/ID: `todo` is that of `todo show --json`; `events` those of `todo why --json`. */
export type TodoDetail = {
  readonly schemaVersion: 1;
  readonly kind: 'todo-detail';
  readonly todo: TodoLine & {
    readonly prompt: string;
    readonly cwd: string;
    readonly checks: readonly string[];
    readonly report: string | null;
    readonly runs: readonly {
      readonly id: string;
      readonly fence: number;
      readonly agent: string;
      readonly host: string;
      readonly round: number;
      readonly startedAtMs: number;
      readonly endedAtMs: number | null;
      readonly outcome: string | null;
      readonly saidBy: string | null;
    }[];
  };
  readonly events: readonly WhyEvent[];
  /** The end of what the live run printed here (64 KiB), redacted and without control characters; null: nothing runs on this host. */
  readonly output: { readonly text: string; readonly truncated: boolean } | null;
  /** What may be done with it as it stands, by whoever may act; done and fail of a run that is live need `force`. */
  readonly actions: readonly TodoAction[];
  /** What was noted of it, newest first; null: the store is away. */
  readonly notes: readonly ShownNote[] | null;
  readonly stale?: true;
  readonly asOf?: string;
  readonly storeError?: string;
};

/** GET /api/todos/ID/report: an address without cookie that shows the report for ten minutes, in a sandbox. 404: there is none here. */
export type ReportLink = { readonly schemaVersion: 1; readonly kind: 'report-link'; readonly url: string; readonly expiresAtMs: number };

export const todoActions = ['done', 'fail', 'block', 'park', 'release', 'cancel', 'hold', 'unhold', 'emergency'] as const;
export type TodoAction = (typeof todoActions)[number];

/**
 * POST /api/todos/actions (operator). 409 where no daemon lives. Of one todo, of several, or of all that a filter finds (at most 1,000 in one request). The header
 * `idempotency-key` (8-100 of A-Z a-z 0-9 _ -) makes the same request twice the same as once for a day, also where the daemon was started anew
 * meanwhile; another request with that key is refused (422), and one that a crash cut short (409).
 */
export type ActionRequest = {
  readonly action: TodoAction;
  readonly todos:
    | { readonly ids: readonly string[] }
    | {
        /** Without `status`: those that have not ended. */
        readonly matching: { readonly status?: readonly string[]; readonly q?: string; readonly agent?: string; readonly project?: string };
      };
  /** Why: asked of everybody, kept in the audit trail. 1-500 characters. */
  readonly reason: string;
  readonly summary?: string;
  /** park: until then. */
  readonly untilMs?: number;
  /** emergency only; complete unless given. */
  readonly emergency?: 'complete' | 'reset' | 'stall';
  readonly force?: boolean;
};

export type ActionReply = {
  readonly schemaVersion: 1;
  readonly kind: 'action';
  readonly results: readonly {
    /** Of the todo; as it was asked for where there is none. */
    readonly id: string;
    readonly number: number | null;
    readonly ok: boolean;
    /** Null: it is not over yet, and goes on by itself. */
    readonly status: string | null;
    readonly code: string | null;
    readonly message: string | null;
  }[];
  /** There were more than one request does. */
  readonly truncated: boolean;
};

/** POST /api/dead-letters/ID/requeue (operator; `idempotency-key` here and below as above). */
export type RequeueRequest = { readonly reason: string; readonly force?: boolean };
/** `already`: it had been requeued before. */
export type RequeueReply = { readonly schemaVersion: 1; readonly kind: 'requeued'; readonly id: string; readonly already: boolean };

/** POST /api/breakers/NAME (operator). */
export type BreakerRequest = { readonly action: 'isolate' | 'reset'; readonly reason: string };
export type BreakerReply = { readonly schemaVersion: 1; readonly kind: 'breakers'; readonly breakers: readonly ShownBreaker[] };

/** POST /api/heal (operator): `what` as in `todo heal WHAT`; 429 with Retry-After beyond `behavior.heals_per_minute`. */
export type HealRequest = { readonly what: string | null; readonly dryRun: boolean; readonly reason: string };
export type HealReply = { readonly schemaVersion: 1; readonly kind: 'heal'; readonly dryRun: boolean } & Healed;

/** One line of the story of a todo. */
export type WhyEvent = {
  readonly atMs: number;
  readonly fact: string;
  /** 1 collect · 2 report · 3 record · 4 confirm and clean. */
  readonly layer: 1 | 2 | 3 | 4 | null;
  readonly attempt: number;
  readonly durationMs: number | null;
  readonly reason: string | null;
  readonly run: string | null;
};
