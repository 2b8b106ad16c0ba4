import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OperationalError } from '../../core/errors.ts';
import { isObject } from '../../core/shape.ts';
import { type CopiedFile, digestOf, filesBelow } from '../../platform/copy-tree.ts';

/** How the system of record stands in a backup. */
export type StoredAs =
  /** In `todo.db`, beside the journal. */
  | { readonly kind: 'in-database' }
  /** Copied row by row from MySQL into `store.db`. */
  | { readonly kind: 'copied'; readonly from: string; readonly prefix: string }
  | { readonly kind: 'not-included'; readonly why: string };

export type Counts = {
  readonly todos: number;
  readonly runs: number;
  readonly records: number;
  readonly live: number;
  readonly archives: number;
};

/** `manifest.json` of a backup: what it is, and every other file of it by digest. `manifest.sha256` beside it holds its own. */
export type Manifest = {
  readonly format: 1;
  readonly kind: 'signoff-backup';
  readonly madeAtMs: number;
  readonly version: string;
  readonly home: string;
  readonly store: StoredAs;
  readonly counts: Counts;
  /** What a person has to bring: files with passwords and the like. */
  readonly missing: readonly string[];
  readonly files: readonly CopiedFile[];
};

const manifestName = 'manifest.json';
const sealName = 'manifest.sha256';
/** All that a backup may hold beside these two. */
const places = /^(todo\.db|store\.db|hooks\/config\.json|(archive|runs|spool)\/.+)$/;

export function writeManifest(folder: string, manifest: Manifest): void {
  const text = `${JSON.stringify(manifest, null, 1)}\n`;
  writeFileSync(join(folder, manifestName), text, { mode: 0o600 });
  writeFileSync(join(folder, sealName), `${sha256(text)}  ${manifestName}\n`, { mode: 0o600 });
}

/** Reads a backup and compares every byte of it with its manifest. BAD_DATA names the first file that is another, missing, or too much. */
export function verified(folder: string, step: (text: string) => void): Manifest {
  const manifest = readManifest(folder);
  const wanted = new Map(manifest.files.map((file) => [file.path, file]));
  const { files, others } = filesBelow(folder);
  const extra = [...files, ...others].find((path) => path !== manifestName && path !== sealName && !wanted.has(path));
  if (extra !== undefined) throw bad(folder, `${extra} is not in its manifest`);
  let done = 0;
  for (const [path, file] of wanted) {
    const there = digestOf(join(folder, path));
    if (there === null) throw bad(folder, `${path} is missing`);
    if (there.sha256 !== file.sha256 || there.sizeBytes !== file.sizeBytes) throw bad(folder, `${path} is not what was backed up`);
    done += 1;
    if (done % 100 === 0) step(`verifying: ${done} of ${wanted.size} files`);
  }
  return manifest;
}

export function readManifest(folder: string): Manifest {
  const path = join(folder, manifestName);
  if (!existsSync(path)) throw bad(folder, `it has no ${manifestName}`);
  const text = readFileSync(path, 'utf8');
  const seal = existsSync(join(folder, sealName)) ? readFileSync(join(folder, sealName), 'utf8').split(' ')[0] : null;
  if (seal !== sha256(text)) throw bad(folder, `${manifestName} is not what was sealed`);
  const manifest: unknown = JSON.parse(text);
  if (!isObject(manifest) || manifest['kind'] !== 'signoff-backup') throw bad(folder, `${manifestName} is of something else`);
  if (manifest['format'] !== 1)
    throw bad(folder, `it has format ${String(manifest['format'])}, this program reads 1: it was made by a newer signoff`);
  const whole = manifest as unknown as Manifest;
  const strange = whole.files.find(({ path: name }) => !places.test(name) || name.split('/').some((part) => part === '..' || part === ''));
  if (strange !== undefined) throw bad(folder, `it wants to put a file at ${strange.path}`);
  return whole;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

const bad = (folder: string, why: string): OperationalError =>
  new OperationalError('BAD_DATA', {
    operation: 'reading the backup',
    subject: folder,
    why,
    hint: 'Take another backup; nothing was changed.',
  });
