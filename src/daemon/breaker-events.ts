import type { ShownBreaker } from '../core/control.ts';
import { messageOf } from '../core/errors.ts';
import { chainOf } from '../core/runners.ts';
import { breakerNote, type NamedBreakerChange } from '../resilience/breakers.ts';
import type { Context } from './context.ts';
import { kickDeliveries } from './deliveries.ts';
import { noteEvent } from './notebook.ts';
import { agentBreaker, breakerNames } from './outside.ts';
import { cameBack, wentAway } from './recovery-session.ts';
import { noteStore } from './store-link.ts';

/** The last state of each, until it is written down. */
const unwritten = new WeakMap<Context, Map<string, string>>();

const eventOf = {
  open: 'breaker_opened',
  closed: 'breaker_closed',
  'half-open': 'breaker_half_open',
  isolated: 'breaker_isolated',
} as const;

/** A breaker has changed its state: said in the log, kept for the next process and as a healing event, and whoever waited for it is woken. */
export function tellBreaker(context: Context, change: NamedBreakerChange): void {
  const { world } = context;
  const { name, from, to, why, waitMs } = change;
  const event = eventOf[to];
  context.tally.count('todo_breaker_transitions', { dependency: name, to });
  const fields = { breaker: name, from, why, waitMs: waitMs === null ? null : Math.round(waitMs) };
  if (to === 'open' && name === 'store') world.log.critical('monitor', event, { ...fields, hint: 'todo breaker list' });
  else if (to === 'open' || to === 'isolated') world.log.warn('monitor', event, fields);
  else world.log.info('monitor', event, fields);
  if (context.scope.kind === 'daemon') keep(context, name, JSON.stringify(change.saved));
  if (to !== 'half-open')
    noteEvent(context, { kind: 'healing', what: event, detail: JSON.stringify({ actor: 'daemon', after: to, ...fields }) });
  if (name === 'store') noteStore(context, null);
  if (name === 'webhook' && (to === 'open' || to === 'isolated')) wentAway(context, 'webhook', why);
  if (to !== 'closed') return;
  if (name === 'webhook') {
    cameBack(context, 'webhook');
    kickDeliveries(context);
  }
  if (name === 'runner' || name === 'runner.tmux' || name.startsWith(agentBreaker)) context.state.claimDueMs = 0;
  context.changes.tell();
  context.wakeup.ring();
}

/** In the order of the changes, the last one for certain. */
function keep(context: Context, name: string, saved: string): void {
  const states = unwritten.get(context) ?? new Map<string, string>();
  unwritten.set(context, states);
  states.set(name, saved);
  context.tasks.start(
    `keep:breaker:${name}`,
    async () => {
      for (let text = states.get(name); text !== undefined; text = states.get(name)) {
        states.delete(name);
        await context.world.journal.setNote(breakerNote(name), text);
      }
    },
    (error) => context.world.log.warn('monitor', 'the state of a breaker could not be kept', { breaker: name, reason: messageOf(error) }),
  );
}

/** All breakers as a person sees them. */
export function shownBreakers({ outside, world, config }: Pick<Context, 'outside' | 'world' | 'config'>): readonly ShownBreaker[] {
  makeAll(outside, config);
  const nowMs = world.clock.nowMs();
  return outside.breakers.list().map(({ inStateForMs, retryAfterMs, ...look }) => {
    const { window, successes, openMs } = outside.breakers.profile(look.name)!;
    return {
      ...look,
      sinceMs: Math.round(nowMs - inStateForMs),
      retryAfterMs: retryAfterMs === null ? null : Math.ceil(retryAfterMs),
      profile: { failureThreshold: window.kind === 'consecutive' ? window.failures : null, successThreshold: successes, timeoutMs: openMs },
    };
  });
}

/** A breaker that nobody has called through yet is one, too. */
function makeAll(outside: Context['outside'], config: Context['config']): void {
  for (const name of breakerNames) outside.of(name);
  for (const agent of chainOf(config.runners)) outside.runner(agent);
}

/** By a person's command. False where there is none of that name. */
export function commandBreaker(context: Context, action: 'isolate' | 'reset', name: string, why: string): boolean {
  const { outside } = context;
  makeAll(outside, context.config);
  const known = action === 'isolate' ? outside.breakers.isolate(name, why) : outside.breakers.reset(name, why);
  if (!known) return false;
  noteEvent(context, { kind: 'audit', what: `breaker ${action}`, detail: JSON.stringify({ breaker: name, why, by: 'person' }) });
  // A reset of one that is closed forgets its failures, and tells nobody.
  if (name === 'store') noteStore(context, null);
  return true;
}
