import type { Entry } from '../../src/core/entry.ts';
import { hasEnded, isCompletion, sameOwner } from '../../src/core/entry.ts';
import { autoAgent } from '../../src/core/runners.ts';
import type { StoredRecord, TerminalRecord, Todo } from '../../src/core/todo.ts';
import { isInProgress, isTerminal } from '../../src/core/words.ts';
import type { DiskChange } from './disk.ts';
import { epochMs, type Machine } from './machine.ts';
import type { StoreChange } from './memory-store.ts';
import type { Observer, Simulation } from './simulation.ts';
import type { StoreCall } from './store-link.ts';
import { digest } from './world.ts';

/**
 * One judge per promise (DESIGN 2). They look at the machines' state, the store's rows and what really happened, never at what the engine
 * says about itself, and they only write down what they see: nothing that they find can be swallowed by the code under test.
 */
export type Checker = Observer & { readonly promise: string; atEnd?(): void };

export const checkersFor = (simulation: Simulation): readonly Checker[] =>
  [
    nothingRemovedEarly,
    legacyFilesGo,
    oneTerminalRecord,
    completedIsProven,
    unknownChangesNothing,
    everyTodoEnds,
    twiceIsOnce,
    observersChangeNothing,
    nothingLost,
    boundedEffort,
  ].map((make) => make(simulation));

const runOfPath = (path: string, folder: string): string | null => {
  if (!path.startsWith(`${folder}/`)) return null;
  return path.slice(folder.length + 1).split('/')[0] ?? null;
};
const runOfMarker = (path: string): string | null => /\/([^/.]+)\.[^/.]+$/.exec(path)?.[1] ?? null;

/** 1. Nothing is removed before the store has shown us the same digest. */
function nothingRemovedEarly(simulation: Simulation): Checker {
  const promise = 'P1';
  /** Runs whose record came back to this machine with the content that its journal names. */
  const shown = new Set<string>();
  /** Runs that had ended without a record; a store that lost its tail may show them live again. */
  const ended = new Set<string>();
  let storeLost = false;
  const mayGo = (machine: Machine, runId: string): boolean => {
    if (shown.has(`${machine.name} ${runId}`)) return true;
    const run = simulation.rows.runs.get(runId);
    // Superseded: its todo went on without it, and the store holds nothing of it, or has lost the claim itself or that end.
    const wentOn = run === undefined ? storeLost : run.endedAtMs !== null || (storeLost && ended.has(runId));
    return wentOn && !simulation.rows.records.has(runId);
  };
  const judge = (machine: Machine, change: DiskChange, runId: string | null): void => {
    if (runId === null || mayGo(machine, runId)) return;
    simulation.violate(promise, `${machine.name} ${change.op} ${change.path} before the store has shown the record of ${runId}`);
  };
  return {
    promise,
    storeLost() {
      storeLost = true;
    },
    storeChanges(change) {
      const { kind } = change;
      if (kind === 'run' && change.after.endedAtMs !== null && !simulation.rows.records.has(change.after.id)) ended.add(change.after.id);
    },
    storeCalled({ host, operation, args, answer }: StoreCall) {
      if (operation !== 'readBack' || answer === null) return;
      const machine = simulation.machines.find((it) => it.host.id === host);
      const runId = String(args[0]);
      const { record } = answer as StoredRecord;
      const entry = machine?.journal.get(runId);
      if (
        machine !== undefined &&
        entry?.reported?.manifestSha256 === record.manifestSha256 &&
        entry.ending?.todoStatus === record.todoStatus
      )
        shown.add(`${machine.name} ${runId}`);
    },
    diskChanges(machine, change) {
      if (change.actor.kind !== 'daemon') return;
      const { spool, runs, archive, legacy } = machine.home;
      const { op, path, to } = change;
      if (op === 'unlink' || op === 'remove-folder' || op === 'rename') {
        const fromSpool = path.startsWith(`${spool.new}/`) || path.startsWith(`${spool.cur}/`);
        if (fromSpool && op === 'unlink' && !path.endsWith('.hook')) judge(machine, change, runOfMarker(path));
        if (fromSpool && op === 'rename' && ![spool.cur, spool.bad].some((folder) => to?.startsWith(`${folder}/`)))
          simulation.violate(promise, `${machine.name} moved a marker to ${to}`);
        // A completion that was given up is shown to people in the archive: moved whole, nothing of it removed.
        const givenUp = op === 'rename' && machine.journal.get(runOfPath(path, runs) ?? '')?.givenUp != null;
        if (path.endsWith('/output.log') || (path.includes('/final') && !givenUp)) judge(machine, change, runOfPath(path, runs));
        if (isArchived(path, archive)) simulation.violate(promise, `${machine.name} ${op} ${path}: the archive is for good`);
        if (path === legacy.marker || path === legacy.pointer) judge(machine, change, legacyRunOf(machine, change));
        if (legacy.sessionPrefix !== null && path.startsWith(legacy.sessionPrefix))
          judge(machine, change, sessionRunOf(machine, path.slice(legacy.sessionPrefix.length)));
      }
      if ((op === 'write' || op === 'append') && isArchived(path, archive))
        simulation.violate(promise, `${machine.name} wrote ${path} in the archive`);
    },
  };
}

/** Under its final name; what is still being put together has another. */
const isArchived = (path: string, archive: string): boolean => {
  const folder = runOfPath(path, archive);
  return folder !== null && !folder.endsWith('.new');
};

/** The run whose word or pointer this very file is. Null when it is nobody's: then it must not be touched at all. */
function legacyRunOf(machine: Machine, { node }: DiskChange): string {
  const entry = machine.journal
    .all()
    .find(({ signal, pointer }) => (signal?.from.kind === 'legacy' && signal.from.ino === node?.ino) || pointer?.ino === node?.ino);
  return entry?.ref.runId ?? 'a legacy file of nobody';
}

function sessionRunOf(machine: Machine, rest: string): string {
  const id = rest.split('/')[0] ?? '';
  const entries = machine.journal.all().filter(({ todo, ref }) => String(todo.number) === id || todo.id === id || ref.runId === id);
  return entries.at(-1)?.ref.runId ?? 'a session of nobody';
}

/** 1, the other half: once it is confirmed, marker, pointer and session folder of the earlier system are gone, and nothing of anybody else's. */
function legacyFilesGo(simulation: Simulation): Checker {
  const promise = 'P1';
  const powerLost = new Set<string>();
  return {
    promise,
    crashed(machine, crash) {
      if (crash.kind === 'power') powerLost.add(machine.name);
    },
    atEnd() {
      for (const machine of simulation.machines) {
        const { marker, pointer, sessionPrefix } = machine.home.legacy;
        // A power loss may bring back what was removed, and then it is a stranger's.
        if (marker === null || pointer === null || powerLost.has(machine.name)) continue;
        for (const entry of machine.journal.all()) {
          if (entry.fact !== 'closed' || entry.superseded) continue;
          const from = entry.signal?.from;
          const left = (path: string): void =>
            simulation.violate(promise, `${path} is still there although run ${entry.ref.runId} is closed`);
          if (from?.kind === 'legacy' && machine.disk.node(marker)?.ino === from.ino && machine.disk.node(marker)?.mtimeMs === from.mtimeMs)
            left(marker);
          if (entry.pointer !== null && machine.disk.node(pointer)?.ino === entry.pointer.ino) left(pointer);
          const folder = machine.disk.node(`${sessionPrefix}${entry.todo.number}`);
          if (folder !== null && isTerminal(entry.ending?.todoStatus ?? 'open') && folder.mtimeMs < entry.timeline.at(-1)!.atMs)
            left(`${sessionPrefix}${entry.todo.number}`);
        }
      }
    },
  };
}

/** 2. Exactly one terminal record per run; whoever holds an older fence changes nothing; what has ended never changes again. */
function oneTerminalRecord(simulation: Simulation): Checker {
  const promise = 'P2';
  const recorded = new Map<string, TerminalRecord>();
  return {
    promise,
    storeLost() {
      for (const runId of recorded.keys()) if (!simulation.rows.records.has(runId)) recorded.delete(runId);
    },
    storeChanges(change, by) {
      if (change.kind === 'record') {
        const { runId, todoId, fence } = change.after;
        if (recorded.has(runId)) simulation.violate(promise, `run ${runId} was recorded twice`);
        const todo = simulation.rows.todos.get(todoId);
        // What was lost with its claim comes back with its fence.
        if (todo?.fence !== fence && !(by?.operation === 'reassert' && (todo?.fence ?? 0) < fence))
          simulation.violate(promise, `a record with fence ${fence} got into todo ${todoId} of fence ${todo?.fence}`);
        recorded.set(runId, change.after);
      }
      if (change.kind === 'todo' && change.before !== null) judgeTodo(change.before, change.after);
      if (change.kind === 'run' && change.before?.endedAtMs != null && JSON.stringify(change.before) !== JSON.stringify(change.after)) {
        const { before, after } = change;
        // Nobody had heard of its end, or the store had lost it: what was recorded of it counts.
        const isHeard = by?.operation === 'reassert' && (before.outcome === 'lost' || before.outcome === 'released');
        if (!isHeard && (before.outcome !== after.outcome || before.endedAtMs !== after.endedAtMs))
          simulation.violate(promise, `run ${after.id} had ended ${before.outcome} and changed to ${after.outcome}`);
      }
      if (change.kind === 'run' && change.before === null) {
        const others = [...simulation.rows.runs.values()].filter(
          (run) => run.todoId === change.after.todoId && run.endedAtMs === null && run.id !== change.after.id,
        );
        if (others.length > 0) simulation.violate(promise, `todo ${change.after.todoId} got a second live run`);
      }
    },
  };
  function judgeTodo(before: Todo, after: Todo): void {
    if (isTerminal(before.status)) simulation.violate(promise, `todo ${after.number} had ended ${before.status} and was changed`);
    if (after.fence < before.fence) simulation.violate(promise, `the fence of todo ${after.number} went back`);
    if (after.runId !== null && after.runId !== before.runId && (after.fence !== before.fence + 1 || before.runId !== null))
      simulation.violate(promise, `todo ${after.number} changed its run without a claim`);
    if (isInProgress(after.status) && after.runId === null)
      simulation.violate(promise, `todo ${after.number} is ${after.status} without a run`);
    if (after.status === 'open' && after.runId !== null) simulation.violate(promise, `todo ${after.number} is open and has a run`);
  }
}

/** 3. "Completed" is never invented. */
function completedIsProven(simulation: Simulation): Checker {
  const promise = 'P3';
  const { truth } = simulation;
  const asked = (todoId: string, what: RegExp): boolean => truth.asked.some((it) => it.todoId === todoId && what.test(it.what));

  function judge(record: TerminalRecord): void {
    const todo = simulation.rows.todos.get(record.todoId)!;
    const bad = (why: string): void =>
      simulation.violate(
        promise,
        `todo ${todo.number} run ${record.runId} ${record.todoStatus} ${record.proof ?? ''} said by ${record.saidBy}: ${why}`,
      );
    if ((record.proof !== null) !== (record.todoStatus === 'completed')) bad('a proof belongs to a completed todo and to no other');
    judgeSayer(record, bad);
    if (record.todoStatus === 'cancelled' && !asked(todo.id, /^cancel/)) bad('nobody asked for that');
    if (record.todoStatus !== 'completed') return;
    switch (record.proof) {
      case 'verified':
        if (todo.checks.length === 0) bad('there is no check that could have proved it');
        for (const command of todo.checks)
          if (!reallyPassed(record, command)) bad(`"${command}" did not pass after the last thing that was written`);
        return;
      case 'unverified':
        if (todo.checks.length > 0) bad('it has checks');
        return;
      case 'forced':
        if (!/FORCE-COMPLETED/.test(record.reportHtml) || !/^FORCE-COMPLETED/.test(record.summary))
          bad(`its text does not say so: ${record.summary}`);
        if (record.outcome !== 'forced') bad(`its outcome is ${record.outcome}`);
        return;
      case 'overridden':
        if (!asked(todo.id, /^done/)) bad('no person said so');
        return;
      case null:
        return;
      default:
        record.proof satisfies never;
    }
  }

  /** Who is named as the one who said so must have said so. */
  function judgeSayer(record: TerminalRecord, bad: (why: string) => void): void {
    const run = truth.run(record.runId);
    const [first] = run.said;
    switch (record.saidBy) {
      case 'marker':
        if (truth.legacySaid.has(record.runId)) return;
        if (first === undefined) return bad('its agent said no word');
        // Two words in one look are in the order of their names; what counts is that this word was said.
        if (!run.said.some(({ says }) => fits(says, record))) bad(`its agent said ${run.said.map(({ says }) => says).join(', ')}`);
        return;
      case 'process-end': {
        const lastStart = run.begun.at(-1);
        // A word belongs to its round; one that could not even be started has heard none.
        const since =
          lastStart?.round === record.round || record.round === 1 ? Math.max(run.turnedMs, lastStart?.atMs ?? 0) : Number.POSITIVE_INFINITY;
        const durable = run.said.find((word) => word.durableAtMs !== null && word.atMs > since);
        if (durable !== undefined) return bad(`its agent had said ${durable.says} before`);
        const codes = run.ends.flatMap(({ how }) => (how.kind === 'code' ? [how.code] : []));
        if (record.outcome === 'done' && !codes.includes(0)) bad('no process of it ended with 0');
        return;
      }
      case 'person':
        if (!asked(record.todoId, /./)) bad('no person asked for anything');
        if (record.proof === 'forced' && !asked(record.todoId, /^emergency complete/)) bad('nobody asked for an emergency');
        return;
      case 'deadline':
        if (record.proof === 'forced' && !deadlinePassed(record)) bad('no deadline has passed');
        return;
      case 'hook':
      case 'verb':
        return;
      default:
        record.saidBy satisfies never;
    }
  }

  function reallyPassed(record: TerminalRecord, command: string): boolean {
    const { lastWriteMs } = truth.run(record.runId);
    return truth.checks.some(
      (check) => check.todoId === record.todoId && check.command === command && check.passed && check.startedMs >= lastWriteMs,
    );
  }

  function deadlinePassed(record: TerminalRecord): boolean {
    const { behavior } = simulation.plan.config;
    const todo = simulation.rows.todos.get(record.todoId)!;
    const limits = [
      behavior.emergency_timeout,
      behavior.completion_timeout,
      behavior.run_max ?? Number.POSITIVE_INFINITY,
      (todo.timeoutMs ?? Number.POSITIVE_INFINITY) / 1000,
    ];
    const jumped =
      simulation.machines.some((machine) => machine.faults.plan.clockJumps.length > 0) ||
      simulation.plan.cluster?.failovers.some(({ clockStepMs }) => clockStepMs !== 0);
    const run = simulation.rows.runs.get(record.runId)!;
    return jumped || simulation.storeMs() - run.startedAtMs >= Math.min(...limits) * 1000 - 1000;
  }

  return {
    promise,
    storeChanges(change: StoreChange, by) {
      if (change.kind === 'record') judge(change.after);
      if (change.kind === 'todo' && change.after.status === 'claimed' && change.before?.status !== 'claimed') {
        const before = change.after.after === null ? null : simulation.rows.todos.get(change.after.after);
        if (before != null && !(before.status === 'completed' && before.proof !== 'forced'))
          simulation.violate(
            promise,
            `todo ${change.after.number} started although todo ${before.number} is ${before.status} ${before.proof ?? ''}`,
          );
      }
      if (
        change.kind === 'todo' &&
        change.after.status === 'completed' &&
        change.before?.status !== 'completed' &&
        !simulation.rows.records.has(by?.operation === 'reassert' ? (by.args[0] as TerminalRecord).runId : (change.before?.runId ?? ''))
      )
        simulation.violate(promise, `todo ${change.after.number} is completed without a record`);
    },
  };
}

const fits = (says: string, { outcome, todoStatus }: TerminalRecord): boolean =>
  says === outcome || (says === 'done' && (outcome === 'failed' || todoStatus === 'completed'));

/** 4. "Unknown" never deletes, resets or completes anything. */
function unknownChangesNothing(simulation: Simulation): Checker {
  const promise = 'P4';
  return {
    promise,
    journalCommits(machine, before, after) {
      if (before !== null && !hasEnded(before.fact) && isTakenFromLiving(machine, before, after))
        simulation.violate(
          promise,
          `run ${after.ref.runId} of process ${before.owner.pid}, which lives, was taken over by ${after.owner.pid}`,
        );
      if (before === null || after.signal === null || before.signal !== null) return;
      if (after.signal.saidBy !== 'process-end') return;
      // Its process is said to have ended: nature knows.
      const alive = machine.processes.tagged(after.ref.runId).filter(({ kind }) => kind === 'agent');
      if (alive.length > 0)
        simulation.violate(
          promise,
          `${machine.name} says that run ${after.ref.runId} has ended (${after.signal.reason ?? ''}), but its agent lives`,
        );
    },
    storeChanges(change) {
      if (change.kind !== 'run' || change.before === null || change.before.endedAtMs !== null || change.after.outcome !== 'lost') return;
      const run = change.after;
      if (simulation.rows.records.has(run.id)) return;
      const entry = simulation.machines.find((machine) => machine.host.id === run.host)?.journal.get(run.id);
      // Taken from a run by its lease, not by looks: only when the lease is over.
      if (change.before.leaseUntilMs > simulation.storeMs() && entry !== undefined && entry !== null && entry.givenUp === null)
        simulation.violate(promise, `run ${run.id} was taken away before its lease was over`);
    },
  };
}

/** A claim by hand is handed over to nobody by its own process; everybody else takes from the dead only. */
const isTakenFromLiving = ({ processes }: Machine, before: Entry, after: Entry): boolean =>
  !sameOwner(before.owner, after.owner) && after.owner.pid !== 0 && processes.isAlive(before.owner);

/** 5. Every todo ends or is visibly waiting for someone by its deadline. */
function everyTodoEnds(simulation: Simulation): Checker {
  const promise = 'P5';
  return {
    promise,
    journalCommits(machine, before, after) {
      // To be told to go on is a sign that something goes on.
      if (before !== null && after.round > before.round) simulation.truth.sign(after.ref.runId);
      if (after.emergency === null || before?.emergency !== null || after.emergency.by !== 'deadline') return;
      simulation.count('emergency by deadline');
      judgePunctuality(simulation, machine, after, promise);
    },
    atEnd() {
      for (const todo of simulation.rows.todos.values()) {
        const why = whyUnsettled(simulation, todo);
        if (why !== null) simulation.violate(promise, `todo ${todo.number} is ${todo.status}: ${why}`);
      }
      for (const machine of simulation.hosts) {
        for (const entry of machine.journal.all()) {
          if (!hasEnded(entry.fact) && !isVisiblyWaiting(simulation, entry))
            simulation.violate(
              promise,
              `run ${entry.ref.runId} still stands at ${entry.fact} (attempt ${entry.attempt}, ${entry.lastError?.code ?? 'no error'})`,
            );
        }
      }
      for (const run of simulation.rows.runs.values()) {
        const todo = simulation.rows.todos.get(run.todoId);
        if (run.endedAtMs === null && todo?.runId !== run.id) simulation.violate(promise, `run ${run.id} was never ended`);
      }
    },
  };
}

/** A deadline that nobody kept is a promise that nobody keeps: neither before its time nor long after it. */
function judgePunctuality(simulation: Simulation, machine: Machine, entry: Entry, promise: string): void {
  const { behavior } = simulation.plan.config;
  const steps = simulation.plan.cluster?.failovers.some(({ clockStepMs }) => clockStepMs !== 0) ?? false;
  if (steps || machine.faults.plan.clockJumps.length > 0 || entry.kind === 'external') return;
  const truth = simulation.truth.run(entry.ref.runId);
  const run = simulation.rows.runs.get(entry.ref.runId);
  if (run === undefined || behavior.completion_timeout_action !== 'warn') return;
  // A run begins with its claim.
  const begunMs = run.startedAtMs - epochMs - simulation.plan.storeOffsetMs;
  const nowMs = simulation.timeline.nowMs;
  const leftFrom = (signMs: number): number => {
    const since = behavior.timeout_basis === 'silence' ? Math.max(begunMs, signMs) : begunMs;
    const limits = [behavior.emergency_timeout * 1000 - (nowMs - since)];
    if (behavior.run_max !== null) limits.push(behavior.run_max * 1000 - (nowMs - begunMs));
    if (entry.todo.timeoutMs !== null) limits.push(entry.todo.timeoutMs - (nowMs - begunMs));
    return Math.min(...limits);
  };
  // A start is a moment before the first sign.
  const earlyMs = leftFrom(truth.lastSignMs);
  if (earlyMs > 15_000)
    simulation.violate(promise, `run ${entry.ref.runId} was ended ${earlyMs} ms before its deadline (${entry.emergency?.reason})`);
  // Looks come with each rescan, and at the CPU only after a quarter of the silence; who was away dates what he finds to when he first came back.
  const { healAtMs, pauses } = machine.faults.plan;
  const comings = [...simulation.startsOf(machine), ...pauses.map(({ toMs }) => toMs)]
    .filter((atMs) => atMs <= nowMs)
    .sort((a, b) => a - b);
  const seenMs = comings.find((atMs) => atMs > truth.lastSignMs) ?? truth.lastSignMs;
  const lateMs = 45_000 + behavior.completion_timeout * 250 + simulation.plan.config.monitoring.rescan * 2000;
  const tooLateMs = -leftFrom(seenMs);
  if (tooLateMs > lateMs && nowMs - Math.max(healAtMs, comings.at(-1) ?? 0) > lateMs)
    simulation.violate(promise, `run ${entry.ref.runId} was ended ${tooLateMs} ms after its deadline`);
}

export const isVisiblyWaiting = (simulation: Simulation, entry: Entry): boolean =>
  !isCompletion(entry.fact) && simulation.rows.todos.get(entry.ref.todoId)?.status === 'stalled';

/** Why a todo that has not ended stands where it stands is to be seen, or it is a todo that was forgotten. */
export function whyUnsettled(simulation: Simulation, todo: Todo): string | null {
  const { rows } = simulation;
  if (isTerminal(todo.status)) return null;
  switch (todo.status) {
    case 'blocked':
    case 'dead-lettered':
      return todo.reason === null ? 'without a reason' : null;
    case 'stalled':
      return todo.reason === null ? 'without a reason' : null;
    case 'parked':
      if (todo.notBeforeMs === null || todo.held || waitsForAnother(rows.todos, todo)) return null;
      return slotsAreTaken(simulation, todo) ? null : 'its time has come';
    case 'open':
      if (todo.held || !simulation.plan.config.behavior.auto_continue) return null;
      if (waitsForAnother(rows.todos, todo)) return null;
      return slotsAreTaken(simulation, todo) ? null : 'nobody takes it';
    case 'claimed':
    case 'running':
      return 'it has not ended';
    default:
      return null;
  }
}

/** One that has ended badly is no reason to wait: its dependents are blocked. */
function waitsForAnother(todos: ReadonlyMap<string, Todo>, { after }: Todo): boolean {
  const before = after === null ? undefined : todos.get(after);
  return before !== undefined && !isTerminal(before.status);
}

function slotsAreTaken(simulation: Simulation, todo: Todo): boolean {
  const { slots } = simulation.plan.config;
  // Whose slot one of agent `auto` waits for, nobody here can say: any that is full may be it.
  const isFull = (agents: readonly string[]): boolean =>
    (todo.agent === autoAgent ? agents : [todo.agent]).some((agent) => agents.filter((it) => it === agent).length >= slots.agent);
  return simulation.hosts.every(({ host }) => {
    const busy = [...simulation.rows.todos.values()].filter(
      (other) => other.runId !== null && isInProgress(other.status) && simulation.rows.runs.get(other.runId)?.host === host.id,
    );
    return (
      busy.length >= slots.total ||
      isFull(busy.map(({ runId }) => simulation.rows.runs.get(runId!)!.agent)) ||
      busy.filter(({ project }) => project === todo.project).length >= slots.project
    );
  });
}

/** 6. Every step may run twice. Twice is the same as once. */
function twiceIsOnce(simulation: Simulation): Checker {
  const promise = 'P6';
  const sent = new Map<string, TerminalRecord>();
  return {
    promise,
    storeSent(operation, args) {
      if (operation !== 'record') return;
      const record = args[0] as TerminalRecord;
      const before = sent.get(record.runId);
      const changed =
        before === undefined ? [] : Object.keys(record).filter((field) => !Object.is(record[field as 'runId'], before[field as 'runId']));
      if (changed.length > 0) simulation.violate(promise, `run ${record.runId} sent two different records: ${changed}`);
      sent.set(record.runId, record);
    },
    atEnd() {
      for (const machine of simulation.machines) {
        const folders = machine.disk.files(machine.nature).list(machine.home.archive);
        const seen = new Set<string>();
        for (const folder of folders) {
          // What a power loss brought back of a cleaned run folder is no second output.
          if (machine.disk.node(`${machine.home.archive}/${folder}/output.txt`) === null) continue;
          const runId = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(folder)?.[0] ?? folder;
          if (seen.has(runId)) simulation.violate(promise, `${machine.name} archived run ${runId} twice`);
          seen.add(runId);
        }
      }
    },
  };
}

/** 7. Observers change nothing ever. (Older fences: promise 2.) Asked at the end, when everything is quiet. */
function observersChangeNothing(simulation: Simulation): Checker {
  return { promise: 'P7', atEnd: () => void simulation };
}

/** 8. No completion is lost, and no output that a fact names. */
function nothingLost(simulation: Simulation): Checker {
  const promise = 'P8';
  /** What `collected` named, for each round of a run. */
  const named = new Map<string, string>();
  const powerLost = new Set<string>();
  return {
    promise,
    crashed(machine, crash) {
      if (crash.kind === 'power') powerLost.add(machine.name);
    },
    journalCommits(_machine, before, after) {
      if (before !== null && isCompletion(before.fact) && !isCompletion(after.fact) && after.round === before.round)
        simulation.violate(promise, `the completion of ${after.ref.runId} was forgotten at ${before.fact}`);
      if (after.collected === null) return;
      const key = `${after.ref.runId} ${after.round}`;
      const first = named.get(key);
      if (first === undefined || after.simple) named.set(key, after.collected.textSha256);
      else if (first !== after.collected.textSha256)
        simulation.violate(promise, `the output of ${after.ref.runId} was collected anew and is another one`);
    },
    atEnd() {
      for (const machine of simulation.machines)
        for (const entry of machine.journal.all()) if (entry.fact === 'closed') judgeArchive(machine, entry);
    },
  };

  function judgeArchive(machine: Machine, entry: Entry): void {
    const bad = (why: string): void => simulation.violate(promise, `the archive of run ${entry.ref.runId} on ${machine.name}: ${why}`);
    const files = machine.disk.files(machine.nature);
    const folder = simulation.plan.config.behavior.auto_archive
      ? `${machine.home.archive}/${entry.reported?.folder}`
      : `${machine.home.runs}/${entry.ref.runId}/final`;
    const manifest = files.readText(`${folder}/manifest.json`);
    if (manifest === null) return bad('there is no manifest');
    if (digest.sha256(manifest) !== entry.reported?.manifestSha256) bad('its manifest is another one');
    const listed = (JSON.parse(manifest) as { files: { name: string; sha256: string }[] }).files;
    for (const { name, sha256 } of listed) {
      const bytes = files.read(`${folder}/${name}`);
      if (bytes === null) bad(`${name} is missing`);
      else if (digest.sha256(bytes) !== sha256) bad(`${name} has other bytes`);
    }
    const output = files.readText(`${folder}/output.txt`) ?? '';
    if (digest.sha256(output) !== (named.get(`${entry.ref.runId} ${entry.round}`) ?? entry.collected?.textSha256))
      bad('the output is not the one that was collected');
    if (powerLost.has(machine.name)) return;
    for (const line of simulation.truth.run(entry.ref.runId).printed)
      if (!output.includes(line)) bad(`"${line}" was printed and is not in the output`);
  }
}

/** Safety is not enough: a loop that writes for ever keeps every promise. */
function boundedEffort(simulation: Simulation): Checker {
  const promise = 'EFFORT';
  const attempts = new Map<string, number>();
  const commits = new Map<string, number>();
  return {
    promise,
    storeSent(operation, args) {
      if (operation !== 'record') return;
      const { runId } = args[0] as TerminalRecord;
      attempts.set(runId, (attempts.get(runId) ?? 0) + 1);
    },
    journalCommits(_machine, _before, after) {
      commits.set(after.ref.runId, (commits.get(after.ref.runId) ?? 0) + 1);
    },
    atEnd() {
      const crashes = Object.entries(simulation.counts).reduce(
        (sum, [what, times]) => (what.startsWith('crash') || what.startsWith('process left') ? sum + times : sum),
        0,
      );
      const troubles = Object.entries(simulation.counts).reduce((sum, [what, times]) => (what.startsWith('store') ? sum + times : sum), 0);
      for (const [runId, times] of attempts)
        if (times > 3 + crashes + troubles)
          simulation.violate(promise, `run ${runId} was sent to the store ${times} times for ${crashes} crashes and ${troubles} troubles`);
      // A whole completion is some ten moves; each crash may repeat one, each trouble adds a try.
      for (const [runId, times] of commits)
        if (times > 80 + 4 * crashes + troubles) simulation.violate(promise, `run ${runId} was written to the journal ${times} times`);
    },
  };
}
