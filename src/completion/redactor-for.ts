import type { Entry } from '../core/entry.ts';
import { runFiles } from '../core/run-folder.ts';
import type { RunRef } from '../core/todo.ts';
import type { World } from '../world.ts';
import type { StepNeeds } from './needs.ts';
import { createRedactor } from './redact.ts';

type Redact = (text: string) => string;

/** Of live runs: made once, asked for by each step. A run's token never changes. */
const made = new WeakMap<RunRef, { readonly secrets: readonly string[]; readonly redact: Redact }>();

/** Everything that leaves runs/<run>/ goes through this: registered secrets, well-known keys and the run's own token are taken out. */
export function redactorFor({ ref }: Pick<Entry, 'ref'>, { world, secrets }: Pick<StepNeeds, 'world' | 'secrets'>): Redact {
  const known = made.get(ref);
  if (known?.secrets === secrets) return known.redact;
  const token = world.files.readText(runFiles(world.home.runs, ref.runId).token);
  const redact = redactorOf(token === null ? secrets : [...secrets, token], world.digest);
  // Without its token it is looked for again: the folder may come back.
  if (token !== null) made.set(ref, { secrets, redact });
  return redact;
}

export const redactorOf = (secrets: readonly string[], { sha256 }: Pick<World['digest'], 'sha256'>): Redact =>
  createRedactor({ secrets, sha256 }).redact;
