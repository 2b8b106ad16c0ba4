import type { World } from '../world.ts';

/** Completions of one turn that need the same look or flush share it: it happens after the last of them has asked. */
export function sharedInTurn<T>({ clock }: Pick<World, 'clock'>, work: () => T): () => Promise<T> {
  let shared: Promise<T> | null = null;
  return () => {
    shared ??= clock.sleep(0).then(() => {
      shared = null;
      return work();
    });
    return shared;
  };
}

/**
 * Flushes files after all completions of the turn have written theirs. The first flush commits what the file system has in its journal, and with it
 * the names and sizes of all others; written and flushed one by one, each file waits for a commit of its own. An error is told to whoever asked.
 */
export function flushedInTurn(world: Pick<World, 'clock' | 'files'>): (paths: readonly string[]) => Promise<void> {
  let asked: (() => void)[] = [];
  const flushAll = sharedInTurn(world, () => {
    const now = asked;
    asked = [];
    for (const flush of now) flush();
  });
  return async (paths) => {
    let failed: { readonly error: unknown } | null = null;
    asked.push(() => {
      try {
        for (const path of paths) world.files.sync(path);
      } catch (error) {
        failed = { error };
      }
    });
    await flushAll();
    if (failed !== null) throw (failed as { error: unknown }).error;
  };
}
