import type { Config } from '../../core/config.ts';
import { type ErrorCode, errorTable, OperationalError } from '../../core/errors.ts';
import { asKept } from '../../core/snapshot.ts';
import type { TodoStatus } from '../../core/words.ts';
import type { Shown } from '../../observe/shown.ts';
import type { World } from '../../world.ts';
import type { Opened } from '../command.ts';
import { staleStore } from '../stale-store.ts';
import { shownStatus } from '../todos.ts';

type Needs = {
  readonly world: World;
  readonly config: Config;
  readonly ask: Opened['ask'];
  /** Why the store is known to be away; null: it is there, or nobody knows. */
  readonly away: () => string | null;
};

/** As `todo list` shows them, newest first and without their runs; from the snapshot while the store is away. */
export const todosOf =
  ({ world, config, ask, away }: Needs): Shown['todos'] =>
  async ({ limit, statuses }) => {
    const known = (): OperationalError | null => {
      const why = away();
      return why === null ? null : unreachable(why);
    };
    const { store, stale } =
      world.store.driver === 'mysql' ? staleStore(world.store, { config, ask, known, world }) : { store: world.store, stale: () => null };
    const { todos, truncated } = await store.list({ statuses: statuses as readonly TodoStatus[] | null, limit });
    const now = stale();
    return {
      todos: todos.map((todo) => ({ ...asKept(todo), status: shownStatus(todo, world.journal) })),
      truncated,
      stale: now === null ? null : { asOfMs: now.asOfMs, why: now.why },
    };
  };

const code: ErrorCode = 'STORE_UNREACHABLE';
const unreachable = (why: string): OperationalError =>
  new OperationalError(code, { operation: 'asking', subject: 'the store', why, hint: errorTable[code].hint });
