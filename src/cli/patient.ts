import { messageOf } from '../core/errors.ts';
import { parsedJson } from '../core/shape.ts';
import { Breakers, breakerNote } from '../resilience/breakers.ts';
import { newGuard } from '../resilience/guard.ts';
import { policies } from '../resilience/policy.ts';
import { profiles } from '../resilience/profiles.ts';
import { retry } from '../resilience/retry.ts';
import type { GuardEvent } from '../resilience/run.ts';
import { Timeouts } from '../resilience/timeouts.ts';
import type { World } from '../world.ts';
import { plain } from './text/plain.ts';

/**
 * A call of the store for which a person waits, and which may be made twice: one that does not answer for a moment is asked again by policy `api`.
 * Where a person holds its breaker open nothing is asked; whether it is open is the daemon's knowledge, and too old for us.
 */
export function patiently<T>(
  call: () => Promise<T>,
  { clock, random, journal }: Pick<World, 'clock' | 'random' | 'journal'>,
  say: (text: string) => void,
): Promise<T> {
  const kernel = { clock, random: random.next, timeouts: new Timeouts(clock) };
  const saved = parsedJson(journal.getNote(breakerNote('store')) ?? 'null') as { readonly state?: unknown } | null;
  const breakers = new Breakers({ clock, random: random.next, saved: () => (saved?.state === 'isolated' ? saved : null) });
  const guard = newGuard(
    { name: 'store', breaker: breakers.of('store', profiles.store), codes: { refused: 'STORE_UNREACHABLE', timedOut: 'STORE_TIMEOUT' } },
    kernel,
  );
  const on = (event: GuardEvent): void => {
    if (event.kind === 'retry')
      say(`Attempt ${event.attempt} failed (${plain(messageOf(event.error))}); the next is in ${Math.round(event.delayMs)} ms.`);
  };
  return retry(() => guard.run(call), { name: 'store', policy: policies.api, on }, kernel);
}
