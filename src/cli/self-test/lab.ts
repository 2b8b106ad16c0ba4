import { rmSync } from 'node:fs';
import type { Entry } from '../../core/entry.ts';
import type { NewTodo, Run, Todo } from '../../core/todo.ts';
import type { Engine } from '../../daemon/engine.ts';
import type { Call, Opened } from '../command.ts';
import { engineFor } from '../engine.ts';
import { makeOwnHome, shellTodo, withoutOurs } from '../own-home.ts';
import { openWorld } from '../world.ts';

/** A home of its own with a daemon's engine in this process: what the self-test works on. Gone when disposed, with all it started. */
export type Lab = AsyncDisposable & {
  readonly folder: string;
  readonly world: Opened['world'];
  readonly engine: Engine;
  /** A todo of agent shell with a working directory of its own. */
  add(command: string, options?: Partial<Pick<NewTodo, 'checks' | 'timeoutMs' | 'held'>>): Promise<Todo>;
  /** The same, brought to its end. */
  end(command: string, options?: Partial<Pick<NewTodo, 'checks' | 'timeoutMs' | 'held'>>): Promise<Ended>;
  until<T>(what: string, look: () => T | null | Promise<T | null>): Promise<T>;
  ended(todoId: string): Promise<Ended>;
};

export type Ended = { readonly todo: Todo; readonly runs: readonly Run[] };

/** No single wait of the self-test is longer; a machine this slow has something to tell. */
const patienceMs = 30_000;
/** Looks between two changes that are told: a change told while we looked must not be waited for in vain. */
const lookMs = 100;

const config = {
  behavior: { quiet_after: 0.05, term_grace: 2, health_check_interval: 3600 },
  run: { retry_delay: 0.1 },
  slots: { total: 50, agent: 50, project: 50 },
  monitoring: { rescan: 0.1, watcher: false },
};

export async function openLab(call: Pick<Call, 'env' | 'cwd'>): Promise<Lab> {
  const stack = new AsyncDisposableStack();
  try {
    const folder = makeOwnHome({ name: 'selftest', config });
    stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
    return await labIn(folder, call, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function labIn(folder: string, call: Pick<Call, 'env' | 'cwd'>, stack: AsyncDisposableStack): Promise<Lab> {
  const opened = await openWorld({ home: folder, env: withoutOurs(call.env), cwd: folder }, { log: true });
  stack.use(opened);
  const { world } = opened;
  stack.defer(() => void world.processes.endTagged('TODO_HOME', world.home.root, 1000));

  const stop = new AbortController();
  const engine = engineFor(opened, { kind: 'daemon' }, stop.signal);
  let broken: { readonly error: unknown } | null = null;
  const loop = run(engine, stop.signal).catch((error: unknown) => {
    broken = { error };
  });
  stack.defer(async () => {
    await world.processes.endTagged('TODO_HOME', world.home.root, 1000);
    stop.abort();
    engine.wake();
    await loop;
    await engine.context.tasks.settled();
  });

  const lab: Lab = {
    folder,
    world,
    engine,
    async add(command, options = {}) {
      const added = await world.store.add(shellTodo(folder, world, { title: 'self-test', prompt: command, ...options }));
      engine.wake();
      return added;
    },
    end: async (command, options) => lab.ended((await lab.add(command, options)).id),
    async until(what, look) {
      const untilMs = world.clock.nowMs() + patienceMs;
      for (;;) {
        if (broken !== null) throw (broken as { error: unknown }).error;
        const found = await look();
        if (found !== null) return found;
        if (world.clock.nowMs() > untilMs) throw new Error(`waited ${patienceMs / 1000} s in vain: ${what}`);
        await world.clock.sleep(lookMs);
      }
    },
    ended: (todoId) =>
      lab.until(`the end of todo ${todoId}`, async () => {
        const todo = await world.store.find(todoId);
        const over =
          todo !== null &&
          ['completed', 'failed', 'cancelled', 'blocked', 'dead-lettered'].includes(todo.status) &&
          !isLive(engine.live(), todoId);
        return over ? { todo, runs: await world.store.runsOf(todoId) } : null;
      }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
  return lab;
}

const isLive = (entries: readonly Entry[], todoId: string): boolean => entries.some((entry) => entry.ref.todoId === todoId);

async function run(engine: Engine, stop: AbortSignal): Promise<void> {
  await engine.recover();
  while (!stop.aborted) await engine.sleepUntil(await engine.pass());
}
