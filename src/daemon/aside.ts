import { type Backoff, backoffMs, noJitter } from '../core/backoff.ts';
import type { Entry } from '../core/entry.ts';
import type { Context } from './context.ts';

/** Work on a run that failed outside its steps (a folder that nobody can write) is not begun again with each file that changes. */
const again: Backoff = { firstMs: 500, factor: 2, maxMs: 15_000, jitter: noJitter };

/** `at`: how far the run had come. Once it has come further it is not aside any more, and the next failure is the first. */
type Aside = { readonly at: string; readonly times: number; readonly untilMs: number };
const asideOf = new WeakMap<Context, Map<string, Aside>>();

const progressOf = ({ fact, round, signal, timeline }: Entry): string => `${fact} ${round} ${signal?.atMs} ${timeline.length}`;

/** Answers with how long it waits. */
export function setAside(context: Context, entry: Entry): number {
  const known = asideOf.get(context) ?? new Map<string, Aside>();
  asideOf.set(context, known);
  const { runId } = entry.ref;
  const before = known.get(runId);
  const at = progressOf(entry);
  const times = before?.at === at ? before.times + 1 : 1;
  const waitMs = backoffMs(again, times, context.world.random.next);
  known.set(runId, { at, times, untilMs: context.world.clock.monotonicMs() + waitMs });
  return waitMs;
}

/** How often it was set aside since it last came further. */
export function timesAside(context: Context, entry: Entry): number {
  const aside = asideOf.get(context)?.get(entry.ref.runId);
  return aside?.at === progressOf(entry) ? aside.times : 0;
}

/** By the monotonic clock; 0 where nothing is waited for. */
export function asideUntilMs(context: Context, entry: Entry): number {
  const known = asideOf.get(context);
  const aside = known?.get(entry.ref.runId);
  if (known === undefined || aside === undefined) return 0;
  if (aside.at === progressOf(entry) && context.ledger.has(entry.ref.runId)) return aside.untilMs;
  known.delete(entry.ref.runId);
  return 0;
}
