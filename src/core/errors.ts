/**
 * Every error that is not a defect: what was tried, on what, why, and which command helps.
 * The table decides; nothing else knows which code may be tried again.
 */
export const errorTable = {
  STORE_UNREACHABLE: { retry: 'forever', hint: 'Its work is safe in the journal and goes on by itself. See: todo health' },
  STORE_TIMEOUT: { retry: 'forever', hint: 'The store did not answer in time; the connection was destroyed. See: todo health' },
  STORE_IN_DOUBT: { retry: 'forever', hint: 'The answer was lost; it is read back before anything else happens. See: todo why ID' },
  STORE_CONFLICT: { retry: 'soon', hint: 'Somebody wrote at the same time; it is tried again.' },
  STORE_READ_ONLY: { retry: 'forever', hint: 'The store refuses writes (read-only or not primary). See: todo store check' },
  STORE_FULL: { retry: 'forever', hint: 'The store has no room. Free some and it goes on by itself. See: todo health' },
  STORE_ACCESS: { retry: 'forever', hint: 'The store refused user or password. Check store.url or TODO_STORE_URL.' },
  STORE_SCHEMA: { retry: 'never', hint: 'The schema is foreign or newer than this program. Update signoff, or point store.url elsewhere.' },
  STORE_REFUSED: { retry: 'never', hint: 'The store refuses this value for good. See: todo show ID' },
  FILE_UNREADABLE: { retry: 'bounded', hint: 'Check that the path exists and may be read. See: todo health' },
  FILE_UNWRITABLE: { retry: 'bounded', hint: 'Check rights and free space of the folder. See: todo health' },
  DISK_FULL: { retry: 'forever', hint: 'Free some disk space; it goes on by itself. See: todo health' },
  JOURNAL_UNWRITABLE: {
    retry: 'never',
    hint: 'Nothing can be promised without the journal. Free disk space or check rights of todo.db, then start again.',
  },
  JOURNAL_NEWER: { retry: 'never', hint: 'todo.db was written by a newer signoff. Update this one.' },
  NOT_OWNER: { retry: 'never', hint: 'Another process has taken this run over.' },
  SPAWN_FAILED: { retry: 'bounded', hint: 'Check that the agent is installed and the folder exists: todo show ID --launch' },
  TMUX_UNAVAILABLE: { retry: 'bounded', hint: 'Install tmux (apt-get install tmux) or use --session child.' },
  AGENT_UNKNOWN: { retry: 'never', hint: 'See who can work on todos: todo agents' },
  CHECK_UNRUNNABLE: { retry: 'bounded', hint: 'The check could not be started. See: todo report ID' },
  REPORT_FAILED: { retry: 'bounded', hint: 'See: todo why ID' },
  NETWORK_FAILED: { retry: 'bounded', hint: 'Check the address and that its server runs.' },
  LOCKED: { retry: 'never', hint: 'Stop it with: todo daemon stop' },
  NO_DAEMON: { retry: 'never', hint: 'Start one with: todo daemon start' },
  NOT_FOUND: { retry: 'never', hint: 'See: todo list' },
  AMBIGUOUS: { retry: 'never', hint: 'Give more characters of the id, or the number. See: todo list' },
  NOTHING_DUE: { retry: 'never', hint: 'It comes at its time. See: todo list' },
  REFUSED: { retry: 'never', hint: 'See: todo show ID' },
  USAGE: { retry: 'never', hint: 'See: todo --help' },
  BAD_DATA: { retry: 'never', hint: 'Mend the input and call again; nothing was changed.' },
  CONFIG_INVALID: { retry: 'never', hint: 'Mend hooks/config.json or the environment; nothing was started.' },
} as const satisfies Record<string, { retry: Retry; hint: string }>;

/** forever: waits and goes on by itself · bounded: counted attempts, then dead letter · soon: at once with jitter, bounded · never: a person must act. */
export type Retry = 'forever' | 'bounded' | 'soon' | 'never';
export type ErrorCode = keyof typeof errorTable;

export class OperationalError extends Error {
  readonly code: ErrorCode;
  /** What was tried, as a gerund: "recording". */
  readonly operation: string;
  /** On what: a todo, a path, a table. */
  readonly subject: string;
  readonly hint: string;

  constructor(code: ErrorCode, about: { operation: string; subject: string; cause?: unknown; why?: string; hint?: string }) {
    const why = about.why ?? messageOf(about.cause);
    super(`${code} while ${about.operation} ${about.subject}${why ? `: ${why}` : ''}`, { cause: about.cause });
    this.name = 'OperationalError';
    this.code = code;
    this.operation = about.operation;
    this.subject = about.subject;
    this.hint = about.hint ?? errorTable[code].hint;
  }
}

export const isOperational = (error: unknown): error is OperationalError => error instanceof OperationalError;
export const retryOf = (code: ErrorCode): Retry => errorTable[code].retry;
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : error === undefined || error === null ? '' : String(error);
