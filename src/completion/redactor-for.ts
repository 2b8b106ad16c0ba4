import type { Entry } from '../core/entry.ts';
import { runFiles } from '../core/run-folder.ts';
import type { StepNeeds } from './needs.ts';

/** Everything that leaves runs/<run>/ goes through this: registered secrets and the run's own token are taken out. */
export function redactorFor(entry: Pick<Entry, 'ref'>, { world, secrets }: Pick<StepNeeds, 'world' | 'secrets'>): (text: string) => string {
  const token = world.files.readText(runFiles(world.home.runs, entry.ref.runId).token);
  return redactorOf(token === null ? secrets : [...secrets, token]);
}

export function redactorOf(secrets: readonly string[]): (text: string) => string {
  const values = secrets.filter((value) => value.length >= 8);
  return (text) => values.reduce((left, value) => left.replaceAll(value, '‹redacted›'), text);
}
