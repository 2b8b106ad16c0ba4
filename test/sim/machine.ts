import { hash } from 'node:crypto';
import type { ControlReply, ControlRequest } from '../../src/core/control.ts';
import { isOperational } from '../../src/core/errors.ts';
import type { Home, Host, RunResult } from '../../src/world.ts';
import type { AgentScript } from './agents.ts';
import type { Timeline } from './clock.ts';
import { type Actor, Disk } from './disk.ts';
import type { Faults } from './faults.ts';
import type { CheckRun, History, Truth } from './history.ts';
import { JournalRows } from './journal.ts';
import { ProcessTable } from './processes.ts';
import type { Dice } from './random.ts';

/** Where virtual time begins. */
export const epochMs = Date.UTC(2030, 0, 1);

export type MachinePlan = {
  readonly name: string;
  readonly wallOffsetMs: number;
  readonly driftPpm: number;
  readonly faults: Faults;
  readonly legacy: boolean;
  readonly watcher: number;
};

/** What all machines of one simulation share. */
export type Surroundings = {
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly history: History;
  readonly truth: Truth;
  scriptFor(todoId: string, runId: string, round: number): AgentScript;
  agentOf(todoId: string): string;
  workspace(todoId: string): Workspace;
  checkFor(command: string, cwd: string): ScriptedCheck | null;
};

/** A todo's working directory, as far as its checks care. */
export type Workspace = { good: boolean };
export type ScriptedCheck = {
  readonly todoId: string;
  readonly command: string;
  readonly ms: number;
  readonly passes: boolean;
  readonly startError: boolean;
};
export type StartedCheck = ScriptedCheck & { readonly run: CheckRun };

/** A host with its disk, its processes and one home. Daemons come and go on it. */
export class Machine {
  readonly name: string;
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly truth: Truth;
  readonly history: History;
  readonly faults: Faults;
  readonly disk: Disk;
  readonly journal = new JournalRows();
  readonly processes: ProcessTable;
  readonly home: Home;
  readonly host: Host;
  readonly nature: Actor;
  bootId: string;
  wallOffsetMs: number;
  /** How fast its quartz is: of the wall clock, the monotonic one, and each sleep. */
  readonly rate: number;
  /** Who holds lock.db; the operating system frees it when that process dies. */
  lockedBy: number | null = null;
  /** The daemon whose socket answers, if one lives. */
  listener: ((request: ControlRequest) => Promise<ControlReply>) | null = null;
  /** Told when it dies, so that open connections end. */
  readonly #hangUps = new Set<() => void>();
  readonly #around: Surroundings;
  readonly #watcher: number;
  #boots = 0;

  constructor(plan: MachinePlan, around: Surroundings) {
    this.name = plan.name;
    this.timeline = around.timeline;
    this.dice = around.dice.split(plan.name);
    this.truth = around.truth;
    this.history = around.history;
    this.faults = plan.faults;
    this.#around = around;
    this.#watcher = plan.watcher;
    this.wallOffsetMs = plan.wallOffsetMs;
    this.rate = 1 + plan.driftPpm / 1e6;
    this.bootId = `${plan.name}-boot-0`;
    // The kernel's times have fractions of a millisecond, the clock that programs read has none.
    this.disk = new Disk(() => this.wallMs() + 0.25);
    this.disk.isFull = () => plan.faults.diskIsFull();
    this.processes = new ProcessTable(this);
    this.home = homeOf(`/${plan.name}/home`, plan.legacy ? `/${plan.name}/tmp` : null);
    this.host = {
      id: `${plan.name}/home`,
      name: plan.name,
      uid: 1000,
      gid: 1000,
      env: {},
      configEnv: {},
      utcOffsetMinutes: 60,
      todoCommand: ['todo'],
      hooksFolder: '/opt/signoff/hooks',
    };
    this.nature = { kind: 'nature', name: plan.name, uid: 1000 };
    this.#furnish();
  }

  wallMs(): number {
    return epochMs + Math.floor(this.monotonicMs()) + this.wallOffsetMs;
  }

  monotonicMs(): number {
    return this.timeline.nowMs * this.rate;
  }

  agentActor(runId: string): Actor {
    return { kind: 'agent', name: runId, uid: 1000 };
  }

  personActor(uid = 1000): Actor {
    return { kind: 'person', name: 'person', uid };
  }

  scriptFor(todoId: string, runId: string, round: number): AgentScript {
    return this.#around.scriptFor(todoId, runId, round);
  }

  agentOf(todoId: string): string {
    return this.#around.agentOf(todoId);
  }

  workspace(todoId: string): Workspace {
    return this.#around.workspace(todoId);
  }

  checkStarts(command: string, cwd: string): StartedCheck | null {
    const scripted = this.#around.checkFor(command, cwd);
    if (scripted === null) return null;
    const writers = this.processes.living
      .filter((process) => process.tag !== null && this.todoOfRun(process.tag) === scripted.todoId)
      .map((process) => `${process.kind} ${process.id.pid}`);
    const run: CheckRun = { todoId: scripted.todoId, command, startedMs: this.timeline.nowMs, endedMs: null, passed: false, writers };
    this.truth.checks.push(run);
    this.history.note(this.name, 'check starts', `${command}${writers.length > 0 ? ` beside ${writers}` : ''}`);
    return { ...scripted, run };
  }

  checkEnded({ run, passes }: StartedCheck, result: RunResult): void {
    run.endedMs = this.timeline.nowMs;
    run.passed = passes && result.exitCode === 0;
    this.history.note(this.name, 'check ended', `${run.command} ${result.exitCode ?? result.osSignal ?? result.startError}`);
  }

  todoOfRun(runId: string): string | null {
    return this.journal.get(runId)?.ref.todoId ?? null;
  }

  /** False when the machine refused: a full disk, a folder that is gone. */
  tryAsAgent(act: () => void): boolean {
    try {
      act();
      return true;
    } catch (error) {
      if (!isOperational(error)) throw error;
      return false;
    }
  }

  /** One line over the daemon's socket. Null when nobody listens, or whoever listened died. */
  ask(request: ControlRequest): Promise<ControlReply | null> {
    const { listener } = this;
    if (listener === null) return Promise.resolve(null);
    return new Promise((resolve) => {
      const hangUp = (): void => resolve(null);
      this.#hangUps.add(hangUp);
      void listener(request).then((reply) => {
        this.#hangUps.delete(hangUp);
        resolve(reply);
      });
    });
  }

  hangUp(): void {
    this.listener = null;
    for (const hangUp of this.#hangUps) hangUp();
    this.#hangUps.clear();
  }

  /** The file watcher may tell the daemon that something is in the spool; the scan comes anyway. */
  onSpool(): void {
    this.#wake();
  }

  onProcessEnd(): void {
    this.#wake();
  }

  #wake(): void {
    if (!this.dice.chance(this.#watcher)) return;
    this.timeline.after(this.dice.int(1, 20), () => void this.ask({ op: 'wake' }));
  }

  losePower(): void {
    this.processes.clear();
    this.disk.losePower(this.dice);
    this.bootId = `${this.name}-boot-${++this.#boots}`;
    this.lockedBy = null;
    this.hangUp();
  }

  uuid(): string {
    return uuidFrom(this.wallMs(), this.dice);
  }

  sha256(content: string | Uint8Array): string {
    return hash('sha256', content);
  }

  #furnish(): void {
    const files = this.disk.files(this.nature);
    const { root, spool, runs, archive, logs, legacy } = this.home;
    for (const folder of [
      root,
      spool.tmp,
      spool.new,
      spool.cur,
      spool.bad,
      runs,
      archive,
      logs,
      '/opt/signoff/hooks',
      '/work',
      `/${this.name}/tmp`,
    ])
      files.makeFolder(folder);
    if (legacy.sessionPrefix !== null) files.makeFolder(legacy.sessionPrefix.slice(0, legacy.sessionPrefix.lastIndexOf('/')));
    this.settleNames();
  }

  /** What was there before the story begins is durable. */
  settleNames(): void {
    const settle = (path: string): void => {
      const node = this.disk.node(path === '' ? '/' : path);
      if (node?.kind !== 'folder') return;
      this.disk.syncNames(node);
      for (const name of node.names.keys()) settle(`${path}/${name}`);
    };
    settle('');
  }
}

function homeOf(root: string, legacy: string | null): Home {
  const spool = `${root}/spool`;
  return {
    root,
    database: `${root}/todo.db`,
    lock: `${root}/lock.db`,
    spool: { tmp: `${spool}/tmp`, new: `${spool}/new`, cur: `${spool}/cur`, bad: `${spool}/bad` },
    runs: `${root}/runs`,
    archive: `${root}/archive`,
    logs: `${root}/logs`,
    socket: `${root}/daemon.sock`,
    legacy: {
      marker: legacy === null ? null : `${legacy}/TASK_COMPLETED`,
      pointer: legacy === null ? null : `${legacy}/CURRENT_TODO_ID`,
      sessionPrefix: legacy === null ? null : `${legacy}/claude_session_`,
    },
  };
}

/** Version 7: 48 bits of time, the rest by the dice. */
export function uuidFrom(wallMs: number, dice: Dice): string {
  const time = Math.max(0, wallMs).toString(16).padStart(12, '0').slice(-12);
  const hex = dice.hex(18);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6)}`;
}
