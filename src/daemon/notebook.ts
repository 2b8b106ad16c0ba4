import { isOperational, messageOf, retryOf } from '../core/errors.ts';
import { parsedJson } from '../core/shape.ts';
import type { Store } from '../world.ts';
import type { Context } from './context.ts';
import { wentThrough } from './recovery-session.ts';
import { chore } from './store-chores.ts';

/** A fact about what we did that the store must hear of once: its id makes it one row, however often it is sent. */
export type NotebookRow = Parameters<Store['note']>[0] & { readonly id: string };
type Kept = { readonly key: string; readonly row: NotebookRow };

export type Notebook = { rows: Kept[]; next: number; left: number };
export const newNotebook = (): Notebook => ({ rows: [], next: 1, left: 0 });

const prefix = 'tell:';
/** A store that is away for days: the beginning tells the story, and refused calls add nothing to it. */
const rowsMax = 2000;
const tellAtOnce = 100;
export const tellRowsEveryMs = 1000;

/** What an earlier process had no time to tell. */
export function readNotebook({ world, notebook }: Pick<Context, 'world' | 'notebook'>): void {
  const kept = world.journal.notes(prefix);
  notebook.rows = kept.flatMap(({ key, value }) => {
    const row = parsedJson(value) as NotebookRow | null;
    return row === null ? [] : [{ key, row }];
  });
  notebook.next = Number(kept.at(-1)?.key.slice(prefix.length).split('.')[0] ?? 0) + 1;
}

/** Written down here first, told to the store when it is there: in order, and never by a call that a store in trouble would have to bear now. */
export function noteLater(context: Context, row: NotebookRow): void {
  const { notebook, world, owner } = context;
  if (notebook.rows.length >= rowsMax) {
    notebook.left += 1;
    if (notebook.left === 1) world.log.warn('monitor', 'the notebook is full; later failed tries are in the log only', { rows: rowsMax });
    return;
  }
  const key = `${prefix}${String(notebook.next++).padStart(12, '0')}.${owner.pid}`;
  notebook.rows.push({ key, row });
  context.tasks.start(
    `keep:${key}`,
    () => world.journal.setNote(key, JSON.stringify(row)),
    (error) => world.log.warn('monitor', 'a note could not be kept', { what: row.what, reason: messageOf(error) }),
  );
}

type Event = Pick<NotebookRow, 'kind' | 'what' | 'detail'> & Partial<Pick<NotebookRow, 'id' | 'todoId' | 'runId' | 'atMs'>>;

/** The same for what happens once, now unless it says when; of no todo unless it names one. */
export function noteEvent(context: Context, event: Event): void {
  const { random, clock } = context.world;
  noteLater(context, { id: random.uuidv7(), todoId: null, runId: null, atMs: clock.nowMs(), ...event });
}

/** Oldest first, one after the other; the first that the store cannot take now ends it until the next time. */
export function tellRows(context: Context): void {
  const { notebook } = context;
  if (notebook.rows.length === 0) return;
  chore(context, 'tell failed tries', tellRowsEveryMs, () => tell(context));
}

/** For who goes away now and may be the last to have them in hand; what the store does not take stays in the journal. */
export async function tellRest(context: Context): Promise<void> {
  try {
    if (context.notebook.rows.length > 0 && context.state.store.reachable !== 'no') await tell(context);
  } catch (error) {
    if (!isOperational(error)) throw error;
    context.world.log.warn('monitor', 'what was noted is told by the next daemon', { reason: error.message });
  }
}

async function tell(context: Context): Promise<void> {
  const { notebook } = context;
  const told: string[] = [];
  try {
    for (const { key, row } of notebook.rows.slice(0, tellAtOnce)) {
      await context.world.store.note(row).catch((error: unknown) => {
        if (!isOperational(error) || retryOf(error.code) !== 'never') throw error;
        context.world.log.warn('monitor', 'a note was refused for good', { what: row.what, reason: error.message });
      });
      told.push(key);
    }
  } finally {
    notebook.rows = notebook.rows.filter(({ key }) => !told.includes(key));
    if (notebook.rows.length === 0) notebook.left = 0;
    if (told.length > 0) wentThrough(context, 'store', 'notes', told.length);
    if (told.length > 0) await context.world.journal.dropNotes(told);
  }
}
