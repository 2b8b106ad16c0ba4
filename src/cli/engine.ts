import type { ControlReply, ControlRequest } from '../core/control.ts';
import { OperationalError } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import type { ShownProgram } from '../core/trial.ts';
import type { Scope } from '../daemon/context.ts';
import { createEngine, type Engine } from '../daemon/engine.ts';
import { takeLock } from '../platform/lock.ts';
import { showOnScreen } from '../platform/screen.ts';
import { builtInAdapters } from './agents.ts';
import type { Opened } from './command.ts';
import { version } from './configured-home.ts';
import { secretsOf } from './secrets.ts';

export const engineFor = (opened: Opened, scope: Scope, stop: AbortSignal, program?: ShownProgram): Engine => {
  const engine = createEngine(
    {
      world: opened.world,
      config: opened.config,
      settings: opened.settings,
      adapters: builtInAdapters,
      scope,
      secrets: secretsOf(opened),
      emulate: showOnScreen,
      version,
      ...(program && { program }),
    },
    stop,
  );
  opened.onProcessEnd(() => engine.wake());
  return engine;
};

/** An engine that serves requests. */
export type Served = { serve(request: ControlRequest): Promise<ControlReply> };

/**
 * Where no daemon lives, what one would be asked is done here: an engine that takes over what this todo left behind, serves the request, and brings
 * to its end what that began. It starts no agent. Without a todo it has the whole home, and holds its lock meanwhile.
 */
export async function inProcess<T>(opened: Opened, todoId: string | null, work: (engine: Served) => Promise<T>): Promise<T> {
  const { world } = opened;
  const lock = todoId === null ? takeLock(world.home.lock, { ...world.processes.self(), startedAtMs: world.clock.nowMs() }) : null;
  const stop = new AbortController();
  const over = new AbortController();
  try {
    const engine = engineFor(opened, todoId === null ? { kind: 'daemon', brief: true } : { kind: 'run', todoId }, stop.signal);
    // Nothing new is started by who came to end something.
    engine.context.state.draining = true;
    await engine.recover();
    const loop = looped(engine, over.signal);
    const result = await Promise.race([work({ serve: (request) => engine.request(request, stop.signal) }), loop.then(neverFirst)]);
    over.abort();
    engine.wake();
    await loop;
    await engine.drain(world.clock.nowMs() + inMs(opened.config.behavior.drain_timeout));
    return result;
  } finally {
    stop.abort();
    lock?.release();
  }
}

async function looped(engine: Engine, over: AbortSignal): Promise<void> {
  while (!over.aborted) await engine.sleepUntil(await engine.pass());
}

/** The loop ends when it is told to; before that only by an error, which is the one to tell. */
function neverFirst(): never {
  throw new OperationalError('REFUSED', { operation: 'serving', subject: 'a request', why: 'the engine ended first' });
}
