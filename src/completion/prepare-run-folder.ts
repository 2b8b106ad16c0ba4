import { runFiles } from '../core/run-folder.ts';
import type { World } from '../world.ts';

/** Makes runs/<run>/final/ and flushes the names that lead to it, once a run: what is flushed into it later can be found after a power loss. */
export function prepareRunFolder(runId: string, { files, home }: Pick<World, 'files' | 'home'>): void {
  const at = runFiles(home.runs, runId);
  files.makeFolder(at.final);
  files.syncFolder(at.folder);
  files.syncFolder(home.runs);
}
