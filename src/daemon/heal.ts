import type { Component, ControlReply, ControlRequest, RepairResult } from '../core/control.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import { healRate } from '../core/healing-event.ts';
import { parsedJson } from '../core/shape.ts';
import { lookAtHealth } from '../healing/health.ts';
import { componentOf, notSeenIn, type Only } from '../healing/sweep.ts';
import type { Context } from './context.ts';
import { noteHealing } from './healing-events.ts';
import { sweepNow } from './recovery.ts';
import { statusOf } from './requests.ts';

/** Note of the journal: when heals were asked for, so that a restart begins no new count. */
const askedKey = 'heal.asked';

/** What can be healed by name. The store has no plan of its own: its connections are made anew. */
const healable: readonly string[] = [...new Set([...Object.values(componentOf), 'store'])].sort();

/** Healing by a person's hand: what they name, or all. Looked at before and after; nothing is changed by a dry run, which is free. */
export async function healNow(
  context: Context,
  { what, dryRun }: Extract<ControlRequest, { op: 'heal' }>,
  look: () => Promise<unknown>,
): Promise<ControlReply> {
  try {
    const only = what === null ? null : await meant(context, what);
    const tooOften = dryRun ? null : await countHeal(context);
    if (tooOften !== null) return tooOften;
    const before = of(only, await componentsNow(context));
    const { health, plans, results } = await sweepNow(context, dryRun ? 'none' : 'all', look, only);
    const store = dryRun || !(only === null || ('component' in only && only.component === 'store')) ? [] : await healStore(context, before);
    const after = dryRun ? before : of(only, await componentsNow(context));
    return {
      ok: true,
      kind: 'healed',
      healed: { what, plans, results: [...results, ...store], before, after, notSeen: notSeenIn(of(only, health.components)) },
    };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { ok: false, code: error.code, message: error.message, hint: error.hint };
  }
}

async function meant(context: Context, what: string): Promise<Only> {
  if (healable.includes(what)) return { component: what };
  const todo = await context.world.store.find(what);
  if (todo !== null) return { todoId: todo.id };
  throw new OperationalError('NOT_FOUND', {
    operation: 'healing',
    subject: what,
    why: 'no component and no todo is called so',
    hint: `Components: ${healable.join(', ')}. Todos: todo list`,
  });
}

/** Null: it may be. Kept before it is done: what crashes in the middle was asked for all the same. */
async function countHeal({ world, config }: Context): Promise<ControlReply | null> {
  const nowMs = world.clock.nowMs();
  const kept = parsedJson(world.journal.getNote(askedKey) ?? '[]');
  const times = Array.isArray(kept) ? kept.filter((it): it is number => typeof it === 'number') : [];
  const most = config.behavior.heals_per_minute;
  const rate = healRate(times, nowMs, most);
  if (!rate.allowed) {
    const { code, message, hint } = new OperationalError('REFUSED', {
      operation: 'healing',
      subject: 'by hand',
      why: `at most ${most} a minute (behavior.heals_per_minute); again in ${Math.ceil(rate.retryAfterMs / 1000)} s`,
      hint: 'todo heal --dry-run is always free.',
    });
    return { ok: false, code, message, hint, retryAfterMs: rate.retryAfterMs };
  }
  await world.journal.setNote(askedKey, JSON.stringify(rate.times));
  return null;
}

async function componentsNow(context: Context): Promise<readonly Component[]> {
  const { world, config } = context;
  const { components } = await lookAtHealth({
    world,
    config,
    daemon: statusOf(context),
    liveEntries: world.journal.live(),
    withinMs: lookWithinMs,
  });
  return components;
}
const lookWithinMs = 5_000;

const of = (only: Only | null, components: readonly Component[]): readonly Component[] =>
  only === null
    ? components
    : 'component' in only
      ? components.filter(({ name }) => name === only.component)
      : components.filter(({ name }) => name === 'runs');

/** A store that is not well gets new connections, and is asked. */
async function healStore(context: Context, before: readonly Component[]): Promise<readonly RepairResult[]> {
  const { care } = context.world.store;
  const was = before.find(({ name }) => name === 'store');
  if (care === undefined || was === undefined || was.status === 'healthy') return [];
  const plan = 'reset:store';
  const result = await resetOf(context, care).then(
    (why) => ({ plan, done: true, outcome: 'done', why }) as const,
    (error: unknown) => {
      if (!isOperational(error)) throw error;
      return { plan, done: false, outcome: 'failed', why: error.message } as const;
    },
  );
  const { outcome, why } = result;
  context.world.log[result.done ? 'info' : 'warn']('monitor', 'store healed by hand', { was: was.reason, outcome, why });
  noteHealing(context, {
    what: 'heal.store',
    detail: { actor: 'person', reason: was.reason, before: was.status, after: why, outcome },
  });
  return [result];
}

async function resetOf({ outside, world }: Context, care: NonNullable<Context['world']['store']['care']>): Promise<string> {
  const did = await care.reset();
  await outside.ping();
  await world.store.ping();
  return `${did}; it answers`;
}
