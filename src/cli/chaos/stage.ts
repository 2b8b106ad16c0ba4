import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DaemonStatus } from '../../core/control.ts';
import type { Entry, SessionRef } from '../../core/entry.ts';
import { isOperational } from '../../core/errors.ts';
import { isTerminal } from '../../core/words.ts';
import { endOne } from '../../platform/end-processes.ts';
import { watchdogFolder } from '../../platform/home.ts';
import { readState, type State } from '../../watchdog/state.ts';
import type { Call, Opened } from '../command.ts';
import { makeOwnHome, shellTodo, withoutOurs } from '../own-home.ts';
import { todoCommand } from '../program.ts';
import { openWorld } from '../world.ts';

/** What became of the todos of a scenario. */
export type Toll = { readonly todos: number; readonly lost: number; readonly doubled: number };

/** Times from the fault on. */
export type Outcome = Toll & { readonly detectedMs: number; readonly mendedMs: number };

/** The daemon under a watchdog that does not wait long. */
export const watched = 'watchdog --check-interval 1s --timeout 4s --probe-timeout 1s --grace 1s --steady 1s'.split(' ');
export const todosEach = 5;
export const shortWork = 'sleep 1; echo done';
/** Waits for `letGo`: however busy the machine is, no agent gets there before the fault. */
export const heldWork = (command: string): string => `until [ -e ../../go ]; do sleep 0.2; done; ${command}`;

/** A home of its own for one fault, with real processes on it. All that it started is gone when it is disposed. */
export type Stage = AsyncDisposable & {
  readonly folder: string;
  readonly opened: Opened;
  /** Starts `todo` on this home. */
  start(...args: string[]): ChildProcess;
  add(count: number, command: string, session?: 'child' | 'tmux'): Promise<void>;
  /** Pid of the daemon, once its watchdog finds it healthy. */
  healthy(): Promise<number>;
  /** Runs that are under way. */
  runs(): readonly (Entry & { readonly session: SessionRef })[];
  /** Held work goes on. */
  letGo(): void;
  /** Until at least one runs; then all that there are slots for do, or will. */
  running(): Promise<void>;
  /** Looks until there is something; answers with how long that took. */
  until(what: string, look: () => unknown, withinMs?: number): Promise<number>;
  status(): Promise<DaemonStatus | null>;
  watchdog(): State | null;
  /** Until each todo has ended, and what that came to. */
  toll(): Promise<Toll>;
};

const lookEveryMs = 100;
/** No single wait is longer: then the promise is broken. A machine with other work takes its time for the todos. */
const patienceMs = 60_000;
const tollPatienceMs = 180_000;
const graceMs = 1000;
const drainMs = 15_000;

const settings = {
  behavior: { quiet_after: 0.1, term_grace: 1, lease: 30 },
  run: { retry_delay: 0.2 },
  slots: { total: 20, agent: 20, project: 20 },
  monitoring: { rescan: 0.2 },
};

type Options = {
  /** Where the home is made; the folder of temporary files unless given. */
  readonly on?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  /** The store as the daemon reaches it, and as it is looked at. */
  readonly storeUrl?: { readonly daemon: string; readonly direct: string };
};

export async function openStage(call: Pick<Call, 'env'>, { on, config = {}, storeUrl }: Options = {}): Promise<Stage> {
  await using stack = new AsyncDisposableStack();
  const folder = makeOwnHome({ name: 'chaos', config: { ...settings, ...config }, ...(on === undefined ? {} : { on }) });
  stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  const clean = withoutOurs(call.env);
  const withStore = (url: string | undefined) => (url === undefined ? clean : { ...clean, TODO_STORE_URL: url });
  const opened = await openWorld({ home: folder, env: withStore(storeUrl?.direct), cwd: folder });
  stack.use(opened);
  await opened.world.store.open();
  const { world } = opened;
  const children: ChildProcess[] = [];
  stack.defer(async () => {
    for (const child of children.toReversed()) await ended(child);
    // A watchdog that a daemon started is the child of nobody here, and so is a daemon whose watchdog is dead.
    const { watchdog, child } = stage.watchdog() ?? {};
    for (const left of [watchdog, child?.process]) if (left !== undefined) await endOne(left, drainMs);
    await world.processes.endTagged('TODO_HOME', folder, graceMs);
  });
  const todos: string[] = [];

  const stage: Omit<Stage, typeof Symbol.asyncDispose> = {
    folder,
    opened,
    start(...args) {
      const [program, ...prefix] = todoCommand;
      const env = { ...withStore(storeUrl?.daemon), TODO_HOME: folder };
      const child = spawn(program ?? 'todo', [...prefix, ...args, '--home', folder], { cwd: folder, env, stdio: 'ignore' });
      children.push(child);
      return child;
    },
    async add(count, command, session = 'child') {
      for (let index = 0; index < count; index++) {
        const todo = shellTodo(folder, world, { title: `chaos ${index + 1}`, prompt: command, session });
        await world.store.add(todo);
        todos.push(todo.id);
      }
      await opened.wake();
    },
    letGo: () => writeFileSync(join(folder, 'go'), ''),
    async healthy() {
      let pid: number | null = null;
      await stage.until('the daemon is healthy', async () => {
        pid = stage.watchdog()?.phase === 'healthy' ? ((await stage.status())?.pid ?? null) : null;
        return pid !== null;
      });
      return pid ?? 0;
    },
    runs: () =>
      world.journal.live().filter((entry) => entry.fact === 'running' && entry.session !== null) as (Entry & { session: SessionRef })[],
    running: async () => void (await stage.until('a todo runs', () => stage.runs().length > 0)),
    async until(what, look, withinMs = patienceMs) {
      const fromMs = performance.now();
      for (;;) {
        if (await look()) return Math.round(performance.now() - fromMs);
        if (performance.now() - fromMs > withinMs) throw new Error(`waited ${withinMs / 1000} s in vain: ${what}`);
        await world.clock.sleep(lookEveryMs);
      }
    },
    async status() {
      try {
        const reply = await opened.ask({ op: 'status' }, 1000);
        return reply?.ok && reply.kind === 'status' ? reply.status : null;
      } catch (error) {
        if (!isOperational(error)) throw error;
        return null;
      }
    },
    watchdog: () => readState(join(watchdogFolder(folder), 'daemon.json'), world.files),
    async toll() {
      const over = async (id: string) => {
        const todo = await world.store.find(id);
        return todo !== null && isTerminal(todo.status) && world.journal.ofTodo(id).every(({ fact }) => fact === 'closed');
      };
      await stage
        .until('each todo has ended', async () => (await Promise.all(todos.map(over))).every(Boolean), tollPatienceMs)
        .catch(() => {});
      const found = await Promise.all(todos.map(async (id) => ({ todo: await world.store.find(id), runs: await world.store.runsOf(id) })));
      return {
        todos: todos.length,
        lost: found.filter(({ todo }) => todo?.status !== 'completed' || todo.proof === 'forced').length,
        doubled: found.filter(({ runs }) => runs.filter(({ outcome }) => outcome === 'done').length > 1).length,
      };
    },
  };
  const whole = stack.move();
  return { ...stage, [Symbol.asyncDispose]: () => whole.disposeAsync() };
}

/** A stopped process hears TERM only when it goes on. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  child.kill('SIGCONT');
  const late = setTimeout(() => child.kill('SIGKILL'), drainMs);
  await gone;
  clearTimeout(late);
}
