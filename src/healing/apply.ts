import type { Config } from '../core/config.ts';
import type { RecoveryPlan, RepairResult } from '../core/control.ts';
import { hasEnded } from '../core/entry.ts';
import { isOperational, OperationalError } from '../core/errors.ts';
import { type HealingDetail, recoveryPrefix } from '../core/healing-event.ts';
import { parsedJson } from '../core/shape.ts';
import type { RunRef } from '../core/todo.ts';
import { isTerminal } from '../core/words.ts';
import type { World } from '../world.ts';
import type { Sight } from './findings.ts';
import { isTreatment, mayResetAgain, type Planned } from './plans.ts';
import type { Turns } from './turns.ts';

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
  /** What a run that nobody has any more left running. */
  endProcesses(runId: string): Promise<void>;
  /** Takes a todo away from a run whose lease has expired (`store.rescue`, outcome reset). False: it was renewed meanwhile. */
  rescue(ref: RunRef, to: 'open' | 'blocked', reason: string): Promise<boolean>;
  rotateLog(name: string): Promise<void>;
  /** Ends what runs of a todo, if anything does, and leaves the todo to a person. `lost`: the run that has it and lives nowhere. */
  block(todoId: string, reason: string, lost: RunRef | null): Promise<void>;
};

export type Repairs = Sight & {
  readonly random: Pick<World['random'], 'uuidv7'>;
  readonly store: Sight['store'] & Pick<World['store'], 'notesOf'>;
  readonly journal: Sight['journal'] & Pick<World['journal'], 'getNote' | 'setNote' | 'notes' | 'dropNotes'>;
  readonly log: World['log'];
};

/** Who acts, with what, and who hears of it. */
export type Treating = {
  readonly actions: Actions;
  readonly turns: Turns;
  readonly actor: 'daemon' | 'person';
  /** Keeps it, tells the store, and a person where one is to be told. Never fails. */
  readonly record: (event: HealingRecord) => void;
};

export type HealingRecord = {
  readonly id: string;
  readonly atMs: number;
  readonly what: string;
  readonly todoId: string | null;
  readonly runId: string | null;
  readonly detail: HealingDetail;
};

/** Begun, and not looked at yet. In the journal, so that whoever comes after a crash looks whether it worked, and it is counted. */
type Begun = {
  readonly v: 1;
  readonly id: string;
  readonly atMs: number;
  readonly actor: 'daemon' | 'person';
  readonly plan: RecoveryPlan;
};
const begunPrefix = 'recovering:';

/**
 * Carries one plan out, looks whether it worked, and leaves a row of it. One plan on a todo at a time: where somebody else is at it, nothing is done.
 * An error with a code is a result, not an end.
 */
export async function applyPlan(planned: Planned, treating: Treating, world: Repairs, config: Config): Promise<RepairResult> {
  const { plan } = planned;
  const { turns, actor } = treating;
  if (plan.todoId === null || !isTreatment(plan.action)) return carriedOut(planned, begin(plan, actor, world), treating, world, config);
  const who = `recovery: ${plan.action}`;
  // A person waits for an answer; the daemon comes by again.
  using turn = actor === 'person' ? await turns.wait(plan.todoId, who) : turns.take(plan.todoId, who);
  if (turn === null) {
    const why = `${turns.holder(plan.todoId)} is at work on it; nothing was done`;
    world.log.info('monitor', 'recovery left to another', { plan: plan.id, todo: plan.todoId, why });
    return { plan: plan.id, done: false, outcome: 'unseen', why };
  }
  const begun = begin(plan, actor, world);
  await world.journal.setNote(`${begunPrefix}${plan.todoId}`, JSON.stringify(begun));
  const result = await carriedOut(planned, begun, treating, world, config);
  await world.journal.dropNotes([`${begunPrefix}${plan.todoId}`]);
  return result;
}

const begin = (plan: RecoveryPlan, actor: 'daemon' | 'person', { random, clock }: Repairs): Begun => ({
  v: 1,
  id: random.uuidv7(),
  atMs: clock.nowMs(),
  actor,
  plan,
});

/** What a process began that died before it could look. */
export async function lookAtInterrupted(treating: Treating, world: Repairs, config: Config): Promise<void> {
  for (const { key, value } of world.journal.notes(begunPrefix)) {
    const begun = parsedJson(value) as Begun | null;
    const todoId = key.slice(begunPrefix.length);
    using turn = treating.turns.take(todoId, 'recovery: the look after a crash');
    if (turn === null) continue;
    if (begun?.v === 1)
      tell(begun, await looked(begun.plan, 'the process that did it ended before it could look', world, config), treating, world);
    await world.journal.dropNotes([key]);
  }
}

async function carriedOut(planned: Planned, begun: Begun, treating: Treating, world: Repairs, config: Config): Promise<RepairResult> {
  const { plan } = planned;
  let result: RepairResult;
  try {
    const why = await carryOut(planned, treating.actions, world, config);
    result = await looked(plan, why, world, config);
  } catch (error) {
    if (!isOperational(error)) throw error;
    result = { plan: plan.id, done: false, outcome: 'failed', why: error.message };
  }
  tell(begun, result, treating, world);
  return result;
}

/** The second look. What could not be looked at is not called done. */
async function looked(plan: RecoveryPlan, why: string, world: Repairs, config: Config): Promise<RepairResult> {
  try {
    const left = await stillThere(plan, world, config);
    if (left !== null) return { plan: plan.id, done: false, outcome: 'failed', why: left };
    return { plan: plan.id, done: true, outcome: plan.action === 'block' ? 'blocked' : 'done', why };
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { plan: plan.id, done: false, outcome: 'unseen', why: `${why}, but whether it worked could not be seen: ${error.message}` };
  }
}

function tell({ id, atMs, actor, plan }: Begun, { done, outcome, why }: RepairResult, { record }: Treating, { log }: Repairs): void {
  const fields = { plan: plan.id, action: plan.action, todo: plan.todoId, run: plan.runId, actor, reason: plan.why, outcome, why };
  if (outcome === 'blocked')
    log.critical('monitor', 'todo blocked after its last recovery', {
      ...fields,
      whatToDo: `todo why ${plan.todoId}; todo release ${plan.todoId}`,
    });
  else if (done) log.info('monitor', 'recovered', fields);
  else log.warn('monitor', 'recovery did not work', fields);
  record({
    ...{ id, atMs, todoId: plan.todoId, runId: plan.runId, what: `${recoveryPrefix}${plan.action}` },
    detail: { actor, reason: plan.why, before: [plan.why, ...plan.evidence].join('; '), after: why, outcome, subject: plan.subject },
  });
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
    case 'end-processes':
      await actions.endProcesses(runOf(plan));
      return 'they were ended';
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
    case 'block':
      await actions.block(plan.todoId ?? '', reason, seen.about.kind === 'lost-claim' ? seen.about.ref : null);
      return 'blocked, for a person to look at';
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
    case 'end-processes':
      return world.processes.ofHome(world.home.root).some(({ runId }) => runId === plan.runId) ? 'some of them are still there' : null;
    case 'rotate-log':
      return (world.files.stat(plan.subject)?.sizeBytes ?? 0) <= config.logging.max_size_mb * 1024 * 1024
        ? null
        : 'the log is as large as it was';
    case 'force-complete':
    case 'reset': {
      const entry = world.journal.get(runOf(plan));
      return entry === null || hasEnded(entry.fact) || entry.emergency !== null ? null : `the run still stands at ${entry.fact}`;
    }
    case 'block': {
      const todo = plan.todoId === null ? null : await world.store.find(plan.todoId);
      const live = world.journal.live().find(({ ref, fact }) => ref.todoId === plan.todoId && !hasEnded(fact));
      const isBlocked =
        todo === null || todo.status === 'blocked' || isTerminal(todo.status) || (live !== undefined && live.signal !== null);
      return isBlocked ? null : `the todo is ${todo.status}`;
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
