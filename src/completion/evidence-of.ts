import type { Entry } from '../core/entry.ts';
import type { Evidence } from '../core/evidence.ts';
import type { ManifestFile } from '../core/manifest.ts';
import type { World } from '../world.ts';

/** Everything that was seen of this run's end, redacted: the content of evidence.json, and all that the report shows. */
export function evidenceOf(
  entry: Entry,
  outputs: readonly ManifestFile[],
  redact: (text: string) => string,
  { host }: Pick<World, 'host'>,
): Evidence {
  const { todo, run, ending, collected } = { ...entry, run: entry.ref };
  if (ending === null || collected === null) throw new Error(`run ${entry.ref.runId} has no ending at ${entry.fact}`);
  const redactOrNull = (text: string | null): string | null => (text === null ? null : redact(text));
  const wordOf = (signal: NonNullable<Entry['signal']>) => ({
    says: signal.says,
    saidBy: signal.saidBy,
    summary: redactOrNull(signal.summary),
    atMs: signal.atMs,
  });
  return {
    v: 1,
    todo: {
      id: todo.id,
      number: todo.number,
      title: redact(todo.title),
      prompt: redact(todo.prompt),
      cwd: todo.cwd,
      agent: todo.agent,
      priority: todo.priority,
      createdAtMs: todo.createdAtMs,
    },
    run: {
      id: run.runId,
      fence: run.fence,
      host: host.name,
      kind: entry.kind,
      round: entry.round,
      startedAtMs: entry.startedAtMs,
      endedAtMs: collected.endedAtMs,
    },
    result: {
      status: ending.todoStatus,
      proof: ending.proof,
      outcome: ending.outcome,
      saidBy: entry.emergency?.by === 'person' ? 'person' : entry.emergency !== null ? 'deadline' : (entry.signal?.saidBy ?? 'process-end'),
      reason: redactOrNull(ending.reason),
    },
    summary: '',
    said: entry.signal === null ? null : wordOf(entry.signal),
    laterSignals: entry.later.map(wordOf),
    checks: entry.checks,
    sources: collected.sources,
    problems: collected.problems,
    structured: collected.structured,
    usage: collected.usage,
    diffStat: collected.diffStat,
    timeline: entry.timeline.map((line) => ({ ...line, reason: redactOrNull(line.reason) })),
    emergency:
      entry.emergency === null
        ? null
        : {
            reason: redact(entry.emergency.reason),
            atMs: entry.emergency.atMs,
            actions: entry.emergency.actions,
            whatToDo: whatToDo(entry),
          },
    system: entry.emergency?.system ?? null,
    output: collected.output,
    digests: outputs,
    utcOffsetMinutes: host.utcOffsetMinutes,
  };
}

function whatToDo({ emergency, todo }: Entry): readonly string[] {
  const look = `Look at the output below and at the working directory ${todo.cwd}.`;
  if (emergency?.action === 'reset')
    return [look, `The todo is open again: see \`todo why ${todo.number}\`; keep it from agents with \`todo hold ${todo.number}\`.`];
  return [
    look,
    'If the work is not done, add it again with a clearer prompt, a check, or a longer --timeout.',
    `The whole story: \`todo why ${todo.number}\`.`,
  ];
}
