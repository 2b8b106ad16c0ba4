import type { Config } from '../core/config.ts';
import type { RecoveryPlan } from '../core/control.ts';
import { hasEnded } from '../core/entry.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import type { RunRef } from '../core/todo.ts';
import type { World } from '../world.ts';
import type { Sight } from './findings.ts';
import { mayResetAgain, type Planned } from './plans.ts';

/** What the engine can do. Each is safe to ask twice, and looks again before it acts. */
export type Actions = {
  /** Scans the spool now. */
  processMarkers(): Promise<void>;
  /** Emergency completion of a live run: proof forced (C-30). */
  forceComplete(runId: string, reason: string): Promise<void>;
  /** Emergency reset of a live run: open again, or blocked after the last reset (C-31). */
  reset(runId: string, reason: string): Promise<void>;
  /** Moves a folder to the archive (archive-orphan.ts). */
  archiveOrphan(path: string): Promise<void>;
  endWindow(target: string): Promise<void>;
  /** Takes a todo away from a run whose lease has expired (`store.rescue`, outcome reset). False: it was renewed meanwhile. */
  rescue(ref: RunRef, to: 'open' | 'blocked', reason: string): Promise<boolean>;
  rotateLog(name: string): Promise<void>;
};

export type Repairs = Sight & {
  readonly store: Sight['store'] & Pick<World['store'], 'note'>;
  readonly log: World['log'];
};

export type RepairResult = { readonly plan: string; readonly done: boolean; readonly why: string };

/** Carries one plan out, looks whether it worked, and leaves a note of it. An error with a code is a result, not an end. */
export async function applyPlan(planned: Planned, actions: Actions, world: Repairs, config: Config): Promise<RepairResult> {
  const { plan } = planned;
  const result = await attempt(planned, actions, world, config);
  const fields = { plan: plan.id, todo: plan.todoId, run: plan.runId, why: result.why };
  if (result.done) world.log.info('monitor', 'recovered', fields);
  else world.log.warn('monitor', 'recovery did not work', fields);
  await noteInStore(plan, result, world);
  return result;
}

async function attempt(planned: Planned, actions: Actions, world: Repairs, config: Config): Promise<RepairResult> {
  const { plan } = planned;
  try {
    const why = await carryOut(planned, actions, world, config);
    const left = await stillThere(plan, world, config);
    return left === null ? { plan: plan.id, done: true, why } : { plan: plan.id, done: false, why: left };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { plan: plan.id, done: false, why: error.message };
  }
}

/** Answers with what was done, in words. */
async function carryOut({ plan, seen }: Planned, actions: Actions, world: Repairs, config: Config): Promise<string> {
  const reason = `recovery: ${plan.why}`;
  switch (plan.action) {
    case 'process-marker':
      await actions.processMarkers();
      return 'the marker was taken';
    case 'force-complete':
      await actions.forceComplete(runOf(plan), reason);
      return 'its forced completion is on its way';
    case 'reset':
      await actions.reset(runOf(plan), reason);
      return 'its reset is on its way';
    case 'archive-orphan':
      await actions.archiveOrphan(plan.subject);
      return 'moved to the archive';
    case 'end-window':
      await actions.endWindow(plan.subject);
      return 'the window was ended';
    case 'rescue': {
      if (seen.about.kind !== 'lost-claim') throw new Error(`a rescue of ${plan.subject} without its run`);
      const to = mayResetAgain(seen.about.resets, config.run.resets) ? 'open' : 'blocked';
      if (!(await actions.rescue(seen.about.ref, to, reason))) return 'its lease was renewed meanwhile: nothing to do';
      if (to === 'blocked')
        world.log.critical('monitor', 'todo blocked after its last recovery', {
          todo: plan.todoId,
          run: plan.runId,
          resets: seen.about.resets,
          whatToDo: `todo why ${plan.todoId}; todo release ${plan.todoId}`,
        });
      return to === 'open' ? 'it may start again' : 'blocked, for a person to look at';
    }
    case 'rotate-log':
      await actions.rotateLog(plan.subject.slice(plan.subject.lastIndexOf('/') + 1));
      return 'rotated';
    default:
      return plan.action satisfies never;
  }
}

function runOf(plan: RecoveryPlan): string {
  if (plan.runId === null)
    throw new OperationalError('REFUSED', { operation: 'recovering', subject: plan.subject, why: 'it has no live run' });
  return plan.runId;
}

/** The second look: why it did not work, or null. */
async function stillThere(plan: RecoveryPlan, world: Repairs, config: Config): Promise<string | null> {
  switch (plan.action) {
    case 'process-marker':
      return world.files.stat(plan.subject) === null ? null : 'the marker is still where it was';
    case 'archive-orphan':
      return world.files.stat(plan.subject) === null ? null : 'the folder is still where it was';
    case 'end-window':
      return world.terminals.list()?.includes(plan.subject) === false ? null : 'the window is still there, or tmux did not answer';
    case 'rotate-log':
      return (world.files.stat(plan.subject)?.sizeBytes ?? 0) <= config.logging.max_size_mb * 1024 * 1024
        ? null
        : 'the log is as large as it was';
    case 'force-complete':
    case 'reset': {
      const entry = world.journal.get(runOf(plan));
      return entry === null || hasEnded(entry.fact) || entry.emergency !== null ? null : `the run still stands at ${entry.fact}`;
    }
    case 'rescue': {
      const run = await world.store.getRun(runOf(plan));
      return run === null || run.endedAtMs !== null || run.leaseUntilMs >= (await world.store.nowMs())
        ? null
        : 'the run still has the todo';
    }
    default:
      return plan.action satisfies never;
  }
}

/** The store may be what is ill; the log has it in any case. */
async function noteInStore(plan: RecoveryPlan, { done, why }: RepairResult, world: Repairs): Promise<void> {
  try {
    await world.store.note({
      kind: 'healing',
      todoId: plan.todoId,
      runId: plan.runId,
      atMs: world.clock.nowMs(),
      what: plan.action,
      detail: JSON.stringify({ subject: plan.subject, why: plan.why, done, result: why }),
    });
  } catch (error) {
    if (!isOperational(error)) throw error;
    world.log.warn('monitor', 'recovery could not be noted in the store', { plan: plan.id, error: error.message });
  }
}
