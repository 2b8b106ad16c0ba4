/** What an archive folder holds, by content. `manifest.json` is written last: a folder with one is whole. */
export type ManifestFile = { readonly name: string; readonly sha256: string; readonly sizeBytes: number };

export const manifestName = 'manifest.json';

/** Sorted by name, so that the same files give the same text and a second archive of the same content is the same. `about` says whose they are. */
export function manifestText(files: readonly ManifestFile[], about: Readonly<Record<string, string>> = {}): string {
  const sorted = files
    .map(({ name, sha256, sizeBytes }) => ({ name, sha256, sizeBytes }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return `${JSON.stringify({ v: 1, ...about, files: sorted }, null, 2)}\n`;
}

/** Null for anything that is not a whole manifest of this version. */
export function parseManifest(text: string): readonly ManifestFile[] | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null || !('v' in parsed) || parsed.v !== 1) return null;
  if (!('files' in parsed) || !Array.isArray(parsed.files)) return null;
  return parsed.files.every(isManifestFile) ? parsed.files : null;
}

function isManifestFile(it: unknown): it is ManifestFile {
  if (typeof it !== 'object' || it === null) return false;
  const { name, sha256, sizeBytes } = it as Record<string, unknown>;
  return typeof name === 'string' && typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) && typeof sizeBytes === 'number';
}
