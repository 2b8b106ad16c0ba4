import { isOperational } from '../core/errors.ts';
import type { Context } from './context.ts';

/** How often a store that is away is asked whether it is back. */
export const pingMs = 1000;
const awayCodes = new Set(['STORE_UNREACHABLE', 'STORE_TIMEOUT', 'STORE_READ_ONLY', 'STORE_ACCESS', 'STORE_FULL']);

export const isAway = (error: unknown): boolean => isOperational(error) && awayCodes.has(error.code);

/** Says once that the store is away, and once that it is back; back wakes everything that waits for it. */
export function noteStore(context: Context, error: unknown): void {
  const { state, world } = context;
  const nowMs = world.clock.nowMs();
  const reachable = error === null ? 'yes' : isAway(error) ? 'no' : state.store.reachable;
  if (reachable === state.store.reachable) return;
  const before = state.store;
  state.store = { reachable, sinceMs: nowMs, error: isOperational(error) ? error.message : null };
  if (reachable === 'no')
    world.log.error('completion', 'the store is away; completions wait in the journal', { reason: state.store.error });
  else if (before.reachable === 'no') world.log.info('completion', 'the store is back', { awayMs: nowMs - before.sinceMs });
  context.changes.tell();
  context.wakeup.ring();
}

/** One call to the store whose failure is noted; the error goes on to whoever asked. */
export async function withStore<T>(context: Context, call: () => Promise<T>): Promise<T> {
  try {
    const answer = await call();
    noteStore(context, null);
    return answer;
  } catch (error) {
    noteStore(context, error);
    throw error;
  }
}

/** While the store is away: asks it every second. Its answer wakes the waiting completions. */
export function pingWhileAway(context: Context): void {
  if (context.state.store.reachable !== 'no') return;
  context.tasks.start(
    'store:ping',
    async () => {
      await context.world.clock.sleep(pingMs, context.stop);
      if (!context.stop.aborted) await withStore(context, () => context.world.store.ping());
    },
    () => {},
  );
}
