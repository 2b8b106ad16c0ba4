import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessId } from '../core/entry.ts';
import { ancestorsOf, everyProcess, hasEnded, type ProcessStat, processStat, withEnvironment } from './proc.ts';

export type Tag = { readonly name: string; readonly value: string };

/** After KILL a process goes at once, unless the kernel holds it (a dead network disk): then we say so. */
const killPatienceMs = 5_000;
/** One look may miss who forks, or who is in the middle of an exec and shows no environment for that moment. */
const emptyLooksMin = 2;

/**
 * TERM to all that carry the tag and to those around them, KILL after `graceMs`, until none is left; looked for anew each time, because
 * they may start others meanwhile. The tag is what finds those who left group and session by forking twice; group, session and
 * parenthood are what finds those who dropped their environment. True when none is left.
 */
export async function endTagged(
  tag: Tag,
  graceMs: number,
  sessions: readonly ProcessId[] = [],
  whom: 'all' | 'tagged' = 'all',
): Promise<boolean> {
  const startedAtMs = performance.now();
  const known = new Map<string, ProcessStat>();
  const told = new Set<string>();
  let emptyLooks = 0;
  for (let waitMs = 5; ; waitMs = Math.min(100, waitMs * 2)) {
    for (const found of whom === 'all' ? belonging(tag, sessions) : taggedAlone(tag)) known.set(keyOf(found), found);
    const living = [...known.values()].filter(isStill);
    emptyLooks = living.length === 0 ? emptyLooks + 1 : 0;
    if (emptyLooks === emptyLooksMin) return true;
    const elapsedMs = performance.now() - startedAtMs;
    if (elapsedMs > graceMs + killPatienceMs) return false;
    const kill = elapsedMs >= graceMs;
    for (const process of living) {
      if (kill) signal(process, 'SIGKILL');
      else if (!told.has(keyOf(process))) {
        told.add(keyOf(process));
        signal(process, 'SIGTERM');
        // A stopped process hears TERM only when it goes on.
        signal(process, 'SIGCONT');
      }
    }
    if (emptyLooks > 0) waitMs = 10;
    await sleep(kill ? waitMs : Math.min(waitMs, Math.max(1, graceMs - elapsedMs)));
  }
}

/** TERM to that process alone, KILL after `graceMs`; a number that was given to somebody else gets nothing. True when it is gone. */
export async function endOne(id: ProcessId, graceMs: number): Promise<boolean> {
  const startedAtMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedAtMs;
  const target = processStat(id.pid);
  if (target === null || target.startTicks !== id.startTicks) return true;
  signal(target, 'SIGTERM');
  signal(target, 'SIGCONT');
  while (isStill(target) && elapsedMs() < graceMs) await sleep(20);
  signal(target, 'SIGKILL');
  while (isStill(target) && elapsedMs() < graceMs + killPatienceMs) await sleep(20);
  return !isStill(target);
}

/** Those that carry the tag and no others: what a daemon has started lives on without it. */
function taggedAlone({ name, value }: Tag): ProcessStat[] {
  const spared = new Set([1, process.pid, ...ancestorsOf(process.pid)]);
  return withEnvironment(name, value).filter(({ pid }) => !spared.has(pid));
}

/** The tagged, whoever is in a session or group that one of them leads or that we made, and all their children. Never us nor those we come from. */
export function belonging({ name, value }: Tag, sessions: readonly ProcessId[]): ProcessStat[] {
  const tagged = withEnvironment(name, value);
  if (tagged.length === 0 && sessions.length === 0) return [];
  const spared = new Set([1, process.pid, ...ancestorsOf(process.pid)]);
  // The number of a session is given to nobody else while one of its members lives.
  const ours = sessions.filter(({ pid, startTicks }) => (processStat(pid)?.startTicks ?? startTicks) === startTicks);
  const leaders = new Set([...tagged, ...ours].map(({ pid }) => pid).filter((pid) => !spared.has(pid)));
  const taggedPids = new Set(tagged.map(({ pid }) => pid));
  const all = everyProcess().filter(({ pid }) => !spared.has(pid));
  const chosen = new Map(
    all.filter((it) => taggedPids.has(it.pid) || leaders.has(it.session) || leaders.has(it.group)).map((it) => [it.pid, it]),
  );
  for (let before = -1; before < chosen.size; ) {
    before = chosen.size;
    for (const it of all) if (chosen.has(it.parent)) chosen.set(it.pid, it);
  }
  return [...chosen.values()];
}

const keyOf = ({ pid, startTicks }: ProcessStat): string => `${pid}:${startTicks}`;

function isStill({ pid, startTicks }: ProcessStat): boolean {
  const now = processStat(pid);
  return now !== null && now.startTicks === startTicks && !hasEnded(now);
}

/** Looked at once more right before, so that a pid that was given to somebody else gets nothing. */
function signal(target: ProcessStat, name: 'SIGTERM' | 'SIGCONT' | 'SIGKILL'): void {
  if (!isStill(target)) return;
  try {
    process.kill(target.pid, name);
  } catch (error) {
    // ESRCH: it went by itself. EPERM: it is another user's by now; it counts as left, and the answer is false.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
