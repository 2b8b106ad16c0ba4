import type { Entry } from '../core/entry.ts';
import { isOperational } from '../core/errors.ts';
import { digestOf, sameRecord } from '../core/record.ts';
import type { TerminalRecord } from '../core/todo.ts';
import { buildRecord, recordJustWritten } from './build-record.ts';
import type { Step, StepNeeds } from './needs.ts';

/** Layer 3. One guarded transaction. An answer that was lost is read back, never called a failure. */
export const record: Step = async (entry, needs) => {
  const { digest } = needs.world;
  const written = recordJustWritten(entry, needs);
  const content = written ?? buildRecord(entry, needs);
  if (written === null && digestOf(content, digest.sha256) !== entry.reported?.recordDigest) {
    return { kind: 'disproved', backTo: 'checked', reason: 'the report on disk is not the one that was made', changes: { reported: null } };
  }
  const answer = await write(entry, content, needs);
  if (answer === 'superseded')
    return { kind: 'done', fact: 'confirmed', reason: 'superseded: another run has this todo', changes: { superseded: true } };
  return { kind: 'done', fact: 'recorded', ...(answer === 'already' ? { reason: 'it was recorded before' } : {}) };
};

async function write(entry: Entry, content: TerminalRecord, needs: StepNeeds): Promise<'recorded' | 'already' | 'superseded'> {
  const { store, digest } = needs.world;
  try {
    return await store.record(content);
  } catch (error) {
    if (!isOperational(error) || error.code !== 'STORE_IN_DOUBT') throw error;
    const back = await store.readBack(entry.ref.runId);
    if (back !== null && sameRecord(entry.reported?.recordDigest ?? '', back, digest.sha256).same) return 'recorded';
    throw error;
  }
}
