import type { Entry } from '../core/entry.ts';
import { runFiles } from '../core/run-folder.ts';
import type { TerminalRecord } from '../core/todo.ts';
import type { StepNeeds } from './needs.ts';

/** The record as final/ and the journal have it. The same from the same fact, however often it is built. */
export function buildRecord(entry: Entry, { world, config }: Pick<StepNeeds, 'world' | 'config'>): TerminalRecord {
  const { ending, collected, reported, signal } = entry;
  if (ending === null || collected === null || reported === null) throw new Error(`run ${entry.ref.runId} has no ending at ${entry.fact}`);
  const final = finalFolder(entry, { world, config });
  const text = (name: string): string => world.files.readText(`${final}/${name}`) ?? '';
  return {
    ...entry.ref,
    outcome: ending.outcome,
    todoStatus: ending.todoStatus,
    proof: ending.proof,
    saidBy: entry.emergency !== null ? (entry.emergency.by === 'person' ? 'person' : 'deadline') : (signal?.saidBy ?? 'process-end'),
    reason: ending.reason,
    notBeforeMs: ending.notBeforeMs,
    attempts: ending.attempts,
    resets: ending.resets,
    round: entry.round,
    summary: reported.summary,
    reportHtml: text('report.html'),
    reportPath: `${archivedFolder(entry, { world, config })}/report.html`,
    output: text('output.txt'),
    evidence: text('evidence.json'),
    manifestSha256: reported.manifestSha256,
    startedAtMs: entry.startedAtMs,
    endedAtMs: collected.endedAtMs,
  };
}

/** Where the run's folder is in the end: in the archive, or where it was if behavior.auto_archive is off. */
export const archivedFolder = (entry: Pick<Entry, 'ref' | 'reported'>, { world, config }: Pick<StepNeeds, 'world' | 'config'>): string =>
  config.behavior.auto_archive && entry.reported !== null
    ? `${world.home.archive}/${entry.reported.folder}`
    : runFiles(world.home.runs, entry.ref.runId).final;

/** Where it is now: a crash may have come after the move. */
export function finalFolder(entry: Pick<Entry, 'ref' | 'reported'>, needs: Pick<StepNeeds, 'world' | 'config'>): string {
  const before = runFiles(needs.world.home.runs, entry.ref.runId).final;
  return needs.world.files.stat(before) !== null ? before : archivedFolder(entry, needs);
}
