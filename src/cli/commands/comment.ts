import { readFileSync } from 'node:fs';
import type { CommandModule } from '../command.ts';
import { addComment } from '../discussion.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { findTodo, usage } from '../todos.ts';

/** A remark about a todo; it changes nothing else. Inside a run the ID is known. */
export const command: CommandModule = {
  async run(call) {
    const own = call.env['TODO_ID'];
    const [ref, given] = call.args.length === 1 && own ? [own, call.args[0]] : call.args;
    if (ref === undefined || given === undefined)
      throw usage('comment', 'a todo and a text are needed', 'For example: todo comment ID "waits for the key", or: … | todo comment ID -');
    const text = given === '-' ? readFileSync(0, 'utf8') : given;
    await using opened = await call.open();
    const todo = await findTodo(opened.world.store, ref, 'commenting on');
    const comment = await addComment(todo, text, call, opened);
    call.out.json('comment', { todo: todo.id, number: todo.number, comment });
    call.out.line(`Noted on todo ${todo.number}: ${plain(comment.text)}`);
    return exit.yes;
  },
};
