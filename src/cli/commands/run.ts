import type { Todo } from '../../core/todo.ts';
import { isTerminal } from '../../core/words.ts';
import { addShell } from '../add-shell.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { statusText } from '../text/status.ts';
import { findTodo, todoJson, usage } from '../todos.ts';

/** Starts the next todo, or that one, or a command line, and follows it to its end; with or without a daemon. */
export const command: CommandModule = {
  declare: (commander) => void commander.option('--once', 'stop after one todo (what run does anyway; todo daemon run --once has it too)'),
  async run(call) {
    const { args, rest, out } = call;
    if (rest !== null && args.length > 0) throw usage('run', 'either an ID or -- and a command, not both');
    if (rest !== null && rest.length === 0) throw usage('run', 'no command after --');
    await using opened = await call.open({ log: true });
    const named =
      rest !== null
        ? await addShell(rest, call, opened)
        : args[0] === undefined
          ? null
          : await findTodo(opened.world.store, args[0], 'starting');
    if (rest !== null && named !== null) out.note(`Added todo ${named.number}: ${plain(named.title)}`);
    const daemon = await opened.ask({ op: 'hello' });
    const todo =
      daemon === null
        ? await (await import('../run-here.ts')).runHere(named, call, opened)
        : await (await import('../run-there.ts')).runThere(named, call, opened);
    return await tell(todo, call, opened);
  },
};

async function tell(todo: Todo, { out }: Call, { world }: Opened): Promise<number> {
  out.json('todo', { todo: todoJson(todo, todo.status, await world.store.runsOf(todo.id)) });
  out.line(
    `${statusText(todo.status, todo.proof, out.paint)}${todo.proof ? `, ${todo.proof}` : ''}  todo ${todo.number}: ${plain(todo.title)}`,
  );
  if (todo.summary !== null) out.line(`  ${plain(todo.summary)}`);
  if (todo.reason !== null && todo.reason !== todo.summary) out.line(`  ${out.paint('dim', plain(todo.reason))}`);
  if (todo.report !== null) out.line(`  ${todo.report}`);
  return exitOf(todo);
}

/** Completed, unless nobody but a timer said so; every other end is a no; what waits may be asked for again. */
function exitOf({ status, proof }: Todo): number {
  if (status === 'completed') return proof === 'forced' ? exit.no : exit.yes;
  return isTerminal(status) || status === 'blocked' || status === 'dead-lettered' || status === 'open' ? exit.no : exit.tryLater;
}
