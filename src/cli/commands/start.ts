import type { CommandModule } from '../command.ts';
import { usage } from '../todos.ts';

const modes = ['all', 'daemonOnly', 'dashboardOnly'] as const;

export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--all', 'the daemon, and what it shows over HTTP: at server.port, else at any free one')
      .option('--daemon-only', 'the daemon alone, whatever server.port says')
      .option('--dashboard-only', 'what is shown over HTTP, from store and journal alone, without a daemon')
      .option('--debug', 'log everything')
      .addHelpText(
        'after',
        `
Looks first whether all is there that a daemon needs (todo doctor --quick), then starts a watchdog and with it the daemon, waits until that
is ready (at most 60 s), shows what they log, and keeps both running: the watchdog the daemon, the daemon and this command the watchdog.
Ctrl-C ends both, after what completes has ended (at most half a minute); a second Ctrl-C at once. Agents live on, the next start takes them up.
`,
      ),
  async run(call) {
    const given = modes.filter((mode) => call.options[mode] === true);
    if (given.length > 1) throw usage('start', 'one of --all, --daemon-only and --dashboard-only, not several');
    const { startAll } = await import('../start.ts');
    return startAll(call, { mode: given[0] ?? 'configured', debug: call.options['debug'] === true });
  },
};
