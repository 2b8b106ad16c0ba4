import type { Health, ShownRunner } from '../core/control.ts';
import type { TodoLine } from '../core/dashboard.ts';
import type { MetricRow, MetricsQuestion } from '../core/health-history.ts';
import type { ListFilter } from '../core/list-filter.ts';
import type { HealthStatus, ShownStatus } from '../core/words.ts';
import type { Family } from './metric.ts';

/**
 * What the pages are made of. All but `todos`, `history` and files is at hand at once: whoever asks waits for no store, no disk and no other process, so a page
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
  todos(asked: TodosAsked): Promise<ShownTodos>;
  /** What was measured, oldest first. Asks the store, too. */
  history(asked: MetricsQuestion): Promise<readonly MetricRow[]>;
  families(): readonly Family[];
  /** A file that the build made for browsers, by its name; null: there is none of it. */
  dashboardFile(name: string): Promise<Uint8Array | null>;
  /** Resolves after the next change of anything that is shown, or when it is aborted. */
  changed(stop: AbortSignal): Promise<void>;
};

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
