import { dirname, join } from 'node:path';
import type { ShownIntake } from '../core/control.ts';
import { mayRestart, type PastRestart, type RestartAnswer, type RestartAsked, restartsOfToday } from '../core/restart.ts';
import { inMs } from '../core/seconds.ts';
import { isObject, parsedJson } from '../core/shape.ts';
import type { World } from '../world.ts';
import type { Context } from './context.ts';

/** Of this home, whoever did them; a restart must not forget that it was one. */
const pastNote = 'restarts';

export type Restarting = {
  /** Taken at once or refused; what is taken begins with the next turn of the loop. `isForced`: a person wants it whatever the limits say. */
  ask(asked: RestartAsked & { readonly isForced?: boolean }): RestartAnswer;
  /** What was taken and has not happened yet. */
  planned: PastRestart | null;
  /** Daemons that this home has had, this one counted in. */
  generation: number;
  /** Whether todos are taken, after a restart. */
  intake: ShownIntake;
  /** A person wants what is held to be opened. */
  isResumed: boolean;
};

export function newRestarting(context: () => Context): Restarting {
  const restarting: Restarting = {
    planned: null,
    generation: 0,
    intake: { kind: 'open' },
    isResumed: false,
    ask({ by, why, isForced = false }) {
      const { world, config } = context();
      // One is on its way: whoever asks now gets it.
      if (restarting.planned !== null) return { accepted: true };
      const nowMs = world.clock.nowMs();
      const { cooldown, per_hour, per_day } = config.restart;
      const limits = { cooldownMs: inMs(cooldown), perHourMax: per_hour, perDayMax: per_day };
      const past = pastRestarts(world);
      const answer: RestartAnswer = isForced ? { accepted: true } : mayRestart([...past, ...byWatchdog(world)], limits, nowMs);
      if (!answer.accepted) {
        world.log.warn('monitor', 'restart refused', { by, reason: why, refused: answer.why, retryAfterMs: answer.retryAfterMs });
        return answer;
      }
      restarting.planned = { atMs: nowMs, by, why };
      world.log.warn('monitor', 'restart accepted', { by, reason: why });
      context().wakeup.ring();
      return answer;
    },
  };
  return restarting;
}

/** Counted, durably. Twice is the same as once. */
export async function keepRestart({ world }: Pick<Context, 'world'>, restart: PastRestart): Promise<void> {
  const past = pastRestarts(world).filter(({ atMs }) => atMs !== restart.atMs);
  await world.journal.setNote(pastNote, JSON.stringify(restartsOfToday([...past, restart], world.clock.nowMs())));
}

/** Those of the last day that this home's daemon asked for. */
export function pastRestarts({ journal }: Pick<World, 'journal'>): readonly PastRestart[] {
  const kept = parsedJson(journal.getNote(pastNote) ?? '');
  return Array.isArray(kept) ? (kept as PastRestart[]) : [];
}

/** What its watchdog did stands in the watchdog's own state. */
function byWatchdog({ home, files }: Pick<World, 'home' | 'files'>): readonly PastRestart[] {
  const state = parsedJson(files.readText(join(dirname(home.database), 'watchdogs', 'daemon.json')) ?? '');
  const restarts = isObject(state) && Array.isArray(state['restarts']) ? (state['restarts'] as { atMs: number; why: string }[]) : [];
  return restarts.map(({ atMs, why }) => ({ atMs, by: 'watchdog', why }));
}
