import type { StoreTrouble, Window } from './faults.ts';
import { createDice, type Dice } from './random.ts';
import { configOf, type Event, eventsOf, machineOf, type Scenario, scenarioOf, todosOf } from './scenario.ts';
import type { ClusterPlan, MachinePlan, TodoPlan } from './simulation.ts';

/** One seed in so many is a story of several hosts that share a store of several nodes; the others are of one home, or two. */
const manyHostsEvery = 3;

/** Each host looks at each of them: a story costs as much as three of one home. */
const todosMax = 5;

/** The story of a seed. */
export const storyOf = (seed: number, trace = false): Scenario =>
  seed % manyHostsEvery === 0 ? manyHosts(seed, trace) : scenarioOf(seed, trace);

/**
 * Two or three hosts, each with its own disk, processes and clock. Each is cut off from the store by itself, for a moment or for longer than a
 * lease; some are stopped and wake up after their lease, some are never seen again. The store fails over, answers late and from nodes that are behind.
 */
export function manyHosts(seed: number, trace = false): Scenario {
  const dice = createDice(`many hosts ${seed}`);
  const mood = dice.weighted({ calm: 3, store: 4, crash: 3, agents: 1, all: 1 });
  const healAtMs = dice.int(40, 150) * 1000;
  const config = configOf(dice.split('config'));
  // Short enough that a lease ends while its host is away.
  config.behavior.lease = dice.int(10, 30);
  config.monitoring.rescan = dice.pick([2, 10, 20]);
  const todos = todosOf(dice.split('todos'), config, mood).slice(0, todosMax);
  const hosts = dice.int(2, 3);
  const cluster = clusterOf(dice.split('cluster'), healAtMs);
  const machines = Array.from({ length: hosts }, (_, index) =>
    hostOf(dice.split(`host ${index}`), machineOf(dice.split(`machine ${index}`), index, mood, healAtMs), cluster, healAtMs),
  );
  const events = [
    ...eventsOf(dice.split('events'), todos, hosts, mood, healAtMs),
    ...lossesOf(dice.split('losses'), hosts, healAtMs),
    ...putOffOf(dice.split('put off'), todos, hosts, healAtMs),
  ];
  return {
    seed,
    config,
    machines,
    storeOffsetMs: dice.int(-90_000, 90_000),
    cluster,
    longMaxBytes: null,
    todos,
    trace,
    events: events.sort((a, b) => a.atMs - b.atMs),
    healAtMs,
  };
}

function clusterOf(dice: Dice, healAtMs: number): ClusterPlan {
  const failovers = dice.chance(0.4) ? dice.int(1, 2) : 0;
  const tail = dice.split('tail');
  return {
    lagMaxMs: dice.pick([500, 1000, 4000]),
    grantMaxMs: dice.pick([0, 5, 50]),
    failovers: Array.from({ length: failovers }, () => ({
      atMs: dice.int(1000, healAtMs),
      clockStepMs: dice.chance(0.5) ? 0 : dice.int(-8000, 8000),
    })),
    tailLost: tail.chance(0.25) ? { record: tail.int(1, 8), afterMs: tail.int(0, 2000) } : null,
  };
}

function hostOf(dice: Dice, machine: MachinePlan, { failovers }: ClusterPlan, healAtMs: number): MachinePlan {
  const { faults } = machine;
  const windows = (chance: number, longestMs: number): Window[] =>
    dice.chance(chance)
      ? Array.from({ length: dice.int(1, 2) }, () => {
          const fromMs = dice.int(0, healAtMs);
          return { fromMs, toMs: fromMs + dice.int(100, longestMs) };
        })
      : [];
  const cutOff = windows(0.5, 60_000).map((window) => ({
    ...window,
    trouble: dice.pick<StoreTrouble>(['unreachable', 'one-way', 'two-way', 'two-way']),
  }));
  return {
    ...machine,
    wallOffsetMs: dice.int(-120_000, 120_000),
    driftPpm: dice.int(-2000, 2000),
    faults: {
      ...faults,
      healAtMs,
      store: [...failovers.flatMap(({ atMs }) => takeover(dice, atMs)), ...cutOff, ...faults.store],
      stale: windows(0.3, 30_000),
      pauses: [...faults.pauses, ...windows(0.3, 90_000).map((window) => ({ ...window, machine: 0 }))],
    },
  };
}

/** What was on its way is in doubt; then nobody takes writes, or nobody answers at all, until the new one does. */
function takeover(dice: Dice, atMs: number): { readonly fromMs: number; readonly toMs: number; readonly trouble: StoreTrouble }[] {
  const cutMs = atMs + dice.int(10, 500);
  return [
    { fromMs: atMs, toMs: cutMs, trouble: 'in-doubt' },
    { fromMs: cutMs, toMs: cutMs + dice.int(500, 10_000), trouble: dice.pick<StoreTrouble>(['unreachable', 'read-only', 'two-way']) },
  ];
}

function lossesOf(dice: Dice, hosts: number, healAtMs: number): Event[] {
  const gone: Event[] = dice.chance(0.4) ? [{ atMs: dice.int(1000, healAtMs), do: 'gone-for-good', machine: dice.int(0, hosts - 1) }] : [];
  const dark = Array.from(
    { length: dice.chance(0.3) ? dice.int(1, 2) : 0 },
    (): Event => ({ atMs: dice.int(100, healAtMs), do: 'kill', kind: 'power', machine: dice.int(0, hosts - 1) }),
  );
  return [...gone, ...dark];
}

/** `done ID --in 60s` and its like: said by the daemon of the home where it was put off. */
function putOffOf(dice: Dice, todos: readonly TodoPlan[], hosts: number, healAtMs: number): Event[] {
  return Array.from(
    { length: dice.chance(0.4) ? dice.int(1, 3) : 0 },
    (): Event => ({
      atMs: dice.int(100, healAtMs),
      do: 'put-off',
      machine: dice.int(0, hosts - 1),
      todo: dice.pick(todos).key,
      verb: dice.pick(['done', 'done', 'fail', 'block', 'release', 'cancel']),
      inMs: dice.int(1000, 60_000),
      force: dice.chance(0.4),
    }),
  );
}
