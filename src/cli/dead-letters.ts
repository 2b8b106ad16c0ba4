import { isPoison, letterOfDelivery, letterOfEntry, type WholeDeadLetter } from '../core/dead-letter.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import type { Todo } from '../core/todo.ts';
import { keptDeliveries } from '../daemon/deliveries.ts';
import type { World } from '../world.ts';

/** `here`: this home has what is needed to requeue it. */
export type Letter = WholeDeadLetter & { readonly here: boolean };
/** `unsure` says why letters may have moved on since, or be missing: the store could not be asked. */
export type Letters = { readonly letters: readonly Letter[]; readonly unsure: string | null };

const todosMax = 1000;

/** Oldest first: completions and deliveries of this home, and dead-lettered todos of which another host has the completion. */
export async function lettersOf({ journal, store }: Pick<World, 'journal' | 'store'>): Promise<Letters> {
  const entries = journal.live().filter(({ fact }) => fact === 'dead-lettered');
  const deliveries = keptDeliveries(journal).filter(({ isDead }) => isDead);
  const { todos, unsure } = await deadTodos(store);
  // A person may have released the todo since, on any host; then nothing is left to requeue.
  const still = entries.filter(({ ref }) => todos === null || todos.some(({ id, runId }) => id === ref.todoId && runId === ref.runId));
  const elsewhere = (todos ?? []).filter(({ id }) => !still.some(({ ref }) => ref.todoId === id));
  const letters = [
    ...still.map((entry) => ({ ...letterOfEntry(entry), here: true })),
    ...deliveries.map((delivery) => ({ ...letterOfDelivery(delivery), here: true })),
    ...elsewhere.map(letterOfTodo),
  ];
  return { letters: letters.sort((a, b) => a.deadAtMs - b.deadAtMs), unsure };
}

async function deadTodos(store: Pick<World['store'], 'list'>): Promise<{ todos: readonly Todo[] | null; unsure: string | null }> {
  try {
    return { todos: (await store.list({ statuses: ['dead-lettered'], limit: todosMax })).todos, unsure: null };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { todos: null, unsure: error.message };
  }
}

const letterOfTodo = (todo: Todo): Letter => ({
  id: todo.runId ?? todo.id,
  kind: 'completion',
  todoId: todo.id,
  number: todo.number,
  title: todo.title,
  runId: todo.runId,
  class: 'unknown',
  code: null,
  reason: todo.reason ?? '',
  payloadSha256: null,
  firstFailedAtMs: todo.updatedAtMs,
  deadAtMs: todo.updatedAtMs,
  attempts: 0,
  requeued: 0,
  poison: isPoison([]),
  causes: [],
  deaths: [],
  here: false,
});

/** By number or id of its todo, by its own id, or a unique start of either. Null: there is none. */
export function letterBy(ref: string, letters: readonly Letter[]): Letter | null {
  const exact = letters.filter(({ id, todoId, number }) => id === ref || todoId === ref || (number !== null && String(number) === ref));
  const found = exact
    .filter(({ kind }) => kind === 'completion')
    .concat(exact.filter(({ kind, id }) => kind !== 'completion' && id === ref));
  const begins =
    ref.length < 4
      ? []
      : letters.filter(({ id, todoId, kind }) => id.startsWith(ref) || (kind === 'completion' && todoId?.startsWith(ref)));
  const all = found.length > 0 ? found : begins;
  if (all.length > 1)
    throw new OperationalError('AMBIGUOUS', { operation: 'looking for', subject: `dead letter ${ref}`, why: `${all.length} begin so` });
  return all[0] ?? null;
}
