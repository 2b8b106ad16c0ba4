import { OperationalError } from '../core/errors.ts';
import type { Todo } from '../core/todo.ts';
import type { TodoStatus } from '../core/words.ts';
import type { World } from '../world.ts';
import type { Call } from './command.ts';
import { exit } from './exit-codes.ts';
import { plain } from './text/plain.ts';
import { findTodo, refOf, todoJson } from './todos.ts';

/** Nobody works on a todo in one of these. */
const waitingStatuses: readonly TodoStatus[] = ['open', 'parked', 'blocked', 'dead-lettered'];

/** Keeps a todo from agents, or gives it back to them. */
export async function changeHeld(call: Call, held: boolean): Promise<number> {
  const name = held ? 'hold' : 'unhold';
  const ref = refOf(call, name);
  await using opened = await call.open();
  const { store } = opened.world;
  const todo = await setHeld(ref, held, store);
  if (!held) await opened.wake();
  call.out.json('todo', { todo: todoJson(todo, todo.status, await store.runsOf(todo.id)) });
  call.out.line(
    held
      ? `Todo ${todo.number} is held: no agent takes it. ${plain(todo.title)}`
      : `Todo ${todo.number} is free for agents again. ${plain(todo.title)}`,
  );
  return exit.yes;
}

/** As it is then. REFUSED where somebody works on it, or it has ended. */
export async function setHeld(ref: string, held: boolean, store: Pick<World['store'], 'find' | 'change'>): Promise<Todo> {
  const before = await findTodo(store, ref, held ? 'holding' : 'unholding');
  const changed = before.held === held || (await store.change(before.id, waitingStatuses, { held, by: 'person' }));
  const todo = await findTodo(store, before.id, 'looking at');
  if (changed || todo.held === held) return todo;
  throw new OperationalError('REFUSED', {
    operation: held ? 'holding' : 'unholding',
    subject: `todo ${todo.number}`,
    why: `it is ${todo.status}`,
    hint: `Only a todo that waits can be held. See: todo show ${todo.number}`,
  });
}
