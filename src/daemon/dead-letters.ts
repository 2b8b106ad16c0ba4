import type { ControlReply } from '../core/control.ts';
import { isPoison } from '../core/dead-letter.ts';
import type { Entry } from '../core/entry.ts';
import { isCompletion } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { stamp } from '../core/signal.ts';
import { isInProgress } from '../core/words.ts';
import type { Context } from './context.ts';
import { requeueDelivery } from './deliveries.ts';
import { noteLater } from './notebook.ts';

/** Requeues that are being done, by run. */
const doing = new WeakMap<Context, Map<string, Promise<ControlReply>>>();

/** New attempts for what was given up. Asked for twice it happens once; what died twice in the same way needs force. */
export async function requeue(context: Context, id: string, force: boolean): Promise<ControlReply> {
  const delivery = context.deliveries.all.get(id);
  if (delivery !== undefined) {
    if (!delivery.isDead) return { ok: true, kind: 'requeued', id, already: true };
    refusePoison(`delivery ${id}`, delivery.deaths, force);
    requeueDelivery(context, delivery);
    audit(context, { id, todoId: delivery.todoId, runId: delivery.runId, force, deaths: delivery.deaths.length });
    return { ok: true, kind: 'requeued', id, already: false };
  }
  const entries = context.world.journal.ofTodo(id);
  const byRun = context.world.journal.get(id);
  const known = byRun === null ? entries : [byRun];
  const dead = known.find((entry) => entry.fact === 'dead-lettered');
  if (dead !== undefined) {
    const { runId } = dead.ref;
    const underWay = doing.get(context) ?? new Map<string, Promise<ControlReply>>();
    doing.set(context, underWay);
    const running = underWay.get(runId);
    // Asked for twice at once: the second has the first one's answer.
    if (running !== undefined)
      return running.then((reply) => (reply.ok ? { ok: true, kind: 'requeued', id: runId, already: true } : reply));
    const work = requeueCompletion(context, dead, force).finally(() => underWay.delete(runId));
    underWay.set(runId, work);
    return work;
  }
  if (known.some((entry) => (entry.deaths?.length ?? 0) > 0 && isCompletion(entry.fact)))
    return { ok: true, kind: 'requeued', id, already: true };
  throw new OperationalError('NOT_FOUND', { operation: 'requeuing', subject: id, why: 'there is no such dead letter here' });
}

/** It goes on from the last fact whose evidence is still whole. */
async function requeueCompletion(context: Context, dead: Entry, force: boolean): Promise<ControlReply> {
  const { world, ledger } = context;
  const subject = `todo ${dead.todo.number}`;
  const deaths = dead.deaths ?? [];
  refusePoison(subject, deaths, force);
  if (!(await world.store.requeue(dead.ref)) && !(await isOursAgain(context, dead)))
    throw new OperationalError('REFUSED', { operation: 'requeuing', subject, why: 'it has moved on since it was given up' });
  const nowMs = world.clock.nowMs();
  const fact = dead.reported !== null ? 'reported' : dead.collected !== null ? 'collected' : 'signalled';
  const again: Entry = {
    ...dead,
    owner: context.owner,
    fact,
    givenUp: null,
    attempt: 1,
    disproved: 0,
    defects: 0,
    nextAttemptAtMs: 0,
    timeline: stamp(dead, { atMs: nowMs, fact: 'requeued', reason: 'by a person' }),
  };
  if (!(await world.journal.adopt(dead.ref.runId, dead.owner, context.owner)))
    throw new OperationalError('REFUSED', { operation: 'requeuing', subject, why: 'another process has this completion' });
  await ledger.open(again);
  audit(context, { id: dead.ref.runId, todoId: dead.ref.todoId, runId: dead.ref.runId, force, deaths: deaths.length });
  context.wakeup.ring();
  return { ok: true, kind: 'requeued', id: dead.ref.runId, already: false };
}

/** A process that died between the store's yes and the journal's: the todo runs already, by this very run. */
async function isOursAgain({ world }: Context, { ref }: Entry): Promise<boolean> {
  const todo = await world.store.find(ref.todoId);
  return todo !== null && todo.runId === ref.runId && isInProgress(todo.status);
}

function refusePoison(
  subject: string,
  deaths: readonly { readonly fingerprint: string; readonly message: string }[],
  force: boolean,
): void {
  if (force || !isPoison(deaths)) return;
  throw new OperationalError('REFUSED', {
    operation: 'requeuing',
    subject,
    why: `it died ${deaths.length} times, the last ones in the same way: ${deaths.at(-1)?.message ?? ''}`,
    hint: 'Mend the cause first, then insist: todo dead-letter requeue ID --force',
  });
}

function audit(
  context: Context,
  { id, todoId, runId, force, deaths }: { id: string; todoId: string | null; runId: string | null; force: boolean; deaths: number },
): void {
  const { world } = context;
  noteLater(context, {
    kind: 'audit',
    id: world.random.uuidv7(),
    todoId,
    runId,
    atMs: world.clock.nowMs(),
    what: 'dead-letter requeue',
    detail: JSON.stringify({ letter: id, by: 'person', force, deaths }),
  });
}
