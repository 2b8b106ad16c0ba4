import { defectsMax } from '../completion/pipeline.ts';
import { triesOf } from '../core/advance.ts';
import type { Ending, Entry } from '../core/entry.ts';
import { type ErrorCode, errorTable } from '../core/errors.ts';
import { jobAttempts } from '../core/verdict.ts';
import type { Context } from './context.ts';
import { noteLater } from './notebook.ts';

/** A step of a completion failed: one row of `retry_attempts`. */
export function noteFailedStep(context: Context, entry: Entry): void {
  const death = entry.givenUp === null ? undefined : entry.deaths?.at(-1);
  const { lastError } = entry;
  if (lastError === null) return;
  const { code, message, atMs } = lastError;
  const isDefect = code === 'DEFECT';
  noteLater(context, {
    kind: 'retry',
    id: `${entry.ref.runId}.${atMs}`,
    todoId: entry.ref.todoId,
    runId: entry.ref.runId,
    atMs,
    what: `step after ${death?.at ?? entry.fact}`,
    detail: message,
    failed: {
      of: 'completion',
      errorClass: lastError.errorClass ?? 'temporary',
      attempt: isDefect ? entry.defects : death === undefined ? entry.attempt - 1 : Math.max(1, death.attempts.length),
      attemptsMax: isDefect ? defectsMax : code in errorTable ? triesOf(code as ErrorCode, context.config) : null,
      nextAtMs: death === undefined ? entry.nextAttemptAtMs : null,
    },
  });
}

/** A run of an agent ended without an answer, and its todo is open again or has failed: one row, written by whoever found out. */
export function noteLostAttempt(context: Context, entry: Entry, { attempts, notBeforeMs, reason }: Ending): void {
  const errorClass = entry.exit?.kind === 'spawn-error' ? 'runner_offline' : 'temporary';
  const { todoId, runId } = entry.ref;
  noteLostRun(context, { todoId, runId, attempts, nextAtMs: notBeforeMs, reason: reason ?? '', errorClass });
}

export function noteLostRun(
  context: Context,
  lost: {
    readonly todoId: string;
    readonly runId: string;
    readonly attempts: number;
    readonly nextAtMs: number | null;
    readonly reason: string;
    readonly errorClass: string;
  },
): void {
  const { todoId, runId, attempts, nextAtMs, reason, errorClass } = lost;
  noteLater(context, {
    kind: 'retry',
    id: `${runId}.run`,
    todoId,
    runId,
    atMs: context.world.clock.nowMs(),
    what: 'run',
    detail: reason,
    failed: { of: 'run', errorClass, attempt: attempts, attemptsMax: jobAttempts(context.config), nextAtMs },
  });
}
