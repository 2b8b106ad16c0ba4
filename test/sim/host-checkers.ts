import { scheduleKey } from '../../src/core/schedule.ts';
import type { RunRef } from '../../src/core/todo.ts';
import { isInProgress, isTerminal } from '../../src/core/words.ts';
import type { Checker } from './checkers.ts';
import type { Machine } from './machine.ts';
import type { StoreChange } from './memory-store.ts';
import type { Simulation } from './simulation.ts';
import type { StoreWrite } from './store-link.ts';

/** What several hosts on one store owe to each other. One host owes it to itself, so they judge every story. */
export const hostCheckersFor = (simulation: Simulation): readonly Checker[] =>
  [oneEndForEachTodo, acknowledgedStays, inDoubtIsNoFailure, olderFenceChangesNothing, rescueInTime, putOffIsSaidOnce].map((make) =>
    make(simulation),
  );

/** 2. Over all hosts and all runs a todo has one terminal record, and that is the end it shows. */
function oneEndForEachTodo(simulation: Simulation): Checker {
  const promise = 'P2';
  return {
    promise,
    atEnd() {
      const ends = [...simulation.rows.records.values()].map(({ record }) => record).filter(({ todoStatus }) => isTerminal(todoStatus));
      for (const [todoId, records] of Map.groupBy(ends, (record) => record.todoId)) {
        const todo = simulation.rows.todos.get(todoId);
        if (records.length > 1)
          simulation.violate(promise, `todo ${todo?.number} has ${records.length} terminal records: ${records.map(({ runId }) => runId)}`);
        if (todo?.status !== records[0]?.todoStatus)
          simulation.violate(promise, `todo ${todo?.number} is ${todo?.status}, and its record says ${records[0]?.todoStatus}`);
      }
    },
  };
}

/** 8. What a store has acknowledged and lost is there again, unless somebody else had taken the todo before its host could say so. */
function acknowledgedStays(simulation: Simulation): Checker {
  const promise = 'P8';
  return {
    promise,
    atEnd() {
      for (const machine of simulation.hosts) {
        for (const { ref, fact, superseded, ending } of machine.journal.all()) {
          if (fact !== 'closed' || superseded || ending === null || !isTerminal(ending.todoStatus)) continue;
          const since = [...simulation.rows.runs.values()].some(
            (run) => run.todoId === ref.todoId && run.fence >= ref.fence && run.id !== ref.runId,
          );
          if (!simulation.rows.records.has(ref.runId) && !since)
            simulation.violate(promise, `run ${ref.runId} was acknowledged to ${machine.name}, and the store has nothing of it`);
        }
      }
    },
  };
}

/** 2. What is in doubt is read back and tried again, and never called a failure; nothing is given up as not recorded that the store has. */
function inDoubtIsNoFailure(simulation: Simulation): Checker {
  const promise = 'P2';
  return {
    promise,
    journalCommits(_machine, before, after) {
      if (after.givenUp === null || before?.fact !== 'reported') return;
      if (after.deaths?.at(-1)?.code === 'STORE_IN_DOUBT')
        simulation.violate(promise, `run ${after.ref.runId} was given up because an answer was lost`);
      if (after.fact === 'dead-lettered' && simulation.rows.records.has(after.ref.runId))
        simulation.violate(promise, `run ${after.ref.runId} was given up as not recorded, and the store has its record: ${after.givenUp}`);
    },
  };
}

/** Writes that speak for a run, and what they say whose it is. */
const refsIn: Readonly<Record<string, (args: readonly unknown[]) => readonly RunRef[]>> = {
  mark: ([ref]) => [ref as RunRef],
  renew: ([refs]) => refs as readonly RunRef[],
  giveBack: ([ref]) => [ref as RunRef],
  rescue: ([ref]) => [ref as RunRef],
  deadLetter: ([ref]) => [ref as RunRef],
  requeue: ([ref]) => [ref as RunRef],
  record: ([record]) => [record as RunRef],
};

/** 7. Whoever holds an older fence, or is not the run of this fence, changes nothing. */
function olderFenceChangesNothing(simulation: Simulation): Checker {
  const promise = 'P7';
  const fits = (ref: RunRef, todoId: string, holds: { readonly fence: number; readonly runId: string | null }): boolean =>
    ref.todoId === todoId && ref.fence === holds.fence && ref.runId === holds.runId;
  return {
    promise,
    storeChanges(change: StoreChange, by: StoreWrite | null) {
      const refs = by === null ? undefined : refsIn[by.operation]?.(by.args);
      if (by === null || refs === undefined || (change.kind !== 'todo' && change.kind !== 'run') || change.before === null) return;
      const todoId = change.kind === 'todo' ? change.before.id : change.before.todoId;
      const holds =
        change.kind === 'todo' ? change.before : { fence: simulation.rows.todos.get(todoId)?.fence ?? 0, runId: change.before.id };
      if (!refs.some((ref) => fits(ref, todoId, holds)))
        simulation.violate(
          promise,
          `${by.operation} by ${by.host} with fence ${refs.map(({ fence }) => fence)} changed the ${change.kind} of todo ${todoId}, whose fence is ${holds.fence}`,
        );
    },
  };
}

/** Between the end of a lease and its rescue, beside the ways to the store: the wait that spreads the hosts, and the pass that finds it due. */
const rescueLateMs = 2000;
/** Until a host that was cut off goes on as if nothing had been. */
const settledMs = 10_000;

/** 5. The todo of a run whose lease has run out is taken over in time, if a host is there that can. */
function rescueInTime(simulation: Simulation): Checker {
  const promise = 'P5';
  const watched = new Set<string>();
  const watch = (runId: string): void => {
    const run = simulation.rows.runs.get(runId);
    const todo = run === undefined ? undefined : simulation.rows.todos.get(run.todoId);
    if (run === undefined || todo?.runId !== runId || run.endedAtMs !== null || !isInProgress(todo.status)) {
      watched.delete(runId);
      return;
    }
    // Each lease is looked at by itself, there and back, one after the other.
    const boundMs = rescueLateMs + 2 * longestWayMs(simulation) * (2 + simulation.rows.todos.size);
    const leftMs = run.leaseUntilMs + boundMs - simulation.storeMs();
    if (leftMs > 0) {
      simulation.timeline.after(leftMs, () => watch(runId));
      return;
    }
    watched.delete(runId);
    const sinceMs = simulation.timeline.nowMs - boundMs;
    const could = simulation.hosts.find((machine) => machine.host.id !== run.host && wasWell(simulation, machine, sinceMs));
    if (could !== undefined && simulation.machines.length > 1)
      simulation.violate(
        promise,
        `todo ${todo.number} stands at ${todo.status} ${Math.round(boundMs)} ms after the lease of ${run.host}, and ${could.name} has not taken it over`,
      );
  };
  return {
    promise,
    storeChanges(change) {
      if (change.kind !== 'run' || watched.has(change.after.id) || simulation.machines.length === 1) return;
      watched.add(change.after.id);
      simulation.timeline.after(change.after.leaseUntilMs - simulation.storeMs(), () => watch(change.after.id));
    },
  };
}

const longestWayMs = (simulation: Simulation): number =>
  Math.max(...simulation.machines.map(({ faults }) => faults.plan.latencyMaxMs)) + (simulation.plan.cluster?.grantMaxMs ?? 0);

/** Its daemon lived all the while, and nothing stood between it and the store. */
function wasWell(simulation: Simulation, machine: Machine, sinceMs: number): boolean {
  const { plan } = machine.faults;
  const begunMs = simulation.startsOf(machine).at(-1) ?? Number.POSITIVE_INFINITY;
  const quietSinceMs = sinceMs - settledMs;
  const overMs = [plan.store, plan.stale, plan.pauses, plan.blind].flat().filter(({ fromMs }) => fromMs < simulation.timeline.nowMs);
  const { unreachable, inDoubt, conflict, timeout } = plan.storeFlaky;
  const steady = unreachable + inDoubt + conflict + timeout === 0 || plan.healAtMs < quietSinceMs;
  const failedOver = simulation.plan.cluster?.failovers.some(({ atMs }) => atMs > quietSinceMs) ?? false;
  const stepped = failedOver || simulation.storeLostAtMs > quietSinceMs;
  return simulation.daemons.has(machine) && begunMs < quietSinceMs && steady && !stepped && overMs.every(({ toMs }) => toMs < quietSinceMs);
}

/** How long after its time a word may be said: the look for what was put off, and a moment for the way to the store. */
const saidLateMs = 6000;

/** A word that was put off is said once, not before its time, and by a home that lives soon after it. */
function putOffIsSaidOnce(simulation: Simulation): Checker {
  const promise = 'P6';
  const said = new Map<string, string[]>();
  /** By todo: when it last had no run any more, or one that goes on after its checks. */
  const freed = new Map<string, number>();
  const hear = (id: string, how: string): void => {
    const all = [...(said.get(id) ?? []), how];
    said.set(id, all);
    if (all.length > 1) simulation.violate(promise, `the word ${id} that was put off was said ${all.length} times: ${all.join(' and ')}`);
    const word = simulation.putOffs.find((it) => it.item.id === id);
    if (word === undefined) return simulation.violate(promise, `nobody put off the word ${id}, and it was said`);
    const { machine, item } = word;
    const lateMs = machine.wallMs() - item.atMs;
    const jumps = machine.faults.plan.clockJumps.length > 0;
    if (lateMs < 0 && !jumps) simulation.violate(promise, `the word ${id} was said ${-lateMs} ms before its time`);
    // It waits for a run of somebody else and for one whose completion is under way, and is said when that has ended or is sent back.
    const couldMs = Math.min(lateMs, simulation.timeline.nowMs - (freed.get(item.todoId) ?? 0));
    if (couldMs > saidLateMs && !jumps && wasWell(simulation, machine, simulation.timeline.nowMs - couldMs))
      simulation.violate(promise, `the word ${id} was said ${lateMs} ms after its time`);
  };
  return {
    promise,
    journalCommits(_machine, before, after) {
      if (before?.fact === 'collected' && after.fact === 'claimed') freed.set(after.todo.id, simulation.timeline.nowMs);
      const from = after.signal?.from;
      if (from?.kind === 'person' && from.scheduled !== undefined && before?.signal == null)
        hear(from.scheduled, `to run ${after.ref.runId}`);
    },
    storeChanges(change) {
      if (change.kind === 'todo' && change.before?.runId != null && change.after.runId === null)
        freed.set(change.after.id, simulation.timeline.nowMs);
      const by =
        change.kind === 'note' && change.after.what === 'status' ? /person, scheduled ([0-9a-f-]{36})/.exec(change.after.detail) : null;
      if (by?.[1] !== undefined) hear(by[1], 'to the store');
    },
    atEnd() {
      for (const { machine, item } of stillPutOff(simulation))
        simulation.violate(promise, `the word ${item.id} (${item.verb}) is still put off on ${machine.name}`);
    },
  };
}

/** Words that a home which is still there has yet to say; one about a run that stalls elsewhere waits for people as visibly as that does. */
export const stillPutOff = (simulation: Simulation): Simulation['putOffs'] =>
  simulation.putOffs.filter(
    ({ machine, item }) =>
      !simulation.isRetired(machine) &&
      simulation.rows.todos.get(item.todoId)?.status !== 'stalled' &&
      machine.journal.notes.get(scheduleKey(item.todoId)) === JSON.stringify(item),
  );
