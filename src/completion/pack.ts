import { manifestName, parseManifest } from '../core/manifest.ts';
import type { World } from '../world.ts';
import { fileOf } from './build-record.ts';

/** Output of this size is compressed in the archive; what is smaller stays readable as it is. */
export const packedFromBytes = 256 * 1024;
export const packedOutput = `${fileOf.output}.gz`;

/** Compressed at a time: some ten milliseconds in which nothing else runs. */
const partBytes = 256 * 1024;

/** As gzip: a member for each part, which every reader takes for one stream. */
export async function pack(content: Uint8Array, breathe: () => Promise<void>): Promise<Uint8Array> {
  // Loaded by whoever has much to pack.
  const { gzipSync } = await import('node:zlib');
  const parts: Uint8Array[] = [];
  for (let from = 0; from < content.length; from += partBytes) {
    parts.push(gzipSync(content.subarray(from, from + partBytes)));
    await breathe();
  }
  return Buffer.concat(parts);
}

/** The output that is in this archive compressed too, once the record no longer needs it. */
export function dropUnpacked(archived: string, files: Pick<World['files'], 'stat' | 'readText' | 'unlink'>): void {
  if (files.stat(`${archived}/${packedOutput}`) === null) return;
  const listed = parseManifest(files.readText(`${archived}/${manifestName}`) ?? '') ?? [];
  // A report that was made anew may have found less to pack.
  if (listed.some(({ name }) => name === packedOutput)) files.unlink(`${archived}/${fileOf.output}`);
}
