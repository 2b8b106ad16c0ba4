import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Config, defaultConfig } from '../../core/config.ts';
import type { Entry } from '../../core/entry.ts';
import { hasEnded } from '../../core/entry.ts';
import { isOperational, OperationalError } from '../../core/errors.ts';
import { loadConfig } from '../../platform/config-file.ts';
import { checkDatabase } from '../../platform/copy-database.ts';
import { type CopiedFile, copyFile, digestOf, filesBelow } from '../../platform/copy-tree.ts';
import { configPath, homeAt, homeRoot, makeHome } from '../../platform/home.ts';
import { openJournal } from '../../platform/journal.ts';
import { takeLock } from '../../platform/lock.ts';
import { makeFolder } from '../../platform/make-folder.ts';
import { taggedWith } from '../../platform/proc.ts';
import { createCommitter, openDatabase } from '../../platform/sqlite.ts';
import { syncFolder } from '../../platform/sync-folder.ts';
import type { Home, World } from '../../world.ts';
import type { Call } from '../command.ts';
import { version } from '../configured-home.ts';
import { programFolder } from '../program.ts';
import { flush } from './flush.ts';
import { type Manifest, verified } from './manifest.ts';
import { isOwnFile, restoreStore } from './store.ts';
import { isTarball, unpack } from './tarball.ts';

export type Restored = {
  readonly manifest: Manifest;
  readonly home: string;
  /** What stood there before, under its new name. */
  readonly aside: readonly string[];
  /** kept: there was one, and that of the backup lies beside it. */
  readonly config: 'restored' | 'kept' | 'none';
  /** Rows that MySQL has of it; null where the store is in the database, or was left as it is. */
  readonly storeRows: number | null;
};

export type RestoreWish = { readonly force: boolean; readonly keepStore: boolean; readonly step: (text: string) => void };

/**
 * All of it is verified and lies beside its place before anything is moved there, and the database comes last: a home without one is a home in which
 * nobody has worked, so a restore that was killed is called again, and there never is a half one.
 */
export async function restore(call: Call, from: string, { force, keepStore, step }: RestoreWish): Promise<Restored> {
  const given = resolve(call.cwd, from);
  if (!existsSync(given))
    throw new OperationalError('NOT_FOUND', {
      operation: 'restoring',
      subject: given,
      why: 'it is not there',
      hint: 'Give the folder or file that `todo backup` made.',
    });
  const root = homeRoot({ flag: call.home, env: call.env, cwd: call.cwd, programFolder });
  const state = dirname(homeAt(root, defaultConfig().paths).database);
  makeFolder(state);
  await using opened = await call.open({ readOnly: true });
  const { world } = opened;
  using _lock = locked(homeAt(root, defaultConfig().paths), world);
  const staging = join(state, '.restore-part');
  rmSync(staging, { recursive: true, force: true });
  makeFolder(staging);
  let archived: string | null = null;
  try {
    step('verifying the backup');
    const source = isTarball(given) ? await unpacked(given, join(staging, 'source'), world) : given;
    const manifest = verified(source, step);
    const { config, path } = await configOf(root, source, { force, env: call.env });
    const home = homeAt(root, config.paths);
    refuseUsed(home, world, force);

    step('copying');
    archived = join(dirname(home.archive), `.${basename(home.archive)}.restore-part`);
    rmSync(archived, { recursive: true, force: true });
    stage(manifest, source, { state: staging, archive: archived });
    const database = join(staging, 'todo.db');
    checkDatabase(database);
    refuseLivingElsewhere(liveIn(database, world), root);
    for (const folder of [staging, archived]) if (existsSync(folder)) await flush(folder, world);

    const storeRows =
      manifest.store.kind === 'copied' && !keepStore
        ? await intoStore({ ...world, home }, config, join(staging, 'store.db'), manifest.store.prefix, step)
        : null;
    step('moving into place');
    const aside: string[] = [];
    const putAside = (old: string): void => {
      const to = freeName(`${old}.before-restore-${stampOf(world.clock.nowMs())}`);
      renameSync(old, to);
      aside.push(to);
    };
    place({ staging, archived, home, files: manifest.files, putAside });
    const placedConfig = placeConfig(path, join(source, 'hooks', 'config.json'), home, putAside);
    // Last: from here on it is a home that somebody works in.
    renameSync(database, home.database);
    syncFolder(state);
    makeHome(home);
    return { manifest, home: root, aside, config: placedConfig, storeRows };
  } finally {
    for (const folder of [staging, archived]) if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}

function locked(home: Home, { processes, clock }: Pick<World, 'processes' | 'clock'>): Disposable {
  try {
    const lock = takeLock(home.lock, { ...processes.self(), startedAtMs: clock.nowMs() });
    return { [Symbol.dispose]: () => lock.release() };
  } catch (error) {
    if (!isOperational(error) || error.code !== 'LOCKED') throw error;
    throw new OperationalError('LOCKED', {
      operation: 'restoring into',
      subject: home.root,
      cause: error,
      hint: 'Stop its daemon first: todo daemon stop. Or choose another home: --home',
    });
  }
}

async function unpacked(file: string, folder: string, world: Pick<World, 'processes'>): Promise<string> {
  makeFolder(folder);
  await unpack(file, folder, world);
  return folder;
}

type Chosen = { readonly config: Config; readonly path: string | null };

/** The one that stands in the home, unless force puts it aside; else that of the backup. It says where archive and store are. */
async function configOf(root: string, source: string, { force, env }: { force: boolean; env: Call['env'] }): Promise<Chosen> {
  const path = [...(force ? [] : [configPath(root)]), join(source, 'hooks', 'config.json')].find((it) => existsSync(it)) ?? null;
  const { config } = await loadConfig({ path: path ?? configPath(root), env, cache: null, readOnly: true, version });
  return { config, path };
}

/** Whoever has a database there has todos there. With force it is kept under another name, but never taken from somebody who works with it. */
function refuseUsed(home: Home, { journal, processes }: Pick<World, 'journal' | 'processes'>, force: boolean): void {
  if (!existsSync(home.database)) return;
  const refuse = (code: 'REFUSED' | 'LOCKED', why: string, hint: string): OperationalError =>
    new OperationalError(code, { operation: 'restoring into', subject: home.root, why, hint });
  if (!force)
    throw refuse(
      'REFUSED',
      'it is not empty: it has a todo.db',
      'Nothing was changed. With --force what is there is kept under another name; or choose another --home.',
    );
  const owner = readable(() => journal.live().find((entry) => !hasEnded(entry.fact) && processes.alive(entry.owner) === 'yes'));
  if (owner)
    throw refuse(
      'LOCKED',
      `process ${owner.owner.pid} works on todo ${owner.todo.number} there`,
      'Let it end, or end it. See: todo status',
    );
}

/** A database that cannot be read any more is what backups are for. */
function readable<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (isOperational(error) || (error as { errcode?: number }).errcode !== undefined) return null;
    throw error;
  }
}

function liveIn(path: string, { clock }: Pick<World, 'clock'>): readonly Entry[] {
  const database = openDatabase(path, { readOnly: true });
  try {
    return openJournal(database, createCommitter(database), clock)
      .live()
      .filter(({ fact }) => !hasEnded(fact));
  } finally {
    database.close();
  }
}

/** A second home with the same live runs would take the first one's agents for its own, and end them. */
function refuseLivingElsewhere(live: readonly Entry[], root: string): void {
  for (const { ref, todo } of live) {
    const other = taggedWith('TODO_RUN', ref.runId, 'TODO_HOME').find(({ value }) => value !== root);
    if (other === undefined) continue;
    throw new OperationalError('REFUSED', {
      operation: 'restoring',
      subject: `todo ${todo.number}`,
      why: `its agent (pid ${other.pid}) still works for the home ${other.value}`,
      hint: 'Restore on another machine, or end what still runs there first: todo emergency',
    });
  }
}

/** Each file is compared with the manifest as it is copied. */
function stage(manifest: Manifest, source: string, { state, archive }: { state: string; archive: string }): void {
  for (const { path, sha256 } of manifest.files) {
    if (path === 'hooks/config.json') continue;
    const to = path.startsWith('archive/') ? join(archive, path.slice('archive/'.length)) : join(state, path);
    const copied = copyFile(join(source, path), to);
    if (copied?.sha256 !== sha256)
      throw new OperationalError('BAD_DATA', {
        operation: 'restoring',
        subject: path,
        why: 'it changed while it was copied',
        hint: 'Nothing was changed in the home; call again.',
      });
  }
}

async function intoStore(
  world: Parameters<typeof restoreStore>[0]['world'],
  config: Config,
  file: string,
  prefix: string,
  step: (text: string) => void,
): Promise<number> {
  if (isOwnFile(config.store.url))
    throw new OperationalError('REFUSED', {
      operation: 'restoring',
      subject: 'the store',
      why: 'its todos were in MySQL, and the configuration that is used here names no MySQL',
      hint: 'Set TODO_STORE_URL=mysql://… to an empty database and call again, or leave the store as it is: --keep-store',
    });
  const { tables } = await restoreStore({ config, world }, file, prefix, step);
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}

type Places = {
  readonly staging: string;
  readonly archived: string;
  readonly home: Home;
  readonly files: readonly CopiedFile[];
  readonly putAside: (path: string) => void;
};

/** The old database goes first and the new one comes later: in between the home is an empty one. */
function place({ staging, archived, home, files, putAside }: Places): void {
  for (const path of [home.database, `${home.database}-wal`, `${home.database}-shm`]) if (existsSync(path)) putAside(path);
  const folders = [
    { from: join(staging, 'runs'), to: home.runs },
    { from: join(staging, 'spool'), to: dirname(home.spool.new) },
  ];
  for (const { from, to } of folders) {
    if (existsSync(to) && filesBelow(to).files.length > 0) putAside(to);
    else rmSync(to, { recursive: true, force: true });
    if (existsSync(from)) renameSync(from, to);
  }
  makeFolder(home.archive);
  for (const name of existsSync(archived) ? readdirSync(archived) : []) {
    const to = join(home.archive, name);
    if (existsSync(to)) {
      if (isSame(to, name, files)) continue;
      putAside(to);
    }
    renameSync(join(archived, name), to);
  }
  for (const folder of new Set([home.archive, dirname(home.database)])) syncFolder(folder);
}

/** Folders of the archive never change: one of that name is what an interrupted restore put there, or what was never lost. */
const isSame = (folder: string, name: string, files: readonly CopiedFile[]): boolean =>
  files
    .filter(({ path }) => path.startsWith(`archive/${name}/`))
    .every(({ path, sha256 }) => digestOf(join(folder, path.slice(`archive/${name}/`.length)))?.sha256 === sha256);

/** Whole by rename: a daemon, or the next try, never reads half of it. */
function placeConfig(used: string | null, backedUp: string, { root }: Home, putAside: (path: string) => void): Restored['config'] {
  const path = configPath(root);
  if (!existsSync(backedUp)) return used === null ? 'none' : 'kept';
  if (digestOf(path)?.sha256 === digestOf(backedUp)?.sha256) return 'restored';
  const isKept = used === path;
  if (!isKept && existsSync(path)) putAside(path);
  makeFolder(dirname(path));
  copyFile(backedUp, `${path}.part`);
  renameSync(`${path}.part`, isKept ? `${path}.restored` : path);
  return isKept ? 'kept' : 'restored';
}

/** Two restores may fall into one second. */
function freeName(path: string): string {
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? path : `${path}-${count}`;
    if (!existsSync(name)) return name;
  }
}

const stampOf = (nowMs: number): string => new Date(nowMs).toISOString().replaceAll(/[-:]/g, '').replace(/\.\d+/, '');
