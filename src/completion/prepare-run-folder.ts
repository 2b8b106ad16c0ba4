import { manifestName } from '../core/manifest.ts';
import { runFiles } from '../core/run-folder.ts';
import type { World } from '../world.ts';

/** What every completion leaves in final/. */
const finalNames = ['output.txt', 'report.html', 'summary.txt', 'evidence.json', manifestName] as const;

/**
 * Makes runs/<run>/final/ with the names of what will be in it, and flushes all names that lead there, once a run and before the journal names
 * it: a completion has only contents to flush then. An empty manifest is none.
 */
export function prepareRunFolder(runId: string, { files, home }: Pick<World, 'files' | 'home'>): void {
  const at = runFiles(home.runs, runId);
  files.makeFolder(at.final);
  for (const name of finalNames) files.create(`${at.final}/${name}`, '');
  for (const folder of [at.final, at.folder, home.runs]) files.syncFolder(folder);
}
