import { hasEnded } from '../../core/entry.ts';
import { taggedWith } from '../../platform/proc.ts';
import type { World } from '../../world.ts';
import { type Finding, fine } from './finding.ts';

type Sight = Pick<World, 'journal' | 'processes' | 'home' | 'clock'>;

/** A run that has ended and whose processes live on. Ours by the tag that each of them was started with, known by pid and start time. */
export type Leftover = { readonly runId: string; readonly number: number; readonly pids: readonly number[] };

/** A run that ends takes its processes along; one that ended within this may still be at it. */
const settledAfterMs = 60_000;

export function leftoversOf({ journal, home, clock }: Sight): readonly Leftover[] {
  const byRun = Map.groupBy(taggedWith('TODO_HOME', home.root, 'TODO_RUN'), ({ value }) => value);
  return [...byRun].flatMap(([runId, tagged]): Leftover[] => {
    const entry = journal.get(runId);
    // A run that the journal does not know is nobody's to judge.
    if (entry === null || !hasEnded(entry.fact) || clock.nowMs() - endedAtMs(entry) < settledAfterMs) return [];
    return [{ runId, number: entry.todo.number, pids: tagged.map(({ pid }) => pid) }];
  });
}

const endedAtMs = ({ timeline, startedAtMs }: { timeline: readonly { atMs: number }[]; startedAtMs: number }): number =>
  timeline.at(-1)?.atMs ?? startedAtMs;

export function lookAtLeftovers(world: Sight): readonly Finding[] {
  const found = leftoversOf(world);
  if (found.length === 0) return [fine('leftovers', 'no process of an ended run')];
  return found.map(({ runId, number, pids }) => ({
    what: `leftover of todo ${number}`,
    severity: 'degraded',
    evidence: `run ${runId} has ended, and pid ${pids.join(', ')} of it ${pids.length === 1 ? 'lives' : 'live'} on`,
    mend: 'todo doctor --fix',
  }));
}

const graceMs = 5000;

/** Ends what is left of each, and answers with those of which nothing is left. */
export async function endLeftovers(world: Sight): Promise<readonly Leftover[]> {
  const ended: Leftover[] = [];
  for (const leftover of leftoversOf(world))
    if (await world.processes.endTagged('TODO_RUN', leftover.runId, graceMs, 'tagged')) ended.push(leftover);
  return ended;
}
