import type { Overview } from '../../core/dashboard.ts';
import type { Parts } from './parts.ts';

/** What is at hand at once. */
export type AtHand = Omit<Overview, keyof Parts | 'schemaVersion' | 'kind' | 'todosVersion'>;

/** `fromVersion`: what another process would hardly begin with. */
export function overviews(fromVersion: number): (now: AtHand, parts: Parts) => Overview {
  let version = fromVersion;
  let before = '';
  return (now, parts) => {
    // Whoever changes a todo changes how many there are in a status, what runs here, or leaves a line in the audit trail.
    const live = now.live.map(({ todoId, runId, fact, round }) => [todoId, runId, fact, round]);
    const seen = JSON.stringify([parts.todos.value, parts.audit.value, live]);
    if (seen !== before) version += 1;
    before = seen;
    return { schemaVersion: 1, kind: 'overview', ...now, todosVersion: version, ...parts };
  };
}
