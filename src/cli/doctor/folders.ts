import { accessSync, constants, existsSync, type Stats, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { networkFilesystem } from '../../platform/home.ts';
import type { Home } from '../../world.ts';
import { type Finding, fine } from './finding.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Whether a daemon could work in the home. Changes nothing: what is not there yet is made by the first start. */
export function lookAtFolders(home: Home, env: Env): readonly Finding[] {
  const state = dirname(home.database);
  // Whoever made the folder of a home that nobody has started in yet is not told of rights that the first start sets.
  const isStarted = existsSync(home.database);
  const isPrivate = new Set([state, dirname(home.spool.new), home.runs]);
  const folders = [...isPrivate, home.archive, home.logs];
  const looked = folders.map((folder) => {
    const there = seen(folder);
    return {
      folder,
      isThere: there !== undefined,
      wrong:
        there === undefined
          ? notThere(folder)
          : [...rightsOf(folder, there, isStarted && isPrivate.has(folder)), ...networkOf(folder, env)],
    };
  });
  // What mends a folder mends those in it.
  const isToldAbove = ({ folder, isThere }: (typeof looked)[number], { evidence }: Finding): boolean =>
    looked.some((it) => folder.startsWith(`${it.folder}/`) && it.wrong.some((above) => !isThere || above.evidence === evidence));
  const wrong = looked.flatMap((it) => it.wrong.filter((finding) => !isToldAbove(it, finding)));
  const made = folders.filter((folder) => existsSync(folder)).length;
  const evidence =
    made === 0 ? `${home.root} is not made yet; the first start makes it` : `${made} of ${folders.length} are there, ours and writable`;
  return wrong.length > 0 ? wrong : [fine('folders', evidence)];
}

/** Undefined where it is not there, or nobody lets us see whether it is. */
function seen(folder: string): Stats | undefined {
  try {
    return statSync(folder, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return undefined;
    throw error;
  }
}

/** The nearest folder above must let it be made. */
function notThere(folder: string): Finding[] {
  const above = nearest(folder);
  const what = `folder ${folder}`;
  if (!statSync(above).isDirectory()) return [isFile(folder, above)];
  const denied = whyDenied(above, constants.W_OK | constants.X_OK);
  if (denied === null) return [];
  const evidence = `it is not there, and in ${above} nothing can be made`;
  if (denied === 'read-only')
    return [{ what, severity: 'unhealthy', evidence: `${evidence}: its disk is mounted read-only`, mend: writableAgain(above) }];
  if (whyDenied(above, constants.X_OK) !== null)
    return [{ what, severity: 'unhealthy', evidence: `user ${us()} may not come into ${above}`, mend: ownHome }];
  const mend = `as root: install -d -o ${us()} -m 700 ${folder}; or: ${ownHome}`;
  return [{ what, severity: 'unhealthy', evidence: `${evidence} by user ${us()}`, mend }];
}

function rightsOf(folder: string, there: Stats, isPrivate: boolean): Finding[] {
  const what = `folder ${folder}`;
  const { uid, mode } = there;
  if (!there.isDirectory()) return [isFile(folder, folder)];
  if (isPrivate && uid !== us())
    return [{ what, severity: 'unhealthy', evidence: `it belongs to user ${uid}, we are ${us()}`, mend: madeOurs(folder) }];
  const denied = whyDenied(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  if (denied === 'read-only')
    return [{ what, severity: 'unhealthy', evidence: 'its disk is mounted read-only', mend: writableAgain(folder) }];
  if (denied === 'rights') {
    const evidence = `user ${us()} may not write there (owner ${uid}, mode ${octal(mode)})`;
    return [{ what, severity: 'unhealthy', evidence, mend: uid === us() ? `chmod -R u+rwX ${folder}` : madeOurs(folder) }];
  }
  if (isPrivate && (mode & 0o077) !== 0)
    return [{ what, severity: 'degraded', evidence: `mode ${octal(mode)}: others may look into it`, mend: 'todo doctor --fix' }];
  return [];
}

const ownHome = 'export TODO_HOME="$HOME/.local/state/todo"';
const us = (): number => process.getuid?.() ?? 0;
const madeOurs = (folder: string): string => `${us() === 0 ? '' : 'as root: '}chown -R ${us()} ${folder}`;
const isFile = (folder: string, path: string): Finding => ({
  what: `folder ${folder}`,
  severity: 'unhealthy',
  evidence: `${path} is a file`,
  mend: `mv ${path} ${path}.aside`,
});
/** A kernel makes a disk read-only by itself where it has errors. */
const writableAgain = (path: string): string =>
  `as root: mount -o remount,rw "$(findmnt -no TARGET -T ${path})" (dmesg says whether the disk has errors)`;

function networkOf(folder: string, env: Env): Finding[] {
  const network = networkFilesystem(folder);
  if (network === null) return [];
  const evidence = `it lies on ${network}, where locks, flushes and renames do not hold what we promise`;
  const isAllowed = env['TODO_ALLOW_NETWORK_DISK'] === '1';
  return [
    {
      what: `folder ${folder}`,
      severity: isAllowed ? 'degraded' : 'unhealthy',
      evidence,
      mend: 'use a home on a local disk: --home or TODO_HOME',
    },
  ];
}

/** As `todo health` judges it. */
const lowBytes = 512 * 1024 * 1024;
const fullBytes = 32 * 1024 * 1024;
const lowNames = 1000;

/** Room on each disk that the home uses. */
export function lookAtDisks(home: Home): readonly Finding[] {
  const disks = new Map(
    // Where several lie on one disk it is named by the first.
    [home.logs, home.archive, home.runs, dirname(home.database)].map(nearest).map((path) => [statSync(path).dev, path]),
  );
  return [...disks.values()].map((path): Finding => {
    const { bavail, bsize, files, ffree } = statfsSync(path);
    const freeBytes = bavail * bsize;
    const what = `disk of ${path}`;
    const evidence = `${Math.floor(freeBytes / 1024 / 1024)} MB free`;
    const mend = `free some space: du -xhd1 ${home.root} | sort -h shows what takes it; old folders of ${home.archive} may go`;
    if (freeBytes < fullBytes) return { what, severity: 'unhealthy', evidence, mend };
    if (freeBytes < lowBytes) return { what, severity: 'degraded', evidence: `only ${evidence}`, mend };
    // Some file systems do not count names and say 0 of 0.
    if (files > 0 && ffree < lowNames) return { what, severity: 'degraded', evidence: `only ${ffree} names (inodes) free`, mend };
    return fine(what, evidence);
  });
}

const nearest = (path: string): string => (existsSync(path) || path === dirname(path) ? path : nearest(dirname(path)));
const octal = (mode: number): string => (mode & 0o777).toString(8);

function whyDenied(path: string, how: number): 'read-only' | 'rights' | null {
  try {
    accessSync(path, how);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS' ? 'read-only' : 'rights';
  }
}
