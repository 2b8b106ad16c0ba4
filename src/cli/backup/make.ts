import { chmodSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Entry, hasEnded } from '../../core/entry.ts';
import { OperationalError } from '../../core/errors.ts';
import { runFiles } from '../../core/run-folder.ts';
import { checkDatabase, copyDatabase } from '../../platform/copy-database.ts';
import { type CopiedFile, copyFile, digestOf, filesBelow } from '../../platform/copy-tree.ts';
import { configPath } from '../../platform/home.ts';
import { openJournal } from '../../platform/journal.ts';
import { makeFolder } from '../../platform/make-folder.ts';
import { createCommitter, openDatabase } from '../../platform/sqlite.ts';
import { syncFolder } from '../../platform/sync-folder.ts';
import type { Call, Opened } from '../command.ts';
import { version } from '../configured-home.ts';
import { countsOf } from './counts.ts';
import { flush } from './flush.ts';
import { type Manifest, verified, writeManifest } from './manifest.ts';
import { copyStore } from './store.ts';
import { compare, isTarball, pack } from './tarball.ts';

export type Made = { readonly at: string; readonly manifest: Manifest };

/** A daemon that moves runs to the archive while they are copied is outrun in a round or two. */
const roundsMax = 8;

/**
 * The whole home under a name that says it is unfinished, verified by reading it back, then renamed: who finds a backup finds a whole one.
 * A daemon goes on meanwhile. The database is taken first, as it stood in one moment, and the files that it names after it, so they are never older.
 */
export async function makeBackup(call: Call, wanted: string, step: (text: string) => void): Promise<Made> {
  await using opened = await call.open({ readOnly: true });
  const { world } = opened;
  if (!existsSync(world.home.database))
    throw new OperationalError('NOT_FOUND', {
      operation: 'backing up',
      subject: world.home.root,
      why: 'no daemon has run here yet',
      hint: 'There is nothing to lose.',
    });
  const target = targetOf(resolve(call.cwd, wanted), world.clock.nowMs());
  refuseInside(target, opened);
  makeFolder(dirname(target));
  removeAbandoned(target);
  const part = join(dirname(target), `.${basename(target)}.part-${process.pid}`);
  try {
    makeFolder(part);
    const files = await copyHome(opened, part, step);
    const store = await copyStore(opened, join(part, 'store.db'), step);
    const stored = store.kind === 'copied' ? [fileAt(part, 'store.db')] : [];
    if (store.kind === 'copied') checkDatabase(join(part, 'store.db'));
    const manifest: Manifest = {
      format: 1,
      kind: 'signoff-backup',
      madeAtMs: world.clock.nowMs(),
      version,
      home: world.home.root,
      store,
      counts: countsOf(part, store, opened.config.store.table_prefix),
      missing: opened.config.store.password_file === null ? [] : [`${opened.config.store.password_file} (the store's password)`],
      files: [...files, ...stored],
    };
    writeManifest(part, manifest);
    step('verifying');
    verified(part, step);
    await put(part, target, opened, step);
    return { at: target, manifest };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

/** A name with .tar, .tar.gz or .tgz is a file; another one a folder, and in a folder that is there already one of its own. */
function targetOf(path: string, nowMs: number): string {
  const there = statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory() && readdirSync(path).length > 0)
    return join(path, `signoff-${new Date(nowMs).toISOString().replaceAll(/[-:]/g, '').replace(/\.\d+/, '')}`);
  if (there === undefined || there.isDirectory()) return path;
  throw new OperationalError('REFUSED', {
    operation: 'backing up to',
    subject: path,
    why: 'it is there already',
    hint: 'Choose another name; a backup is never written over.',
  });
}

/** A backup in what it backs up would hold itself the next time, and go with what it is for. */
function refuseInside(target: string, { world: { home } }: Opened): void {
  const inside = [home.archive, home.runs, dirname(home.spool.new)].find((folder) => `${target}/`.startsWith(`${folder}/`));
  if (inside === undefined) return;
  throw new OperationalError('REFUSED', {
    operation: 'backing up to',
    subject: target,
    why: `it lies in ${inside}, which is backed up`,
    hint: 'Choose a folder elsewhere, best on another disk.',
  });
}

/** What a backup that was killed had begun; one that is under way is another process's. */
function removeAbandoned(target: string): void {
  const prefix = `.${basename(target)}.part-`;
  for (const name of readdirSync(dirname(target)))
    if (name.startsWith(prefix) && !existsSync(`/proc/${name.slice(prefix.length).replace('.tar', '')}`))
      rmSync(join(dirname(target), name), { recursive: true, force: true });
}

async function copyHome(opened: Opened, part: string, step: (text: string) => void): Promise<readonly CopiedFile[]> {
  const { home } = opened.world;
  const copied = new Map<string, CopiedFile>();
  const copyBelow = (from: string, name: string): void => {
    let done = 0;
    for (const path of filesBelow(from).files) {
      const to = `${name}/${path}`;
      // What is in the archive does not change any more.
      if (name === 'archive' && copied.has(to)) continue;
      const file = copyFile(join(from, path), join(part, to));
      if (file !== null) copied.set(to, { path: to, ...file });
      done += 1;
      if (done % 100 === 0) step(`copying ${name}: ${done} files`);
    }
  };
  for (let round = 1; ; round++) {
    step('copying the database');
    const database = join(part, 'todo.db');
    rmSync(database, { force: true });
    await copyDatabase(home.database, database, (done, of) => step(`copying the database: ${done} of ${of} pages`));
    const live = liveIn(database, opened);
    const before = live.filter((entry) => existsSync(folderOf(entry, opened)));
    // What an earlier round took of runs and markers is older than this database.
    for (const name of ['runs', 'spool']) forget(copied, part, name);
    copyBelow(home.runs, 'runs');
    for (const name of ['new', 'cur', 'bad'] as const) copyBelow(home.spool[name], `spool/${name}`);
    copyBelow(home.archive, 'archive');
    const moved = before.filter((entry) => !existsSync(folderOf(entry, opened)));
    if (moved.length === 0) break;
    if (round === roundsMax)
      throw new OperationalError('LOCKED', {
        operation: 'backing up',
        subject: home.root,
        why: `in each of ${roundsMax} tries runs ended while they were copied`,
        hint: 'Try again when less ends at once, or stop the daemon meanwhile: todo daemon stop',
      });
    step(`${moved.length} runs ended meanwhile, looking again`);
  }
  const config = copyFile(configPath(home.root), join(part, 'hooks', 'config.json'));
  if (config !== null) copied.set('hooks/config.json', { path: 'hooks/config.json', ...config });
  return [...copied.values(), fileAt(part, 'todo.db')];
}

const folderOf = (entry: Entry, { world }: Opened): string => runFiles(world.home.runs, entry.ref.runId).folder;

function liveIn(path: string, { world: { clock } }: Opened): readonly Entry[] {
  const database = openDatabase(path, { readOnly: true });
  const live = openJournal(database, createCommitter(database), clock).live();
  database.close();
  return live.filter(({ fact }) => !hasEnded(fact));
}

function forget(copied: Map<string, CopiedFile>, part: string, name: string): void {
  rmSync(join(part, name), { recursive: true, force: true });
  for (const path of [...copied.keys()]) if (path.startsWith(`${name}/`)) copied.delete(path);
}

function fileAt(part: string, name: string): CopiedFile {
  const seen = digestOf(join(part, name));
  if (seen === null) throw new Error(`${name} was made and is not there`);
  return { path: name, ...seen, mode: 0o600 };
}

/** Flushed whole, then one rename. A file is packed beside it first and compared with what went into it. */
async function put(part: string, target: string, { world }: Opened, step: (text: string) => void): Promise<void> {
  if (!isTarball(target)) {
    await flush(part, world);
    renameSync(part, target);
  } else {
    const file = `${part}.tar`;
    try {
      step('packing');
      await pack(part, file, target, world);
      chmodSync(file, 0o600);
      step('comparing the packed file');
      await compare(part, file, world);
      await flush(file, world);
      renameSync(file, target);
    } finally {
      rmSync(file, { force: true });
    }
  }
  syncFolder(dirname(target));
}
