import type { CommandModule } from '../command.ts';

// Holds the place until the command moves in.
export const command: CommandModule = {
  run: async ({ out }) => {
    out.note('not yet');
    return 69;
  },
};
