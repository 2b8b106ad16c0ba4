import type { Command } from 'commander';
import type { CommandModule } from '../command.ts';
import { wholeNumber } from '../options.ts';

export type DoctorOptions = {
  readonly fix?: true;
  readonly kill?: number;
  readonly port?: readonly number[];
  readonly quick?: true;
  readonly debug?: true;
};

const portNumber = wholeNumber(1, 65_535);

/** What may keep it from working, each with its evidence and what mends it; exits as `todo health`. Without --fix it changes nothing. */
export const command: CommandModule = {
  declare: (commander: Command) =>
    void commander
      .option('--fix', 'mend what can be mended: packages, rights of our folders, processes of ended runs')
      .option('--kill <pid>', 'with --fix: end this process, which holds a port that is wanted; no other', wholeNumber(2, 4_194_304))
      .option('--port <port>', 'a port that you need free (may be given again)', (text: string, before: readonly number[] = []) => [
        ...before,
        portNumber(text),
      ])
      .option('--quick', 'only what is looked at before a start: configuration, folders, disk, ports, lock, store')
      .option('--debug', 'tell each look, how long it took, and the stack of what went wrong'),
  async run(call) {
    return (await import('../doctor/doctor.ts')).doctor(call, call.options as DoctorOptions);
  },
};
