import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Priorities } from '../core/priority.ts';
import type { RunTag } from '../world.ts';
import { cpuIsDividedByGroups } from './cgroup.ts';
import { belonging } from './end-processes.ts';
import { everyProcess, type ProcessStat, processStat } from './proc.ts';

/**
 * Where the processes of a run stand now, by whichever way the kernel lets us change it and take it back; or why there is none.
 * With autogroups a session is weighed as a whole, the nice of a thread only within it, and whoever owns it may set it as they like. Without them it
 * is the nice of each thread, which everybody may lower and only a few may raise again.
 */
export function priorities(
  run: RunTag,
  by: Priorities['by'] = sessionsAreWeighed() ? 'session' : 'thread',
): Priorities | { readonly why: string } {
  let of: Priorities['of'];
  try {
    of = Object.fromEntries(
      targetsOf(run, by).flatMap(({ key, id }) => entry(key, () => (by === 'session' ? autogroupNice(id) : getPriority(id)))),
    );
  } catch {
    // What /proc does not show is not known; it is not nothing.
    return { why: 'its processes could not be seen' };
  }
  const best = by === 'session' ? Math.min(0, niceWeMaySet()) : niceWeMaySet();
  if (Object.values(of).some((at) => at < best)) return { why: 'without root or RLIMIT_NICE the kernel would not let us take it back' };
  return { by, of };
}

/** How many were changed. Who has ended meanwhile, is another user's, or could not be changed now is left out. */
export async function setPriorities(run: RunTag, { by, of }: Priorities): Promise<number> {
  let changed = 0;
  for (const { key, id } of targetsOf(run, by)) {
    const nice = of[key];
    if (nice === undefined) continue;
    const isDone = by === 'session' ? await setAutogroupNice(id, nice) : unlessGone(() => setPriority(id, nice));
    if (isDone) changed += 1;
  }
  return changed;
}

type Target = { readonly key: string; readonly id: number };

function targetsOf(run: RunTag, by: Priorities['by']): readonly Target[] {
  const found = belonging(run, run.session === null ? [] : [run.session]);
  return by === 'session' ? sessionsOf(found) : found.flatMap(threadsOf);
}

const sessionsAreWeighed = (): boolean =>
  tryRead('/proc/sys/kernel/sched_autogroup_enabled')?.trim() === '1' && !cpuIsDividedByGroups(tryRead('/proc/self/cgroup') ?? '', tryRead);

/** Sessions in which nobody else is, each with one of its members. */
function sessionsOf(found: readonly ProcessStat[]): readonly Target[] {
  const ours = new Set(found.map(({ pid }) => pid));
  const shared = new Set(everyProcess().flatMap(({ pid, session }) => (ours.has(pid) ? [] : [session])));
  const members = new Map(found.filter(({ session }) => !shared.has(session)).map(({ pid, session }) => [String(session), pid]));
  return [...members].map(([key, id]) => ({ key, id }));
}

/** nice(2) and its kin know threads alone: a process whose first one gave way works on with the others. */
function threadsOf({ pid, startTicks }: ProcessStat): readonly Target[] {
  if (processStat(pid)?.startTicks !== startTicks) return [];
  return namesIn(`/proc/${pid}/task`).map((tid) => ({ key: `${pid}:${startTicks}:${tid}`, id: Number(tid) }));
}

const autogroupNice = (pid: number): number => Number(/ nice (-?\d+)/.exec(readFileSync(`/proc/${pid}/autogroup`, 'utf8'))?.[1]);

/** The kernel takes one such change in a tenth of a second, of all who are not root together. */
const triesMax = 30;
const pauseMs = 60;

async function setAutogroupNice(pid: number, nice: number): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      writeFileSync(`/proc/${pid}/autogroup`, String(nice));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' && !isGone(error)) throw error;
      if (isGone(error) || tries === triesMax) return false;
    }
    await sleep(pauseMs);
  }
}

const capSysNice = 1n << 23n;

/** The first nice value that the kernel would give back to a process of ours. */
function niceWeMaySet(): number {
  const capabilities = BigInt(`0x${/^CapEff:\s+(\w+)$/m.exec(tryRead('/proc/self/status') ?? '')?.[1] ?? '0'}`);
  // Root of a user namespace is nobody to the scheduler.
  const isOfMachine = /^\s*0\s+0\s+4294967295\s*$/.test(tryRead('/proc/self/uid_map') ?? '');
  if (isOfMachine && (capabilities & capSysNice) !== 0n) return -20;
  return 20 - Number(/^Max nice priority\s+(\d+)/m.exec(tryRead('/proc/self/limits') ?? '')?.[1] ?? 0);
}

function entry(key: string, look: () => number): [string, number][] {
  let at = Number.NaN;
  unlessGone(() => {
    at = look();
  });
  return Number.isNaN(at) ? [] : [[key, at]];
}

function unlessGone(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!isGone(error)) throw error;
    return false;
  }
}

/** Ended, or another user's. */
const isGone = (error: unknown): boolean => {
  const { code, info } = error as NodeJS.ErrnoException & { info?: { code?: string } };
  return ['ENOENT', 'ESRCH', 'EPERM', 'EACCES'].includes(info?.code ?? code ?? '');
};

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (!isGone(error)) throw error;
    return [];
  }
}

function tryRead(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
