import type { CommandModule } from '../command.ts';
import { usage } from '../todos.ts';

/** One file an action, `store-<action>.ts`; each declares its own options and runs. */
const actions: Readonly<Record<string, () => Promise<{ readonly command: CommandModule }>>> = {
  check: () => import('./store-check.ts'),
  map: () => import('./store-map.ts'),
  migrate: () => import('./store-migrate.ts'),
};

export const command: CommandModule = {
  async declare(commander) {
    for (const load of Object.values(actions)) await (await load()).command.declare?.(commander);
  },
  async run(call) {
    const [action = '', ...args] = call.args;
    const load = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (load === undefined)
      throw usage('store', `no action ${action}`, `Known: ${Object.keys(actions).join(', ')}. See: todo store --help`);
    return (await load()).command.run({ ...call, args });
  },
};
