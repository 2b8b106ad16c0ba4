import type { Config } from '../../core/config.ts';
import type { TodoLine } from '../../core/dashboard.ts';
import { type ErrorCode, errorTable, OperationalError } from '../../core/errors.ts';
import { asKept } from '../../core/snapshot.ts';
import type { Todo } from '../../core/todo.ts';
import type { ShownStatus } from '../../core/words.ts';
import type { Shown } from '../../observe/shown.ts';
import type { World } from '../../world.ts';
import type { Opened } from '../command.ts';
import { staleStore } from '../stale-store.ts';
import { listShown } from '../todos.ts';

export type StoreNeeds = {
  readonly world: World;
  readonly config: Config;
  readonly ask: Opened['ask'];
  /** Why the store is known to be away; null: it is there, or nobody knows. */
  readonly away: () => string | null;
};

/** As `todo list` shows them, newest first and without prompts and runs; from the snapshot while the store is away. */
export const todosOf =
  (needs: StoreNeeds): Shown['todos'] =>
  async (asked) => {
    const { store, stale } = patientStore(needs);
    const { todos, ...page } = await listShown({ store, journal: needs.world.journal }, asked);
    const now = stale();
    return {
      ...page,
      todos: todos.map((todo) => lineOf({ ...asKept({ ...todo, status: 'open' }), status: todo.status })),
      stale: now === null ? null : { asOfMs: now.asOfMs, why: now.why },
    };
  };

export function lineOf(todo: Omit<Todo, 'status'> & { readonly status: ShownStatus }): TodoLine {
  const { id, number, title, status, proof, priority, agent, project, held, summary, reason } = todo;
  const { createdAtMs, updatedAtMs, endedAtMs, notBeforeMs } = todo;
  return {
    ...{ id, number, title, status, proof, priority, agent, project, held, summary, reason },
    ...{ createdAtMs, updatedAtMs, endedAtMs, notBeforeMs },
  };
}

/** The store, or what this home last saw of it. */
export function patientStore({ world, config, ask, away }: StoreNeeds): ReturnType<typeof staleStore> {
  if (world.store.driver !== 'mysql') return { store: world.store, stale: () => null };
  const known = (): OperationalError | null => {
    const why = away();
    return why === null ? null : unreachable(why);
  };
  return staleStore(world.store, { config, ask, known, world });
}

const code: ErrorCode = 'STORE_UNREACHABLE';
const unreachable = (why: string): OperationalError =>
  new OperationalError(code, { operation: 'asking', subject: 'the store', why, hint: errorTable[code].hint });
