import { isOperational } from '../core/errors.ts';
import type { Context } from './context.ts';
import { cameBack, wentAway } from './recovery-session.ts';

/** How often a store that is away is asked whether it is back. */
const pingMs = 1000;

/**
 * What is known of the store is what its breaker knows: the last call failed, or it is open = not reachable. Chores and claims pause at the first
 * failure, because the next call can wait; the breaker opens when the failures go on, and refuses also those who cannot.
 * Called after each call and each change of the breaker: says once that the store is away and once that it is back, and wakes who waits for it.
 */
export function noteStore(context: Context, answered: { readonly error: unknown } | null): void {
  const { state, world, outside } = context;
  const { state: breaker, failures } = outside.of('store').look(world.clock.monotonicMs());
  const error = answered?.error ?? null;
  const isAnswer = answered !== null && error === null;
  const before = state.store;
  // Closed by a command, nobody has seen it answer yet.
  const known = before.reachable === 'no' ? 'unknown' : before.reachable;
  const reachable = breaker !== 'closed' || failures > 0 ? 'no' : isAnswer ? 'yes' : known;
  if (reachable === before.reachable) return;
  const nowMs = world.clock.nowMs();
  const why = isOperational(error) ? error.message : breaker === 'closed' ? null : `its breaker is ${breaker}`;
  state.store = { reachable, sinceMs: nowMs, error: reachable === 'no' ? why : null };
  context.health.dueMs = 0;
  if (reachable === 'no') wentAway(context, 'store', state.store.error ?? 'it does not answer');
  if (reachable === 'yes') cameBack(context, 'store');
  if (reachable === 'no')
    world.log.error('completion', 'the store is away; completions wait in the journal', { reason: state.store.error });
  else if (before.reachable === 'no') world.log.info('completion', 'the store is back', { awayMs: nowMs - before.sinceMs });
  context.changes.tell();
  context.wakeup.ring();
}

/**
 * While the store is away it is asked every second. That look is the breaker's probe: a failure counts, and where it is open the first
 * answer ends its wait, so that the store goes on within seconds, however long it was away.
 */
export function pingWhileAway(context: Context): void {
  const { outside, world, stop } = context;
  if (context.state.store.reachable !== 'no' || outside.of('store').state === 'isolated') return;
  context.tasks.start(
    'store:ping',
    async () => {
      const breaker = outside.of('store');
      await world.clock.sleep(pingMs, stop);
      if (stop.aborted || breaker.state === 'isolated') return;
      if (breaker.state === 'open') {
        await outside.ping();
        breaker.seen(world.clock.monotonicMs());
      }
      do await world.store.ping();
      while (breaker.state === 'half-open' && !stop.aborted);
    },
    () => {},
  );
}
