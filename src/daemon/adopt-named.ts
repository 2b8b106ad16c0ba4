import { prepareRunFolder } from '../completion/prepare-run-folder.ts';
import { hasEnded } from '../core/entry.ts';
import { newEntry } from '../core/new-entry.ts';
import { isInProgress } from '../core/words.ts';
import type { FileStat } from '../world.ts';
import type { Context } from './context.ts';
import { externalLeaseMs } from './emergency.ts';

/** The store may be away, and a claim by hand under way: neither is asked about in every pass. */
const askEveryMs = 5000;

/**
 * A pointer that we did not write names a todo: if the store says for certain that it is in progress and has no run, somebody works on it
 * outside of us, since the pointer was written. It becomes a run of kind external. Looked at once per pointer file.
 */
export function adoptNamed(context: Context, ref: string, pointer: FileStat): void {
  const key = `${pointer.dev}:${pointer.ino}:${pointer.mtimeMs}`;
  const nowMs = context.world.clock.monotonicMs();
  if (context.state.pointersSeen.has(key) || nowMs < context.state.pointerDueMs) return;
  context.state.pointerDueMs = nowMs + askEveryMs;
  context.tasks.start(
    'adopt pointer',
    async () => {
      const { world } = context;
      const todo = await world.store.find(ref);
      // A claim by hand writes the pointer a moment before its run is handed over to us.
      if (todo !== null && world.journal.ofTodo(todo.id).some((entry) => !hasEnded(entry.fact))) return;
      context.state.pointersSeen.add(key);
      if (todo === null || !isInProgress(todo.status) || todo.runId !== null) {
        world.log.warn('completion', 'legacy pointer left where it is', {
          ref,
          why: todo === null ? 'no such todo in this store' : `todo ${todo.number} is ${todo.status}`,
        });
        return;
      }
      const token = world.random.token();
      const claimed = await world.store.claim({
        runId: world.random.uuidv7(),
        tokenSha256: world.digest.sha256(token),
        host: world.host.id,
        kind: 'external',
        leaseMs: externalLeaseMs(context),
        todoId: todo.id,
        slots: null,
        agents: null,
        externalLeaseMs: externalLeaseMs(context),
      });
      if (claimed.kind !== 'claimed') return;
      const startedAtMs = Math.round(Math.min(pointer.mtimeMs, world.clock.nowMs()));
      const entry = newEntry({
        todo: claimed.todo,
        run: claimed.run,
        owner: context.owner,
        conversationId: world.random.uuidv4(),
        nowMs: startedAtMs,
      });
      prepareRunFolder(claimed.run.id, world);
      await context.ledger.open({ ...entry, lastSignAtMs: world.clock.nowMs(), pointer: { dev: pointer.dev, ino: pointer.ino } });
      world.log.info('completion', 'adopted by its pointer', { todo: todo.number, run: claimed.run.id });
    },
    (error) => context.world.log.warn('completion', 'pointer not adopted', { ref, reason: error.message }),
  );
}
