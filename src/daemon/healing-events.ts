import type { HealingDetail, HealingOutcome } from '../core/healing-event.ts';
import type { HealingRecord } from '../healing/apply.ts';
import type { Context } from './context.ts';
import { deliver } from './deliveries.ts';
import { noteLater } from './notebook.ts';

type Severity = 'INFO' | 'WARNING' | 'CRITICAL';
const severityOf: Readonly<Record<HealingOutcome, Severity>> = { done: 'INFO', failed: 'WARNING', unseen: 'WARNING', blocked: 'CRITICAL' };

/** A row of `self_healing_events`, and a message where messages go. Whoever acted has said it in the log. */
export function recordHealing(context: Context, { id, atMs, what, todoId, runId, detail }: HealingRecord): void {
  noteLater(context, { kind: 'healing', id, todoId, runId, atMs, what, detail: JSON.stringify(detail) });
  notify(context, { atMs, what, todoId, runId, event: id }, detail);
}

type About = Pick<HealingRecord, 'atMs' | 'what' | 'todoId' | 'runId'> & { readonly event: string };

function notify(context: Context, about: About, { actor, reason, before, after, outcome }: HealingDetail): void {
  if (context.config.monitoring.webhook_url === null) return;
  const { todoId, runId, what } = about;
  const message = `${what}: ${after}`;
  const redact = context.redactAll;
  const body = {
    ...{ schemaVersion: 1, kind: 'healing', severity: severityOf[outcome], outcome, actor },
    ...{ ...about, message: redact(message), reason: redact(reason), before: redact(before), after: redact(after) },
  };
  deliver(context, { what: message, todoId, runId, body });
}

/** The same for what happened now, of a todo only where one is named. */
export const noteHealing = (
  context: Context,
  event: Pick<HealingRecord, 'what' | 'detail'> & Partial<Pick<HealingRecord, 'todoId' | 'runId'>>,
): void =>
  recordHealing(context, { id: context.world.random.uuidv7(), atMs: context.world.clock.nowMs(), todoId: null, runId: null, ...event });
