import type { Entry } from '../core/entry.ts';
import type { LiveSigns, PredictionModel } from '../core/prediction.ts';
import { parsedJson } from '../core/shape.ts';
import type { World } from '../world.ts';

export const modelKey = 'prediction.model';

/** What was learned last; for the daemon, and for `todo status` and `todo why`. */
export const modelIn = (journal: Pick<World['journal'], 'getNote'>): PredictionModel | null => {
  const model = parsedJson(journal.getNote(modelKey) ?? 'null') as PredictionModel | null;
  return model?.v === 1 ? model : null;
};

export const signsOf = ({ todo, startedAtMs, lastSignAtMs, round }: Entry, nowMs: number): LiveSigns => ({
  agent: todo.agent,
  project: todo.project,
  earlierBad: todo.attempts + todo.resets,
  ageMs: Math.max(0, nowMs - startedAtMs),
  silentMs: Math.max(0, nowMs - lastSignAtMs),
  round,
});

/** Only of runs that an agent still works on is anything said. */
export const isPredictable = ({ kind, fact }: Entry): boolean => (kind === 'child' || kind === 'tmux') && fact === 'running';
