import type { TodoAction } from './dashboard.ts';
import { type Fact, isCompletion } from './entry.ts';
import type { Todo } from './todo.ts';
import { isInProgress, isTerminal } from './words.ts';

/** What a person may do with a todo as it stands. `live`: its run, where that is on this host. */
export function actionsFor({ status, held }: Pick<Todo, 'status' | 'held'>, live: { readonly fact: Fact } | null): readonly TodoAction[] {
  if (isTerminal(status)) return [];
  // The first word about its end stands; only an emergency comes before what was collected.
  if (live !== null && isCompletion(live.fact)) return live.fact === 'signalled' ? ['emergency'] : [];
  if (live !== null) return ['done', 'fail', 'block', 'park', 'release', 'cancel', 'emergency'];
  // Whoever has its run decides.
  if (isInProgress(status)) return [];
  const flag = held ? 'unhold' : 'hold';
  if (status === 'blocked') return ['release', 'park', 'cancel', flag];
  if (status === 'dead-lettered') return ['release', 'block', 'park', 'cancel', flag];
  const back: readonly TodoAction[] = status === 'parked' || held ? ['release'] : [];
  return ['done', 'fail', 'block', 'park', ...back, 'cancel', flag, 'emergency'];
}
