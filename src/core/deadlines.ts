import type { Config } from './config.ts';
import type { Entry } from './entry.ts';
import { inMs } from './seconds.ts';

export type Deadline = { readonly which: 'completion' | 'emergency' | 'run-max' | 'timeout'; readonly atMs: number };

/**
 * The timers of one run as absolute times, computed from what the journal holds: they survive every restart and need no handle.
 * Empty when there is nothing to time: the emergency handlers are off, or its end is already on its way.
 */
export function deadlinesOf(
  entry: Pick<Entry, 'fact' | 'kind' | 'todo' | 'startedAtMs' | 'lastSignAtMs' | 'warnedAtMs' | 'emergency' | 'shown' | 'turn'>,
  config: Config,
): readonly Deadline[] {
  if (!config.behavior.enable_emergency_handlers || entry.kind === 'person' || entry.emergency !== null) return [];
  if (entry.fact !== 'running' && entry.fact !== 'signalled') return [];
  // A word that stands and a turn that is over: all that a timer could do is done.
  if (entry.fact === 'signalled' && entry.turn === 'ended') return [];
  const { behavior } = config;
  const from = behavior.timeout_basis === 'elapsed' ? entry.startedAtMs : entry.lastSignAtMs;
  const found: Deadline[] = [{ which: 'emergency', atMs: from + inMs(behavior.emergency_timeout) }];
  if (entry.fact === 'running' && !warnedSince(entry, from))
    found.push({ which: 'completion', atMs: from + inMs(behavior.completion_timeout) });
  if (behavior.run_max !== null) found.push({ which: 'run-max', atMs: entry.startedAtMs + inMs(behavior.run_max) });
  if (entry.todo.timeoutMs !== null) found.push({ which: 'timeout', atMs: entry.startedAtMs + entry.todo.timeoutMs });
  return found.sort((a, b) => a.atMs - b.atMs);
}

/** One warning for one silence. */
const warnedSince = (entry: Pick<Entry, 'warnedAtMs'>, fromMs: number): boolean => entry.warnedAtMs !== null && entry.warnedAtMs >= fromMs;

export const nextDeadlineAtMs = (entries: Iterable<Entry>, config: Config): number => {
  let next = Number.POSITIVE_INFINITY;
  for (const entry of entries) next = Math.min(next, deadlinesOf(entry, config)[0]?.atMs ?? Number.POSITIVE_INFINITY);
  return next;
};
