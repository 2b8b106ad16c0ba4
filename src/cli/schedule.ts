import { isOperational } from '../core/errors.ts';
import { parseScheduled, type Scheduled, scheduleKey, scheduleKeys } from '../core/schedule.ts';
import type { Todo } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import type { Opened } from './command.ts';
import { spanText } from './text/times.ts';

type World = Opened['world'];

/** Durable when it resolves. What was scheduled for this todo before gives way to it. */
export async function scheduleWord(
  { id: todoId }: Pick<Todo, 'id'>,
  word: Pick<Scheduled, 'verb' | 'summary' | 'reason' | 'force' | 'atMs'>,
  { world }: Pick<Opened, 'world'>,
): Promise<Scheduled> {
  const item: Scheduled = { id: world.random.uuidv7(), todoId, ...word, saidAtMs: world.clock.nowMs() };
  await world.journal.setNote(scheduleKey(todoId), JSON.stringify(item));
  await noted(world, item, 'scheduled', `${item.verb} at ${new Date(item.atMs).toISOString()}, by person`);
  return item;
}

/** Null where nothing was put off, or where it was just being said. */
export async function unschedule({ id: todoId }: Pick<Todo, 'id'>, { world }: Opened): Promise<Scheduled | null> {
  const item = scheduledOf(todoId, world.journal);
  if (item === null || !(await world.journal.removeNote(scheduleKey(todoId), JSON.stringify(item)))) return null;
  await noted(world, item, 'unscheduled', `${item.verb} at ${new Date(item.atMs).toISOString()}, by person`);
  return item;
}

export function scheduledOf(todoId: string, journal: Pick<World['journal'], 'getNote'>): Scheduled | null {
  const value = journal.getNote(scheduleKey(todoId));
  return value === null ? null : parseScheduled(value);
}

/** By todo. */
export function allScheduled(journal: Pick<World['journal'], 'notes'>): ReadonlyMap<string, Scheduled> {
  const items = journal.notes(scheduleKeys).flatMap(({ value }) => parseScheduled(value) ?? []);
  return new Map(items.map((item) => [item.todoId, item]));
}

/** As JSON shows it, beside a todo that has not ended. */
export const scheduledJson = (item: Scheduled | null | undefined, status: Todo['status'] | 'finishing') =>
  item == null || isTerminal(status) ? null : { id: item.id, verb: item.verb, atMs: item.atMs };

const participleOf: Readonly<Record<Scheduled['verb'], string>> = {
  done: 'completed',
  fail: 'failed',
  block: 'blocked',
  release: 'released',
  cancel: 'cancelled',
};

/** "will be completed in 58 s", or that it should have been. */
export function scheduledText({ verb, atMs }: Pick<Scheduled, 'verb' | 'atMs'>, nowMs: number): string {
  return atMs > nowMs
    ? `will be ${participleOf[verb]} in ${spanText(atMs - nowMs)}`
    : `due to be ${participleOf[verb]} since ${spanText(nowMs - atMs)}: a daemon of this home says it`;
}

/** The journal has it already: a history that cannot be written now takes nothing from it. */
async function noted({ store, clock }: World, { todoId }: Scheduled, what: string, detail: string): Promise<void> {
  try {
    await store.note({ kind: 'audit', todoId, runId: null, atMs: clock.nowMs(), what, detail });
  } catch (error) {
    if (!isOperational(error)) throw error;
  }
}
