import { existsSync, type FSWatcher as PlainWatcher, readdirSync, watch as watchPlainly } from 'node:fs';
import { basename, dirname, join } from 'node:path';

export type WatchPlan = {
  /** Any new name in one of these wakes: the spool. */
  readonly folders: readonly string[];
  /** Single names in folders that are not ours and may be large (`/tmp/TASK_COMPLETED`); they need not be there yet. */
  readonly files: readonly string[];
  /** A folder of run folders, in which only their `exit` wakes. Null where nobody wants to know. */
  readonly runs: string | null;
};

export type Watcher = { close(): Promise<void> };

/**
 * Wakes when something may have changed; the scan is the truth, and a lost event costs a scan interval. Resolves when it watches.
 * Errors wake too: whoever looks again loses nothing.
 */
export async function watch({ folders, files, runs }: WatchPlan, wake: () => void): Promise<Watcher> {
  const { FSWatcher } = await import('chokidar');
  const whole = new Set(folders);
  const named = new Set(files);
  const roots = new Set([...folders, ...files.map((path) => dirname(path))]);
  // That a folder was removed is told as if a name in it had changed that is its own.
  const ends = new Set(folders.map((folder) => join(folder, basename(folder))));
  const isWanted = (path: string): boolean => roots.has(path) || named.has(path) || ends.has(path);

  const watcher = new FSWatcher({
    // With 0 a folder that was removed is not found again when it is back.
    depth: 1,
    ignoreInitial: true,
    followSymlinks: false,
    atomic: false,
    ignored: (path) => !isWanted(path),
  });
  const wakeByRoot = (path: string): void => {
    if (roots.has(path)) wake();
  };
  watcher.on('add', wake);
  watcher.on('change', wake);
  watcher.on('error', wake);
  // Markers come by the hundred: a name that is there now is all we want of them, where chokidar would look at and watch each file by itself.
  watcher.on('raw', (_event, name, details) => {
    const { watchedPath } = details as { readonly watchedPath: string };
    if (whole.has(watchedPath) && name !== null && existsSync(join(watchedPath, name))) wake();
  });
  watcher.on('addDir', wakeByRoot);
  watcher.on('unlinkDir', wakeByRoot);
  await new Promise<void>((resolve) => {
    watcher.once('ready', () => resolve());
    watcher.add([...roots]);
  });
  const exits = runs === null ? null : watchEnds(runs, wake);
  return {
    async close() {
      exits?.close();
      await watcher.close();
    },
  };
}

/**
 * Run folders come and go by the hundred, and of each only its `exit` is wanted: one plain watch a run, where chokidar keeps books on all that lies
 * there. It is needed for runs whose end is not told to us as to a parent; whatever it misses, the scan finds.
 */
function watchEnds(runs: string, wake: () => void): { close(): void } {
  const followed = new Map<string, PlainWatcher>();
  const forget = (name: string): void => {
    followed.get(name)?.close();
    followed.delete(name);
  };
  const follow = (name: string): void => {
    const folder = join(runs, name);
    const watcher = plainWatch(folder, (file) => {
      // Its removal is an event too.
      if (file === 'exit' && existsSync(join(folder, 'exit'))) wake();
      // Of the folder itself: it was removed.
      if (file === name && !existsSync(folder)) forget(name);
    });
    if (watcher !== null) followed.set(name, watcher);
  };
  const top = plainWatch(runs, (name) => {
    if (followed.has(name)) return;
    follow(name);
    // It may have begun and ended before it was watched.
    if (existsSync(join(runs, name, 'exit'))) wake();
  });
  for (const name of readdirSync(runs)) follow(name);
  return {
    close() {
      top?.close();
      for (const watcher of followed.values()) watcher.close();
    },
  };
}

/** Null where it is gone, or where the system has no more watches to give. Events that name nothing are of no use. */
function plainWatch(path: string, heard: (name: string) => void): PlainWatcher | null {
  try {
    return watchPlainly(path, (_event, name) => name !== null && heard(name)).on('error', () => {});
  } catch {
    return null;
  }
}
