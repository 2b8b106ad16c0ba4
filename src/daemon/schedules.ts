import type { ControlReply } from '../core/control.ts';
import { isOperational } from '../core/errors.ts';
import { bySchedule, parseScheduled, type Scheduled, scheduleKey, scheduleKeys } from '../core/schedule.ts';
import type { Context } from './context.ts';
import { noteEvent } from './notebook.ts';
import { sayScheduled } from './requests.ts';

/** What was put off is looked for so often, beside each wake-up by whoever puts it off. */
const lookEveryMs = 2000;
/** A word that could not be said (the store is away) is said again after this. */
const againMs = 2000;

/** What a daemon remembers between two looks. */
type Plan = { lookDueMs: number; items: readonly Scheduled[]; againAtMs: Map<string, number>; told: Map<string, string> };
const plans = new WeakMap<Context, Plan>();

const planOf = (context: Context): Plan => {
  const plan = plans.get(context) ?? { lookDueMs: 0, items: [], againAtMs: new Map(), told: new Map() };
  plans.set(context, plan);
  return plan;
};

/** Somebody put something off, or took it back: look now. */
export const lookAtSchedules = (context: Context): void => {
  planOf(context).lookDueMs = 0;
};

/** Says what is due. Each is a task of its own: a check may take its time. */
export function actOnSchedules(context: Context): void {
  const { world, state, tasks } = context;
  const plan = planOf(context);
  const monotonicMs = world.clock.monotonicMs();
  if (monotonicMs >= plan.lookDueMs) {
    plan.lookDueMs = monotonicMs + lookEveryMs;
    plan.items = world.journal.notes(scheduleKeys).flatMap(({ value }) => parseScheduled(value) ?? []);
  }
  if (state.draining) return;
  for (const item of plan.items) {
    if (item.atMs > world.clock.nowMs() || monotonicMs < (plan.againAtMs.get(item.id) ?? 0)) continue;
    tasks.start(
      `scheduled:${item.id}`,
      () => carryOut(context, item),
      (error) => {
        plan.againAtMs.set(item.id, world.clock.monotonicMs() + againMs);
        // It may wait for hours, and is tried every two seconds: each kind of reason is told once.
        const kind = isOperational(error) ? error.code : error.message;
        if (plan.told.get(item.id) === kind) return;
        plan.told.set(item.id, kind);
        world.log.warn('completion', 'scheduled word waits', { id: item.todoId, verb: item.verb, reason: error.message });
      },
    );
  }
}

export function nextScheduleAtMs(context: Context): number {
  const { items, againAtMs } = planOf(context);
  const { clock } = context.world;
  const waits = items.map(({ id, atMs }) => {
    if (context.tasks.busy(`scheduled:${id}`)) return Number.POSITIVE_INFINITY;
    return Math.max(atMs, clock.nowMs() + Math.max(0, (againAtMs.get(id) ?? 0) - clock.monotonicMs()));
  });
  return Math.min(Number.POSITIVE_INFINITY, ...waits);
}

/** Once, whatever crashes: what came of it names it, in the journal or in the store, before it is taken off the list. */
async function carryOut(context: Context, item: Scheduled): Promise<void> {
  const { world } = context;
  if (!(await wasCarriedOut(context, item))) {
    const reply = await sayScheduled(context, item, context.stop);
    if (context.stop.aborted) return;
    tell(context, item, reply);
    // A refusal is no secret: it stands in the history of the todo.
    if (!reply.ok)
      noteEvent(context, { kind: 'audit', todoId: item.todoId, what: `scheduled ${item.verb} refused`, detail: reply.message });
  }
  await world.journal.removeNote(scheduleKey(item.todoId), JSON.stringify(item));
  planOf(context).told.delete(item.id);
  lookAtSchedules(context);
  context.wakeup.ring();
}

async function wasCarriedOut({ world }: Context, { id, todoId }: Scheduled): Promise<boolean> {
  const said = world.journal
    .ofTodo(todoId)
    .flatMap(({ signal, later }) => [signal, ...later])
    .some((signal) => signal?.from.kind === 'person' && signal.from.scheduled === id);
  return said || (await world.store.notesOf(todoId)).some(({ detail }) => detail.includes(bySchedule({ id })));
}

function tell({ world }: Context, { todoId, verb, atMs }: Scheduled, reply: ControlReply): void {
  const fields = { id: todoId, verb, lateMs: world.clock.nowMs() - atMs };
  if (reply.ok) world.log.info('completion', 'scheduled word said', fields);
  else world.log.warn('completion', 'scheduled word refused', { ...fields, code: reply.code, reason: reply.message });
}
