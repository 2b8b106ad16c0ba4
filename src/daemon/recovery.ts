import { type Config, inMs } from '../core/config.ts';
import type { ControlReply } from '../core/control.ts';
import type { RunRef } from '../core/todo.ts';
import type { Actions } from '../healing/apply.ts';
import { archiveOrphan } from '../healing/archive-orphan.ts';
import { sweep } from '../healing/sweep.ts';
import type { Context } from './context.ts';
import { emergency } from './emergency.ts';
import { statusOf } from './requests.ts';

/** By the monotonic clock. */
const dueMs = new WeakMap<Context, number>();

/**
 * The monitor: one look at everything every behavior.health_check_interval, and what the configuration allows to be mended.
 * Its heartbeat is the end of a whole sweep: one that hangs, or fails each time, shows in `todo health` (I-09).
 */
export function sweepWhenDue(context: Context, look: () => Promise<unknown>): void {
  const { state, world, config, tasks } = context;
  const nowMs = world.clock.monotonicMs();
  if (context.scope.kind !== 'daemon' || state.draining || tasks.busy('sweep') || nowMs < (dueMs.get(context) ?? 0)) return;
  dueMs.set(context, nowMs + inMs(config.behavior.health_check_interval));
  tasks.start(
    'sweep',
    async () => {
      await sweepNow(context, 'automatic', look);
      state.lastSweepAtMs = world.clock.nowMs();
    },
    (error) => world.log.warn('monitor', 'sweep failed', { reason: error.message }),
  );
}

/** The interval has changed: it is counted from now. */
export function sweepBy({ behavior }: Pick<Config, 'behavior'>, context: Context): void {
  if (dueMs.has(context)) dueMs.set(context, context.world.clock.monotonicMs() + inMs(behavior.health_check_interval));
}

/** When the next sweep is due, by the monotonic clock: the loop must not sleep through it. */
export const sweepDueMs = (context: Context): number =>
  context.scope.kind !== 'daemon' || context.state.draining ? Number.POSITIVE_INFINITY : (dueMs.get(context) ?? 0);

/** `todo recover`: the plan first; with apply all of it. */
export async function recoverNow(context: Context, apply: boolean, look: () => Promise<unknown>): Promise<ControlReply> {
  const { plans, results } = await sweepNow(context, apply ? 'all' : 'none', look);
  return { ok: true, kind: 'plans', plans, results };
}

const sweepNow = (context: Context, apply: 'none' | 'automatic' | 'all', look: () => Promise<unknown>) =>
  sweep({
    world: context.world,
    config: context.config,
    daemon: statusOf(context),
    liveEntries: context.world.journal.live(),
    actions: actionsOf(context, look),
    apply,
  });

function actionsOf(context: Context, look: () => Promise<unknown>): Actions {
  const { world, ledger } = context;
  const forced = async (runId: string, action: 'complete' | 'reset', reason: string): Promise<void> => {
    if (!ledger.has(runId)) return;
    await emergency(context, runId, { action, by: 'deadline', reason });
    context.wakeup.ring();
  };
  return {
    processMarkers: async () => void (await look()),
    forceComplete: (runId, reason) => forced(runId, 'complete', reason),
    reset: (runId, reason) => forced(runId, 'reset', reason),
    archiveOrphan: async (path) => void archiveOrphan(world, path, context.redactAll),
    endWindow: async (target) => world.terminals.end(target),
    rescue: (ref, to, reason) => rescueAsReset(context, ref, to, reason),
    rotateLog: async (name) => world.log.rotate(name),
  };
}

async function rescueAsReset(context: Context, ref: RunRef, to: 'open' | 'blocked', reason: string): Promise<boolean> {
  const { store } = context.world;
  const todo = await store.find(ref.todoId);
  if (todo === null) return false;
  return store.rescue(ref, { status: to, outcome: 'reset', reason, attempts: todo.attempts, resets: todo.resets + 1, notBeforeMs: null });
}
