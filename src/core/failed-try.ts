/** One try that failed, as `retry_attempts` keeps it and `todo retry status` shows it. */
export type FailedTry = {
  /** What was tried: a step of a completion, a run of an agent, the delivery of a webhook. */
  readonly of: 'completion' | 'run' | 'delivery';
  readonly errorClass: string;
  /** Number of the try that failed, from 1. */
  readonly attempt: number;
  /** Tries there are in all; null where it is never given up. */
  readonly attemptsMax: number | null;
  /** When it is tried again; null where it was given up. */
  readonly nextAtMs: number | null;
};
