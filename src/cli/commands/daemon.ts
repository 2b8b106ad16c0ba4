import type { CommandModule } from '../command.ts';
import { size } from '../options.ts';
import { usage } from '../todos.ts';

const help = `
Actions:
  run      in the foreground (also without an action)
  start    in the background, once it answers
  stop     after what completes has ended (behavior.drain_timeout); agents live on, the next start takes them up
  status   whether one runs
  reload   take up hooks/config.json
  restart  start anew in place: pid and agents stay; all it left is looked for before it takes todos again
  resume   take todos again, though a restart was not validated

Between two restarts restart.cooldown must pass, and there are at most restart.per_hour and restart.per_day of them, those of the watchdog counted in.
A build that was started twice under a watchdog and never worked (restart.good_after) is passed over for the last good copy, until another one is installed; restart --force tries it again.
`;

/** alone = run, in the foreground. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--once', 'run: end after one todo')
      .option('--debug', 'run: log everything')
      .option('--check', 'run: only look whether this program starts')
      .option('--force', 'stop: end now; what is left is taken up at the next start. restart: whatever the limits say')
      .option('--reason <text>', 'restart: why; it stands in the log and in what is told to others')
      .option('--max-memory <size>', 'run, start: what the daemon may have (200M, 2G); says over resource.max_memory_mb', size)
      .addHelpText('after', help),
  async run(call) {
    const action = call.args[0] ?? 'run';
    const force = call.options['force'] === true;
    switch (action) {
      case 'run':
        return (await import('../daemon-process.ts')).runDaemon(call, {
          once: call.options['once'] === true,
          check: call.options['check'] === true,
          debug: call.options['debug'] === true,
        });
      case 'start':
        return (await import('../daemon-control.ts')).startCommand(call);
      case 'stop':
        return (await import('../daemon-control.ts')).stopCommand(call, force);
      case 'status':
        return (await import('../daemon-control.ts')).statusCommand(call);
      case 'reload':
        return (await import('../configuration.ts')).reloadCommand(call);
      case 'restart':
        return (await import('../daemon-control.ts')).restartCommand(call, {
          force,
          reason: (call.options['reason'] as string | undefined) ?? null,
        });
      case 'resume':
        return (await import('../daemon-control.ts')).resumeCommand(call);
      default:
        throw usage('daemon', `no action ${action}`, 'Known: run, start, stop, status, reload, restart, resume. See: todo daemon --help');
    }
  },
};
