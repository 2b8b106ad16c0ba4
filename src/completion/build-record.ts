import type { Config } from '../core/config.ts';
import type { Entry, Reported } from '../core/entry.ts';
import type { LongField } from '../core/record.ts';
import { runFiles } from '../core/run-folder.ts';
import type { TerminalRecord } from '../core/todo.ts';
import type { World } from '../world.ts';
import type { StepNeeds } from './needs.ts';

/** Which file of final/ holds which long value of the record. */
export const fileOf = {
  reportHtml: 'report.html',
  output: 'output.txt',
  evidence: 'evidence.json',
} as const satisfies Record<LongField, string>;

type Long = Readonly<Pick<TerminalRecord, LongField>>;

/** What the report step has just written and measured; a few of them, small, until the next step has taken it. */
const justWritten = new WeakMap<Reported, Long>();
const justWrittenCharsMax = 256 * 1024;

export function rememberWritten(reported: Reported, long: Long): void {
  if (long.reportHtml.length + long.output.length + long.evidence.length <= justWrittenCharsMax) justWritten.set(reported, long);
}

/** The record as it was measured a moment ago; null where it must be built from the disk and measured again. */
export function recordJustWritten(entry: Entry, needs: Pick<StepNeeds, 'world' | 'config'>): TerminalRecord | null {
  const long = entry.reported === null ? undefined : justWritten.get(entry.reported);
  if (entry.reported !== null) justWritten.delete(entry.reported);
  return long === undefined ? null : { ...shortRecord(entry, needs), ...long };
}

/** The record as final/ and the journal have it. The same from the same fact, however often it is built. */
export function buildRecord(entry: Entry, { world, config }: Pick<StepNeeds, 'world' | 'config'>): TerminalRecord {
  const final = finalFolder(entry, { world, config });
  const text = (field: LongField): string => world.files.readText(`${final}/${fileOf[field]}`) ?? '';
  return { ...shortRecord(entry, { world, config }), reportHtml: text('reportHtml'), output: text('output'), evidence: text('evidence') };
}

/** All of it but the long values. */
export function shortRecord(entry: Entry, { world, config }: Pick<StepNeeds, 'world' | 'config'>): Omit<TerminalRecord, LongField> {
  const { ending, collected, reported, signal } = entry;
  if (ending === null || collected === null || reported === null) throw new Error(`run ${entry.ref.runId} has no ending at ${entry.fact}`);
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
    reportPath: `${archivedFolder(entry, { world, config })}/report.html`,
    manifestSha256: reported.manifestSha256,
    startedAtMs: entry.startedAtMs,
    endedAtMs: collected.endedAtMs,
  };
}

/** Where the run's folder is in the end: in the archive, or where it was if behavior.auto_archive is off. */
export const archivedFolder = (
  entry: Pick<Entry, 'ref' | 'reported'>,
  { world, config }: { readonly world: Pick<World, 'home'>; readonly config: Pick<Config, 'behavior'> },
): string =>
  config.behavior.auto_archive && entry.reported !== null
    ? `${world.home.archive}/${entry.reported.folder}`
    : runFiles(world.home.runs, entry.ref.runId).final;

/** Where it is now: a crash may have come after the move. */
export function finalFolder(entry: Pick<Entry, 'ref' | 'reported'>, needs: Pick<StepNeeds, 'world' | 'config'>): string {
  const before = runFiles(needs.world.home.runs, entry.ref.runId).final;
  return needs.world.files.stat(before) !== null ? before : archivedFolder(entry, needs);
}
