import type { Command } from 'commander';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { usage } from '../todos.ts';

/** A backup into an empty home. What is there is never overwritten: it refuses, or keeps it under another name. */
export const command: CommandModule = {
  declare: (commander: Command) =>
    void commander
      .option('--force', 'where the home is not empty: keep what is there under another name, and restore beside it')
      .option('--keep-store', 'of a home whose todos are in MySQL: leave that store as it is'),
  async run(call) {
    const [from] = call.args;
    if (from === undefined) throw usage('restore', 'from where?', 'Say: todo restore FOLDER, or todo restore FILE.tar.gz');
    const { restore } = await import('../backup/restore.ts');
    using spinner = await call.out.spin('restoring');
    const wish = { force: call.options['force'] === true, keepStore: call.options['keepStore'] === true };
    const restored = await restore(call, from, { ...wish, step: (text) => spinner.step(text) });
    spinner.end();
    const { manifest, home, aside, config, storeRows } = restored;
    const { counts, madeAtMs, missing } = manifest;
    const { out } = call;
    out.json('restore', { home, madeAtMs, from: manifest.home, counts, aside, config, storeRows, store: manifest.store, missing });
    out.line(
      `${out.paint('green', '✔')} ${home} is as it was at ${new Date(madeAtMs).toISOString()}: ${counts.todos} todos, ${counts.runs} runs, ${counts.records} records, ${counts.archives} archives, ${counts.live} live`,
    );
    if (storeRows !== null) out.line(`The store has its ${storeRows} rows, read back and compared.`);
    if (config === 'kept') out.note('hooks/config.json of the home stays; that of the backup is hooks/config.json.restored.');
    for (const each of aside) out.note(`Kept aside: ${each}`);
    for (const each of missing) out.note(`Was not in it, see that it is there: ${each}`);
    out.line('Go on: todo doctor, then todo daemon start');
    return exit.yes;
  },
};
