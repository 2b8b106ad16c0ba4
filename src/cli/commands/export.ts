import { resolve } from 'node:path';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { exportText, exportTodo, saveExport } from '../export-todo.ts';
import { plain } from '../text/plain.ts';
import { findTodo, refOf } from '../todos.ts';

/** All that is known of a todo in one file, each part of it checked against its manifest. */
export const command: CommandModule = {
  declare: (commander) => void commander.option('--out <file>', 'where to (else standard output)'),
  async run(call) {
    const { out, options } = call;
    const ref = refOf(call, 'export');
    await using opened = await call.open({ readOnly: true });
    const todo = await findTodo(opened.world.store, ref, 'exporting');
    const document = await exportTodo(todo, opened);
    const file = options['out'] as string | undefined;
    if (file === undefined) {
      out.json('export', document);
      out.line(exportText(document).trimEnd());
      return exit.yes;
    }
    const saved = saveExport(document, resolve(call.cwd, file), opened);
    out.json('exported', { todo: todo.id, number: todo.number, ...saved });
    out.line(`Todo ${todo.number} is in ${file}: ${plain(todo.title)}`);
    return exit.yes;
  },
};
