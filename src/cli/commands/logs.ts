import type { Command } from 'commander';
import type { CommandModule } from '../command.ts';
import { moment, oneOf, wholeNumber } from '../options.ts';
import { usage } from '../todos.ts';

export type LogOptions = {
  readonly follow?: true;
  readonly since?: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly todo?: string;
  readonly lines: number;
};

export const command: CommandModule = {
  declare: (commander: Command) =>
    void commander
      .option('-f, --follow', "go on as more comes; of the daemon's log with --json a document a line")
      .option('-n, --lines <n>', 'how many of the last lines', wholeNumber(0, 1_000_000), 200)
      .option('--since <time>', "the daemon's log since then: 10m, 2h, 2030-01-31T08:00", moment('back'))
      .option(
        '--level <level>',
        "the daemon's log from that level on: debug, info, warn, error",
        oneOf('debug', 'info', 'warn', 'error'),
        'info',
      )
      .option('--todo <id>', "the daemon's log of that todo only"),
  async run(call) {
    const options = call.options as LogOptions;
    const ref = call.args[0] ?? (options.todo === undefined ? call.env['TODO_ID'] : undefined);
    if (ref !== undefined && options.follow && call.json)
      throw usage(
        'logs',
        '--follow never ends, --json is one document',
        "Leave one of the two out; the daemon's log, without ID, comes as a document a line.",
      );
    if (ref !== undefined) return (await import('../output.ts')).showOutput(ref, options, call);
    return (await import('../daemon-log.ts')).showLog(options, call);
  },
};
