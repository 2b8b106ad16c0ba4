import { triesOf } from '../core/advance.ts';
import type { Config } from '../core/config.ts';
import type { WaitingRetry } from '../core/dashboard.ts';
import type { Entry } from '../core/entry.ts';
import { hasEnded, isCompletion } from '../core/entry.ts';
import { type ErrorCode, errorTable, isOperational } from '../core/errors.ts';
import type { Todo } from '../core/todo.ts';
import { jobAttempts } from '../core/verdict.ts';
import { keptDeliveries } from '../daemon/deliveries.ts';
import { policyFor } from '../daemon/policy-for.ts';
import type { ErrorClass } from '../resilience/error-class.ts';
import type { World } from '../world.ts';

const todosMax = 1000;

/** What failed and will be tried again, the next one first. `unsure` says why runs may be missing: the store could not be asked. */
export async function waitingRetries(
  world: Pick<World, 'journal' | 'store'>,
  config: Config,
): Promise<{ readonly waiting: readonly WaitingRetry[]; readonly unsure: string | null }> {
  const runs = await waitingRuns(world.store, config);
  const waiting = [...waitingEntries(world, config), ...waitingDeliveries(world, config), ...runs.waiting];
  return { waiting: waiting.sort((a, b) => a.nextAtMs - b.nextAtMs), unsure: runs.unsure };
}

function waitingEntries({ journal }: Pick<World, 'journal'>, config: Config): WaitingRetry[] {
  return journal.live().flatMap((entry): WaitingRetry[] => {
    const { lastError } = entry;
    if (lastError === null || hasEnded(entry.fact)) return [];
    const completes = isCompletion(entry.fact);
    if (completes && entry.attempt <= 1 && entry.defects === 0 && lastError.errorClass !== 'refused') return [];
    if (!completes && (entry.fact !== 'claimed' || entry.nextAttemptAtMs === 0)) return [];
    return [
      {
        kind: completes ? 'completion' : 'start',
        ...idsOf(entry),
        class: lastError.errorClass ?? 'temporary',
        attempt: entry.attempt,
        attemptsMax: completes && lastError.code in errorTable ? triesOf(lastError.code as ErrorCode, config) : null,
        nextAtMs: entry.nextAttemptAtMs,
        lastError: lastError.message,
      },
    ];
  });
}

const idsOf = ({ ref, todo }: Entry) => ({ id: ref.runId, todoId: ref.todoId, number: todo.number });

function waitingDeliveries({ journal }: Pick<World, 'journal'>, config: Config): WaitingRetry[] {
  const policy = policyFor('default', config);
  return keptDeliveries(journal).flatMap((delivery): WaitingRetry[] => {
    const last = delivery.attempts.at(-1);
    if (delivery.isDead || last === undefined) return [];
    const { attempts } = policy.rules[last.errorClass as ErrorClass] ?? policy.rules.temporary;
    const number = delivery.body['todo'];
    return [
      {
        kind: 'delivery',
        id: delivery.id,
        todoId: delivery.todoId,
        number: typeof number === 'number' ? number : null,
        class: last.errorClass,
        attempt: delivery.attempts.length + 1,
        attemptsMax: Number.isFinite(attempts) ? attempts : null,
        nextAtMs: delivery.nextAtMs,
        lastError: last.message,
      },
    ];
  });
}

async function waitingRuns(
  store: Pick<World['store'], 'list'>,
  config: Config,
): Promise<{ waiting: WaitingRetry[]; unsure: string | null }> {
  try {
    const { todos } = await store.list({ statuses: ['open'], limit: todosMax });
    return { waiting: todos.filter(({ attempts }) => attempts > 0).map((todo) => waitingRun(todo, config)), unsure: null };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { waiting: [], unsure: error.message };
  }
}

const waitingRun = (todo: Todo, config: Config): WaitingRetry => ({
  kind: 'run',
  id: todo.id,
  todoId: todo.id,
  number: todo.number,
  class: /could not be started/.test(todo.reason ?? '') ? 'runner_offline' : 'temporary',
  attempt: todo.attempts + 1,
  attemptsMax: jobAttempts(config),
  nextAtMs: todo.notBeforeMs ?? todo.updatedAtMs,
  lastError: todo.reason ?? '',
});
