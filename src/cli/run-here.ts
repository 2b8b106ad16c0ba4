import { OperationalError } from '../core/errors.ts';
import type { Todo } from '../core/todo.ts';
import type { Engine } from '../daemon/engine.ts';
import { live } from '../daemon/live.ts';
import { watch } from '../platform/watcher.ts';
import type { Call, Opened } from './command.ts';
import { engineFor } from './engine.ts';
import { followTodo, goesOn, lastOf } from './follow-todo.ts';
import { onInterrupt } from './interrupt.ts';
import { nothingToRun } from './nothing.ts';
import { progressOf } from './progress.ts';
import { plain } from './text/plain.ts';
import { findTodo } from './todos.ts';

/** Without a daemon: an engine for this one todo in this process, over as many attempts as the todo gets. */
export async function runHere(named: Todo | null, call: Call, opened: Opened): Promise<Todo> {
  const { world, config } = opened;
  const drain = new AbortController();
  const stop = new AbortController();
  await using releases = new AsyncDisposableStack();
  const watcher = config.monitoring.watcher
    ? await watch({ folders: [world.home.spool.new], files: [], runs: world.home.runs }, () => bell())
    : null;
  releases.defer(() => watcher?.close());
  let bell = (): void => {};
  let following: Todo | null = named;
  releases.defer(
    onInterrupt((count) => {
      if (count > 1) stop.abort();
      drain.abort();
      bell();
      call.out.note(
        count > 1
          ? 'Cut short.'
          : `\nStopping. The agent's session goes on${following ? `; follow it again with: todo run ${following.number}` : ''}. Ctrl-C again cuts short.`,
      );
    }),
  );
  await using progress = await progressOf(call.out);
  for (;;) {
    const engine = engineFor(opened, { kind: 'run', todoId: following?.id ?? null }, stop.signal);
    bell = () => engine.wake();
    following = await take(engine, following, opened);
    progress.begin(`todo ${following.number}: ${plain(following.title)}`);
    const over = new AbortController();
    const left = new AbortController();
    const lived = live(engine, world, AbortSignal.any([drain.signal, left.signal]), stop.signal).finally(() => over.abort());
    const followed = followTodo(following.id, progress.step, opened, over.signal).finally(() => left.abort());
    await Promise.all([lived, followed]);
    // The engine is through with the run; what the todo is now is in the store.
    following = await findTodo(world.store, following.id, 'looking at');
    if (drain.signal.aborted || stop.signal.aborted || !goesOn(following, lastOf(await world.store.runsOf(following.id)))) return following;
    await world.clock.sleep(Math.max(0, (following.notBeforeMs ?? 0) - world.clock.nowMs()), drain.signal);
    if (drain.signal.aborted) return following;
  }
}

/** What a dead process left of it is taken over; else it is claimed. */
async function take(engine: Engine, wanted: Todo | null, opened: Opened): Promise<Todo> {
  await engine.recover();
  const adopted = engine.live()[0];
  if (adopted) return findTodo(opened.world.store, adopted.ref.todoId, 'taking over');
  const claimed = await engine.claim(wanted?.id ?? null);
  switch (claimed.kind) {
    case 'claimed':
      return claimed.entry.todo;
    case 'refused':
      throw new OperationalError('REFUSED', { operation: 'starting', subject: `todo ${wanted?.number ?? ''}`, why: claimed.why });
    case 'nothing':
      throw await nothingToRun(opened, 'starting');
    default:
      return claimed satisfies never;
  }
}
