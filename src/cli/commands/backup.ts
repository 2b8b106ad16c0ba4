import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { usage } from '../todos.ts';

/** The whole home in one folder or file, while its daemon works. Changes nothing of it. */
export const command: CommandModule = {
  async run(call) {
    const [target] = call.args;
    if (target === undefined) throw usage('backup', 'where to?', 'Say: todo backup FOLDER, or todo backup FILE.tar.gz');
    const { makeBackup } = await import('../backup/make.ts');
    using spinner = await call.out.spin('backing up');
    const { at, manifest } = await makeBackup(call, target, (text) => spinner.step(text));
    spinner.end();
    const { counts, store, missing, files, madeAtMs } = manifest;
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    call.out.json('backup', { at, madeAtMs, counts, store, missing, files: files.length, sizeBytes, secrets: 'kept, mode 0600' });
    const { out } = call;
    out.line(
      `${out.paint('green', '✔')} ${at}: ${counts.todos} todos, ${counts.runs} runs, ${counts.records} records, ${counts.archives} archives, ${counts.live} live; ${files.length} files, ${(sizeBytes / 1024 / 1024).toFixed(1)} MB, read back and compared`,
    );
    if (store.kind === 'not-included') out.note(`The store is not in it: ${store.why}.`);
    for (const each of missing) out.note(`Not in it, keep it elsewhere: ${each}.`);
    out.note(
      'hooks/config.json and the tokens of live runs are in it as they are: mode 0600, keep it as you keep them. See: todo restore --help',
    );
    return exit.yes;
  },
};
