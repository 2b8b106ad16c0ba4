import { type Entry, hasEnded } from '../../src/core/entry.ts';
import { type Checker, checkersFor, isVisiblyWaiting, whyUnsettled } from './checkers.ts';
import { hostCheckersFor, stillPutOff } from './host-checkers.ts';
import type { Machine } from './machine.ts';
import type { Event, Scenario } from './scenario.ts';
import { Simulation } from './simulation.ts';

export type Outcome = {
  readonly violations: readonly string[];
  readonly digest: number;
  readonly events: number;
  readonly steps: number;
  readonly virtualMs: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly crashPoints: Readonly<Record<string, number>>;
  readonly lines: readonly string[];
  readonly simulation: Simulation;
};

/** All that is needed to come to rest once everything is healed: several emergency timers after each other, and leases. */
const restMaxMs = 3 * 3600_000;
const stepsMax = 60_000;
/** Nothing may happen any more for so long, when all seems over. */
const silenceMs = 20_000;

/**
 * Tells one story: lets everything go wrong, heals it, waits until all is quiet, and then asks every checker.
 * `prepare` may let more happen than the scenario says.
 */
export async function tell(scenario: Scenario, prepare: (simulation: Simulation) => void = () => {}): Promise<Outcome> {
  const simulation = new Simulation(scenario);
  const checkers = [...checkersFor(simulation), ...hostCheckersFor(simulation)];
  simulation.observers.push(...checkers);
  for (const event of scenario.events) simulation.timeline.at(event.atMs, () => happen(simulation, event));
  for (const machine of simulation.machines) simulation.timeline.at(0, () => void simulation.startDaemon(machine));
  prepare(simulation);
  await comeToRest(simulation, scenario);
  await lastLook(simulation, checkers);
  return {
    violations: simulation.violations,
    digest: simulation.history.digest,
    events: simulation.history.count,
    steps: simulation.timeline.steps,
    virtualMs: simulation.timeline.nowMs,
    counts: simulation.counts,
    crashPoints: simulation.crashPoints,
    lines: simulation.history.lines,
    simulation,
  };
}

async function comeToRest(simulation: Simulation, { healAtMs }: Scenario): Promise<void> {
  const { timeline } = simulation;
  const lastEventMs = Math.max(healAtMs, ...simulation.plan.todos.map(({ addAtMs }) => addAtMs)) + 61_000;
  let quietSinceMs = Number.POSITIVE_INFINITY;
  let over = false;
  const look = (): void => {
    if (timeline.nowMs < lastEventMs || !isQuiet(simulation)) quietSinceMs = Number.POSITIVE_INFINITY;
    else quietSinceMs = Math.min(quietSinceMs, timeline.nowMs);
    over = timeline.nowMs - quietSinceMs >= silenceMs;
    if (!over) timeline.after(2000, look);
  };
  timeline.at(lastEventMs, look);
  const end = await timeline.run(() => over, { untilMs: lastEventMs + restMaxMs, steps: stepsMax });
  if (end !== 'done')
    simulation.violate('LIVENESS', `not quiet after ${Math.round(timeline.nowMs / 1000)} s and ${timeline.steps} steps (${end})`);
}

function isQuiet(simulation: Simulation): boolean {
  // One that follows a stalled run waits as visibly as the run does.
  for (const { engine } of simulation.runners)
    if (engine.live().length === 0 || !engine.live().every((entry) => isLeftToPeople(simulation, entry))) return false;
  for (const todo of simulation.rows.todos.values()) if (whyUnsettled(simulation, todo) !== null) return false;
  if (stillPutOff(simulation).length > 0) return false;
  return simulation.hosts.every(
    (machine) =>
      simulation.daemons.has(machine) && machine.journal.all().every((entry) => hasEnded(entry.fact) || isLeftToPeople(simulation, entry)),
  );
}

/** Visibly waiting, and no timer will ever change that. */
const isLeftToPeople = (simulation: Simulation, entry: Entry): boolean =>
  isVisiblyWaiting(simulation, entry) && entry.emergency?.action === 'stall';

/** Everything is quiet: an observer looks at all there is, and then nothing may be different. */
async function lastLook(simulation: Simulation, checkers: readonly Checker[]): Promise<void> {
  const { timeline } = simulation;
  simulation.end();
  for (const machine of simulation.hosts) {
    // An agent that was left to people may do something at any moment, and be heard.
    if (machine.processes.living.some(({ kind }) => kind !== 'daemon')) continue;
    const before = stateOf(simulation, machine);
    void machine.ask({ op: 'hello' });
    void machine.ask({ op: 'status' });
    await timeline.run(() => false, { untilMs: timeline.nowMs + 50, steps: 1000 });
    if (stateOf(simulation, machine) !== before) simulation.violate('P7', `looking at ${machine.name} has changed something`);
  }
  for (const checker of checkers) checker.atEnd?.();
}

const stateOf = (simulation: Simulation, machine: Machine): string =>
  `${machine.disk.fingerprint()}\n${JSON.stringify(machine.journal.all())}\n${JSON.stringify([...simulation.rows.todos.values(), ...simulation.rows.runs.values()].map((row) => ('leaseUntilMs' in row ? { ...row, leaseUntilMs: 0 } : row)))}`;

function happen(simulation: Simulation, event: Event): void {
  const machine = simulation.machines[event.machine]!;
  if (simulation.isRetired(machine)) return;
  switch (event.do) {
    case 'verb': {
      const todoId = simulation.idOf(event.todo);
      const notBeforeMs = event.verb === 'park' ? machine.wallMs() + 20_000 : null;
      void simulation.ask(machine, event.verb, todoId, {
        op: 'verb',
        verb: event.verb,
        todoId,
        summary: null,
        reason: `${event.verb} by a person`,
        force: event.force,
        notBeforeMs,
      });
      return;
    }
    case 'put-off':
      simulation.putOff(machine, simulation.idOf(event.todo), event);
      return;
    case 'emergency': {
      const todoId = simulation.idOf(event.todo);
      void simulation.ask(machine, `emergency ${event.action}`, todoId, { op: 'emergency', todoId, action: event.action, reason: null });
      return;
    }
    case 'requeue': {
      const todoId = simulation.idOf(event.todo);
      if (simulation.rows.todos.get(todoId)?.status === 'dead-lettered')
        void simulation.ask(machine, 'requeue', todoId, { op: 'requeue', id: todoId, force: true });
      return;
    }
    case 'run':
      simulation.startRun(machine, event.todo === null ? null : simulation.idOf(event.todo), event.crash);
      return;
    case 'kill':
      simulation.kill(machine, event.kind);
      return;
    case 'gone-for-good':
      simulation.retire(machine);
      return;
    case 'second-daemon':
      if (machine.lockedBy !== null && simulation.startDaemon(machine) !== null)
        simulation.violate('LOCK', `a second daemon got into the home of ${machine.name}`);
      return;
    case 'rogue-daemon':
      simulation.startRogue(machine);
      return;
    case 'claim':
      claimByHand(simulation, machine, event);
      return;
    case 'legacy-litter':
      legacyLitter(simulation, machine, event);
      return;
    case 'litter':
      litter(machine, event.what);
      return;
    default:
      event satisfies never;
  }
}

/** What a person does who was told to put TASK_COMPLETED somewhere when it is done. */
function claimByHand(simulation: Simulation, machine: Machine, event: Extract<Event, { do: 'claim' }>): void {
  const todoId = simulation.idOf(event.todo);
  simulation.claimByHand(machine, todoId, event.crash, ({ entry }) => {
    const files = machine.disk.files(machine.personActor());
    const prefix = machine.home.legacy.sessionPrefix;
    if (event.folder && prefix !== null)
      machine.tryAsAgent(() => {
        files.makeFolder(`${prefix}${entry.todo.number}`);
        files.write(`${prefix}${entry.todo.number}/notes.txt`, `worked by hand on ${event.todo}\n`);
      });
    simulation.timeline.after(event.afterMs, () => {
      machine.workspace(todoId).good = event.good;
      if (event.says === 'legacy') sayLegacy(simulation, machine);
      if (event.says === 'verb')
        void simulation.ask(machine, 'done', todoId, {
          op: 'verb',
          verb: 'done',
          todoId,
          summary: null,
          reason: null,
          force: false,
          notBeforeMs: null,
        });
    });
  });
}

/** `echo TASK_COMPLETED > …`. It carries no name: it can mean whoever is worked on by hand in this home, and nobody else. */
function sayLegacy(simulation: Simulation, machine: Machine): void {
  const { marker } = machine.home.legacy;
  if (marker === null) return;
  if (!machine.tryAsAgent(() => machine.disk.files(machine.personActor()).write(marker, 'TASK_COMPLETED\n'))) return;
  const byHand = [...simulation.rows.runs.values()].filter(
    (run) => run.host === machine.host.id && run.endedAtMs === null && run.kind === 'external',
  );
  for (const { id } of byHand) simulation.truth.legacySaid.add(id);
  simulation.history.note('person', 'TASK_COMPLETED', `${machine.name} may mean ${byHand.map(({ id }) => id)}`);
}

function legacyLitter(simulation: Simulation, machine: Machine, event: Extract<Event, { do: 'legacy-litter' }>): void {
  const { marker, pointer } = machine.home.legacy;
  if (marker === null || pointer === null) return;
  switch (event.what) {
    case 'marker':
      sayLegacy(simulation, machine);
      return;
    case 'marker of another user':
      machine.tryAsAgent(() => void machine.disk.files(machine.personActor(1001)).create(marker, 'TASK_COMPLETED\n'));
      return;
    case 'pointer': {
      const number = simulation.rows.todos.get(simulation.idOf(event.todo))?.number ?? 99;
      machine.tryAsAgent(() => void machine.disk.files(machine.personActor()).create(pointer, `${number}\n`));
      return;
    }
    default:
      event.what satisfies never;
  }
}

function litter(machine: Machine, what: Extract<Event, { do: 'litter' }>['what']): void {
  const { spool } = machine.home;
  const files = machine.disk.files(machine.personActor());
  const name = `${machine.uuid()}.${machine.uuid()}`;
  switch (what) {
    case 'junk':
      machine.tryAsAgent(() => files.write(`${spool.new}/${name}`, 'not a marker\nat all\n'));
      return;
    case 'empty':
      machine.tryAsAgent(() => files.write(`${spool.new}/.hidden~`, ''));
      return;
    case 'pipe':
    case 'link':
      machine.disk.rename([
        {
          folder: machine.disk.parentOf(`${spool.new}/x`)!.folder,
          name,
          node: machine.disk.newSpecial(what === 'pipe' ? 'fifo' : 'symlink', '/etc/passwd', 1001),
        },
      ]);
      return;
    case 'stranger': {
      const line = JSON.stringify({ v: 1, todo: 'somebody', run: machine.uuid(), token: 'x'.repeat(43), says: 'done' });
      machine.tryAsAgent(() => files.write(`${spool.new}/${name}`, `${line}\nsha256 ${machine.sha256(line)} ${line.length}\n`));
      return;
    }
    default:
      what satisfies never;
  }
}
