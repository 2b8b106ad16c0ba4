import type { Health, ShownRunner } from '../core/control.ts';
import type {
  ActionReply,
  ActionRequest,
  Asker,
  BreakerReply,
  BreakerRequest,
  HealReply,
  HealRequest,
  Overview,
  RequeueReply,
  RequeueRequest,
  TodoDetail,
  TodoLine,
} from '../core/dashboard.ts';
import type { HealingEvent } from '../core/healing-event.ts';
import type { MetricRow, MetricsQuestion } from '../core/health-history.ts';
import type { ListFilter } from '../core/list-filter.ts';
import type { HealthStatus, ShownStatus } from '../core/words.ts';
import type { Family } from './metric.ts';

/**
 * What the pages are made of. All that is no promise is at hand at once: whoever asks waits for no store, no disk and no other process, so a page
 * answers in milliseconds whatever hangs.
 */
export type Shown = {
  readonly version: string;
  readonly pid: number;
  /** Whether the work itself goes on, not only the process: null = it does, else why not. Asks nothing of anybody. */
  stuck(): string | null;
  /** Null = it has started, else what it still does. */
  starting(): string | null;
  /** Why no work may be given to it now; empty = it is ready. */
  notReady(): readonly Reason[];
  health(): ShownHealth;
  /** Who can work on todos of agent `auto`, as they were last found. */
  runners(): ShownRunners;
  /** All that is known, for who has the token. */
  status(): Readonly<Record<string, unknown>>;
  /** Of what is asked of the store it has what was last seen, and looks again behind the answer. */
  overview(): Overview;
  /** Resolves once what the overview asks of the store and of files was looked at since now. Never rejects. */
  lookAnew(): Promise<void>;
  /** All todos by status: asks the store. */
  counts(): Promise<Readonly<Record<string, number>>>;
  todos(asked: TodosAsked): Promise<ShownTodos>;
  /** By number, id, or unique start of an id; null: there is none. */
  todo(ref: string): Promise<TodoDetail | null>;
  /** A name under which whoever has it sees the report of that todo for a while; null: there is none that could be shown here. */
  linkReport(ref: string): Promise<{ readonly key: string; readonly expiresAtMs: number } | null>;
  /** Null: no such name, or not any more. */
  linkedReport(key: string): Promise<ReportPage | null>;
  /** A part of the overview, asked now. */
  look<Name extends 'retries' | 'deadLetters' | 'healing'>(name: Name): Promise<NonNullable<Overview[Name]['value']>>;
  /** The newest first. */
  healed(limit: number): Promise<readonly HealingEvent[]>;
  healingConfig(): Promise<HealingConfig>;
  /** The overview as a page that needs no script. */
  statusPage(): StatusPage;
  /** What was measured, oldest first. Asks the store, too. */
  history(asked: MetricsQuestion): Promise<readonly MetricRow[]>;
  families(): readonly Family[];
  /** A file that the build made for browsers, by its name; null: there is none of it. */
  dashboardFile(name: string): Promise<Uint8Array | null>;
  /** Resolves after the next change of anything that is shown, or so much later; a storm of changes is one. */
  changed(withinMs: number): Promise<void>;
  /** Null: who only looks. */
  readonly actions: Actions | null;
};

/** Values in use under their dotted keys (`healingKeys`); `version` is another one when any of them is. */
export type HealingConfig = {
  readonly version: string;
  readonly values: Readonly<Record<string, unknown>>;
  /** Keys that are used only after a restart. */
  readonly needsRestart: readonly string[];
};
/** `value` null takes the key out of the file; `version` where it must still be that one. */
export type ConfigRequest = { readonly key: string; readonly value: unknown; readonly version?: string; readonly reason: string };

export type ReportPage = { readonly html: string; readonly policy: string };
export type StatusPage = { readonly html: string; readonly policy: string };

/** What a click does: what the command does. Refusals are OperationalError, as the commands have them. */
export type Actions = {
  onTodos(request: ActionRequest, by: Asker): Promise<ActionReply>;
  requeue(id: string, request: RequeueRequest, by: Asker): Promise<RequeueReply>;
  breaker(name: string, request: BreakerRequest, by: Asker): Promise<BreakerReply>;
  heal(request: HealRequest, by: Asker): Promise<HealReply | TooOften>;
  configure(request: ConfigRequest, by: Asker): Promise<HealingConfig>;
  /** Does it, unless the same (`digest`) was done under that key before; then its answer is the first one's. */
  once<T>(key: string | null, digest: string, act: () => Promise<T>): Promise<T | KeyTaken>;
};
/** As `behavior.heals_per_minute` bounds them. */
export type TooOften = { readonly retryAfterMs: number; readonly message: string };
/** other: the key was used for something else. cut-short: it was begun, and a crash came before its answer was kept. */
export type KeyTaken = { readonly keyTaken: 'other' | 'cut-short' };

export type ShownRunners = { readonly overall: HealthStatus; readonly agents: readonly Pick<ShownRunner, 'agent' | 'status' | 'reason'>[] };

export type Reason = { readonly dependency: string; readonly reason: string; readonly sinceMs: number | null };

export type ShownHealth = Health & {
  /** When the look was made that all but the immediate parts come from. */
  readonly lookedAtMs: number;
};

export type TodosAsked = Omit<ListFilter, 'statuses'> & { readonly statuses: readonly ShownStatus[] | null };
export type ShownTodos = {
  readonly todos: readonly TodoLine[];
  readonly truncated: boolean;
  /** The number that the next page is before; null: this was the last one. */
  readonly next: number | null;
  /** The store is away: this is what was last seen of it. */
  readonly stale: { readonly asOfMs: number; readonly why: string } | null;
};
