import { basename, join } from 'node:path';
import { OperationalError } from '../core/errors.ts';
import { type ManifestFile, manifestName, manifestText, parseManifest } from '../core/manifest.ts';
import type { World } from '../world.ts';

type Needs = Pick<World, 'files' | 'digest' | 'home'>;

/** Never leaves a run folder: it held the run's token. */
const secretNames: readonly string[] = ['launch.sh', 'token'];
/** Larger files are kept in pieces of this size, so that one of a gigabyte fits into memory. */
const pieceBytes = 32 * 1024 * 1024;
const filesMax = 10_000;
const depthMax = 12;

/**
 * Moves a folder that nobody owns to `archive/orphaned_<name>_<epoch>/`: copied (the archive may be on another disk), digests listed,
 * all of it read back, and only then removed. Called again after a crash it goes on: what was archived already is not archived twice.
 * Links are named in the manifest's `links.txt`, never followed.
 */
export function archiveOrphan(world: Needs, folder: string, redact: (text: string) => string): string {
  const { files, home } = world;
  const tree = treeOf(world, folder);
  const before = files
    .list(home.archive)
    .find((name) => name.startsWith(`orphaned_${basename(folder)}_`) && holdsAll(world, join(home.archive, name), tree, redact));
  const target = before === undefined ? put(world, folder, tree, redact) : join(home.archive, before);
  files.removeTree(folder);
  return target;
}

function put(world: Needs, folder: string, tree: Tree, redact: (text: string) => string): string {
  const { files, digest, home } = world;
  const target = join(home.archive, `orphaned_${basename(folder)}_${Math.floor(tree.newestMtimeMs / 1000)}`);
  if (files.stat(target) !== null)
    throw new OperationalError('FILE_UNWRITABLE', {
      operation: 'archiving',
      subject: folder,
      why: `${target} is there with other content`,
    });
  const draft = `${target}.new`;
  files.removeTree(draft);
  files.makeFolder(draft);
  const listed: ManifestFile[] = [];
  const write = (name: string, content: string | Uint8Array) => {
    const path = join(draft, name);
    files.makeFolder(path.slice(0, path.lastIndexOf('/')));
    files.write(path, content);
    files.sync(path);
    const back = files.read(path) ?? new Uint8Array();
    const sha256 = digest.sha256(content);
    if (digest.sha256(back) !== sha256)
      throw new OperationalError('FILE_UNREADABLE', {
        operation: 'reading back',
        subject: path,
        why: 'it holds something else than was written',
      });
    listed.push({ name, sha256, sizeBytes: back.length });
  };
  for (const name of tree.files) for (const piece of piecesOf(world, folder, name, redact)) write(piece.name, piece.bytes);
  if (tree.links.length > 0) write('links.txt', tree.links.map((name) => `${name}\n`).join(''));
  files.write(join(draft, manifestName), manifestText(listed, { orphan: folder }));
  files.sync(join(draft, manifestName));
  for (const sub of tree.folders) if (files.stat(join(draft, sub)) !== null) files.syncFolder(join(draft, sub));
  files.syncFolder(draft);
  files.rename(draft, target);
  files.syncFolder(home.archive);
  return target;
}

/** An archive made before a crash: every file that is still in the folder is in it, with the same digest. */
function holdsAll(world: Needs, archived: string, tree: Tree, redact: (text: string) => string): boolean {
  const text = world.files.readText(join(archived, manifestName));
  const listed = text === null ? null : parseManifest(text);
  if (listed === null) return false;
  const digests = new Map(listed.map((file) => [file.name, file.sha256]));
  return tree.files.every((name) =>
    [...piecesOf(world, tree.folder, name, redact)].every((piece) => digests.get(piece.name) === world.digest.sha256(piece.bytes)),
  );
}

/** A file's content as it may leave the machine's private corner, in pieces that end with a line where they can. */
function* piecesOf(
  { files }: Needs,
  folder: string,
  name: string,
  redact: (text: string) => string,
): Generator<{ name: string; bytes: Uint8Array }> {
  const path = join(folder, name);
  const sizeBytes = files.stat(path)?.sizeBytes ?? 0;
  for (let from = 0, number = 0; from < sizeBytes || number === 0; number++) {
    const read = files.readRange(path, from, pieceBytes) ?? new Uint8Array();
    const whole = from + read.length >= sizeBytes;
    const lineEnd = whole ? -1 : read.lastIndexOf(10);
    const bytes = lineEnd < 0 ? read : read.subarray(0, lineEnd + 1);
    yield { name: number === 0 && whole ? name : `${name}.${String(number).padStart(3, '0')}`, bytes: redacted(bytes, redact) };
    if (bytes.length === 0) return;
    from += bytes.length;
  }
}

/** Text is redacted as text; anything else byte by byte, so that nothing but the secrets in it changes. */
function redacted(bytes: Uint8Array, redact: (text: string) => string): Uint8Array {
  const text = utf8(bytes);
  return text === null ? Buffer.from(redact(Buffer.from(bytes).toString('latin1')), 'latin1') : Buffer.from(redact(text));
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return null;
  }
}

type Tree = {
  readonly folder: string;
  readonly files: readonly string[];
  readonly folders: readonly string[];
  readonly links: readonly string[];
  readonly newestMtimeMs: number;
};

function treeOf({ files }: Needs, folder: string): Tree {
  const found = { files: [] as string[], folders: [] as string[], links: [] as string[] };
  let newestMtimeMs = 0;
  const walk = (sub: string, depth: number) => {
    for (const entry of files.list(join(folder, sub))) {
      const name = sub === '' ? entry : `${sub}/${entry}`;
      const stat = files.stat(join(folder, name));
      if (stat === null || secretNames.includes(name)) continue;
      if (found.files.length >= filesMax || depth > depthMax) throw tooLarge(folder);
      newestMtimeMs = Math.max(newestMtimeMs, stat.kind === 'file' ? stat.mtimeMs : 0);
      if (stat.kind === 'file') found.files.push(name);
      else if (stat.kind !== 'folder') found.links.push(`${stat.kind} ${name}`);
      else {
        found.folders.push(name);
        walk(name, depth + 1);
      }
    }
  };
  const own = files.stat(folder);
  if (own?.kind !== 'folder')
    throw new OperationalError('NOT_FOUND', { operation: 'archiving', subject: folder, why: 'there is no such folder' });
  walk('', 0);
  return { folder, ...found, newestMtimeMs: newestMtimeMs || own.mtimeMs };
}

const tooLarge = (folder: string): OperationalError =>
  new OperationalError('REFUSED', {
    operation: 'archiving',
    subject: folder,
    why: `it holds more than ${filesMax} files or ${depthMax} levels`,
    hint: 'Move it by hand.',
  });
