import { isUtf8 } from 'node:buffer';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OperationalError } from '../core/errors.ts';
import { manifestName, parseManifest } from '../core/manifest.ts';
import type { TerminalRecord, Todo } from '../core/todo.ts';
import type { Opened } from './command.ts';
import { storyOf } from './commands/why.ts';
import { contentOf, discussionOf } from './discussion.ts';
import { historyOf } from './history.ts';
import { scheduledJson, scheduledOf } from './schedule.ts';
import { shownStatus, todoJson, withRuns } from './todos.ts';

type Content = { readonly encoding: 'utf8' | 'base64'; readonly content: string };
type ExportedFile = Content & {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** Whether the manifest vouches for it. */
  readonly listed: boolean;
};

/** All that is known of a todo: row, runs, story, history, records, comments, attachments, and every file of its archives. BAD_DATA where one of them is not what its manifest says. */
export async function exportTodo(found: Todo, opened: Opened) {
  const { world } = opened;
  const { todo, runs } = await withRuns(found, world.store);
  const records = (await Promise.all(runs.map((run) => world.store.readBack(run.id)))).flatMap((stored) =>
    stored === null ? [] : [stored.record],
  );
  const archives = records.map((record) => archiveOf(record, opened));
  const broken = archives.flatMap(({ run, problems }) => problems.map((problem) => `run ${run}: ${problem}`));
  if (broken.length > 0)
    throw new OperationalError('BAD_DATA', {
      operation: 'exporting',
      subject: `todo ${todo.number}`,
      why: broken.join('; '),
      hint: 'What the manifest names is not what lies there. See: todo health',
    });
  const status = shownStatus(todo, world.journal);
  const { comments, attachments } = await discussionOf(todo.id, world.store);
  return {
    todo: { ...todoJson(todo, status, runs), scheduled: scheduledJson(scheduledOf(todo.id, world.journal), status) },
    story: await storyOf(todo, opened),
    history: await historyOf(todo, world),
    records: records.map(({ reportHtml: _html, output: _output, evidence: _evidence, ...record }) => record),
    archives,
    comments,
    attachments: await Promise.all(attachments.map(async (it) => ({ ...it, ...encoded(await contentOf(it, opened)) }))),
  };
}

export type Export = Awaited<ReturnType<typeof exportTodo>>;

/** The one file. */
export const exportText = (document: Export): string => `${JSON.stringify({ schemaVersion: 1, kind: 'export', ...document })}\n`;

/** Written whole and flushed: who finds it has all of it. */
export function saveExport(document: Export, file: string, { world }: Pick<Opened, 'world'>) {
  const text = exportText(document);
  const beside = `${file}.${world.random.uuidv4()}`;
  world.files.write(beside, text, 0o600);
  world.files.sync(beside);
  world.files.rename(beside, file);
  world.files.syncFolder(dirname(file));
  return { file, sizeBytes: Buffer.byteLength(text), sha256: world.digest.sha256(text) };
}

/** `here` is false where the archive lies on another host, or was removed: the record still says what it held. */
function archiveOf({ runId, reportPath, manifestSha256 }: TerminalRecord, { world }: Opened) {
  const folder = dirname(reportPath);
  const nothing = { run: runId, folder, manifestSha256, here: false, files: [] as ExportedFile[], problems: [] as string[] };
  if (!existsSync(folder)) return nothing;
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort()
    .map((name) => {
      const bytes = readFileSync(join(folder, name));
      return { name, sizeBytes: bytes.length, sha256: world.digest.sha256(bytes), ...encoded(bytes) };
    });
  const manifest = found.find(({ name }) => name === manifestName);
  const named = manifest === undefined ? null : parseManifest(manifest.content);
  const listed = new Map((named ?? []).map(({ name, sha256 }) => [name, sha256]));
  return {
    ...nothing,
    here: true,
    files: found.map((file) => ({ ...file, listed: file.name === manifestName || listed.has(file.name) })),
    problems: [
      ...(manifest === undefined ? ['its manifest is missing'] : named === null ? ['its manifest does not read'] : []),
      ...(manifest !== undefined && manifest.sha256 !== manifestSha256 ? ['its manifest is not the one that was recorded'] : []),
      ...[...listed].flatMap(([name, sha256]) => {
        const file = found.find((it) => it.name === name);
        return file === undefined
          ? [`${name} is missing`]
          : file.sha256 === sha256
            ? []
            : [`${name} has another digest than its manifest says`];
      }),
    ],
  };
}

function encoded(content: Uint8Array): Content {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const encoding = isUtf8(bytes) ? 'utf8' : 'base64';
  return { encoding, content: bytes.toString(encoding) };
}
