import type { Entry } from '../core/entry.ts';
import { runFiles } from '../core/run-folder.ts';
import type { World } from '../world.ts';
import type { StepNeeds } from './needs.ts';
import { createRedactor } from './redact.ts';

/** Everything that leaves runs/<run>/ goes through this: registered secrets, well-known keys and the run's own token are taken out. */
export function redactorFor(entry: Pick<Entry, 'ref'>, { world, secrets }: Pick<StepNeeds, 'world' | 'secrets'>): (text: string) => string {
  const token = world.files.readText(runFiles(world.home.runs, entry.ref.runId).token);
  return redactorOf(token === null ? secrets : [...secrets, token], world.digest);
}

export const redactorOf = (secrets: readonly string[], { sha256 }: Pick<World['digest'], 'sha256'>): ((text: string) => string) =>
  createRedactor({ secrets, sha256 }).redact;
