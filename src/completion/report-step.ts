import type { Entry } from '../core/entry.ts';
import type { ManifestFile } from '../core/manifest.ts';
import { manifestName, manifestText } from '../core/manifest.ts';
import { digestOfMeasured, type LongField, type Measured } from '../core/record.ts';
import { runFiles, runWindow } from '../core/run-folder.ts';
import { wantsChecks } from '../core/verdict.ts';
import { fileOf, rememberWritten, shortRecord } from './build-record.ts';
import { flushOutputs, isOutput } from './collect.ts';
import { evidenceOf } from './evidence-of.ts';
import type { Step } from './needs.ts';
import { pack, packedFromBytes, packedOutput } from './pack.ts';
import { redactorFor } from './redactor-for.ts';
import { renderReport } from './report/report.ts';
import { summaryText } from './report/summary-text.ts';

/**
 * Layer 2. Everything that goes to the archive stands in final/ and is durable before `reported` is true. A large output is there twice until the
 * record was confirmed: as it is, for the record, and compressed, for the archive.
 */
export const report: Step = async (entry, needs) => {
  const { world } = needs;
  const { files, digest } = world;
  const at = runFiles(world.home.runs, entry.ref.runId);
  const outputs = outputsIn(at.final, world);
  const collected = outputs.find(({ name }) => name === fileOf.output);
  if (collected === undefined || collected.sha256 !== entry.collected?.textSha256) {
    return { kind: 'disproved', backTo: 'signalled', reason: 'the collected output is not there any more', changes: { collected: null } };
  }
  const redact = redactorFor(entry, needs);
  const kept = outputs.map(listedAs);
  if (collected.bytes.length >= packedFromBytes) {
    const packed = await pack(collected.bytes, () => world.clock.sleep(0));
    files.write(`${at.final}/${packedOutput}`, packed);
    files.sync(`${at.final}/${packedOutput}`);
    // Its name was not made with the folder.
    files.syncFolder(at.final);
    kept[outputs.indexOf(collected)] = { name: packedOutput, sha256: digest.sha256(packed), sizeBytes: packed.length };
  }
  const draft = evidenceOf(entry, kept, redact, world);
  const summary = summaryText(draft);
  const evidence = { ...draft, summary };
  const output = new TextDecoder('utf-8', { ignoreBOM: true }).decode(collected.bytes);
  const readable = needs.adapterOf(entry.todo.agent).readable(output) ?? output;
  const html = await renderReport(evidence, readable, {
    emulate: needs.emulate,
    ...(entry.kind === 'tmux' ? { size: runWindow } : {}),
    sha256Base64: digest.sha256Base64,
    breathe: () => world.clock.sleep(0),
  });
  const content: Record<string, string> = {
    [fileOf.reportHtml]: html,
    'summary.txt': `${summary}\n`,
    [fileOf.evidence]: `${JSON.stringify(evidence, null, 1)}\n`,
  };
  const listed: ManifestFile[] = [...kept];
  for (const [name, text] of Object.entries(content)) {
    const bytes = new TextEncoder().encode(text);
    files.write(`${at.final}/${name}`, bytes);
    listed.push({ name, sha256: digest.sha256(bytes), sizeBytes: bytes.length });
  }
  const manifest = manifestText(listed, { todo: entry.todo.id, run: entry.ref.runId, summary });
  files.write(`${at.final}/${manifestName}`, manifest);
  // Where checks ran the outputs are flushed already.
  await flushOutputs(at.final, wantsChecks(entry) ? [] : outputs.map(({ name }) => name), needs, [...Object.keys(content), manifestName]);
  const reported = { folder: folderOf(entry), summary, manifestSha256: digest.sha256(manifest), recordDigest: '' };
  const long = (field: LongField): Measured => {
    const { sizeBytes, sha256 } = field === 'output' ? collected : listed.find(({ name }) => name === fileOf[field])!;
    return { bytes: sizeBytes, sha256 };
  };
  const measured = { reportHtml: long('reportHtml'), output: long('output'), evidence: long('evidence') };
  const recordDigest = digestOfMeasured(shortRecord({ ...entry, reported }, needs), measured, digest.sha256);
  const whole = { ...reported, recordDigest };
  rememberWritten(whole, { reportHtml: html, output, evidence: content[fileOf.evidence] ?? '' });
  return { kind: 'done', fact: 'reported', changes: { reported: whole } };
};

type Output = ManifestFile & { readonly bytes: Uint8Array };
const listedAs = ({ name, sha256, sizeBytes }: Output): ManifestFile => ({ name, sha256, sizeBytes });

function outputsIn(folder: string, { files, digest }: Pick<Parameters<Step>[1]['world'], 'files' | 'digest'>): readonly Output[] {
  const outputs: Output[] = [];
  for (const name of files.list(folder)) {
    if (!isOutput(name)) continue;
    const bytes = files.read(`${folder}/${name}`);
    if (bytes !== null) outputs.push({ name, sha256: digest.sha256(bytes), sizeBytes: bytes.length, bytes });
  }
  return outputs;
}

/** `todo_<number>_<epoch>_<run>`; forced ones and ones that lost their todo say so in the name. */
function folderOf(entry: Entry): string {
  const kind = entry.superseded ? 'orphaned' : entry.emergency !== null ? 'emergency' : 'todo';
  return `${kind}_${entry.todo.number}_${Math.floor((entry.collected?.endedAtMs ?? entry.startedAtMs) / 1000)}_${entry.ref.runId}`;
}
