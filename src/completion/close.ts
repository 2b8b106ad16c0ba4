import { parseManifest } from '../core/manifest.ts';
import type { World } from '../world.ts';
import { assertAgain } from './assert-again.ts';
import { archivedFolder } from './build-record.ts';
import { markersOf } from './clean.ts';
import type { Step } from './needs.ts';

/** The last look: the row is there, the manifest holds, the markers are gone. */
export const close: Step = async (entry, needs) => {
  const { world } = needs;
  const left = await markersOf(entry, needs);
  if (left.length > 0) return { kind: 'disproved', backTo: 'confirmed', reason: `${left.length} markers are still there` };
  const broken = brokenIn(archivedFolder(entry, needs), entry.reported?.manifestSha256 ?? '', world);
  if (broken !== null) return { kind: 'disproved', backTo: 'confirmed', reason: broken };
  if (entry.superseded || (await world.store.missing([entry.ref.runId])).length === 0) return { kind: 'done', fact: 'closed' };
  // It was confirmed, and a store that failed over or was set back has lost it since.
  const asserted = await assertAgain(entry, needs);
  return asserted.kind === 'lost'
    ? { kind: 'disproved', backTo: 'confirmed', reason: `the store has lost its record, and it cannot be written again: ${asserted.why}` }
    : { kind: 'done', fact: 'closed', reason: 'the store had lost its record, which was written again from the archive' };
};

function brokenIn(folder: string, manifestSha256: string, { files, digest }: Pick<World, 'files' | 'digest'>): string | null {
  const manifest = files.readText(`${folder}/manifest.json`);
  if (manifest === null) return 'the archive has no manifest';
  if (digest.sha256(manifest) !== manifestSha256) return 'the manifest is not the one that was made';
  for (const file of parseManifest(manifest) ?? []) {
    const bytes = files.read(`${folder}/${file.name}`);
    if (bytes === null || digest.sha256(bytes) !== file.sha256) return `${file.name} in the archive is not what the manifest says`;
  }
  return null;
}
