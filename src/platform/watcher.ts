import { basename, dirname } from 'node:path';

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
  const roots = new Set([...folders, ...files.map((path) => dirname(path)), ...(runs === null ? [] : [runs])]);
  const isWanted = (path: string): boolean =>
    roots.has(path) ||
    named.has(path) ||
    whole.has(dirname(path)) ||
    (runs !== null && (dirname(path) === runs || (basename(path) === 'exit' && dirname(dirname(path)) === runs)));

  const watcher = new FSWatcher({
    // Also where no runs are watched: with 0 a folder that was removed is not found again when it is back.
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
  watcher.on('addDir', wakeByRoot);
  watcher.on('unlinkDir', wakeByRoot);
  await new Promise<void>((resolve) => {
    watcher.once('ready', () => resolve());
    watcher.add([...roots]);
  });
  return { close: () => watcher.close() };
}
