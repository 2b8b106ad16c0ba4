import type { Death, Entry } from '../core/entry.ts';
import { sameRecord } from '../core/record.ts';
import { runFiles } from '../core/run-folder.ts';
import { jobAttempts } from '../core/verdict.ts';
import { moveToArchive } from './clean.ts';
import type { Step, StepNeeds } from './needs.ts';

/** What cannot be finished is kept whole and shown to a person: dead-lettered and held, or open again where behavior.last_resort says reset. */
export const bury: Step = async (entry, needs) => {
  const { world, config } = needs;
  // Writes that failed may follow one that did not: its answer was lost, or its process died before it was heard.
  if (entry.fact === 'reported' && (await isRecorded(entry, needs)))
    return {
      kind: 'done',
      fact: 'recorded',
      reason: 'the store has its record after all',
      changes: { givenUp: null, deaths: (entry.deaths ?? []).slice(0, -1) },
    };
  // Its report and outputs are where people look for them; a requeue reads them from there.
  if (entry.reported !== null) await moveToArchive(entry, needs);
  const reason = entry.givenUp ?? 'the completion was given up';
  // Opened again it may fail again in the same way: as often as any lost run, then a person must look.
  if (config.behavior.last_resort === 'reset' && entry.todo.attempts + 1 < jobAttempts(config))
    await world.store.giveBack(entry.ref, 'lost', `${reason} (last_resort reset)`, null, entry.todo.attempts + 1);
  else await world.store.deadLetter(entry.ref, reason);
  return { kind: 'done', fact: 'dead-lettered', reason, changes: { deaths: withPayload(entry, needs) } };
};

async function isRecorded({ ref, reported }: Entry, { world }: StepNeeds): Promise<boolean> {
  const back = await world.store.readBack(ref.runId);
  return back !== null && reported !== null && sameRecord(reported.recordDigest, back, world.digest.sha256).same;
}

/** What a requeue should find again: people compare it. */
function withPayload(entry: Entry, { world }: StepNeeds): readonly Death[] {
  const deaths = entry.deaths ?? [];
  const last = deaths.at(-1);
  if (last === undefined) return deaths;
  const known = entry.reported?.recordDigest ?? entry.collected?.textSha256;
  return [...deaths.slice(0, -1), { ...last, payloadSha256: known ?? digestOfOutput(entry, world) }];
}

/** More is not read at once. */
const outputBytesMax = 16 * 1024 * 1024;

function digestOfOutput(entry: Entry, { files, home, digest }: StepNeeds['world']): string | null {
  const path = runFiles(home.runs, entry.ref.runId).output;
  const size = files.stat(path)?.sizeBytes ?? 0;
  const bytes = size === 0 || size > outputBytesMax ? null : files.read(path);
  return bytes === null ? null : digest.sha256(bytes);
}
