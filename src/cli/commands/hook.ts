import type { CommandModule } from '../command.ts';
import { runHook } from '../hook.ts';

/** Called by the hooks of agents: it fails open, whatever happens (main.ts goes past commander and straight to it). */
export const command: CommandModule = { run: ({ args, env }) => runHook(args, env) };
