import { isOperational } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import type { Context } from './context.ts';

const beatNote = 'service:beat';
/** What takes todos and keeps them. Each is one call of the store, which ends within behavior.database_timeout, and a few writes. */
const schedulers = { claim: 'the look for a todo', 'store:renew leases': 'the renewal of leases' } as const;

/**
 * Answers once the loop has gone round and the journal has taken a write, both since the question; where one of them stands still, not before `stop`. Then
 * null, or what else stands still. A drain is no standstill, and its loop does not go round.
 */
export async function progress(context: Context, stop: AbortSignal): Promise<string | null> {
  const { state, world, changes, wakeup } = context;
  // A loop that should have come by itself is not helped: it must show that it wakes.
  if (state.passDueMs > world.clock.monotonicMs()) wakeup.ring();
  const before = state.passes;
  await changes.until(() => state.passes > before || state.draining, Number.POSITIVE_INFINITY, stop);
  if (state.draining || stop.aborted) return null;
  await journalAnswers(context);
  return schedulerStandsStill(context);
}

/** A full disk is an answer: nothing goes on, but a restart would not help. */
export async function journalAnswers({ world }: Context): Promise<void> {
  try {
    await world.journal.setNote(beatNote, String(world.clock.nowMs()));
  } catch (error) {
    if (!isOperational(error) || error.code !== 'DISK_FULL') throw error;
  }
}

/** Why no todo is taken or kept any more; null: nothing is under way for longer than it can be. */
export function schedulerStandsStill({ tasks, config }: Pick<Context, 'tasks' | 'config'>): string | null {
  const mostMs = 2 * inMs(config.behavior.database_timeout);
  for (const [key, name] of Object.entries(schedulers)) {
    const ageMs = tasks.ageMs(key);
    if (ageMs > mostMs) return `${name} has gone on for ${Math.round(ageMs / 1000)} s: no todo is scheduled`;
  }
  return null;
}
