import { OperationalError } from '../core/errors.ts';
import type { Todo } from '../core/todo.ts';
import { isInProgress } from '../core/words.ts';
import type { Call, Opened } from './command.ts';
import { followTodo, goesOn, lastOf } from './follow-todo.ts';
import { onInterrupt } from './interrupt.ts';
import { nothingToRun } from './nothing.ts';
import { progressOf } from './progress.ts';
import { refusal } from './say.ts';
import { plain } from './text/plain.ts';
import { findTodo } from './todos.ts';

/** With a live daemon the todo is handed over, and followed. */
export async function runThere(named: Todo | null, call: Call, opened: Opened): Promise<Todo> {
  const { world } = opened;
  const todo = named ?? (await nextOpen(opened));
  const over = new AbortController();
  const release = onInterrupt(() => {
    over.abort();
    call.out.note(`\nThe daemon goes on with it. Follow it again with: todo run ${todo.number}, or: todo logs ${todo.number} -f`);
  });
  try {
    await using progress = await progressOf(call.out);
    progress.begin(`todo ${todo.number}: ${plain(todo.title)}`);
    for (;;) {
      await handOver(todo, opened);
      const now = await followTodo(todo.id, progress.step, opened, over.signal);
      // A daemon that starts nothing by itself is asked for each new attempt.
      if (over.signal.aborted || !goesOn(now, lastOf(await world.store.runsOf(now.id)))) break;
      await world.clock.sleep(Math.max(0, (now.notBeforeMs ?? 0) - world.clock.nowMs()), over.signal);
    }
  } finally {
    release();
  }
  return findTodo(world.store, todo.id, 'looking at');
}

/** It may have begun with it by itself, which is as well. */
async function handOver(todo: Todo, opened: Opened): Promise<void> {
  const reply = await opened.ask({ op: 'start', todoId: todo.id });
  if (reply === null)
    throw new OperationalError('NO_DAEMON', {
      operation: 'starting',
      subject: `todo ${todo.number}`,
      why: 'the daemon went away',
      hint: `Try again: todo run ${todo.number}`,
    });
  if (reply.ok) return;
  const now = await findTodo(opened.world.store, todo.id, 'looking at');
  // It began since we looked, and may have ended by now.
  if (now.fence === todo.fence && !isInProgress(now.status)) throw refusal(reply, 'starting', `todo ${todo.number}`);
}

const candidatesMax = 1000;

/** The one that the daemon would take next. */
async function nextOpen(opened: Opened): Promise<Todo> {
  const { store, clock } = opened.world;
  const { todos } = await store.list({ statuses: ['open', 'parked'], limit: candidatesMax });
  const nowMs = clock.nowMs();
  const due = todos.filter((todo) => !todo.held && (todo.notBeforeMs === null ? todo.status === 'open' : todo.notBeforeMs <= nowMs));
  for (const todo of due.toSorted((a, b) => a.priority - b.priority || a.createdAtMs - b.createdAtMs || a.number - b.number)) {
    const before = todo.after === null ? null : await store.find(todo.after);
    if (before === null || (before.status === 'completed' && before.proof !== 'forced')) return todo;
  }
  throw await nothingToRun(opened, 'starting');
}
