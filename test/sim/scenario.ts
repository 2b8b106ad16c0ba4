import { type Config, defaultConfig } from '../../src/core/config.ts';
import type { ControlRequest } from '../../src/core/control.ts';
import type { ScheduledVerb } from '../../src/core/schedule.ts';
import type { Says } from '../../src/core/words.ts';
import type { Act } from './agents.ts';
import { type FaultPlan, noFaults, type StoreTrouble, type Window } from './faults.ts';
import { createDice, type Dice } from './random.ts';
import type { CheckPlan, MachinePlan, SimulationPlan, TodoPlan } from './simulation.ts';
import type { CrashPlan } from './world.ts';

/** What people and nature do, beside what agents and daemons do. */
export type Event = { readonly atMs: number } & (
  | {
      readonly do: 'verb';
      readonly machine: number;
      readonly todo: string;
      readonly verb: Extract<ControlRequest, { op: 'verb' }>['verb'];
      readonly force: boolean;
    }
  /** The same word, `--in` some time. */
  | {
      readonly do: 'put-off';
      readonly machine: number;
      readonly todo: string;
      readonly verb: ScheduledVerb;
      readonly inMs: number;
      readonly force: boolean;
    }
  | { readonly do: 'emergency'; readonly machine: number; readonly todo: string; readonly action: 'complete' | 'reset' | 'stall' }
  | { readonly do: 'requeue'; readonly machine: number; readonly todo: string }
  /** `todo run [ID]` beside the daemon. */
  | { readonly do: 'run'; readonly machine: number; readonly todo: string | null; readonly crash: CrashPlan | null }
  | { readonly do: 'kill'; readonly machine: number; readonly kind: 'process' | 'power' }
  /** The host is never seen again. */
  | { readonly do: 'gone-for-good'; readonly machine: number }
  | { readonly do: 'second-daemon'; readonly machine: number }
  /** A lock that does not lock (a network disk): two daemons in one home. */
  | { readonly do: 'rogue-daemon'; readonly machine: number }
  /** `todo claim ID`: a person works on it, and says so in the way of the earlier system, by a verb, or not at all. */
  | {
      readonly do: 'claim';
      readonly machine: number;
      readonly todo: string;
      readonly says: 'legacy' | 'verb' | 'nothing';
      readonly afterMs: number;
      readonly good: boolean;
      readonly folder: boolean;
      readonly crash: CrashPlan | null;
    }
  /** Files under the names of the earlier system, by somebody else, or by nobody who knows what for. */
  | {
      readonly do: 'legacy-litter';
      readonly machine: number;
      readonly todo: string;
      readonly what: 'marker' | 'marker of another user' | 'pointer';
    }
  /** Something in the spool that is no word of anybody. */
  | { readonly do: 'litter'; readonly machine: number; readonly what: 'junk' | 'empty' | 'pipe' | 'link' | 'stranger' }
);

export type Scenario = SimulationPlan & { readonly events: readonly Event[]; readonly healAtMs: number };

/** One story out of a seed: what is asked for, what agents do about it, and what goes wrong. */
export function scenarioOf(seed: number, trace = false): Scenario {
  const dice = createDice(`scenario ${seed}`);
  const mood = dice.weighted({ calm: 1, store: 3, disk: 3, crash: 5, agents: 3, all: 4 });
  const healAtMs = dice.int(30, 240) * 1000;
  const config = configOf(dice.split('config'));
  const todos = todosOf(dice.split('todos'), config, mood);
  const hosts = dice.chance(0.25) ? 2 : 1;
  const machines = Array.from({ length: hosts }, (_, index) => machineOf(dice.split(`machine ${index}`), index, mood, healAtMs));
  return {
    seed,
    config,
    machines,
    // SQLite has its host's clock; a server has one of its own.
    storeOffsetMs: hosts === 1 && dice.chance(0.6) ? (machines[0]?.wallOffsetMs ?? 0) : dice.int(-90_000, 90_000),
    cluster: null,
    longMaxBytes: dice.chance(0.1) ? dice.int(200, 4000) : null,
    todos,
    trace,
    events: eventsOf(dice.split('events'), todos, hosts, mood, healAtMs),
    healAtMs,
  };
}

export type Mood = 'calm' | 'store' | 'disk' | 'crash' | 'agents' | 'all';

export function configOf(dice: Dice): Config {
  const config = structuredClone(defaultConfig());
  const completion = dice.int(20, 90);
  Object.assign(config.behavior, {
    completion_timeout: completion,
    emergency_timeout: completion + dice.int(0, 240),
    timeout_basis: dice.chance(0.8) ? 'silence' : 'elapsed',
    completion_timeout_action: dice.weighted({ warn: 8, complete: 1, reset: 1 }),
    run_max: dice.chance(0.2) ? dice.int(60, 400) : null,
    database_timeout: dice.int(1, 5),
    max_retries: dice.int(1, 4),
    exponential_backoff: dice.chance(0.8),
    health_check_interval: dice.int(20, 300),
    enable_robust_completion: dice.chance(0.95),
    auto_archive: dice.chance(0.95),
    max_rounds: dice.int(0, 3),
    quiet_after: dice.int(1, 10),
    term_grace: dice.int(1, 5),
    check_timeout: dice.int(5, 30),
    last_resort: dice.chance(0.9) ? 'dead-letter' : 'reset',
    lease: dice.int(10, 60),
  });
  config.emergency.action = dice.weighted({ complete: 6, reset: 3, stall: 1 });
  Object.assign(config.slots, { total: dice.int(2, 5), agent: dice.int(1, 4), project: 1 });
  Object.assign(config.run, { attempts: dice.int(2, 5), resets: dice.int(0, 3) });
  Object.assign(config.monitoring, {
    webhook_url: dice.chance(0.5) ? 'https://hook.example/alert' : null,
    rescan: dice.pick([1, 2, 10, 20]),
  });
  // A quarter of them measures itself and looks at what it needs every minute; the others would do the same over and over.
  if (config.behavior.health_check_interval % 4 !== 0) Object.assign(config.resource, { interval: 3600, probe_interval: 3600 });
  return config;
}

export function todosOf(dice: Dice, config: Config, mood: Mood): TodoPlan[] {
  const count = dice.int(3, mood === 'agents' ? 12 : 8);
  const todos: TodoPlan[] = [];
  for (let index = 0; index < count; index++) {
    const agent = dice.chance(0.65) ? 'worker' : 'talker';
    const checks = checksOf(dice, config);
    todos.push({
      key: `t${index + 1}`,
      addAtMs: dice.chance(0.7) ? dice.int(0, 100) : dice.int(0, 60_000),
      agent,
      session: dice.chance(0.7) ? null : dice.pick(['child', 'tmux'] as const),
      checks,
      priority: dice.int(0, 9),
      timeoutMs: dice.chance(0.1) ? dice.int(20, 200) * 1000 : null,
      rounds: agent === 'worker' && dice.chance(0.3) ? dice.int(2, 3) : 1,
      after: todos.length > 0 && dice.chance(0.2) ? dice.pick(todos).key : null,
      held: dice.chance(0.05),
      attempts: attemptsOf(dice, agent, mood),
    });
  }
  return todos;
}

function checksOf(dice: Dice, config: Config): CheckPlan[] {
  if (dice.chance(0.45)) return [];
  return Array.from({ length: dice.int(1, 2) }, () => ({
    kind: dice.weighted({ follows: 12, 'fails-once': 2, never: 1, hangs: 0.5, 'cannot-start': 0.5 }),
    ms: dice.int(10, Math.min(8000, config.behavior.check_timeout * 900)),
  }));
}

/** Bad days first; whoever gets as many attempts as there are bad days meets an honest one. */
function attemptsOf(dice: Dice, agent: 'worker' | 'talker', mood: Mood): Act[][][] {
  const badDays = mood === 'agents' || mood === 'all' ? dice.int(0, 2) : dice.chance(0.25) ? 1 : 0;
  const days = Array.from({ length: badDays }, () => badDay(dice, agent));
  return [...days, honestDay(dice, agent)];
}

/** Works, says so, and mends what it is told to mend. */
function honestDay(dice: Dice, agent: 'worker' | 'talker'): Act[][] {
  const rounds = dice.int(1, 3);
  return Array.from({ length: rounds }, (_, round) => [
    ...work(dice, agent),
    { do: 'mend', good: round === rounds - 1 || dice.chance(0.6) },
    ...farewell(dice, agent),
  ]);
}

function work(dice: Dice, agent: 'worker' | 'talker'): Act[] {
  const acts: Act[] = agent === 'talker' && dice.chance(0.5) ? [{ do: 'hook', event: 'prompt', payload: null, ask: false }] : [];
  for (let step = dice.int(1, 3); step > 0; step--) {
    acts.push(
      { do: 'print', text: `line ${dice.int(0, 999_999)}` },
      { do: 'work', ms: dice.chance(0.8) ? dice.int(10, 6000) : dice.int(5000, 20_000) },
    );
    if (dice.chance(0.1)) acts.push(dice.pick([{ do: 'progress' }, { do: 'cpu', ms: 2000 }] as const));
    if (agent === 'talker' && dice.chance(0.2))
      acts.push({ do: 'hook', event: dice.pick(['tool', 'stop-busy', 'weird']), payload: null, ask: false });
  }
  return acts;
}

function farewell(dice: Dice, agent: 'worker' | 'talker'): Act[] {
  const done = (): Act => ({
    do: 'say',
    says: 'done',
    how: dice.weighted({ valid: 8, twice: 1, growing: 1 }),
    summary: `done ${dice.int(0, 999)}`,
  });
  const afterthought: Act[] = dice.chance(0.15)
    ? [
        { do: 'work', ms: dice.int(1, 3000) },
        { do: 'print', text: `afterthought ${dice.int(0, 999_999)}` },
      ]
    : [];
  if (agent === 'talker') {
    const stop: Act = { do: 'hook', event: 'stop', payload: null, ask: true };
    // A turn without a word is answered with a nudge; the next round of the script says one.
    return [...(dice.chance(0.85) ? [done()] : []), ...afterthought, stop, dice.chance(0.8) ? { do: 'listen' } : { do: 'exit', code: 0 }];
  }
  return dice.weighted({ word: 5, exit: 4, lingers: 1 }) === 'exit'
    ? [{ do: 'exit', code: 0 }]
    : [
        done(),
        ...afterthought,
        ...(dice.chance(0.8) ? [{ do: 'exit', code: dice.chance(0.9) ? 0 : 3 } as const] : [{ do: 'hang' } as const]),
      ];
}

const otherWords: readonly Says[] = ['failed', 'blocked', 'parked', 'released'];

function badDay(dice: Dice, agent: 'worker' | 'talker'): Act[][] {
  const start = dice.chance(0.8) ? work(dice, agent) : [];
  const end: Act[] = {
    fails: (): Act[] => [{ do: 'exit', code: dice.int(1, 120) }],
    dies: (): Act[] => [{ do: 'die', osSignal: dice.pick(['SIGKILL', 'SIGSEGV']) }],
    vanishes: (): Act[] => [{ do: 'vanish' }],
    orphan: (): Act[] => [
      { do: 'orphan' },
      { do: 'work', ms: dice.int(100, 20_000) },
      { do: 'print', text: `orphan ${dice.int(0, 999_999)}` },
      ...farewell(dice, agent),
    ],
    hangs: (): Act[] => [...(dice.chance(0.4) ? [{ do: 'deaf' } as const] : []), { do: 'hang' }],
    'no-program': (): Act[] => [],
    otherWord: (): Act[] => [
      { do: 'say', says: dice.pick(otherWords), how: 'valid', inMs: dice.int(1000, 30_000) },
      { do: 'exit', code: dice.int(0, 1) },
    ],
    forges: (): Act[] => [
      { do: 'say', says: 'done', how: dice.pick(['forged', 'foreign-run', 'torn'] as const) },
      { do: 'work', ms: dice.int(1, 8000) },
      { do: 'exit', code: dice.int(0, 1) },
    ],
    forks: (): Act[] => [{ do: 'fork', ms: dice.int(100, 30_000) }, ...farewell(dice, agent)],
    changesItsMind: (): Act[] => [
      { do: 'say', says: 'done', how: 'valid' },
      { do: 'work', ms: dice.int(1, 5000) },
      { do: 'say', says: 'failed', how: 'valid' },
      { do: 'exit', code: 1 },
    ],
    limited: (): Act[] =>
      agent === 'talker' ? [{ do: 'hook', event: 'limit', payload: null, ask: false }, { do: 'hang' }] : [{ do: 'exit', code: 2 }],
    breaks: (): Act[] =>
      agent === 'talker' ? [{ do: 'hook', event: 'error', payload: null, ask: false }, { do: 'hang' }] : [{ do: 'exit', code: 2 }],
    silentWord: (): Act[] => [
      { do: 'say', says: 'done', how: 'unsynced' },
      { do: 'exit', code: 0 },
    ],
  }[
    dice.weighted({
      fails: 3,
      dies: 3,
      vanishes: 3,
      orphan: 2,
      hangs: 4,
      'no-program': 1,
      otherWord: 3,
      forges: 2,
      forks: 2,
      changesItsMind: 1,
      limited: 1,
      breaks: 1,
      silentWord: 1,
    })
  ]();
  return end.length === 0 ? [[{ do: 'spawn-error' }]] : [[...start, ...end]];
}

export function machineOf(dice: Dice, index: number, mood: Mood, healAtMs: number): MachinePlan {
  return {
    name: ['alpha', 'beta', 'gamma'][index] ?? `m${index}`,
    wallOffsetMs: dice.int(-60_000, 60_000),
    driftPpm: 0,
    legacy: dice.chance(0.5),
    watcher: dice.pick([0, 0.5, 1, 1]),
    faults: faultsOf(dice.split('faults'), mood, healAtMs),
    crashes: crashesOf(dice.split('crashes'), mood),
    restartMs: Array.from({ length: 8 }, () => (dice.chance(0.7) ? dice.int(100, 5000) : dice.int(5000, 45_000))),
  };
}

function faultsOf(dice: Dice, mood: Mood, healAtMs: number): FaultPlan {
  const store = mood === 'store' || mood === 'all' || (mood === 'crash' && dice.chance(0.3));
  const disk = mood === 'disk' || mood === 'all';
  const some = (most: number): number => (dice.chance(0.5) ? dice.next() * most : 0);
  const windows = (chance: number, longestMs: number): Window[] =>
    dice.chance(chance)
      ? Array.from({ length: dice.int(1, 2) }, () => {
          const fromMs = dice.int(0, healAtMs);
          return { fromMs, toMs: fromMs + dice.int(100, longestMs) };
        })
      : [];
  return {
    ...noFaults,
    healAtMs: mood === 'calm' ? 0 : healAtMs,
    store: store
      ? windows(0.8, 60_000).map((window) => ({
          ...window,
          trouble: dice.pick<StoreTrouble>(['unreachable', 'unreachable', 'timeout', 'in-doubt', 'read-only', 'access']),
        }))
      : [],
    storeFlaky: store ? { unreachable: some(0.1), inDoubt: some(0.2), conflict: some(0.2), timeout: some(0.05) } : noFaults.storeFlaky,
    inDoubtApplied: dice.next(),
    inDoubtLate: some(1),
    latencyMaxMs: dice.pick([0, 2, 20, 200]),
    diskFull: disk ? windows(0.4, 20_000) : [],
    syncFails: disk ? { full: some(0.1), io: some(0.1) } : noFaults.syncFails,
    journalFails: disk ? { full: some(0.1), unwritable: some(0.02) } : noFaults.journalFails,
    blind: mood === 'agents' || mood === 'all' ? windows(0.5, 30_000) : [],
    tmuxAway: mood === 'agents' || mood === 'all' ? windows(0.3, 20_000) : [],
    spawnFails: mood === 'agents' || mood === 'all' ? some(0.3) : 0,
    endFails: mood === 'agents' || mood === 'all' ? some(0.3) : 0,
    networkFails: some(0.5),
    clockJumps: dice.chance(0.08)
      ? [{ atMs: dice.int(0, healAtMs), byMs: dice.pick([-1, 1]) * dice.pick([5_000, 60_000, 3_600_000]) }]
      : [],
    pauses: dice.chance(0.1) ? windows(1, 90_000).map((window) => ({ ...window, machine: 0 })) : [],
  };
}

function crashesOf(dice: Dice, mood: Mood): CrashPlan[] {
  const count = mood === 'crash' ? dice.int(1, 6) : mood === 'all' ? dice.int(0, 4) : mood === 'calm' ? 0 : dice.chance(0.3) ? 1 : 0;
  return Array.from({ length: count }, () => crashOf(dice));
}

/** The calls on which the story turns: a crash at each of them is worth more than one among the many others. */
const turningPoints = [
  'journal.commit',
  'journal.adopt',
  'store.claim',
  'store.mark',
  'store.record',
  'store.readBack',
  'store.getRun',
  'store.deadLetter',
  'store.rescue',
  'files.rename',
  'files.removeTree',
  'files.unlink',
  'files.sync',
  'files.syncFolder',
  'files.write',
  'processes.start',
  'processes.run',
  'processes.endTagged',
  'terminals.start',
  'terminals.send',
] as const;

function crashOf(dice: Dice): CrashPlan {
  const kind = dice.chance(0.6) ? 'process' : 'power';
  const when = dice.pick(['before', 'after', 'half'] as const);
  if (dice.chance(0.5)) return { calls: dice.int(1, 6), of: dice.pick(turningPoints), when, kind };
  const of = dice.chance(0.75) ? 'change' : 'any';
  return { calls: of === 'change' ? dice.int(1, 120) : dice.int(1, 400), of, when, kind };
}

export function eventsOf(dice: Dice, todos: readonly TodoPlan[], hosts: number, mood: Mood, healAtMs: number): Event[] {
  const events: Event[] = [];
  const at = (): { atMs: number; machine: number } => ({ atMs: dice.int(100, healAtMs), machine: dice.int(0, hosts - 1) });
  const some = (most: number, chance: number): number => (dice.chance(chance) ? dice.int(1, most) : 0);
  const todo = (): string => dice.pick(todos).key;
  for (let left = some(4, 0.4); left > 0; left--) {
    events.push({
      ...at(),
      do: 'verb',
      todo: todo(),
      verb: dice.pick(['done', 'done', 'fail', 'block', 'park', 'release', 'release', 'cancel']),
      force: dice.chance(0.4),
    });
  }
  for (let left = some(2, 0.2); left > 0; left--)
    events.push({ ...at(), do: 'emergency', todo: todo(), action: dice.pick(['complete', 'complete', 'reset', 'stall']) });
  for (let left = some(2, 0.15); left > 0; left--)
    events.push({ ...at(), do: 'run', todo: dice.chance(0.7) ? todo() : null, crash: dice.chance(0.4) ? crashOf(dice) : null });
  for (let left = some(3, mood === 'crash' || mood === 'all' ? 0.5 : 0.05); left > 0; left--)
    events.push({ ...at(), do: 'kill', kind: dice.chance(0.6) ? 'process' : 'power' });
  for (let left = some(2, 0.1); left > 0; left--) events.push({ ...at(), do: 'second-daemon' });
  for (let left = some(1, 0.05); left > 0; left--) events.push({ ...at(), do: 'rogue-daemon' });
  for (let left = some(3, 0.2); left > 0; left--)
    events.push({ ...at(), do: 'litter', what: dice.pick(['junk', 'empty', 'pipe', 'link', 'stranger']) });
  for (let left = some(2, 0.25); left > 0; left--)
    events.push({
      ...at(),
      do: 'claim',
      todo: todo(),
      says: dice.weighted({ legacy: 6, verb: 2, nothing: 1 }),
      afterMs: dice.int(0, 30_000),
      good: dice.chance(0.7),
      folder: dice.chance(0.6),
      crash: dice.chance(0.2) ? crashOf(dice) : null,
    });
  for (let left = some(2, 0.1); left > 0; left--)
    events.push({ ...at(), do: 'legacy-litter', todo: todo(), what: dice.pick(['marker', 'marker of another user', 'pointer']) });
  // When all is well again somebody looks at what was given up.
  for (const { key } of todos)
    if (dice.chance(0.5))
      events.push({ atMs: healAtMs + dice.int(30_000, 60_000), machine: dice.int(0, hosts - 1), do: 'requeue', todo: key });
  return events.sort((a, b) => a.atMs - b.atMs);
}
