import { claude } from '../agents/claude.ts';
import { shell } from '../agents/shell.ts';
import type { Adapter } from '../core/agent.ts';
import type { Config } from '../core/config.ts';

/** The table of agents: a new one is a file in agents/ and a line here. */
export const adapters: ReadonlyMap<string, Adapter> = new Map([claude, shell].map((adapter) => [adapter.name, adapter]));

export const agentNames = (_config: Config): readonly string[] => [...adapters.keys()];
