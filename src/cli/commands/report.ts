import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { OperationalError } from '../../core/errors.ts';
import type { CommandModule, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { staleJson, staleLine } from '../stale.ts';
import { plain } from '../text/plain.ts';
import { endText } from '../text/status.ts';
import { findTodo, refOf, shownStatus } from '../todos.ts';

export const command: CommandModule = {
  declare: (commander: Command) => void commander.option('--open', 'show it in the browser'),
  async run(call) {
    const { out, options } = call;
    const ref = refOf(call, 'report');
    await using opened = await call.open({ readOnly: true, snapshot: true });
    const todo = await findTodo(opened.world.store, ref, 'looking up the report of');
    const status = shownStatus(todo, opened.world.journal);
    if (todo.report === null) {
      throw new OperationalError('REFUSED', {
        operation: 'looking for the report of',
        subject: `todo ${todo.number}`,
        why: `it is ${status} and has none yet`,
        hint: `It is written when a run ends. See: todo why ${todo.number}`,
      });
    }
    const here = existsSync(todo.report);
    out.json('report', {
      todo: todo.id,
      number: todo.number,
      status,
      proof: todo.proof,
      report: todo.report,
      summary: todo.summary,
      here,
      ...staleJson(opened),
    });
    const stale = opened.stale();
    if (stale !== null) out.note(staleLine(stale));
    // The first line is the path, whatever else is to be said.
    out.line(todo.report);
    out.note(
      `${endText(status, todo.proof)}${todo.summary ? `: ${plain(todo.summary)}` : ''}${here ? '' : ' (the file is on the host that wrote it)'}`,
    );
    if (options['open'] && here) await show(todo.report, opened.world.processes);
    return here ? exit.yes : exit.no;
  },
};

async function show(path: string, processes: Opened['world']['processes']): Promise<void> {
  const opener = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const { startError, exitCode, tail } = await processes.run({
    argv: [opener, path],
    cwd: '/',
    env: {},
    timeoutMs: 10_000,
    tailBytes: 2000,
  });
  if (exitCode === 0) return;
  throw new OperationalError('REFUSED', {
    operation: 'opening',
    subject: path,
    why: startError ?? (plain(tail) || `${opener} ended with ${exitCode}`),
    hint: 'Open the file with a browser of yours.',
  });
}
