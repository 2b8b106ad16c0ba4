import type { CommandModule } from '../command.ts';
import { usage } from '../todos.ts';

/** install AGENT: into a person's own settings · doctor AGENT: do they fire here? */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--dry-run', 'install: only show what would change')
      .option('--settings <file>', "install: the settings file (else the agent's own of this user)"),
  async run(call) {
    const [action = '', agent = 'claude'] = call.args;
    if (agent !== 'claude') throw usage('hooks', `agent ${agent} has no hooks that this version knows`, 'Known: claude.');
    switch (action) {
      case 'install':
        return (await import('../hooks/install.ts')).installClaude(call);
      case 'doctor':
        return (await import('../hooks/doctor.ts')).doctorClaude(call);
      default:
        throw usage('hooks', `no action ${action}`, 'Known: install, doctor. See: todo hooks --help');
    }
  },
};
