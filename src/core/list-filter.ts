import type { Todo } from './todo.ts';
import type { TodoStatus } from './words.ts';

/** Which todos; what is left out narrows nothing. */
export type TodoFilter = {
  readonly statuses: readonly TodoStatus[] | null;
  /** Anywhere in title or summary, capital letters or not; or it is the number. */
  readonly text?: string | null;
  readonly agent?: string | null;
  readonly project?: string | null;
};

/** A page of them, newest first: `before` is the number of the last one of the page before it. */
export type ListFilter = TodoFilter & { readonly before?: number | null; readonly limit: number };

export function fits(
  todo: Todo,
  { statuses, text = null, agent = null, project = null, before = null }: Omit<ListFilter, 'limit'>,
): boolean {
  return (
    (statuses === null || statuses.includes(todo.status)) &&
    (agent === null || todo.agent === agent) &&
    (project === null || todo.project === project) &&
    (before === null || todo.number < before) &&
    (text === null || contains(todo.title, text) || contains(todo.summary ?? '', text) || numberMeant(text) === todo.number)
  );
}

const contains = (whole: string, part: string): boolean => whole.toLowerCase().includes(part.toLowerCase());

/** Null: that is no number of a todo. */
export const numberMeant = (text: string): number | null => (/^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : null);
