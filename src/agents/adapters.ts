import type { Adapter } from '../core/agent.ts';
import type { Config } from '../core/config.ts';
import { commandAgent } from './command.ts';
import { fallback } from './fallback.ts';

/** Those that are written down here, those that the configuration defines, and the last resort. */
export const adaptersFor = (builtIn: ReadonlyMap<string, Adapter>, { agents }: Pick<Config, 'agents'>): ReadonlyMap<string, Adapter> =>
  new Map([
    ...builtIn,
    ...Object.entries(agents).flatMap(([name, settings]) =>
      settings.kind === 'command' ? [[name, commandAgent(name, settings)] as const] : [],
    ),
    [fallback.name, fallback],
  ]);
