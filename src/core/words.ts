/** The words of DESIGN 3 as closed sets. Everything that is stored, logged or shown uses exactly these. */

export const todoStatuses = [
  'open',
  'claimed',
  'running',
  'parked',
  'stalled',
  'blocked',
  'dead-lettered',
  'completed',
  'failed',
  'cancelled',
] as const;
export type TodoStatus = (typeof todoStatuses)[number];

/** What a person sees. `finishing` is never stored: a running todo whose completion stands in the journal. */
export type ShownStatus = TodoStatus | 'finishing';

/** A todo in one of these never changes again. */
export const terminalStatuses = ['completed', 'failed', 'cancelled'] as const satisfies readonly TodoStatus[];
export type TerminalStatus = (typeof terminalStatuses)[number];
export const isTerminal = (status: ShownStatus): status is TerminalStatus => (terminalStatuses as readonly string[]).includes(status);

/** All others: somebody or something still moves it on. */
export type LivingStatus = Exclude<TodoStatus, TerminalStatus>;
export const livingStatuses: readonly LivingStatus[] = todoStatuses.filter((status): status is LivingStatus => !isTerminal(status));

/** A todo in one of these has a live run. */
export const inProgressStatuses = ['claimed', 'running', 'stalled'] as const satisfies readonly TodoStatus[];
export const isInProgress = (status: ShownStatus): boolean =>
  (inProgressStatuses as readonly string[]).includes(status) || status === 'finishing';

/** verified: checks passed · unverified: there were none · forced: a deadline or `todo emergency` · overridden: a person said so. */
export const proofs = ['verified', 'unverified', 'forced', 'overridden'] as const;
export type Proof = (typeof proofs)[number];

/** How one run ended. */
export const outcomes = ['done', 'failed', 'cancelled', 'forced', 'blocked', 'parked', 'released', 'reset', 'lost', 'superseded'] as const;
export type Outcome = (typeof outcomes)[number];

/** Who said the first word that stands. */
export const sayers = ['marker', 'hook', 'verb', 'process-end', 'deadline', 'person'] as const;
export type SaidBy = (typeof sayers)[number];

/** What a run, or someone for it, may say about its end. */
export const words = ['done', 'failed', 'blocked', 'parked', 'released', 'cancelled'] as const;
export type Says = (typeof words)[number];

/** Where a run lives. External: a person's or a foreign session, nothing of it is ever ended by us. Person: no session at all, a person's word. */
export const runKinds = ['child', 'tmux', 'external', 'person'] as const;
export type RunKind = (typeof runKinds)[number];

/** Three answers to every look. Unknown never deletes, resets or completes anything (promise 4). */
export type Answer = 'yes' | 'no' | 'unknown';

export const verdicts = ['structured', 'raw', 'empty', 'unavailable'] as const;
export type Verdict = (typeof verdicts)[number];

export const healthStatuses = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const;
export type HealthStatus = (typeof healthStatuses)[number];
