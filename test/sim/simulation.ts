import { scheduleWord } from '../../src/cli/schedule.ts';
import type { Config } from '../../src/core/config.ts';
import type { ControlReply, ControlRequest } from '../../src/core/control.ts';
import type { ProcessId } from '../../src/core/entry.ts';
import { isOperational, messageOf } from '../../src/core/errors.ts';
import type { Scheduled } from '../../src/core/schedule.ts';
import { inMs } from '../../src/core/seconds.ts';
import type { NewTodo, Todo } from '../../src/core/todo.ts';
import { claimExternal, type ExternalClaim } from '../../src/daemon/claim-external.ts';
import { createEngine, type Engine } from '../../src/daemon/engine.ts';
import { live } from '../../src/daemon/live.ts';
import { adapters } from './adapters.ts';
import type { Act, AgentScript } from './agents.ts';
import { Timeline } from './clock.ts';
import { type FaultPlan, Faults } from './faults.ts';
import { History, Truth } from './history.ts';
import { epochMs, Machine, type ScriptedCheck, uuidFrom, type Workspace } from './machine.ts';
import { createMemoryStore, createRows, type Rows, type StoreChange } from './memory-store.ts';
import { createDice, type Dice } from './random.ts';
import { copyRows, Replica } from './replica.ts';
import { linkTo, type StoreCall, type StoreWrite } from './store-link.ts';
import { type Crash, Crashed, type CrashPlan, elsewhere, ProcessWorld } from './world.ts';

/** A todo, and what happens when agents work on it. */
export type TodoPlan = {
  /** Names it in the plan; its working directory is `/work/<key>`. */
  readonly key: string;
  readonly addAtMs: number;
  readonly agent: 'worker' | 'talker' | 'auto';
  readonly session: 'child' | 'tmux' | null;
  readonly checks: readonly CheckPlan[];
  readonly priority: number;
  readonly timeoutMs: number | null;
  readonly rounds: number;
  readonly after: string | null;
  readonly held: boolean;
  /** Per attempt, per round, what the agent does; the last of each stands for all that follow. */
  readonly attempts: readonly (readonly (readonly Act[])[])[];
};

export type CheckPlan = {
  /** follows: passes when the working directory is good. */
  readonly kind: 'follows' | 'fails-once' | 'never' | 'hangs' | 'cannot-start';
  readonly ms: number;
};

export type MachinePlan = {
  readonly name: string;
  readonly wallOffsetMs: number;
  /** Its clock runs fast by so many millionths. */
  readonly driftPpm: number;
  readonly legacy: boolean;
  /** How likely a change in the spool wakes the daemon. */
  readonly watcher: number;
  readonly faults: FaultPlan;
  /** Where the daemons of this machine die, one after the other. */
  readonly crashes: readonly CrashPlan[];
  /** How long it takes until the next daemon is there. */
  readonly restartMs: readonly number[];
};

/** What only a store of several nodes does. */
export type ClusterPlan = {
  /** How far the node that answers stale reads is behind at most. */
  readonly lagMaxMs: number;
  /** At most so long after the choice of a todo its claim is granted: time for those who choose on another node. */
  readonly grantMaxMs: number;
  /** Another node takes over; its clock is another one. Who was cut off by it stands in the faults of each host. */
  readonly failovers: readonly { readonly atMs: number; readonly clockStepMs: number }[];
  /** So soon after the nth record a node takes over that was behind: what it had not heard of is lost, acknowledged or not. */
  readonly tailLost: { readonly record: number; readonly afterMs: number } | null;
};

export type SimulationPlan = {
  readonly seed: number | string;
  readonly config: Config;
  readonly machines: readonly MachinePlan[];
  readonly storeOffsetMs: number;
  /** Null: one node, which is always the same. */
  readonly cluster: ClusterPlan | null;
  readonly longMaxBytes: number | null;
  readonly todos: readonly TodoPlan[];
  /** Keeps the history as lines. */
  readonly trace: boolean;
};

/** Something outside the code under test that sees all and judges. */
export type Observer = {
  diskChanges?(machine: Machine, change: import('./disk.ts').DiskChange): void;
  /** `by` is the write of a host that does it; null is somebody outside the story, or the second half of a claim. */
  storeChanges?(change: StoreChange, by: StoreWrite | null): void;
  /** It has failed over to a node that was behind: what it had acknowledged since is gone. */
  storeLost?(): void;
  /** An operation leaves for the store, whatever becomes of it. */
  storeSent?(operation: string, args: readonly unknown[]): void;
  /** An answer of the store has arrived. */
  storeCalled?(call: StoreCall): void;
  journalCommits?(
    machine: Machine,
    before: import('../../src/core/entry.ts').Entry | null,
    after: import('../../src/core/entry.ts').Entry,
  ): void;
  crashed?(machine: Machine, crash: Crash): void;
};

/** One process that runs an engine. */
export type Daemon = {
  readonly machine: Machine;
  readonly process: ProcessWorld;
  readonly engine: Engine;
  readonly kind: 'daemon' | 'run' | 'rogue' | 'verb' | 'claim';
  readonly stop: AbortSignal;
  onGone: () => void;
  /** It has handed over, and another image goes on in its process. */
  restarts: boolean;
};

/** Longer than a lease, so that two live through a renewal. */
const rogueLifeMs = 45_000;
/** From the end of one image to the first call of the next. */
const execMs = 300;

/** Machines, store, agents and people of one story. The plan says what happens; this makes it happen. */
export class Simulation {
  readonly plan: SimulationPlan;
  readonly timeline = new Timeline();
  readonly dice: Dice;
  readonly history: History;
  readonly truth: Truth;
  readonly rows: Rows = createRows();
  readonly machines: Machine[];
  readonly observers: Observer[] = [];
  /** What must not be: told by checkers and by this harness. */
  readonly violations: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly crashPoints: Record<string, number> = {};
  /** Calls through the door, of all processes together. */
  readonly calls: Record<string, number> = {};
  /** Told before each call of each process through the door. */
  onCall: ((process: Daemon, name: string) => void) | null = null;
  readonly daemons = new Map<Machine, Daemon>();
  /** Words that were put off, and the home that will say them. */
  readonly putOffs: { readonly machine: Machine; readonly item: Scheduled }[] = [];
  /** When it had last lost what it had acknowledged. */
  storeLostAtMs = Number.NEGATIVE_INFINITY;
  readonly runners = new Set<Daemon>();
  readonly ids = new Map<string, string>();
  #keys = new Map<string, TodoPlan>();
  readonly #attempts = new Map<string, string[]>();
  readonly #workspaces = new Map<string, Workspace>();
  readonly #checksRun = new Map<string, number>();
  readonly #crashesLeft: Map<Machine, CrashPlan[]>;
  readonly #restarts: Map<Machine, number[]>;
  readonly #starts = new Map<Machine, number[]>();
  /** No more daemons are started. */
  #over = false;
  /** Hosts that are gone for good. */
  readonly #retired = new Set<Machine>();
  readonly #replica: Replica | null;
  #recorded = 0;
  /** Which node takes the writes. */
  #server = 1;
  /** Todos as they were added. */
  readonly #added = new Map<string, Todo>();
  #storeOffsetMs: number;
  #writing: StoreWrite | null = null;

  constructor(plan: SimulationPlan) {
    this.plan = plan;
    this.dice = createDice(plan.seed);
    this.history = new History(this.timeline, plan.trace);
    this.truth = new Truth(this.timeline, this.history);
    const around = {
      timeline: this.timeline,
      dice: this.dice,
      history: this.history,
      truth: this.truth,
      scriptFor: (todoId: string, runId: string, round: number) => this.#scriptFor(todoId, runId, round),
      agentOf: (todoId: string) => this.planOf(todoId)?.agent ?? 'worker',
      workspace: (todoId: string) => this.#workspace(todoId),
      checkFor: (command: string, cwd: string) => this.#checkFor(command, cwd),
    };
    this.#storeOffsetMs = plan.storeOffsetMs;
    this.#replica = plan.cluster === null ? null : this.#cluster(plan.cluster);
    this.machines = plan.machines.map(({ name, wallOffsetMs, driftPpm, legacy, watcher, faults }) => {
      const dice = this.dice.split(`faults of ${name}`);
      return new Machine(
        { name, wallOffsetMs, driftPpm, legacy, watcher, faults: new Faults(faults, dice, () => this.timeline.nowMs, this.counts) },
        around,
      );
    });
    this.#crashesLeft = new Map(this.machines.map((machine, index) => [machine, [...plan.machines[index]!.crashes]]));
    this.#restarts = new Map(this.machines.map((machine, index) => [machine, [...plan.machines[index]!.restartMs]]));
    for (const [index, machine] of this.machines.entries()) this.#prepare(machine, plan.machines[index]!.faults);
    for (const todo of plan.todos) this.#plan(todo);
  }

  #cluster({ lagMaxMs, failovers, tailLost }: ClusterPlan): Replica {
    const replica = new Replica(this.rows);
    const staleUntilMs = this.plan.machines.flatMap(({ faults }) => faults.stale.map(({ toMs }) => toMs));
    const healAtMs = this.plan.machines.map(({ faults }) => faults.healAtMs);
    const untilMs = Math.max(0, ...staleUntilMs, ...(tailLost === null ? [] : healAtMs));
    replica.follow(this.timeline, this.dice.split('replica'), { lagMaxMs, untilMs });
    for (const { atMs, clockStepMs } of failovers) {
      this.timeline.at(atMs, () => {
        this.#storeOffsetMs += clockStepMs;
        this.#server++;
        this.count('failover');
        this.history.note('store', 'fails over', `its clock steps by ${clockStepMs}`);
      });
    }
    return replica;
  }

  /** A todo that nobody else had heard of is added again by whoever misses it. */
  #loseTail(): void {
    const replica = this.#replica!;
    this.#server++;
    this.storeLostAtMs = this.timeline.nowMs;
    const lost = [...this.rows.records.keys()].filter((runId) => !replica.rows.records.has(runId));
    copyRows(replica.rows, this.rows);
    for (const [id, todo] of this.#added) if (!this.rows.todos.has(id)) this.rows.todos.set(id, todo);
    for (const _ of lost) this.count('acknowledged record lost');
    this.history.note('store', 'has lost', `${lost}`);
    for (const observer of this.observers) observer.storeLost?.();
  }

  #prepare(machine: Machine, faults: FaultPlan): void {
    machine.disk.onChange = (change) => {
      if (change.actor.kind === 'daemon')
        this.history.note(machine.name, change.op, `${change.path}${change.to === null ? '' : ` → ${change.to}`}`);
      for (const observer of this.observers) observer.diskChanges?.(machine, change);
    };
    machine.journal.onCommit = (before, after) => {
      this.history.note(
        machine.name,
        'journal',
        `${after.ref.runId} ${before?.fact ?? '-'} → ${after.fact} attempt ${after.attempt} round ${after.round}`,
      );
      for (const observer of this.observers) observer.journalCommits?.(machine, before, after);
    };
    for (const { atMs, byMs } of faults.clockJumps) {
      this.timeline.at(atMs, () => {
        machine.wallOffsetMs += byMs;
        this.count('clock jump');
        this.history.note(machine.name, 'clock jumps', `${byMs}`);
      });
    }
    if (faults.clockJumps.length > 0) {
      const { wallOffsetMs } = machine;
      this.timeline.at(faults.healAtMs, () => {
        machine.wallOffsetMs = wallOffsetMs;
        this.history.note(machine.name, 'clock is set right', '');
      });
    }
    for (const { fromMs, toMs } of faults.pauses) {
      this.timeline.at(fromMs, () => {
        this.daemons.get(machine)?.process.pauseUntil(toMs);
        this.count('pause');
        this.history.note(machine.name, 'is paused', `until ${toMs}`);
      });
    }
  }

  /** The store's clock. */
  storeMs(): number {
    return epochMs + Math.floor(this.timeline.nowMs) + this.#storeOffsetMs;
  }

  /** The hosts that are not gone for good. */
  get hosts(): readonly Machine[] {
    return this.machines.filter((machine) => !this.#retired.has(machine));
  }

  isRetired(machine: Machine): boolean {
    return this.#retired.has(machine);
  }

  /** It burns down: nothing of it is ever seen again. */
  retire(machine: Machine): void {
    if (this.#retired.has(machine) || this.hosts.length === 1) return;
    this.#retired.add(machine);
    this.count('host gone for good');
    this.history.note(machine.name, 'is gone for good', '');
    this.kill(machine, 'power');
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  violate(promise: string, what: string): void {
    const text = `${promise}: ${what}`;
    if (this.violations.length < 50) this.violations.push(`${(this.timeline.nowMs / 1000).toFixed(3)} ${text}`);
    this.history.note('checker', 'VIOLATION', text);
  }

  planOf(todoId: string): TodoPlan | undefined {
    return this.#keys.get(todoId);
  }

  idOf(key: string): string {
    const id = this.ids.get(key);
    if (id === undefined) throw new Error(`the plan has no todo ${key}`);
    return id;
  }

  /** A store without troubles: for people outside the story, and for checkers. */
  admin() {
    return createMemoryStore({ nowMs: () => this.storeMs(), rows: this.rows, onChange: (change) => this.#storeChanged(change) });
  }

  #storeChanged(change: StoreChange): void {
    if (change.kind === 'todo') {
      if (change.before === null) this.#added.set(change.after.id, change.after);
      const { before, after } = change;
      this.history.note(
        'store',
        'todo',
        `${after.number} ${before?.status ?? '-'} → ${after.status} fence ${after.fence} run ${after.runId ?? '-'} ${after.proof ?? ''}`,
      );
    } else if (change.kind === 'record') {
      const tail = this.plan.cluster?.tailLost ?? null;
      if (tail?.record === ++this.#recorded) this.timeline.after(tail.afterMs, () => this.#loseTail());
      this.history.note(
        'store',
        'record',
        `${change.after.runId} ${change.after.outcome} ${change.after.proof ?? ''} said by ${change.after.saidBy}`,
      );
    }
    for (const observer of this.observers) observer.storeChanges?.(change, this.#writing);
  }

  #plan(todo: TodoPlan): void {
    const dice = this.dice.split(`todo ${todo.key}`);
    const id = uuidFrom(epochMs + this.ids.size, dice);
    this.ids.set(todo.key, id);
    this.#keys.set(id, todo);
    const cwd = `/work/${todo.key}`;
    for (const machine of this.machines) {
      machine.disk.files(machine.nature).makeFolder(cwd);
      machine.settleNames();
    }
    const row: NewTodo = {
      id,
      title: `Todo ${todo.key}`,
      prompt: `Do ${todo.key}`,
      cwd,
      project: cwd,
      agent: todo.agent,
      session: todo.session,
      checks: todo.checks.map((_, index) => `check ${todo.key} ${index}`),
      priority: todo.priority,
      timeoutMs: todo.timeoutMs,
      rounds: todo.rounds,
      after: todo.after === null ? null : this.idOf(todo.after),
      held: todo.held,
    };
    this.timeline.at(todo.addAtMs, () => {
      void this.admin().add(row);
      for (const machine of this.machines) void machine.ask({ op: 'wake' });
    });
  }

  #scriptFor(todoId: string, runId: string, round: number): AgentScript {
    const attempts = this.planOf(todoId)?.attempts ?? [[[{ do: 'exit', code: 1 }]]];
    const runs = this.#attempts.get(todoId) ?? [];
    if (!runs.includes(runId)) runs.push(runId);
    this.#attempts.set(todoId, runs);
    const rounds = attempts[Math.min(runs.indexOf(runId), attempts.length - 1)] ?? [];
    return { acts: rounds[Math.min(round - 1, rounds.length - 1)] ?? [] };
  }

  #workspace(todoId: string): Workspace {
    const workspace = this.#workspaces.get(todoId) ?? { good: false };
    this.#workspaces.set(todoId, workspace);
    return workspace;
  }

  #checkFor(command: string, cwd: string): ScriptedCheck | null {
    const match = /^check (\S+) (\d+)$/.exec(command);
    const todoId = match?.[1] === undefined ? undefined : this.ids.get(match[1]);
    const check = todoId === undefined ? undefined : this.planOf(todoId)?.checks[Number(match?.[2])];
    if (todoId === undefined || check === undefined || cwd !== `/work/${match?.[1]}`) return null;
    const times = (this.#checksRun.get(command) ?? 0) + 1;
    this.#checksRun.set(command, times);
    const passes =
      check.kind === 'follows'
        ? this.#workspace(todoId).good
        : check.kind === 'fails-once'
          ? times > 1 && this.#workspace(todoId).good
          : false;
    return {
      todoId,
      command,
      passes,
      ms: check.kind === 'hangs' ? Number.POSITIVE_INFINITY : check.ms,
      startError: check.kind === 'cannot-start',
    };
  }

  /** Starts the daemon of a machine as its operating system would: the lock decides. Null when another one has it. */
  startDaemon(machine: Machine, inPlace: ProcessId | null = null): Daemon | null {
    if (this.#over || this.#retired.has(machine)) return null;
    if (machine.lockedBy !== null) {
      this.count('second daemon refused');
      this.history.note(machine.name, 'second daemon refused', `pid ${machine.lockedBy}`);
      return null;
    }
    const crash = this.timeline.nowMs < this.#healAtMs(machine) ? (this.#crashesLeft.get(machine)?.shift() ?? null) : null;
    const daemon = this.#boot(machine, 'daemon', { kind: 'daemon' }, crash, inPlace);
    this.#starts.set(machine, [...this.startsOf(machine), this.timeline.nowMs]);
    machine.lockedBy = daemon.process.id.pid;
    this.daemons.set(machine, daemon);
    machine.listener = (request) => daemon.engine.request(request, daemon.stop);
    this.#live(daemon, async (stop) => {
      daemon.restarts = (await live(daemon.engine, daemon.process.world, new AbortController().signal, stop)) === 'restarts';
    });
    return daemon;
  }

  /** A daemon that got past a lock which does not lock. Nobody's socket is its own, and nobody starts it again. */
  startRogue(machine: Machine): void {
    if (this.#over) return;
    this.count('rogue daemon');
    const rogue = this.#boot(machine, 'rogue', { kind: 'daemon' }, null);
    this.#live(rogue, (stop) => live(rogue.engine, rogue.process.world, new AbortController().signal, stop));
    this.timeline.after(rogueLifeMs, () => rogue.process.die('process', 'its end'));
  }

  /** `todo run [ID]`: a worker beside the daemon, or without one. As the command does: what a dead one left is taken over, else it claims. */
  startRun(machine: Machine, todoId: string | null, crash: CrashPlan | null): void {
    const runner = this.#boot(machine, 'run', { kind: 'run', todoId }, crash);
    this.#live(runner, async (stop) => {
      await runner.engine.recover();
      const adopted = runner.engine.live().length > 0;
      const claimed = adopted || (await runner.engine.claim(todoId)).kind === 'claimed';
      if (claimed) await live(runner.engine, runner.process.world, new AbortController().signal, stop);
    });
  }

  /** A command where no daemon lives: an engine of its own, for this one request. */
  serveHere(machine: Machine, todoId: string, request: ControlRequest): Promise<ControlReply | null> {
    const server = this.#boot(machine, 'verb', { kind: 'run', todoId }, null);
    return new Promise((resolve) => {
      server.onGone = () => resolve(null);
      this.#live(server, async (stop) => {
        const { engine } = server;
        let over = false;
        engine.context.state.draining = true;
        await engine.recover();
        const loop = (async () => {
          while (!over) await engine.sleepUntil(await engine.pass());
        })();
        const reply = await Promise.race([engine.request(request, stop), loop.then(() => null)]);
        over = true;
        engine.wake();
        await loop;
        await engine.drain(server.process.world.clock.nowMs() + inMs(this.plan.config.behavior.drain_timeout));
        resolve(reply);
      });
    });
  }

  /** `todo claim ID`: a person takes it, and the command ends at once. */
  claimByHand(machine: Machine, todoId: string, crash: CrashPlan | null, then: (claimed: ExternalClaim) => void): void {
    const clerk = this.#boot(machine, 'claim', { kind: 'run', todoId }, crash);
    this.#live(clerk, async () => {
      const claimed = await claimExternal(todoId, { world: clerk.process.world, config: this.plan.config });
      if (claimed !== null) then(claimed);
      void machine.ask({ op: 'wake' });
    });
  }

  /** `todo done ID --in …`: the command notes it in the journal of its home, and ends. */
  putOff(machine: Machine, todoId: string, word: Pick<Scheduled, 'verb' | 'force'> & { readonly inMs: number }): void {
    const clerk = this.#boot(machine, 'verb', { kind: 'run', todoId }, null);
    const { verb, force, inMs } = word;
    this.#live(clerk, async () => {
      const { world } = clerk.process;
      const atMs = world.clock.nowMs() + inMs;
      this.history.note('person', `${verb} in ${inMs} ms`, todoId);
      this.truth.asked.push({ what: verb, todoId, atMs: this.timeline.nowMs, reply: null });
      // It counts from the moment on in which the journal has it; the rest of the command may fail.
      const setNote = async (key: string, value: string): Promise<void> => {
        await world.journal.setNote(key, value);
        this.putOffs.push({ machine, item: JSON.parse(value) as Scheduled });
      };
      const noting = { ...world, journal: { ...world.journal, setNote } };
      await scheduleWord({ id: todoId }, { verb, summary: null, reason: `${verb} by a person`, force, atMs }, { world: noting });
      void machine.ask({ op: 'wake' });
    });
  }

  /** When daemons of a machine have begun, in order. */
  startsOf(machine: Machine): readonly number[] {
    return this.#starts.get(machine) ?? [];
  }

  #healAtMs(machine: Machine): number {
    return machine.faults.plan.healAtMs;
  }

  #boot(
    machine: Machine,
    kind: Daemon['kind'],
    scope: Parameters<typeof createEngine>[0]['scope'],
    crash: CrashPlan | null,
    inPlace: ProcessId | null = null,
  ): Daemon {
    const dice = machine.dice.split(`link ${machine.processes.living.length} ${this.timeline.nowMs}`);
    machine.journal.reread();
    const { cluster } = this.plan;
    const store = linkTo(
      {
        nowMs: () => this.storeMs(),
        rows: this.rows,
        onChange: (change) => this.#storeChanged(change),
        ...(cluster === null ? {} : { between: () => this.timeline.sleep(dice.int(0, cluster.grantMaxMs)) }),
        ...(this.plan.longMaxBytes === null ? {} : { longMaxBytes: this.plan.longMaxBytes }),
      },
      {
        host: machine.host.id,
        after: (ms, act) => void this.timeline.after(ms, act),
        faults: machine.faults,
        dice,
        timeoutMs: this.plan.config.behavior.database_timeout * 1000,
        replica: this.#replica?.rows ?? null,
        server: () => `node ${this.#server}`,
        writes: (write) => {
          this.#writing = write;
        },
        isAlive: () => !process.dead,
        sent: (operation, args) => {
          this.history.aside(machine.name, `sends ${operation}`);
          for (const observer of this.observers) observer.storeSent?.(operation, args);
        },
        heard: (call) => {
          for (const observer of this.observers) observer.storeCalled?.(call);
        },
      },
    );
    const process: ProcessWorld = new ProcessWorld(machine, store, crash, this.calls, (death) => this.#died(daemon, death), inPlace);
    process.onDefect = (text) => this.violate('DEFECT', text);
    process.onCall = (name) => this.onCall?.(daemon, name);
    const stop = new AbortController();
    const engine = createEngine(
      {
        world: process.world,
        config: this.plan.config,
        adapters,
        scope,
        secrets: [],
        emulate: async () => ({ rows: [], alternate: null, olderRowsLost: false }),
        version: '0.0.0',
      },
      stop.signal,
    );
    const daemon: Daemon = { machine, process, engine, kind, stop: stop.signal, onGone: () => {}, restarts: false };
    this.history.note(
      machine.name,
      `${kind} starts`,
      `pid ${process.id.pid}${crash === null ? '' : ` dies at call ${crash.calls} (${crash.of}) ${crash.when} by ${crash.kind}`}`,
    );
    if (kind !== 'daemon') this.runners.add(daemon);
    return daemon;
  }

  #live(daemon: Daemon, life: (stop: AbortSignal) => Promise<unknown>): void {
    life(daemon.stop).then(
      () => this.#left(daemon, null),
      (error: unknown) => this.#left(daemon, { error }),
    );
  }

  /** SIGKILL or power: whatever it was doing ends here. */
  #died(daemon: Daemon, crash: Crash): void {
    const { machine } = daemon;
    this.count(`crash by ${crash.kind}`);
    if (crash.at !== elsewhere) this.crashPoints[crash.at] = (this.crashPoints[crash.at] ?? 0) + 1;
    this.history.note(machine.name, 'DIES', `${daemon.kind} ${daemon.process.id.pid} at ${crash.at} by ${crash.kind}`);
    for (const observer of this.observers) observer.crashed?.(machine, crash);
    this.#gone(daemon);
    if (crash.kind === 'power' && crash.at !== elsewhere) machine.losePower();
  }

  /** It ended by itself. */
  #left(daemon: Daemon, failed: { readonly error: unknown } | null): void {
    if (daemon.process.dead) return;
    if (failed !== null) {
      const { error } = failed;
      this.history.note(daemon.machine.name, `${daemon.kind} leaves`, messageOf(error));
      this.count('process left with an error');
      if (!isOperational(error) && !(error instanceof Crashed))
        this.violate('DEFECT', `left the loop: ${error instanceof Error ? error.stack : String(error)}`);
    } else this.history.note(daemon.machine.name, `${daemon.kind} ends`, '');
    if (daemon.restarts) daemon.process.giveWay();
    else daemon.process.quit();
    this.#gone(daemon);
  }

  #gone(daemon: Daemon): void {
    const { machine } = daemon;
    this.runners.delete(daemon);
    daemon.onGone();
    if (daemon.kind !== 'daemon' || this.daemons.get(machine) !== daemon) return;
    this.daemons.delete(machine);
    machine.lockedBy = null;
    machine.hangUp();
    if (daemon.restarts) {
      const { id } = daemon.process;
      this.count('restart in place');
      // Where the power went meanwhile nothing is there to go on in.
      this.timeline.after(execMs, () => this.startDaemon(machine, machine.processes.isAlive(id) ? id : null));
      return;
    }
    const restarts = this.#restarts.get(machine) ?? [];
    this.timeline.after(restarts.length > 1 ? restarts.shift()! : (restarts[0] ?? 1000), () => this.startDaemon(machine));
  }

  /** The daemon dies now, wherever it is. */
  kill(machine: Machine, kind: Crash['kind']): void {
    const daemon = this.daemons.get(machine);
    if (daemon !== undefined) daemon.process.die(kind, 'some moment');
    else if (kind === 'power') {
      for (const observer of this.observers) observer.crashed?.(machine, { kind, at: 'no daemon' });
      machine.losePower();
    }
  }

  /** What a person types. Remembered, because only people may override. */
  async ask(machine: Machine, what: string, todoId: string, request: ControlRequest): Promise<ControlReply | null> {
    const asked = { what, todoId, atMs: this.timeline.nowMs, reply: null as ControlReply | null };
    this.truth.asked.push(asked);
    this.history.note('person', what, todoId);
    asked.reply = machine.listener === null ? await this.serveHere(machine, todoId, request) : await machine.ask(request);
    this.history.note('person', 'hears', asked.reply === null ? 'nothing' : asked.reply.ok ? asked.reply.kind : asked.reply.message);
    return asked.reply;
  }

  end(): void {
    this.#over = true;
  }
}
