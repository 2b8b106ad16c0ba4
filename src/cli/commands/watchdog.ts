import type { CommandModule } from '../command.ts';
import { duration, wholeNumber } from '../options.ts';
import { usage } from '../todos.ts';

/** Alone it keeps the daemon of this home running; with -- CMD any command. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--name <name>', 'one watchdog a name and home (default: daemon, or the name of the command)')
      .option('--health <url>', 'probe: GET this; 2xx and 3xx are good, health+json is read')
      .option('--exec <cmd>', 'probe: run this; exit 0 is good, 1 degraded, 2 unhealthy, 3 unknown')
      .option('--heartbeat <file>', 'probe: the command touches this file while it works')
      .option('--check-interval <time>', 'between two probes (default 15s)', duration)
      .option(
        '--timeout <time>',
        'restart after so long without a good answer; twice as long where load explains it (default 45s)',
        duration,
      )
      .option(
        '--probe-timeout <time>',
        'what one probe may take; an answer within it is good, after half of it another one is sent (default 10s)',
        duration,
      )
      .option('--probe-tries <n>', 'probes of one check; it is bad when none of them was good (default 3)', wholeNumber(1, 100))
      .option('--probe-wait <time>', 'between a bad or late answer and the next try (default 2s)', duration)
      .option('--startup-grace <time>', 'until the first good answer (default: learned from its last starts, 60s at first)', duration)
      .option('--grace <time>', 'between TERM and KILL (default 10s)', duration)
      .option('--steady <time>', 'good for so long = recovered (default 3s)', duration)
      .option(
        '--max-restarts <n>',
        'within 10 minutes; then it is held, stopped, and tried every 5 minutes (default 5)',
        wholeNumber(0, 1000),
      )
      .option('--max-restarts-day <n>', 'within 24 hours (default 20)', wholeNumber(0, 10_000))
      .option('--always', 'start it again also where it ended by itself with 0')
      .option('--log-path <folder>', 'logs, output and incidents (default: watchdog_logs in the logs of the home)')
      .option('--debug', 'log each probe')
      .addHelpText(
        'after',
        `
Actions:
  (none)   watch: the command after --, or the daemon of this home
  status   what the watchdogs of this home watch, and how it goes

What counts: it refuses or says that it is unhealthy; it gives no good answer for --timeout; it ends. Degraded and slow answers never restart it.
A command that ends with 0 has ended for good (see --always), 75 asks for another start, 125 for none. kill -HUP starts it again now,
or ends the watch where it runs in a terminal.

  todo watchdog                                       the daemon of this home
  todo watchdog --health http://127.0.0.1:8080/health -- node server.js
`,
      ),
  async run(call) {
    const [action = 'watch'] = call.args;
    switch (action) {
      case 'watch':
        return (await import('../watchdog-process.ts')).watchCommand(call);
      case 'status':
        return (await import('../watchdog-status.ts')).statusCommand(call);
      default:
        throw usage('watchdog', `no action ${action}`, 'Known: status; a command to watch follows after --. See: todo watchdog --help');
    }
  },
};
