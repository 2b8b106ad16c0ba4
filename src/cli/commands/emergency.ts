import { OperationalError } from '../../core/errors.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { oneOf } from '../options.ts';
import { askOrDo, refusal } from '../say.ts';
import { plain } from '../text/plain.ts';
import { endText } from '../text/status.ts';
import { findTodo, todoJson } from '../todos.ts';

type Action = 'complete' | 'reset' | 'stall';

/** Ends a run now: system state logged, session ended, everything archived, proof forced. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option(
        '--action <action>',
        'complete (proof forced), reset (open again) or stall (left for a person)',
        oneOf('complete', 'reset', 'stall'),
        'complete',
      )
      .option('--reason <text>', 'why; stands first in the report'),
  async run(call) {
    const { out, options, args } = call;
    const action = options['action'] as Action;
    await using opened = await call.open();
    const before = await findTodo(opened.world.store, args[0] ?? '', 'ending');
    using spinner = await out.spin(`emergency: ${action} todo ${before.number}`);
    const reply = await askOrDo(
      { op: 'emergency', todoId: before.id, action, reason: (options['reason'] as string | undefined) ?? null },
      before.id,
      opened,
    );
    spinner.end();
    if (!reply.ok) throw refusal(reply, 'ending', `todo ${before.number}`);
    const todo = await findTodo(opened.world.store, before.id, 'looking at');
    const over = reply.kind === 'ended' || action === 'stall';
    if (!over) {
      throw new OperationalError('STORE_UNREACHABLE', {
        operation: 'ending',
        subject: `todo ${todo.number}`,
        why: 'the word is durable, its end is not recorded yet',
        hint: `It goes on by itself. See: todo why ${todo.number}`,
      });
    }
    out.json('todo', { todo: todoJson(todo, todo.status, await opened.world.store.runsOf(todo.id)), action, ended: true });
    out.line(`Todo ${todo.number} is ${endText(todo.status, todo.proof)}: ${plain(todo.title)}`);
    if (todo.report !== null) out.line(todo.report);
    return exit.yes;
  },
};
