import type { Adapter } from '../core/agent.ts';
import type { Config } from '../core/config.ts';
import { autoAgent } from '../core/runners.ts';
import { commandAgent } from './command.ts';
import { fallback } from './fallback.ts';

/** Those that are written down here, those that the configuration defines, and the last resort: all whose runs there may be. */
export const adaptersFor = (builtIn: ReadonlyMap<string, Adapter>, { agents }: Pick<Config, 'agents'>): ReadonlyMap<string, Adapter> =>
  new Map([
    ...builtIn,
    ...Object.entries(agents).flatMap(([name, settings]) =>
      settings.kind === 'command' ? [[name, commandAgent(name, settings)] as const] : [],
    ),
    [fallback.name, fallback],
    // A person works on such a todo: nobody was chosen, and nothing of theirs is ever started.
    [autoAgent, { ...fallback, name: autoAgent }],
  ]);

/** Those that a todo may name, and that can be asked how they are. */
export const namedAdapters = (builtIn: ReadonlyMap<string, Adapter>, config: Pick<Config, 'agents'>): ReadonlyMap<string, Adapter> =>
  new Map([...adaptersFor(builtIn, config)].filter(([name]) => isNamed(name)));

export const isNamed = (name: string): boolean => name !== fallback.name && name !== autoAgent;

/** Of a run whose agent is not defined any more: it was when the run began, and its end still speaks by its exit code. */
export const forgottenAgent = (name: string): Adapter =>
  commandAgent(name, { command: null, args: [], session: null, env: {}, exit_codes: {} });
