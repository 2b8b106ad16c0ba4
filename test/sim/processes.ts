import type { ProcessId } from '../../src/core/entry.ts';
import { OperationalError } from '../../src/core/errors.ts';
import type { Answer } from '../../src/core/words.ts';
import type { Processes, RunPlan, RunResult, StartPlan, Terminals } from '../../src/world.ts';
import { type Act, type Agent, type AgentScript, createAgent } from './agents.ts';
import type { Machine } from './machine.ts';

/**
 * The processes of one machine. What `launch.sh` does is done here as the shell would do it: one start a round, the environment out of
 * the script, the token out of its file, the end written to `exit` by rename. They live on when a daemon dies, and end with the power.
 */
export class ProcessTable {
  readonly #machine: Machine;
  readonly #living = new Map<number, SimProcess>();
  readonly #windows = new Map<string, Window>();
  #lastPid = 100;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  get living(): readonly SimProcess[] {
    return [...this.#living.values()];
  }

  /** A process of ours: a daemon, a CLI. */
  newId(): ProcessId {
    return { pid: ++this.#lastPid, startTicks: Math.floor(this.#machine.timeline.nowMs / 10), bootId: this.#machine.bootId };
  }

  register(process: SimProcess): void {
    this.#living.set(process.id.pid, process);
  }

  remove(process: SimProcess): void {
    if (this.#living.get(process.id.pid) === process) this.#living.delete(process.id.pid);
  }

  isAlive(id: ProcessId): boolean {
    const found = this.#living.get(id.pid);
    return found !== undefined && found.id.startTicks === id.startTicks && found.id.bootId === id.bootId;
  }

  readonly #homes = new Map<string, string>();
  ofHome(root: string): readonly SimProcess[] {
    return this.living.filter(({ tag }) => tag !== null && this.#homes.get(tag) === root);
  }

  tagged(value: string): readonly SimProcess[] {
    return this.living.filter((process) => process.tag === value);
  }

  /** The power is gone: nobody hears of it. */
  clear(): void {
    for (const process of this.#living.values()) process.cut();
    this.#living.clear();
    this.#windows.clear();
  }

  start(plan: StartPlan, window: string | null): ProcessId {
    const id = this.newId();
    const runId = plan.env['TODO_RUN'] ?? null;
    if (runId !== null) this.#homes.set(runId, plan.env['TODO_HOME'] ?? '');
    const shell: SimProcess = { id, tag: runId, kind: 'shell', cpuMs: 0, cut: () => {}, signal: () => this.#endShell(shell) };
    this.register(shell);
    const files = this.#machine.disk.files(this.#machine.agentActor(runId ?? 'nobody'));
    if (!files.create(plan.outputPath, '')) files.append(plan.outputPath, '');
    const launch = plan.argv[1] === undefined ? null : files.readText(plan.argv[1]);
    // The shell needs a moment: a crash may come before the round has begun.
    this.#machine.timeline.after(this.#machine.dice.int(1, 30), () => {
      if (this.isAlive(id)) this.#interpret(shell, launch, plan, window);
    });
    return id;
  }

  #interpret(shell: SimProcess, launch: string | null, plan: StartPlan, window: string | null): void {
    const environment = launch === null ? {} : exportsOf(launch);
    const { TODO_RUN: runId = '', TODO_RUN_DIR: folder = '', TODO_ID: todoId = '' } = environment;
    const machine = this.#machine;
    const files = machine.disk.files(machine.agentActor(runId));
    const round = Number(environment['TODO_ROUND'] ?? '1');
    let first = false;
    if (folder !== '' && files.stat(folder) !== null)
      machine.tryAsAgent(() => {
        first = files.claimFolder(`${folder}/started.${round}`);
      });
    if (!first) {
      this.remove(shell);
      return;
    }
    const end = (line: string): void => {
      if (!this.isAlive(shell.id)) return;
      const isWritten = machine.tryAsAgent(() => {
        files.write(`${folder}/exit.tmp`, `${round} ${line}\n`);
        files.rename(`${folder}/exit.tmp`, `${folder}/exit`);
      });
      if (!isWritten && line === 'code 0' && files.stat(folder) !== null) {
        shell.untoldEnd = `${round} ${line}`;
        machine.timeline.after(endAgainMs, () => end(line));
        return;
      }
      this.remove(shell);
      machine.onProcessEnd();
    };
    const script = launch?.includes('/fallback.sh') ? fallbackScript : machine.scriptFor(todoId, runId, round);
    if (script.acts[0]?.do === 'spawn-error') end('spawn command not found');
    else {
      const token = files.readText(`${folder}/token`)?.trim() ?? '';
      const agent = createAgent(machine, script, { todoId, runId, round, token, outputPath: plan.outputPath, folder, window });
      agent.onEnd = (how) => end(how.kind === 'code' ? `code ${how.code}` : `signal ${how.osSignal.replace(/^SIG/, '')}`);
      agent.begin();
    }
  }

  #endShell(shell: SimProcess): void {
    this.remove(shell);
    this.#machine.onProcessEnd();
  }

  /** A tmux session under its own name. It goes when what runs in it has ended. */
  openWindow(plan: StartPlan & { readonly name: string }): { target: string; process: ProcessId } {
    const target = plan.name;
    if (this.window(target) !== null)
      throw new OperationalError('SPAWN_FAILED', { operation: 'starting in tmux', subject: target, why: 'duplicate session' });
    const process = this.start(plan, target);
    this.#windows.set(target, { target, process, outputPath: plan.outputPath, agent: null });
    return { target, process };
  }

  window(target: string): Window | null {
    const window = this.#windows.get(target);
    if (window !== undefined && this.isAlive(window.process)) return window;
    this.#windows.delete(target);
    return null;
  }

  windows(): readonly string[] {
    return [...this.#windows.keys()].filter((target) => this.window(target) !== null);
  }

  closeWindow(target: string): void {
    const window = this.#windows.get(target);
    this.#windows.delete(target);
    if (window === undefined) return;
    for (const process of this.living) if (process.id.pid === window.process.pid || process.window === target) process.signal('SIGHUP');
  }
}

/** As launch.sh: its end is told again until it is written. */
const endAgainMs = 1000;

/** What the last runner of a chain does, whoever the todo is for. */
const fallbackScript: AgentScript = {
  acts: [
    { do: 'print', text: 'NO AGENT WORKED' },
    { do: 'exit', code: 0 },
  ],
};

export type SimProcess = {
  readonly id: ProcessId;
  /** How its round ended, while that cannot be written. */
  untoldEnd?: string;
  /** TODO_RUN of its start environment. */
  readonly tag: string | null;
  readonly kind: 'shell' | 'agent' | 'child' | 'daemon';
  readonly window?: string | null;
  cpuMs: number;
  /** TERM, KILL, HUP. */
  signal(name: 'SIGTERM' | 'SIGKILL' | 'SIGHUP'): void;
  /** Ends without a trace. */
  cut(): void;
};

export type Window = { readonly target: string; readonly process: ProcessId; readonly outputPath: string; agent: Agent | null };

/** `export NAME=value` lines of launch.sh as a POSIX shell reads them. */
function exportsOf(launch: string): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const match of launch.matchAll(/^export ([A-Z_][A-Z0-9_]*)=(.*)$/gm)) environment[match[1]!] = unquote(match[2]!);
  return environment;
}

const unquote = (word: string): string =>
  word.replaceAll(/'([^']*)'|\\(.)/g, (_, quoted: string | undefined, escaped: string | undefined) => quoted ?? escaped ?? '');

/** The port, as a daemon of this machine sees it. */
export function processesOf(machine: Machine, self: ProcessId, schedule: (ms: number, act: () => void) => void): Processes {
  const table = machine.processes;
  const lookFails = (): boolean => machine.faults.looksUnknown();
  return {
    self: () => self,
    start(plan) {
      if (machine.faults.spawnFails())
        throw new OperationalError('SPAWN_FAILED', { operation: 'starting', subject: plan.argv[0] ?? '', why: 'EAGAIN' });
      return table.start(plan, null);
    },
    run: (plan, stop) => runCheck(machine, plan, stop, schedule),
    alive: (id): Answer => (id.bootId !== machine.bootId ? 'no' : lookFails() ? 'unknown' : table.isAlive(id) ? 'yes' : 'no'),
    ofHome: (root) => table.ofHome(root).flatMap(({ id, tag }) => (tag === null ? [] : [{ process: id, runId: tag }])),
    tagged: (name, value) => (name === 'TODO_RUN' ? table.tagged(value).map((process) => process.id) : []),
    cpuMs: (name, value) =>
      lookFails() ? null : name === 'TODO_RUN' ? table.tagged(value).reduce((sum, process) => sum + process.cpuMs, 0) : 0,
    endTagged: (name, value, graceMs) =>
      new Promise((resolve) => {
        if (name !== 'TODO_RUN') return resolve(true);
        if (machine.faults.endFails()) return void schedule(graceMs + 5000, () => resolve(table.tagged(value).length === 0));
        for (const process of table.tagged(value)) process.signal('SIGTERM');
        const startedMs = machine.timeline.nowMs;
        const look = (): void => {
          if (table.tagged(value).length === 0) return resolve(true);
          if (machine.timeline.nowMs - startedMs >= graceMs) for (const process of table.tagged(value)) process.signal('SIGKILL');
          schedule(100, look);
        };
        schedule(machine.dice.int(1, 50), look);
      }),
    untoldEnd: (runId) => (lookFails() ? null : (table.tagged(runId).find(({ untoldEnd }) => untoldEnd !== undefined)?.untoldEnd ?? null)),
    program: (name) => `/usr/bin/${name}`,
    system: () => ({
      atMs: machine.wallMs(),
      load: [0.1, 0.1, 0.1],
      cpus: 2,
      memoryTotalBytes: 4e9,
      memoryFreeBytes: 2e9,
      diskTotalBytes: 1e11,
      diskFreeBytes: 5e10,
      processes: [],
    }),
  };
}

/** A check: its answer is in the scenario, its run in the history. */
function runCheck(
  machine: Machine,
  plan: RunPlan,
  stop: AbortSignal | undefined,
  schedule: (ms: number, act: () => void) => void,
): Promise<RunResult> {
  const startedMs = machine.timeline.nowMs;
  const answer = (changes: Partial<RunResult>): RunResult => ({
    exitCode: null,
    osSignal: null,
    timedOut: false,
    startError: null,
    tail: '',
    bytes: 0,
    durationMs: machine.timeline.nowMs - startedMs,
    ...changes,
  });
  if (plan.argv[1] === '--version') return probed(machine, plan, answer, schedule);
  const command = plan.argv[0] === '/bin/sh' ? (plan.argv[2] ?? '') : plan.argv.join(' ');
  const scripted = machine.checkStarts(command, plan.cwd);
  if (scripted === null) return Promise.resolve(answer({ exitCode: 128, tail: 'fatal: not a git repository' }));
  return new Promise((resolve) => {
    const finish = (result: RunResult): void => {
      machine.checkEnded(scripted, result);
      resolve(result);
    };
    if (scripted.startError) return finish(answer({ startError: 'ENOENT' }));
    const tail = `${command}: ${scripted.passes ? 'ok' : 'not ok'}\n`;
    if (stop?.aborted) return finish(answer({ startError: 'stopped before its start' }));
    let done = false;
    const once = (result: () => RunResult) => (): void => {
      if (done) return;
      done = true;
      finish(result());
    };
    stop?.addEventListener(
      'abort',
      once(() => answer({ osSignal: 'SIGTERM', tail })),
      { once: true },
    );
    if (scripted.ms >= plan.timeoutMs)
      schedule(
        plan.timeoutMs,
        once(() => answer({ osSignal: 'SIGTERM', timedOut: true, tail })),
      );
    else
      schedule(
        scripted.ms,
        once(() => answer({ exitCode: scripted.passes ? 0 : 1, tail, bytes: tail.length })),
      );
  });
}

/** An agent's program is asked for its version. */
function probed(
  machine: Machine,
  { argv, timeoutMs }: RunPlan,
  answer: (changes: Partial<RunResult>) => RunResult,
  schedule: (ms: number, act: () => void) => void,
): Promise<RunResult> {
  const trouble = machine.faults.probeTrouble(argv[0]?.split('/').at(-1) ?? '');
  const result: Partial<RunResult> =
    trouble === 'hangs' ? { osSignal: 'SIGTERM', timedOut: true } : trouble === 'fails' ? { exitCode: 3 } : { exitCode: 0, tail: '1.0' };
  return new Promise((resolve) => schedule(trouble === 'hangs' ? timeoutMs : probeMs, () => resolve(answer(result))));
}
const probeMs = 100;

export function terminalsOf(machine: Machine): Terminals {
  const table = machine.processes;
  const refuse = (operation: string): void => {
    if (machine.faults.tmuxFails()) throw new OperationalError('TMUX_UNAVAILABLE', { operation, subject: 'tmux', why: 'no server' });
  };
  return {
    available: () => (machine.faults.tmuxFails() ? 'unknown' : 'yes'),
    start(plan) {
      refuse('starting in');
      return table.openWindow(plan);
    },
    alive: (target) => (machine.faults.tmuxFails() ? 'unknown' : table.window(target) === null ? 'no' : 'yes'),
    capture(target) {
      refuse('capturing');
      const window = table.window(target);
      return window === null ? null : (machine.disk.files(machine.nature).readText(window.outputPath) ?? '');
    },
    send(target, text) {
      refuse('typing into');
      table.window(target)?.agent?.hear(text);
    },
    end(target) {
      table.closeWindow(target);
    },
    list: () => (machine.faults.tmuxFails() ? null : table.windows()),
    attachCommand: (target) => `tmux attach -t ${target}`,
  };
}

export type { Act, AgentScript };
