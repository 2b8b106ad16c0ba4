import type { Entry } from '../core/entry.ts';
import { runFiles } from '../core/run-folder.ts';
import type { World } from '../world.ts';
import { archivedFolder } from './build-record.ts';
import { sessionFolders } from './collect.ts';
import type { Step, StepNeeds } from './needs.ts';
import { dropUnpacked } from './pack.ts';

/** Layer 4, second part: to the archive by one rename, then the markers and what else the run left. Only after `confirmed`. */
export const clean: Step = async (entry, needs) => {
  const { files, home } = needs.world;
  await moveToArchive(entry, needs);
  dropUnpacked(archivedFolder(entry, needs), files);
  removeMarkers(entry, await markersOf(entry, needs), needs.world);
  for (const folder of sessionFolders(entry, needs.world)) files.removeTree(folder);
  const at = runFiles(home.runs, entry.ref.runId);
  if (archivedFolder(entry, needs) !== at.final) files.removeTree(at.folder);
  return { kind: 'done', fact: 'cleaned' };
};

/** One rename, made durable; a second time it is there already. */
export async function moveToArchive(entry: Entry, needs: StepNeeds): Promise<void> {
  const { files, home } = needs.world;
  const from = runFiles(home.runs, entry.ref.runId).final;
  const target = archivedFolder(entry, needs);
  if (target !== from && files.stat(from) !== null) {
    files.makeFolder(home.archive);
    if (files.stat(target) === null) files.rename(from, target);
  }
  await needs.syncArchive();
}

function removeMarkers(entry: Entry, markers: readonly string[], { files, home }: Pick<World, 'files' | 'home'>): void {
  for (const name of markers) files.unlink(`${home.spool.cur}/${name}`);
  for (const { from } of entry.signal === null ? [] : [entry.signal]) {
    if (from.kind === 'legacy') unlinkIfSame(from.path, from, files);
  }
  if (entry.pointer !== null && home.legacy.pointer !== null) unlinkIfSame(home.legacy.pointer, entry.pointer, files);
}

/** Removed only if it is still the very file that was journalled: another home may have put its own there. */
function unlinkIfSame(
  path: string,
  was: { readonly dev: number; readonly ino: number; readonly mtimeMs?: number },
  files: World['files'],
): void {
  const now = files.stat(path);
  if (now === null || now.dev !== was.dev || now.ino !== was.ino || (was.mtimeMs !== undefined && now.mtimeMs !== was.mtimeMs)) return;
  files.unlink(path);
}

export const markersOf = async (
  entry: Pick<Entry, 'ref'>,
  { claimedMarkers }: Pick<StepNeeds, 'claimedMarkers'>,
): Promise<readonly string[]> => (await claimedMarkers()).get(entry.ref.runId) ?? [];
