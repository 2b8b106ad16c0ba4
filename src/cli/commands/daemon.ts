import type { CommandModule } from '../command.ts';
import { usage } from '../todos.ts';

/** alone = run, in the foreground. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--once', 'run: end after one todo')
      .option('--force', 'stop, restart: end now; what is left is taken up at the next start'),
  async run(call) {
    const action = call.args[0] ?? 'run';
    const force = call.options['force'] === true;
    switch (action) {
      case 'run':
        return (await import('../daemon-process.ts')).runDaemon(call, { once: call.options['once'] === true });
      case 'start':
        return (await import('../daemon-control.ts')).startCommand(call);
      case 'stop':
        return (await import('../daemon-control.ts')).stopCommand(call, force);
      case 'status':
        return (await import('../daemon-control.ts')).statusCommand(call);
      case 'reload':
        return (await import('../configuration.ts')).reloadCommand(call);
      case 'restart':
        return (await import('../daemon-control.ts')).restartCommand(call, force);
      default:
        throw usage('daemon', `no action ${action}`, 'Known: run, start, stop, status, reload, restart. See: todo daemon --help');
    }
  },
};
