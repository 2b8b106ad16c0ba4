import type { Entry, Signal } from '../core/entry.ts';
import { afterLimit, limitsInARow, type UsageLimit } from '../core/usage-limit.ts';
import type { Context } from './context.ts';
import { deliver } from './deliveries.ts';

type LimitWord = Required<Pick<Signal, 'says' | 'reason' | 'notBeforeMs' | 'limit'>>;

/** The word of a run that met a usage limit; a person is told, since they may have another plan, key or agent. */
export function limitWord(context: Context, entry: Entry, limit: UsageLimit, why: string): LimitWord {
  const { world, config } = context;
  const { todoId, runId } = entry.ref;
  const earlier = world.journal.ofTodo(todoId).filter(({ ref }) => ref.runId !== runId);
  const before = limitsInARow(earlier);
  const word = afterLimit({ limit, why, nowMs: world.clock.nowMs(), before }, config);
  if (entry.signal === null) tell(context, entry, word);
  return { ...word, limit };
}

function tell(context: Context, entry: Entry, { says, reason, notBeforeMs }: Pick<LimitWord, 'says' | 'reason' | 'notBeforeMs'>): void {
  const { number, id, agent } = entry.todo;
  const until = notBeforeMs === null ? null : new Date(notBeforeMs).toISOString();
  const fields = { todo: number, id, run: entry.ref.runId, agent, says, reason: context.redactAll(reason ?? ''), until };
  context.world.log.warn('completion', 'usage limit', fields);
  if (context.config.monitoring.webhook_url === null) return;
  const message = `todo ${number}: ${agent} met a usage limit; ${until === null ? 'it waits for a person' : `goes on at ${until}`}`;
  const severity = says === 'blocked' ? 'CRITICAL' : 'WARNING';
  const body = { schemaVersion: 1, kind: 'usage-limit', severity, atMs: context.world.clock.nowMs(), message, ...fields };
  deliver(context, { what: message, todoId: entry.ref.todoId, runId: entry.ref.runId, body });
}
