import { dirname, join } from 'node:path';
import type { ProcessId } from '../core/entry.ts';
import { isOperational } from '../core/errors.ts';
import { mayRestart } from '../core/restart.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import type { Context } from './context.ts';
import { noteEvent } from './notebook.ts';

/** A watchdog that is dead is missed within two looks. */
const lookEveryMs = 2500;
/** One that cannot be started for longer is for a person. */
const limits = { cooldownMs: 5000, perHourMax: 10, perDayMax: 30 };

type Kept = { dueMs: number; missedAtMs: number | null; started: { readonly atMs: number }[]; isTold: boolean };
const keptOf = new WeakMap<Context, Kept>();

/**
 * Who watches us may die, too: then we start another one, as it was started. It finds us alive and adopts us. One that ended its watch
 * itself, or never was, is not missed.
 */
export function keepWatchdog(context: Context): void {
  const { world, state } = context;
  const kept = keptOf.get(context) ?? { dueMs: 0, missedAtMs: null, started: [], isTold: false };
  keptOf.set(context, kept);
  const monotonicMs = world.clock.monotonicMs();
  if (state.draining || monotonicMs < kept.dueMs) return;
  kept.dueMs = monotonicMs + lookEveryMs;
  const missed = missedWatchdog(context);
  if (missed === null) {
    kept.missedAtMs = null;
    kept.isTold = false;
    return;
  }
  // A starter that lives starts one at once, and a person may be about to.
  kept.missedAtMs ??= monotonicMs;
  if (monotonicMs - kept.missedAtMs < lookEveryMs) return;
  const may = mayRestart(kept.started, limits, world.clock.nowMs());
  if (may.accepted) startAnother(context, missed, kept);
  else if (!kept.isTold && may.retryAfterMs > limits.cooldownMs) {
    kept.isTold = true;
    world.log.critical('monitor', 'the watchdog of this daemon does not live on', { reason: may.why, hint: 'todo watchdog status' });
  }
}

type Missed = { readonly process: ProcessId; readonly startedAs: readonly string[] };

/** Null: it lives, or nobody watches us. */
function missedWatchdog({ world, owner }: Context): Missed | null {
  const state = parsedJson(world.files.readText(join(dirname(world.home.database), 'watchdogs', 'daemon.json')) ?? '');
  if (!isObject(state) || state['phase'] === 'ended' || !isObject(state['child']) || !Array.isArray(state['startedAs'])) return null;
  const child = state['child']['process'] as ProcessId;
  if (child.pid !== owner.pid || child.startTicks !== owner.startTicks || child.bootId !== owner.bootId) return null;
  const watchdog = state['watchdog'] as ProcessId;
  return world.processes.alive(watchdog) === 'no' ? { process: watchdog, startedAs: state['startedAs'] as string[] } : null;
}

function startAnother(context: Context, { process, startedAs }: Missed, kept: Kept): void {
  const { world } = context;
  const nowMs = world.clock.nowMs();
  kept.started = [...kept.started.filter(({ atMs }) => nowMs - atMs < 86_400_000), { atMs: nowMs }];
  try {
    world.processes.start({
      // Nobody's child: it must be able to end us, and nobody ends what they come from.
      argv: ['/bin/sh', '-c', '"$@" &', 'sh', ...world.host.todoCommand, ...startedAs],
      cwd: world.home.root,
      env: world.host.configEnv,
      outputPath: join(world.home.logs, 'watchdog.out'),
    });
    const fields = { dead: process.pid };
    world.log.warn('monitor', 'the watchdog was dead; another one is started', fields);
    noteEvent(context, { kind: 'healing', what: 'watchdog_restarted', detail: JSON.stringify(fields) });
  } catch (error) {
    if (!isOperational(error)) throw error;
    world.log.error('monitor', 'the watchdog is dead, and another one cannot be started', { dead: process.pid, reason: error.message });
  }
}
