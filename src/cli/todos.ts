import { hasEnded, isCompletion } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import type { Run, Todo } from '../core/todo.ts';
import { inProgressStatuses, isInProgress, type ShownStatus } from '../core/words.ts';
import type { TodosAsked } from '../observe/shown.ts';
import type { World } from '../world.ts';
import type { Call } from './command.ts';

/** The todo that operand or surroundings name: number, id, unique start of an id, else $TODO_ID of the run that we are in. */
export function refOf({ args, env }: Pick<Call, 'args' | 'env'>, command: string): string {
  const ref = args[0] ?? env['TODO_ID'];
  if (ref === undefined || ref === '')
    throw usage(
      command,
      'which todo? no ID given, and this is not inside a run',
      `Give a number or id: todo ${command} ID. See: todo list`,
    );
  return ref;
}

export async function findTodo(store: Pick<World['store'], 'find'>, ref: string, operation: string): Promise<Todo> {
  const todo = await store.find(ref);
  if (todo === null)
    throw new OperationalError('NOT_FOUND', { operation, subject: `todo ${ref}`, why: 'there is none with that number or id' });
  return todo;
}

/**
 * A todo and its runs as they stood in one moment: a record may come between the two reads. Asked again until nothing moved meanwhile;
 * what changes five times is shown as it was last seen.
 */
export async function withRuns(
  seen: Todo,
  store: Pick<World['store'], 'find' | 'runsOf'>,
): Promise<{ readonly todo: Todo; readonly runs: readonly Run[] }> {
  for (let looks = 1; ; looks += 1) {
    const runs = await store.runsOf(seen.id);
    const todo = (await store.find(seen.id)) ?? seen;
    if (looks === looksMax || isSame(seen, todo)) return { todo, runs };
    seen = todo;
  }
}
const looksMax = 5;
const isSame = (a: Todo, b: Todo): boolean => a.updatedAtMs === b.updatedAtMs && a.status === b.status && a.fence === b.fence;

/** What people see: a todo in progress whose completion stands in the journal of this home is finishing. */
export function shownStatus(todo: Todo, journal: Pick<World['journal'], 'get'>): ShownStatus {
  if (todo.runId === null || !isInProgress(todo.status)) return todo.status;
  const fact = journal.get(todo.runId)?.fact;
  return fact !== undefined && isCompletion(fact) && !hasEnded(fact) ? 'finishing' : todo.status;
}

/** Also the question of `GET /api/todos`. */
export type ShownFilter = TodosAsked;

/** A page of todos with their status as people see it. Finishing is never stored: it is looked for among those in progress. */
export async function listShown({ store, journal }: Pick<World, 'store' | 'journal'>, { statuses, ...filter }: ShownFilter) {
  const asked = statuses?.includes('finishing') ? [...new Set([...statuses, ...inProgressStatuses])] : statuses;
  const stored = asked === null ? null : asked.filter((it) => it !== 'finishing');
  const { todos, truncated } = await store.list({ ...filter, statuses: stored });
  const shown = todos.map((todo) => ({ ...todo, status: shownStatus(todo, journal) }));
  return {
    todos: shown.filter(({ status }) => statuses === null || statuses.includes(status)),
    truncated,
    /** The number that the next page is before; null: this was the last one. */
    next: truncated ? (todos.at(-1)?.number ?? null) : null,
  };
}

/** The fields that scripts rely on stand first (DESIGN 7); more may stand beside them. */
export function todoJson(todo: Omit<Todo, 'status'>, status: ShownStatus, runs: readonly Run[]) {
  const { id, number, title, proof, priority, agent, cwd, checks, summary, report, ...more } = todo;
  return { id, number, title, proof, priority, agent, cwd, checks, summary, report, runs: runs.map(runJson), ...more, status };
}

export function runJson(run: Run) {
  const { id, fence, agent, host, startedAtMs, endedAtMs, outcome, saidBy, kind, round } = run;
  return { id, fence, agent, host, startedAtMs, endedAtMs, outcome, saidBy, kind, round };
}

export function usage(command: string, why: string, hint?: string): OperationalError {
  return new OperationalError('USAGE', {
    operation: 'reading the arguments of',
    subject: `todo ${command}`,
    why,
    hint: hint ?? `See: todo ${command} --help`,
  });
}
