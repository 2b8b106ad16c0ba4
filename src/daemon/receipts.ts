import { assertAgain } from '../completion/assert-again.ts';
import type { Entry } from '../core/entry.ts';
import { inMs } from '../core/seconds.ts';
import { isTerminal } from '../core/words.ts';
import type { Context } from './context.ts';
import { alert } from './emergency.ts';
import { noteEvent } from './notebook.ts';
import { chore, choreWithin } from './store-chores.ts';

/** Beside each return of the store and each change of its server, since not every failover is seen. */
const lookEveryMs = 600_000;
const lookAgainMs = 5000;
const pageSize = 500;
/** Notes of the journal: of which run a person was told. */
const toldPrefix = 'receipt:';

/** What was seen of the store at the last look. */
const seenOf = new WeakMap<Context, string>();

/**
 * A cluster may lose what it acknowledged (MDEV-38976), and a replica that is promoted may be behind. So what was closed is looked for again: its entry
 * in the journal is the receipt, with todo, run, fence and digest, and the archive has the rest. Only where the store is not this home's own file.
 */
export function keepReceipts(context: Context): void {
  const { world, config, state } = context;
  if (world.store.driver === 'sqlite' || config.store.receipts === 0) return;
  const seen = `${world.store.figures().server ?? ''} ${state.store.sinceMs}`;
  if (state.store.reachable === 'yes' && seenOf.get(context) !== seen) {
    seenOf.set(context, seen);
    choreWithin(context, 'receipts', 0);
  }
  chore(context, 'receipts', lookEveryMs, async () => {
    try {
      await look(context);
    } catch (error) {
      choreWithin(context, 'receipts', lookAgainMs);
      throw error;
    }
  });
}

async function look(context: Context): Promise<void> {
  const { store, journal, clock } = context.world;
  const closed = journal.closed(clock.nowMs() - inMs(context.config.store.receipts));
  const told = new Set(journal.notes(toldPrefix).map(({ key }) => key.slice(toldPrefix.length)));
  for (let from = 0; from < closed.length; from += pageSize) {
    const page = closed.slice(from, from + pageSize);
    for (const runId of await store.missing(page)) if (!told.has(runId)) await lookAgain(context, runId);
  }
  context.world.log.debug('monitor', 'receipts looked at', { receipts: closed.length });
  const kept = new Set(closed);
  const old = [...told].filter((runId) => !kept.has(runId));
  if (old.length > 0) await journal.dropNotes(old.map((runId) => `${toldPrefix}${runId}`));
}

async function lookAgain(context: Context, runId: string): Promise<void> {
  const { world, steps } = context;
  const entry = world.journal.get(runId);
  // Whoever lost its todo to another run has recorded nothing.
  if (entry === null || entry.superseded || entry.reported === null || entry.ending === null) return;
  const asserted = await assertAgain(entry, steps);
  switch (asserted.kind) {
    case 'already':
      return;
    case 'recorded': {
      const about = { todo: entry.todo.number, run: runId, fence: entry.ref.fence };
      world.log.warn('completion', 'recorded again', { ...about, reason: 'the store had lost it' });
      tell(context, entry, 'record-asserted-again', 'the store had lost its record, which was written again from the archive');
      return;
    }
    case 'lost':
      return giveUp(context, entry, asserted.why);
    default:
      return asserted satisfies never;
  }
}

/** A person is told once. */
async function giveUp(context: Context, entry: Entry, why: string): Promise<void> {
  await context.world.journal.setNote(`${toldPrefix}${entry.ref.runId}`, why);
  tell(context, entry, 'record-lost', `the store has lost its record (${entry.ending?.outcome}), and it cannot be written again: ${why}`);
}

function tell(context: Context, entry: Entry, what: string, text: string): void {
  const { todoId, runId } = entry.ref;
  const told = { actor: 'daemon', reason: text, before: 'its record was in the store, and is not any more', after: what };
  noteEvent(context, { kind: 'healing', todoId, runId, what, detail: JSON.stringify(told) });
  // An attempt that went on since is history; the end of a todo is somebody's work.
  if (isTerminal(entry.ending!.todoStatus)) void alert(context, entry, `todo ${entry.todo.number}: ${text}`);
}
