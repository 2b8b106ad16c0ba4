import type { CommandModule } from '../command.ts';
import { usage } from '../todos.ts';

/** show: what is in use and where it is from. set, unset: one key of hooks/config.json, taken up by a daemon that lives. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander.addHelpText(
      'after',
      '\nActions:\n  show [KEY]       every value, or those under KEY, and where each is from\n  set KEY VALUE    write it into hooks/config.json; a daemon takes it up at once\n  unset KEY        take it out again\n\nFor example: todo config set policies.job.max_retries 4',
    ),
  async run(call) {
    const [action = 'show', key, value] = call.args;
    const { showCommand, setCommand } = await import('../configuration.ts');
    switch (action) {
      case 'show':
        return showCommand(call, key ?? null);
      case 'set':
        if (key === undefined || value === undefined) throw usage('config set', 'KEY and VALUE are needed', 'See: todo config --help');
        return setCommand(call, key, value);
      case 'unset':
        if (key === undefined) throw usage('config unset', 'KEY is needed', 'See: todo config --help');
        return setCommand(call, key, null);
      default:
        throw usage('config', `no action ${action}`, 'Known: show, set, unset. See: todo config --help');
    }
  },
};
