import { isUtf8 } from 'node:buffer';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OperationalError } from '../../core/errors.ts';
import { manifestName, parseManifest } from '../../core/manifest.ts';
import type { CommandModule, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { findTodo, refOf, shownStatus, todoJson } from '../todos.ts';
import { storyOf } from './why.ts';

type ExportedFile = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly encoding: 'utf8' | 'base64';
  readonly content: string;
};

/** All that is known of a todo in one file: row, runs, story, records, and every file of its archives, each checked against its manifest. */
export const command: CommandModule = {
  declare: (commander) => void commander.option('--out <file>', 'where to (else standard output)'),
  async run(call) {
    const { out, options } = call;
    const ref = refOf(call, 'export');
    await using opened = await call.open({ readOnly: true });
    const { world } = opened;
    const todo = await findTodo(world.store, ref, 'exporting');
    const runs = await world.store.runsOf(todo.id);
    const records = (await Promise.all(runs.map((run) => world.store.readBack(run.id)))).flatMap((stored) =>
      stored === null ? [] : [stored.record],
    );
    const archives = records.map(({ runId, reportPath }) => ({
      run: runId,
      folder: dirname(reportPath),
      ...filesOf(dirname(reportPath), opened),
    }));
    const document = {
      todo: todoJson(todo, shownStatus(todo, world.journal), runs),
      story: await storyOf(todo, opened),
      records: records.map(({ reportHtml: _html, output: _output, evidence: _evidence, ...record }) => record),
      archives,
    };
    const broken = archives.flatMap(({ run, problems }) => problems.map((problem) => `run ${run}: ${problem}`));
    if (broken.length > 0)
      throw new OperationalError('BAD_DATA', {
        operation: 'exporting',
        subject: `todo ${todo.number}`,
        why: broken.join('; '),
        hint: 'What the manifest names is not what lies there. See: todo health',
      });
    const file = options['out'] as string | undefined;
    const text = `${JSON.stringify({ schemaVersion: 1, kind: 'export', ...document })}\n`;
    if (file === undefined) {
      out.json('export', document);
      out.line(text.trimEnd());
      return exit.yes;
    }
    world.files.write(file, text, 0o600);
    world.files.sync(file);
    out.json('exported', {
      todo: todo.id,
      number: todo.number,
      file,
      sizeBytes: Buffer.byteLength(text),
      sha256: world.digest.sha256(text),
    });
    out.line(`Todo ${todo.number} is in ${file}: ${plain(todo.title)}`);
    return exit.yes;
  },
};

function filesOf(
  folder: string,
  { world }: Opened,
): { manifestSha256: string | null; files: readonly ExportedFile[]; problems: readonly string[] } {
  if (!existsSync(folder)) return { manifestSha256: null, files: [], problems: [] };
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort()
    .map((name): ExportedFile => {
      const bytes = readFileSync(join(folder, name));
      const encoding = isUtf8(bytes) ? 'utf8' : 'base64';
      return { name, sizeBytes: bytes.length, sha256: world.digest.sha256(bytes), encoding, content: bytes.toString(encoding) };
    });
  const manifest = files.find(({ name }) => name === manifestName);
  const named = manifest === undefined ? [] : parseManifest(manifest.content);
  if (named === null) return { manifestSha256: null, files, problems: ['its manifest does not read'] };
  const problems = named.flatMap(({ name, sha256 }) => {
    const file = files.find((it) => it.name === name);
    return file === undefined
      ? [`${name} is missing`]
      : file.sha256 !== sha256
        ? [`${name} has another digest than its manifest says`]
        : [];
  });
  return { manifestSha256: manifest?.sha256 ?? null, files, problems };
}
