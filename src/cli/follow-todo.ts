import { deadlinesOf } from '../core/deadlines.ts';
import { type Entry, hasEnded, isCompletion, layerOf } from '../core/entry.ts';
import type { Run, Todo } from '../core/todo.ts';
import { isInProgress } from '../core/words.ts';
import type { Opened } from './command.ts';
import { plain } from './text/plain.ts';
import { endText } from './text/status.ts';

const lookEveryMs = 150;

/**
 * Looks at a todo until it needs nobody who follows: it has ended, waits for its time or for a person. Stalled is not yet the end
 * while a timer of the run is still to come. Answers with the todo as it stands then, or when `over` is aborted.
 */
export async function followTodo(
  todoId: string,
  tell: (step: string) => void,
  { world, config }: Opened,
  over: AbortSignal,
): Promise<Todo> {
  let told = '';
  for (;;) {
    const entry = world.journal.ofTodo(todoId)[0] ?? null;
    const todo = await world.store.find(todoId);
    if (todo === null) throw new Error(`todo ${todoId} is gone`);
    const step = stepOf(todo, entry);
    if (step !== told) tell(step);
    told = step;
    if (over.aborted || (await isOver(todo, entry))) return todo;
    await world.clock.sleep(lookEveryMs, over);
  }

  async function isOver(todo: Todo, entry: Entry | null): Promise<boolean> {
    if (entry !== null && isCompletion(entry.fact) && !hasEnded(entry.fact)) return false;
    if (todo.status === 'stalled') return entry !== null && deadlinesOf(entry, config).length === 0;
    if (isInProgress(todo.status)) return false;
    if (todo.status !== 'open') return true;
    const last = lastOf(await world.store.runsOf(todoId));
    return last !== null && !(goesOn(todo, last) && config.behavior.auto_continue);
  }
}

/** Lost without an answer: a new attempt comes at its time. */
export const goesOn = (todo: Todo, last: Run | null): boolean =>
  todo.status === 'open' && todo.notBeforeMs !== null && last?.outcome === 'lost';

export const lastOf = (runs: readonly Run[]): Run | null => [...runs].sort((a, b) => a.fence - b.fence).at(-1) ?? null;

const layerNames = { 1: 'collect', 2: 'report', 3: 'record', 4: 'confirm and clean' } as const;

/** What happens now, in a few words. */
export function stepOf(todo: Todo, entry: Entry | null): string {
  if (entry === null || hasEnded(entry.fact) || entry.ref.runId !== todo.runId) {
    if (todo.status !== 'open') return endText(todo.status, todo.proof);
    return todo.notBeforeMs === null ? 'waiting to start' : `waiting for the next attempt${todo.reason ? `: ${plain(todo.reason)}` : ''}`;
  }
  const round = entry.round > 1 ? ` (round ${entry.round})` : '';
  if (!isCompletion(entry.fact))
    return entry.shown === 'stalled' ? `stalled: ${plain(todo.reason ?? 'no sign of progress')}` : `${entry.fact}${round}`;
  const layer = layerOf(entry.fact);
  return `${entry.fact}${layer === null ? '' : `, layer ${layer} ${layerNames[layer]}`}${round}${entry.lastError && entry.attempt > 1 ? `: ${plain(entry.lastError.message)}` : ''}`;
}
