import { OperationalError } from '../../core/errors.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { unschedule } from '../schedule.ts';
import { plain } from '../text/plain.ts';
import { findTodo, refOf } from '../todos.ts';

/** Takes back what `todo done ID --in 60s` put off. */
export const command: CommandModule = {
  async run(call) {
    const ref = refOf(call, 'unschedule');
    await using opened = await call.open();
    const todo = await findTodo(opened.world.store, ref, 'unscheduling');
    const item = await unschedule(todo, opened);
    if (item === null)
      throw new OperationalError('REFUSED', {
        operation: 'unscheduling',
        subject: `todo ${todo.number}`,
        why: 'nothing is scheduled for it in this home',
      });
    await opened.wake();
    call.out.json('unscheduled', { todo: todo.id, number: todo.number, scheduled: { id: item.id, verb: item.verb, atMs: item.atMs } });
    call.out.line(`Todo ${todo.number} stays as it is: ${plain(todo.title)}`);
    return exit.yes;
  },
};
