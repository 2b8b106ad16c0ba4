import { sameRecord } from '../core/record.ts';
import type { Step } from './needs.ts';

/** Layer 4, first look: the record is read back by value, and what came back is hashed against the digest of what was sent. */
export const confirm: Step = async (entry, { world }) => {
  const back = await world.store.readBack(entry.ref.runId);
  if (back === null) return { kind: 'disproved', backTo: 'reported', reason: 'the store has no record of this run' };
  const look = sameRecord(entry.reported?.recordDigest ?? '', back, world.digest.sha256);
  if (!look.same) return { kind: 'disproved', backTo: 'reported', reason: `the store shows something else: ${look.why}` };
  const parts = Object.keys(back.truncated);
  return {
    kind: 'done',
    fact: 'confirmed',
    ...(parts.length > 0 ? { reason: `the store holds only a part of ${parts.join(', ')}; the whole is in the archive` } : {}),
  };
};
