import { hash } from 'node:crypto';
import { chmodSync, existsSync, lstatSync, realpathSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Config } from '../core/config.ts';
import { OperationalError } from '../core/errors.ts';
import type { Home } from '../world.ts';
import { makeFolder } from './make-folder.ts';
import { socketPath } from './socket-path.ts';
import { syncFolder } from './sync-folder.ts';

/** Where a home is: `--home`, else `$TODO_HOME`, else the checkout that the program runs from, else the user's state folder. Absolute, without links, not made. */
export const homeRoot = (question: HomeQuestion): string => withoutLinks(chosenRoot(question));

function chosenRoot({ flag, env, cwd, programFolder }: HomeQuestion): string {
  const said = flag ?? (env['TODO_HOME'] || null);
  if (said !== null) return resolve(cwd, said);
  if (isCheckout(programFolder)) return programFolder;
  const state = env['XDG_STATE_HOME'];
  // The specification has relative ones ignored.
  return state && isAbsolute(state) ? join(state, 'todo') : join(env['HOME'] || homedir(), '.local', 'state', 'todo');
}

/** One folder has one name, also while the end of it is not made yet. */
function withoutLinks(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const above = dirname(path);
  return above === path ? path : join(withoutLinks(above), basename(path));
}

export type HomeQuestion = {
  readonly flag: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The folder that holds `bin/` of this very program. */
  readonly programFolder: string;
};

/** In a checkout what people look at lies at its top level and the rest in its git-ignored `.todo/`, whoever names it as home. */
const isCheckout = (folder: string): boolean => existsSync(join(folder, 'src', 'world.ts')) && existsSync(join(folder, 'bin', 'todo'));

/** Where it keeps its state: lock, database, spool, runs. Private. */
export const stateFolder = (root: string): string => (isCheckout(root) ? join(root, '.todo') : root);

/** What the watchdogs of a home know, one file a name. */
export const watchdogFolder = (root: string): string => join(stateFolder(root), 'watchdogs');

/** `hooks/config.json` of the home. */
export const configPath = (root: string): string => join(root, 'hooks', 'config.json');

/** All paths of a home; nothing is made. */
export function homeAt(root: string, paths: Config['paths']): Home {
  const state = stateFolder(root);
  return {
    root,
    database: join(state, 'todo.db'),
    lock: join(state, 'lock.db'),
    spool: {
      tmp: join(state, 'spool', 'tmp'),
      new: join(state, 'spool', 'new'),
      cur: join(state, 'spool', 'cur'),
      bad: join(state, 'spool', 'bad'),
    },
    runs: join(state, 'runs'),
    archive: paths.archive === null ? join(root, 'archive') : resolve(root, paths.archive),
    logs: paths.logs === null ? join(root, 'logs') : resolve(root, paths.logs),
    socket: socketPath(state),
    legacy: { marker: paths.task_completed, pointer: paths.current_todo, sessionPrefix: paths.session_prefix },
  };
}

/** The same for all names of one folder; what `<host>/<home id>` tells apart. */
export const homeId = (root: string): string => hash('sha256', withoutLinks(root), 'hex').slice(0, 8);

/** Makes what is missing (0700), and what is ours and private but open to others private again. FILE_UNWRITABLE, DISK_FULL. */
export function makeHome(home: Home): void {
  const state = dirname(home.database);
  const { spool } = home;
  for (const folder of [state, dirname(spool.new), spool.tmp, spool.new, spool.cur, spool.bad, home.runs])
    inFolder(folder, () => makePrivate(folder));
  for (const folder of [home.archive, home.logs]) inFolder(folder, () => void makeFolder(folder));
}

function makePrivate(folder: string): void {
  const made = makeFolder(folder);
  if (made !== null) {
    syncFolder(dirname(made));
    return;
  }
  const { uid, mode } = statSync(folder);
  if (uid !== process.getuid?.()) throw new Error(`it belongs to user ${uid}: what lies there is not to be trusted`);
  if ((mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

/** Before a daemon works there: every folder takes a file and keeps it, and the disk is one where locks and flushes mean something. */
export function testHome(home: Home, { force }: { readonly force: boolean }): void {
  const state = dirname(home.database);
  const network = networkFilesystem(state);
  if (network !== null && !force) {
    throw new OperationalError('FILE_UNWRITABLE', {
      operation: 'starting in',
      subject: state,
      why: `it lies on ${network}, where locks, flushes and renames do not hold what we promise`,
      hint: 'Use a home on a local disk (--home or TODO_HOME), or say TODO_ALLOW_NETWORK_DISK=1 and take the risk.',
    });
  }
  for (const folder of [home.spool.tmp, home.runs, home.archive, home.logs]) inFolder(folder, () => testWrite(folder));
  const { tmp, new: fresh, cur, bad } = home.spool;
  const disks = new Set([tmp, fresh, cur, bad].map((folder) => lstatSync(folder).dev));
  if (disks.size > 1)
    throw new OperationalError('FILE_UNWRITABLE', {
      operation: 'starting in',
      subject: dirname(fresh),
      why: 'its folders lie on different disks, so nothing can be renamed between them',
    });
}

/** Always the same name: one that a crash left behind is written over and removed by the next start. */
function testWrite(folder: string): void {
  const path = join(folder, '.write-test');
  try {
    writeFileSync(path, 'can this be written?\n', { mode: 0o600, flush: true });
  } finally {
    rmSync(path, { force: true });
  }
}

/** statfs types (man 2 statfs) of disks that lie elsewhere. */
const networkTypes: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB2',
  16914839: '9p',
  1397113167: 'AFS',
  12805120: 'Ceph',
  1937076805: 'Coda',
};

/** What to call it; null where the disk is local, as far as one can tell. */
export function networkFilesystem(path: string): string | null {
  return networkTypes[statfsSync(path).type >>> 0] ?? null;
}

function inFolder(folder: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new OperationalError(code === 'ENOSPC' || code === 'EDQUOT' ? 'DISK_FULL' : 'FILE_UNWRITABLE', {
      operation: 'preparing',
      subject: folder,
      cause,
    });
  }
}
