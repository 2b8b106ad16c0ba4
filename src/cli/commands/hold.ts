import type { CommandModule } from '../command.ts';
import { changeHeld } from '../held.ts';

export const command: CommandModule = { run: (call) => changeHeld(call, true) };
