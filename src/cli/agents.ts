import { namedAdapters } from '../agents/adapters.ts';
import { claude } from '../agents/claude.ts';
import { shell } from '../agents/shell.ts';
import type { Adapter } from '../core/agent.ts';
import type { Config } from '../core/config.ts';
import { autoAgent } from '../core/runners.ts';

/** The table of agents that need no configuration: a new one is a file in agents/ and a line here. */
export const builtInAdapters: ReadonlyMap<string, Adapter> = new Map([claude, shell].map((adapter) => [adapter.name, adapter]));

/** All that a todo may name, as this configuration has them. */
export const adaptersOf = (config: Pick<Config, 'agents'>): ReadonlyMap<string, Adapter> => namedAdapters(builtInAdapters, config);

/** Where runners are configured a todo need not name an agent. */
export const agentNames = (config: Config): readonly string[] => [
  ...adaptersOf(config).keys(),
  ...(config.runners.length > 0 ? [autoAgent] : []),
];
