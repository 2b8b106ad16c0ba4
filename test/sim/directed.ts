import { defaultConfig } from '../../src/core/config.ts';
import type { Entry } from '../../src/core/entry.ts';
import type { TerminalRecord, Todo } from '../../src/core/todo.ts';
import type { Act } from './agents.ts';
import { type FaultPlan, noFaults } from './faults.ts';
import type { Machine } from './machine.ts';
import type { Event, Scenario } from './scenario.ts';
import type { Daemon, MachinePlan, Simulation, TodoPlan } from './simulation.ts';
import { type Outcome, tell } from './story.ts';

/** Works for two seconds, says done, and leaves. */
export const saysDone: readonly Act[] = [
  { do: 'print', text: 'at work' },
  { do: 'work', ms: 2000 },
  { do: 'say', says: 'done', how: 'valid', summary: 'by my own word' },
  { do: 'exit', code: 0 },
];

/** Only what the test is about goes wrong; faults that it plans end after ten seconds. */
export const healAtMs = 10_000;

export const todo = (key: string, more: Partial<TodoPlan> = {}): TodoPlan => ({
  key,
  addAtMs: 0,
  agent: 'worker',
  session: null,
  checks: [],
  priority: 5,
  timeoutMs: null,
  rounds: 1,
  after: null,
  held: false,
  attempts: [[saysDone]],
  ...more,
});

export const machine = (name: string, more: Partial<Omit<MachinePlan, 'faults'>> = {}, faults: Partial<FaultPlan> = {}): MachinePlan => ({
  name,
  wallOffsetMs: 0,
  driftPpm: 0,
  legacy: true,
  watcher: 1,
  crashes: [],
  restartMs: [1000],
  ...more,
  faults: { ...noFaults, healAtMs, ...faults },
});

type Settings = { readonly [room in 'behavior' | 'slots' | 'run' | 'monitoring' | 'emergency']?: Record<string, unknown> };

/** A story that somebody wrote, not the dice. */
export function written(parts: {
  readonly todos: readonly TodoPlan[];
  readonly machines?: readonly MachinePlan[];
  readonly events?: readonly Event[];
  readonly settings?: Settings;
}): Scenario {
  const config = defaultConfig();
  for (const [room, values] of Object.entries(parts.settings ?? {})) Object.assign(config[room as keyof Settings], values);
  return {
    seed: 'directed',
    config,
    machines: parts.machines ?? [machine('alpha')],
    storeOffsetMs: 0,
    cluster: null,
    longMaxBytes: null,
    todos: parts.todos,
    trace: true,
    events: parts.events ?? [],
    healAtMs,
  };
}

/** `todo claim` a second after the start; two seconds later the person does what `says` names. */
export const byHand = (key: string, says: 'legacy' | 'verb' | 'nothing', folder = false): Event => ({
  atMs: 1000,
  do: 'claim',
  machine: 0,
  todo: key,
  says,
  afterMs: 2000,
  good: true,
  folder,
  crash: null,
});

/** Between which moments something is done, and what. */
export type Meddling = {
  /** A step is an event of the timeline: what other parts of the same process, agents and people can come between. A call is one through the door: where another process can. */
  readonly at: 'step' | 'call';
  readonly within: (simulation: Simulation) => boolean;
  readonly act: (simulation: Simulation, caller: Daemon | null) => void;
  /** Sees the whole story from its begin. */
  readonly watch?: (simulation: Simulation) => void;
};

/**
 * Tells a story again and again: `act` comes at the first moment that is within, then at the second, and so on, until there is none left. So each
 * interleaving is there once, and none is left to chance. Answers how many there were.
 */
export async function atEveryMoment(
  scenario: Scenario,
  { at, within, act, watch }: Meddling,
  judge: (outcome: Outcome) => void,
): Promise<number> {
  for (let moment = 0; ; moment++) {
    let seen = 0;
    let acted = false;
    const outcome = await tell(scenario, (simulation) => {
      const look = (caller: Daemon | null): void => {
        if (acted || !within(simulation) || seen++ < moment) return;
        acted = true;
        act(simulation, caller);
      };
      if (at === 'step') simulation.timeline.beforeStep = () => look(null);
      else simulation.onCall = look;
      watch?.(simulation);
    });
    judge(outcome);
    if (!acted) return moment;
  }
}

export const todoOf = (simulation: Simulation, key: string): Todo => simulation.rows.todos.get(simulation.idOf(key))!;

/** All terminal records of a todo, whichever run they are of. */
export const recordsOf = (simulation: Simulation, key: string): readonly TerminalRecord[] =>
  [...simulation.rows.records.values()].map(({ record }) => record).filter(({ todoId }) => todoId === simulation.idOf(key));

/** What the machines' journals have of a todo. */
export const entriesOf = (simulation: Simulation, key: string): readonly Entry[] =>
  simulation.machines.flatMap(({ journal }) => journal.all()).filter(({ ref }) => ref.todoId === simulation.idOf(key));

export const isClosed = (simulation: Simulation, key: string): boolean => entriesOf(simulation, key).some(({ fact }) => fact === 'closed');

/** Its agent has said a word, and no power loss takes it away. */
export const wordIsDurable = (simulation: Simulation, key: string): boolean =>
  [...simulation.rows.runs.values()].some(
    ({ id, todoId }) =>
      todoId === simulation.idOf(key) && simulation.truth.runs.get(id)?.said.some(({ durableAtMs }) => durableAtMs !== null) === true,
  );

/** Where a completion stands from which the markers may go. */
export const mayClean = ({ fact }: Entry): boolean => fact === 'confirmed' || fact === 'cleaned' || fact === 'closed';

export const isThere = (machine: Machine, path: string | null): boolean => path !== null && machine.disk.node(path) !== null;

/** The end of the story, for the message of a failed test. */
export const lastLines = ({ lines }: Outcome): string => lines.slice(-60).join('\n');
