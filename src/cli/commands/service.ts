import type { Command } from 'commander';
import type { CommandModule } from '../command.ts';
import { usage } from '../todos.ts';

export type ServiceOptions = {
  readonly user?: true;
  readonly system?: true;
  readonly print?: true;
  readonly account?: string;
  readonly name: string;
  readonly folder?: string;
};

/** The daemon of this home as a service of systemd. */
export const command: CommandModule = {
  declare: (commander: Command) =>
    void commander
      .option('--user', 'of your own login (the default, but for root)')
      .option('--system', 'of the machine; needs --account')
      .option('--account <name>', 'with --system: the user that daemon and agents run as')
      .option('--name <name>', 'another name, where several homes are served', 'signoff')
      .option('--folder <folder>', 'install: write the unit there and tell systemd nothing (an image, a package)')
      .option('--print', 'install: only show the unit'),
  async run(call) {
    const [action = ''] = call.args;
    const options = call.options as ServiceOptions;
    if (options.user && options.system) throw usage('service', '--user and --system at once', 'Leave one of the two out.');
    const { install, uninstall, status } = await import('../service.ts');
    switch (action) {
      case 'install':
        return install(call, options);
      case 'uninstall':
        return uninstall(call, options);
      case 'status':
        return status(call, options);
      default:
        throw usage('service', `no action ${action}`, 'Known: install, uninstall, status. See: todo service --help');
    }
  },
};
