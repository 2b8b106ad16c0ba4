import { jobAttempts } from '../core/verdict.ts';
import { moveToArchive } from './clean.ts';
import type { Step } from './needs.ts';

/** What cannot be finished is kept whole and shown to a person: dead-lettered and held, or open again where behavior.last_resort says reset. */
export const bury: Step = async (entry, needs) => {
  const { world, config } = needs;
  // Its report and outputs are where people look for them; a requeue reads them from there.
  if (entry.reported !== null) await moveToArchive(entry, needs);
  const reason = entry.givenUp ?? 'the completion was given up';
  // Opened again it may fail again in the same way: as often as any lost run, then a person must look.
  if (config.behavior.last_resort === 'reset' && entry.todo.attempts + 1 < jobAttempts(config))
    await world.store.giveBack(entry.ref, 'lost', `${reason} (last_resort reset)`, null, entry.todo.attempts + 1);
  else await world.store.deadLetter(entry.ref, reason);
  return { kind: 'done', fact: 'dead-lettered', reason };
};
