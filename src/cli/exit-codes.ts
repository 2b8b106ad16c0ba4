import type { ErrorCode } from '../core/errors.ts';

/** The contract of DESIGN 7: what scripts read from `$?`. `health` has its own. */
export const exit = { yes: 0, no: 1, usage: 64, badData: 65, unreachable: 69, tryLater: 75, configuration: 78 } as const;
export type ExitCode = (typeof exit)[keyof typeof exit];

/** What a call that failed says to the script that made it. */
export const exitCodeOf: Readonly<Record<ErrorCode, ExitCode>> = {
  STORE_UNREACHABLE: exit.unreachable,
  STORE_TIMEOUT: exit.unreachable,
  STORE_IN_DOUBT: exit.tryLater,
  STORE_CONFLICT: exit.tryLater,
  STORE_READ_ONLY: exit.unreachable,
  STORE_FULL: exit.unreachable,
  STORE_ACCESS: exit.configuration,
  STORE_SCHEMA: exit.configuration,
  STORE_REFUSED: exit.badData,
  FILE_UNREADABLE: exit.no,
  FILE_UNWRITABLE: exit.no,
  DISK_FULL: exit.tryLater,
  JOURNAL_UNWRITABLE: exit.unreachable,
  JOURNAL_NEWER: exit.configuration,
  NOT_OWNER: exit.tryLater,
  SPAWN_FAILED: exit.unreachable,
  TMUX_UNAVAILABLE: exit.unreachable,
  AGENT_UNKNOWN: exit.badData,
  CHECK_UNRUNNABLE: exit.no,
  REPORT_FAILED: exit.no,
  NETWORK_FAILED: exit.unreachable,
  LOCKED: exit.tryLater,
  NO_DAEMON: exit.unreachable,
  NOT_FOUND: exit.no,
  AMBIGUOUS: exit.badData,
  NOTHING_DUE: exit.tryLater,
  REFUSED: exit.no,
  USAGE: exit.usage,
  BAD_DATA: exit.badData,
  CONFIG_INVALID: exit.configuration,
};
