import { isOperational } from '../core/errors.ts';
import { automaticRecoveries, recoveriesMax } from '../core/healing-event.ts';
import { parsedJson } from '../core/shape.ts';
import { isTerminal, type TodoStatus } from '../core/words.ts';
import type { World } from '../world.ts';
import { isTreatment, type Planned } from './plans.ts';

type Needs = {
  readonly store: Pick<World['store'], 'find' | 'notesOf'>;
  readonly journal: Pick<World['journal'], 'notes'>;
};

/** What the store has not heard of yet (daemon/notebook.ts). */
const untoldPrefix = 'tell:';

/**
 * Of what the daemon would do by itself: a todo that was recovered three times already is blocked instead, for a person to look at. Counted from
 * the rows that each recovery leaves, so it holds across restarts and hosts. While the store does not answer, what stands in the journal is counted.
 */
export async function withinLimits(planned: readonly Planned[], world: Needs): Promise<readonly Planned[]> {
  const limited: Planned[] = [];
  for (const it of planned) {
    const { plan } = it;
    if (!plan.automatic || plan.todoId === null || !isTreatment(plan.action)) limited.push(it);
    else limited.push(afterRecoveries(it, await recoveriesOf(plan.todoId, world), await statusOf(plan.todoId, world)));
  }
  return limited;
}

/** Pure: the plan as it stands after so many automatic recoveries. Status null: it could not be looked at. */
export function afterRecoveries(planned: Planned, recoveries: number, status: TodoStatus | null): Planned {
  const { plan, seen } = planned;
  if (recoveries < recoveriesMax)
    return { seen, plan: { ...plan, evidence: [...plan.evidence, `automatic recoveries so far: ${recoveries} of ${recoveriesMax}`] } };
  const evidence = [...plan.evidence, `recovered ${recoveries} times by itself already`];
  // A person has it, or nobody needs to: what is left may still be mended by whoever asks for it.
  if (status === 'blocked' || (status !== null && isTerminal(status))) return { seen, plan: { ...plan, evidence, automatic: false } };
  const risk = `it was recovered ${recoveries} times already: it is blocked, and a person is told`;
  return { seen, plan: { ...plan, id: `block:${plan.subject}`, action: 'block', evidence, risk } };
}

async function recoveriesOf(todoId: string, { store, journal }: Needs): Promise<number> {
  const untold = journal.notes(untoldPrefix).flatMap(({ value }) => {
    const row = parsedJson(value) as { kind: string; todoId: string | null; atMs: number; what: string; detail: string } | null;
    return row?.todoId === todoId ? [row] : [];
  });
  return automaticRecoveries([...((await unlessAway(() => store.notesOf(todoId))) ?? []), ...untold]);
}

const statusOf = async (todoId: string, { store }: Needs): Promise<TodoStatus | null> =>
  (await unlessAway(() => store.find(todoId)))?.status ?? null;

async function unlessAway<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (!isOperational(error)) throw error;
    return null;
  }
}
