import type { Scheduled } from '../../core/schedule.ts';
import type { Todo } from '../../core/todo.ts';
import { isTerminal, type ShownStatus } from '../../core/words.ts';
import type { Paint } from '../command.ts';
import { plain } from './plain.ts';
import { colourOf, symbolOf } from './status.ts';
import { type Cell, type Column, table } from './table.ts';
import { spanText } from './times.ts';

export type ListedTodo = Pick<Todo, 'number' | 'title' | 'proof' | 'agent' | 'priority' | 'held' | 'createdAtMs' | 'endedAtMs'> & {
  readonly status: ShownStatus;
  readonly scheduled?: Pick<Scheduled, 'verb' | 'atMs'> | null;
};

/** The list as people see it: fits 80 columns, the title takes what is left. */
export function todoTable(todos: readonly ListedTodo[], nowMs: number, width: number, paint: Paint): string[] {
  const proofs = todos.some(({ proof }) => proof !== null);
  const columns: Column[] = [
    { title: '#', align: 'right' },
    { title: 'STATUS' },
    ...(proofs ? [{ title: 'PROOF' }] : []),
    { title: 'AGENT' },
    { title: 'PRIO', align: 'right' },
    { title: 'AGE', align: 'right' },
    { title: 'TITLE', grows: 'cut' },
  ];
  const rows = todos.map((todo): Cell[] => [
    String(todo.number),
    {
      text: `${symbolOf(todo.status)} ${todo.status}${isTerminal(todo.status) ? '' : `${todo.held ? ' held' : ''}${laterText(todo.scheduled ?? null, nowMs)}`}`,
      colour: colourOf(todo.status, todo.proof),
    },
    ...(proofs ? [todo.proof === null ? '' : { text: todo.proof, colour: colourOf(todo.status, todo.proof) }] : []),
    todo.agent,
    String(todo.priority),
    { text: spanText(nowMs - todo.createdAtMs), colour: 'dim' },
    plain(todo.title),
  ]);
  return table(columns, rows, width, paint);
}

/** What `done ID --in 60s` put off, in few columns. */
const laterText = (scheduled: Pick<Scheduled, 'verb' | 'atMs'> | null, nowMs: number): string =>
  scheduled === null
    ? ''
    : scheduled.atMs > nowMs
      ? `, ${scheduled.verb} in ${spanText(scheduled.atMs - nowMs)}`
      : `, ${scheduled.verb} is due`;
