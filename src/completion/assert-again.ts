import type { Entry } from '../core/entry.ts';
import { digestOf } from '../core/record.ts';
import type { Run } from '../core/todo.ts';
import type { World } from '../world.ts';
import { buildRecord } from './build-record.ts';
import type { StepNeeds } from './needs.ts';

export type Asserted = { readonly kind: 'already' | 'recorded' } | { readonly kind: 'lost'; readonly why: string };

/** Writes a record that the store has lost again, from the archive; only the very record that was confirmed, and only where nobody took the todo since. */
export async function assertAgain(entry: Entry, { world, config }: Pick<StepNeeds, 'world' | 'config'>): Promise<Asserted> {
  const record = buildRecord(entry, { world, config });
  if (digestOf(record, world.digest.sha256) !== entry.reported?.recordDigest)
    return { kind: 'lost', why: 'its archive is not what was recorded' };
  const answer = await world.store.reassert(record, runOf(entry, record.saidBy, world));
  switch (answer) {
    case 'already':
    case 'recorded':
      return { kind: answer };
    case 'superseded':
      return { kind: 'lost', why: 'the todo was claimed or ended by somebody else since; nothing was changed' };
    case 'gone':
      return { kind: 'lost', why: 'the todo itself is not in the store any more' };
    default:
      return answer satisfies never;
  }
}

/** As the store had it, for where even the claim is gone. */
const runOf = (entry: Entry, saidBy: Run['saidBy'], { host }: Pick<World, 'host'>): Run => ({
  id: entry.ref.runId,
  todoId: entry.ref.todoId,
  fence: entry.ref.fence,
  agent: entry.todo.agent,
  kind: entry.kind,
  host: host.id,
  tokenSha256: '',
  leaseUntilMs: entry.collected!.endedAtMs,
  round: entry.round,
  startedAtMs: entry.startedAtMs,
  endedAtMs: entry.collected!.endedAtMs,
  outcome: entry.ending!.outcome,
  saidBy,
});
