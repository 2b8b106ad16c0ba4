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
  const wrong = folders.flatMap((folder) => {
    const there = statSync(folder, { throwIfNoEntry: false });
    return there === undefined
      ? notThere(folder)
      : [...rightsOf(folder, there, isStarted && isPrivate.has(folder)), ...networkOf(folder, env)];
  });
  const made = folders.filter((folder) => existsSync(folder)).length;
  const evidence =
    made === 0 ? `${home.root} is not made yet; the first start makes it` : `${made} of ${folders.length} are there, ours and writable`;
  return wrong.length > 0 ? wrong : [fine('folders', evidence)];
}

/** The nearest folder above must let it be made. */
function notThere(folder: string): Finding[] {
  const above = nearest(folder);
  if (may(above, constants.W_OK | constants.X_OK)) return [];
  return [
    {
      what: `folder ${folder}`,
      severity: 'unhealthy',
      evidence: `it is not there, and ${above} may not be written`,
      mend: `mkdir -p ${folder}`,
    },
  ];
}

function rightsOf(folder: string, { uid, mode }: Stats, isPrivate: boolean): Finding[] {
  const what = `folder ${folder}`;
  const us = process.getuid?.() ?? uid;
  if (isPrivate && uid !== us)
    return [{ what, severity: 'unhealthy', evidence: `it belongs to user ${uid}, we are ${us}`, mend: `chown -R ${us} ${folder}` }];
  if (!may(folder, constants.R_OK | constants.W_OK | constants.X_OK))
    return [
      {
        what,
        severity: 'unhealthy',
        evidence: `user ${us} may not write there (owner ${uid}, mode ${octal(mode)})`,
        mend: `chown -R ${us} ${folder}`,
      },
    ];
  if (isPrivate && (mode & 0o077) !== 0)
    return [{ what, severity: 'degraded', evidence: `mode ${octal(mode)}: others may look into it`, mend: 'todo doctor --fix' }];
  return [];
}

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
    [dirname(home.database), home.runs, home.archive, home.logs].map(nearest).map((path) => [statSync(path).dev, path]),
  );
  return [...disks.values()].map((path): Finding => {
    const { bavail, bsize, files, ffree } = statfsSync(path);
    const freeBytes = bavail * bsize;
    const what = `disk of ${path}`;
    const evidence = `${Math.floor(freeBytes / 1024 / 1024)} MB free`;
    const mend = 'free some space; old folders of archive/ may go';
    if (freeBytes < fullBytes) return { what, severity: 'unhealthy', evidence, mend };
    if (freeBytes < lowBytes) return { what, severity: 'degraded', evidence: `only ${evidence}`, mend };
    // Some file systems do not count names and say 0 of 0.
    if (files > 0 && ffree < lowNames) return { what, severity: 'degraded', evidence: `only ${ffree} names (inodes) free`, mend };
    return fine(what, evidence);
  });
}

const nearest = (path: string): string => (existsSync(path) || path === dirname(path) ? path : nearest(dirname(path)));
const octal = (mode: number): string => (mode & 0o777).toString(8);

function may(path: string, how: number): boolean {
  try {
    accessSync(path, how);
    return true;
  } catch {
    return false;
  }
}
