import { settingsOf } from '../core/config.ts';
import type { Entry } from '../core/entry.ts';
import type { OutputMeta, SourceTried, Structured, Usage } from '../core/evidence.ts';
import { runFiles } from '../core/run-folder.ts';
import { wantsChecks } from '../core/verdict.ts';
import type { World } from '../world.ts';
import { gitChanges } from './git-changes.ts';
import type { Step, StepNeeds } from './needs.ts';
import { prepareRunFolder } from './prepare-run-folder.ts';
import { redactorFor } from './redactor-for.ts';

/** Collected are the first 1 MiB and the last 7 MiB of the output. */
const headBytesMax = 1024 * 1024;
const tailBytesMax = 7 * 1024 * 1024;
const transcriptBytesMax = 16 * 1024 * 1024;
/** A legacy session folder is read as far as this. */
const sessionFilesMax = 100;
const sessionBytesMax = 4 * 1024 * 1024;

/**
 * Layer 1. Asks every source in order, with a verdict on each: what yields nothing of worth counts as failed and the next is tried.
 * Leaves the redacted output in final/output.txt. It is flushed before a fact that names it is saved: here where checks come next, because
 * then `collected` is saved by itself, else with the report. From then on no power loss takes it away.
 */
export const collect: Step = async (entry, needs, stop) => {
  const { world } = needs;
  const at = runFiles(world.home.runs, entry.ref.runId);
  if (world.files.stat(at.final) === null) prepareRunFolder(entry.ref.runId, world);
  const raw = readOutput(at.output, world);
  const redact = redactorFor(entry, needs);
  const problems: string[] = [];
  const text = redact(raw.text);
  const structured = entry.simple ? null : await structuredSource(entry, raw.text, needs, problems, stop);
  const session = entry.simple ? null : sessionFolder(entry, needs);
  const screen = raw.text.trim() === '' && entry.session?.kind === 'tmux' ? world.terminals.capture(entry.session.target) : null;
  const output = text.trim() === '' && screen !== null ? redact(screen) : text;
  const sources = verdictsOn(entry, { structured: structured?.found ?? null, session, output, meta: raw.meta });
  if (raw.meta.gapBytes > 0) problems.push(`the output has ${raw.meta.totalBytes} bytes; ${raw.meta.gapBytes} in the middle are left out`);
  problems.push(...disappointments(sources));
  world.files.write(`${at.final}/output.txt`, output);
  for (const file of session?.files ?? []) world.files.write(`${at.final}/${file.name}`, redact(file.text));
  if (wantsChecks(entry)) await flushOutputs(at.final, ['output.txt', ...(session?.files ?? []).map(({ name }) => name)], needs);
  return {
    kind: 'done',
    fact: 'collected',
    reason: `from ${sources.find((source) => source.used)?.name ?? 'nothing'}`,
    changes: {
      collected: {
        sources,
        problems,
        structured: structured ? redactStructured(structured.found, redact) : null,
        usage: structured?.usage ?? null,
        diffStat: structured?.diffStat ?? null,
        output: raw.meta,
        endedAtMs: endOf(entry),
        textSha256: world.digest.sha256(output),
      },
    },
  };
};

/** Contents, with those of `others`, and the names of those that were not made with the folder. */
export async function flushOutputs(
  final: string,
  names: readonly string[],
  { world, flush }: Pick<StepNeeds, 'world' | 'flush'>,
  others: readonly string[] = [],
): Promise<void> {
  await flush([...names, ...others].map((name) => `${final}/${name}`));
  if (names.some((name) => name !== 'output.txt')) world.files.syncFolder(final);
}

/** What collect left there, and not the report. */
export const isOutput = (name: string): boolean => name === 'output.txt' || name.startsWith('session_');

/** Sources that were there and gave nothing. One that nobody expected is no problem. */
const disappointments = (sources: readonly SourceTried[]): readonly string[] =>
  sources.filter((source) => source.verdict === 'empty').map((source) => `${source.name}: ${source.reason}`);

/** The process's end where it is known, else the word's time. Never the moment of collection. */
const endOf = (entry: Entry): number =>
  Math.max(
    entry.startedAtMs,
    entry.exit && entry.exit.kind !== 'lost' ? entry.exit.atMs : (entry.emergency?.atMs ?? entry.signal?.atMs ?? entry.lastSignAtMs),
  );

function readOutput(path: string, world: Pick<World, 'files' | 'digest'>): { text: string; meta: OutputMeta } {
  const totalBytes = world.files.stat(path)?.sizeBytes ?? 0;
  if (totalBytes <= headBytesMax + tailBytesMax) {
    const bytes = world.files.read(path) ?? new Uint8Array();
    return {
      text: decode(bytes),
      meta: { totalBytes: bytes.length, headBytes: bytes.length, tailBytes: 0, gapBytes: 0, sha256: world.digest.sha256(bytes) },
    };
  }
  const head = world.files.readRange(path, 0, headBytesMax) ?? new Uint8Array();
  const tail = world.files.readRange(path, totalBytes - tailBytesMax, tailBytesMax) ?? new Uint8Array();
  const gapBytes = totalBytes - head.length - tail.length;
  const text = `${decode(head)}\n… ${gapBytes} bytes left out here …\n${decode(tail)}`;
  return { text, meta: { totalBytes, headBytes: head.length, tailBytes: tail.length, gapBytes, sha256: world.digest.sha256(text) } };
}

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

type FoundStructured = { found: Structured; usage: Usage | null; diffStat: Awaited<ReturnType<typeof gitChanges>> };

async function structuredSource(
  entry: Entry,
  output: string,
  needs: StepNeeds,
  problems: string[],
  stop: AbortSignal,
): Promise<FoundStructured | null> {
  const { world } = needs;
  const adapter = needs.adapterOf(entry.todo.agent);
  const transcript = adapter
    .transcripts({
      conversationId: entry.conversationId,
      cwd: entry.todo.cwd,
      env: { ...world.host.env, ...settingsOf(needs.config, entry.todo.agent).env },
    })
    .map((path) => ({ path, stat: world.files.stat(path) }))
    .find((file) => file.stat?.kind === 'file');
  let text: string | null = null;
  if (transcript?.stat) {
    if (transcript.stat.sizeBytes > transcriptBytesMax)
      problems.push(`the transcript has ${transcript.stat.sizeBytes} bytes; only its last ${transcriptBytesMax} were read`);
    const bytes = world.files.readRange(transcript.path, Math.max(0, transcript.stat.sizeBytes - transcriptBytesMax), transcriptBytesMax);
    text = bytes === null ? null : decode(bytes);
  }
  const told = adapter.structured({ output, transcript: text, hooks: entry.hooks });
  const diffStat = entry.kind === 'person' ? null : await gitChanges(entry, world, stop);
  if (told === null && (diffStat === null || diffStat.files.length === 0))
    return diffStat === null ? null : { found: nothingFound, usage: null, diffStat };
  const files = diffStat?.files ?? [];
  return {
    found: told
      ? {
          ...told.found,
          filesCreated: union(
            told.found.filesCreated,
            files.filter((file) => file.untracked).map((file) => file.path),
          ),
          filesChanged: union(
            told.found.filesChanged,
            files.filter((file) => !file.untracked).map((file) => file.path),
          ),
        }
      : {
          ...nothingFound,
          filesCreated: files.filter((file) => file.untracked).map((file) => file.path),
          filesChanged: files.filter((file) => !file.untracked).map((file) => file.path),
        },
    usage: told?.usage ?? null,
    diffStat,
  };
}

const nothingFound: Structured = { filesCreated: [], filesChanged: [], commands: [], errors: [], keyActions: [], finalText: null };
const union = (a: readonly string[], b: readonly string[]): readonly string[] => [...new Set([...a, ...b])];
const isWorth = (found: Structured): boolean =>
  found.filesCreated.length + found.filesChanged.length + found.commands.length + found.errors.length + found.keyActions.length > 0 ||
  (found.finalText ?? '').trim() !== '';

/** `<prefix><id>` of the legacy layout: its text files, under names of their own. */
function sessionFolder(entry: Entry, { world }: StepNeeds): { files: { name: string; text: string }[]; bytes: number } | null {
  const files: { name: string; text: string }[] = [];
  let bytes = 0;
  for (const folder of sessionFolders(entry, world)) {
    for (const name of world.files.list(folder)) {
      const found = world.files.readGuarded(`${folder}/${name}`, sessionBytesMax);
      if (!found?.bytes || files.length >= sessionFilesMax || bytes + found.bytes.length > sessionBytesMax) continue;
      files.push({ name: `session_${name.replaceAll(/[^A-Za-z0-9._-]/g, '_')}`, text: decode(found.bytes) });
      bytes += found.bytes.length;
    }
  }
  return files.length === 0 ? null : { files, bytes };
}

/** Legacy session folders that belong to this todo, if they are really folders of ours. */
export function sessionFolders(entry: Pick<Entry, 'todo' | 'ref'>, world: Pick<World, 'files' | 'home' | 'host'>): readonly string[] {
  const prefix = world.home.legacy.sessionPrefix;
  if (prefix === null) return [];
  return [String(entry.todo.number), entry.todo.id, entry.ref.runId]
    .map((id) => `${prefix}${id}`)
    .filter((path) => {
      const stat = world.files.stat(path);
      return stat?.kind === 'folder' && stat.uid === world.host.uid;
    });
}

/** The first source with something of worth is the one used; each has its verdict and the reason. */
function verdictsOn(
  entry: Entry,
  found: {
    structured: Structured | null;
    session: { files: readonly { text: string }[]; bytes: number } | null;
    output: string;
    meta: OutputMeta;
  },
): SourceTried[] {
  const tried: Omit<SourceTried, 'used'>[] = [];
  if (entry.simple) {
    const reason = 'simple completion: not asked';
    tried.push(
      { name: 'structured output', verdict: 'unavailable', reason, sizeBytes: 0 },
      { name: 'session folder', verdict: 'unavailable', reason, sizeBytes: 0 },
      { name: 'terminal output', verdict: 'unavailable', reason, sizeBytes: 0 },
    );
  } else {
    const worth = found.structured !== null && isWorth(found.structured);
    tried.push(
      found.structured === null
        ? {
            name: 'structured output',
            verdict: 'unavailable',
            reason: 'no stream, transcript, hook event or git change was found',
            sizeBytes: 0,
          }
        : worth
          ? {
              name: 'structured output',
              verdict: 'structured',
              reason: "the agent's own stream, its transcript or the working directory's changes",
              sizeBytes: JSON.stringify(found.structured).length,
            }
          : { name: 'structured output', verdict: 'empty', reason: 'nothing changed and nothing was said', sizeBytes: 0 },
      found.session === null
        ? { name: 'session folder', verdict: 'unavailable', reason: 'there is none for this todo', sizeBytes: 0 }
        : found.session.files.some((file) => file.text.trim() !== '')
          ? { name: 'session folder', verdict: 'raw', reason: `${found.session.files.length} files`, sizeBytes: found.session.bytes }
          : { name: 'session folder', verdict: 'empty', reason: 'its files are empty', sizeBytes: 0 },
      entry.kind === 'external' || entry.kind === 'person'
        ? { name: 'terminal output', verdict: 'unavailable', reason: 'worked on in a session that is not ours', sizeBytes: 0 }
        : found.output.trim() === ''
          ? { name: 'terminal output', verdict: 'empty', reason: 'the session printed nothing', sizeBytes: 0 }
          : { name: 'terminal output', verdict: 'raw', reason: 'the log of the run from its first byte', sizeBytes: found.meta.totalBytes },
    );
  }
  tried.push({
    name: 'store',
    verdict: 'structured',
    reason: 'title, description, working directory and times',
    sizeBytes: entry.todo.prompt.length + entry.todo.title.length,
  });
  const used = tried.findIndex((source) => source.verdict === 'structured' || source.verdict === 'raw');
  return tried.map((source, index) => ({ ...source, used: index === used }));
}

function redactStructured(found: Structured, redact: (text: string) => string): Structured {
  return {
    filesCreated: found.filesCreated.map(redact),
    filesChanged: found.filesChanged.map(redact),
    commands: found.commands.map(({ command, exitCode }) => ({ command: redact(command), exitCode })),
    errors: found.errors.map(redact),
    keyActions: found.keyActions.map(redact),
    finalText: found.finalText === null ? null : redact(found.finalText),
  };
}
