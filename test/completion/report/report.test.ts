import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { html } from '../../../src/completion/report/html.ts';
import { renderReport } from '../../../src/completion/report/report.ts';
import type { Evidence } from '../../../src/core/evidence.ts';
import { showOnScreen } from '../../../src/platform/screen.ts';
import { bareEvidence, check, exampleEvidence, exampleOutput, forcedEvidence } from './example-evidence.ts';
import { assertPassivePage, attribute, elementsOfPage, textOfNode } from './markup.ts';

const sha256Base64 = (content: string): string => createHash('sha256').update(content).digest('base64');
const pageOf = (evidence: Evidence, output = ''): Promise<string> =>
  renderReport(evidence, output, { emulate: showOnScreen, sha256Base64 });

/** Text of the page's body, a section or heading per line. */
async function readerSees(evidence: Evidence, output = ''): Promise<string> {
  const body = elementsOfPage(await pageOf(evidence, output)).find(({ tagName }) => tagName === 'body')!;
  return textOfNode(body)
    .replace(/[ \t]+/g, ' ')
    .replace(/\s*\n\s*/g, '\n')
    .trim();
}

/** Where each text first stands; all must be there, in this order. */
function assertInOrder(text: string, parts: readonly string[]): void {
  let from = 0;
  for (const part of parts) {
    const at = text.indexOf(part, from);
    assert.ok(at >= 0, `"${part}" is not there, or not in its place, in:\n${text}`);
    from = at + part.length;
  }
}

test('the charset comes first and the policy allows one style and nothing else', async () => {
  const page = await pageOf(exampleEvidence(), exampleOutput);
  assert.match(
    page,
    /^<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="/,
  );
  const elements = elementsOfPage(page);
  const styles = elements.filter(({ tagName }) => tagName === 'style');
  const policy = attribute(elements.find((element) => attribute(element, 'http-equiv') !== null)!, 'content');
  assert.equal(styles.length, 1);
  assert.equal(
    policy,
    `default-src 'none'; style-src 'sha256-${sha256Base64(textOfNode(styles[0]!))}'; base-uri 'none'; form-action 'none'`,
  );
});

test('the reader sees the outcome and its proof, then the todo, then the evidence in the order of its weight', async () => {
  const text = await readerSees(exampleEvidence(), exampleOutput);
  assert.match(text, /^Completed — verified by 2 checks\nParse ISO durations in the scheduler\nTodo #42/);
  assertInOrder(text, [
    'What the agent said',
    'Added parseDuration with tests',
    'The word was done',
    'Checks',
    'npm test',
    'passed · exit code 0 · 4.8 s',
    'parses P2W',
    'Round 1: 1 of 2 checks failed, sent back to the agent',
    'failed · exit code 1 · 5.2 s',
    'Files changed',
    'src/schedule/duration.ts',
    'new',
    '+64',
    'src/schedule/next-run.ts',
    '+9',
    '−23',
    'binary',
    'What happened',
    'claimed',
    'running',
    'first output',
    '2 min 23 s passed',
    'sent back',
    'signalled',
    'collected',
    'checked',
    'What the agent did',
    'Read src/schedule/next-run.ts',
    'exit code 1',
    'TypeError',
    'Terminal output',
    'case 39',
    'Sources tried',
    'structured output used',
    'structured',
    'session folder',
    'unavailable',
    'there is none for this todo',
    'terminal output',
    'raw',
    'Problems met',
    'None.',
    'Cost and tokens',
    'claude-sonnet-4-5',
    '$0.42',
    '312,440 read from cache',
    'Times and identity',
    'Started',
    '2025-11-22 02:07:31.123 UTC 2025-11-22 03:07:31.123 UTC+01:00',
    'Ended',
    '2025-11-22 02:10:43.468 UTC',
    '192,345 ms',
    '/srv/scheduler',
    '0199f3a2-6001-7aaa-8bbb-3c3c3c3c3c3c',
    'fence 7',
    'Description',
    'ISO 8601 durations',
    'Digests',
    'output.txt',
    'cd'.repeat(32),
  ]);
});

test('a forced end says so in its first line, and the emergency stands above all evidence', async () => {
  const text = await readerSees(forcedEvidence(), 'waiting');
  assert.match(text, /^FORCE-COMPLETED: nobody reported success; the daemon ended this todo after 30 min\n/);
  assertInOrder(text, [
    'Emergency',
    'Reason',
    'behavior.emergency_timeout 1800 s',
    'Actions taken',
    'KILL of 3 processes',
    'What to do now',
    'Look at the output below',
    'todo why 42',
    'What the agent said',
    'Nothing was said about the work.',
    'No word about the end was received.',
    'Checks',
    'failed · timed out · 2 min',
    'failed attempt',
    'waited 3.8 s',
    'attempt 2',
    '70 MiB: the first 1 MiB and the last 7 MiB were kept, 62 MiB between them were not',
    'Problems met',
    'not readable (EACCES)',
    'System state',
    '7.91, 6.20, 4.40 on 4 CPUs',
    '412 MiB of 16 GiB',
    'node test/run.js --watch',
  ]);
  assert.doesNotMatch(text, /succe(?!ss; the daemon)|verified/i);
});

test('a run of which nothing is known says in each part that nothing is known', async () => {
  assertInOrder(await readerSees(bareEvidence()), [
    'Lost — the agent died by SIGKILL',
    'Took',
    '0 ms',
    'Nothing was said about the work.',
    'None were run.',
    'git could tell nothing',
    'No facts were kept.',
    'The run printed nothing.',
    'empty',
    'the session printed nothing',
    'store used',
    'None.',
    'The agent reported none.',
    'Started',
    'The title is all there is.',
    'raw output of the run',
  ]);
});

test('long lists and texts are folded, never left out', async () => {
  const files = Array.from({ length: 60 }, (_, i) => ({ path: `src/file-${i}.ts`, added: i, removed: 0, binary: false, untracked: false }));
  const text = await readerSees(
    exampleEvidence({ diffStat: { files, more: 7 }, todo: { ...exampleEvidence().todo, prompt: `${'word '.repeat(600)}END` } }),
    Array.from({ length: 300 }, (_, i) => `row ${i}`).join('\n'),
  );
  assertInOrder(text, [
    '67 files',
    'file-19.ts',
    '40 more files',
    'file-59.ts',
    '7 files more, not listed',
    'The last 24 lines:',
    'row 276',
    'All 300 lines',
    'row 0',
    'row 299',
    'The whole description',
    'END',
  ]);
});

test('the same evidence gives the same page, and only used colours are in its style', async () => {
  assert.equal(await pageOf(exampleEvidence(), exampleOutput), await pageOf(exampleEvidence(), exampleOutput));
  const plain = await pageOf(bareEvidence(), 'plain');
  assert.doesNotMatch(plain, /\.f\d/);
  assert.match(await pageOf(bareEvidence(), '\x1b[38;5;93mx'), /\.f93\{color:/);
  // Colours of a check's output need rules as well.
  assert.match(await pageOf(bareEvidence({ checks: [check({ outputTail: '\x1b[41mx' })] })), /\.g1\{background:/);
  assert.ok(plain.length < 20_000, `${plain.length} characters`);
});

test('a template escapes every value that is not markup', () => {
  assert.equal(
    html`<p title="${'"\'>'}">${'<b>'}${html`<i>${'&'}</i>`}${[html`a`, 'b<']}${null}${false}${7}</p>`.markup,
    '<p title="&quot;&#39;&gt;">&lt;b&gt;<i>&amp;</i>ab&lt;7</p>',
  );
  assert.equal(html`${'a\u202eb 👩‍💻 \0'}`.markup, 'a‹U+202E›b 👩‍💻 ‹U+0000›');
});

const hostileText = fc.oneof(
  fc.constantFrom(
    '<script>alert(1)</script>',
    '</title><script>x</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    '</pre></details></main>',
    '<svg onload=x>',
    '\u202e',
    '\0',
    '-->',
    '{{x}}',
    'javascript:alert(1)',
    '</style><style>*{}',
    '`</code>`',
  ),
  fc.string({ maxLength: 12 }),
);

test('[C-11] whatever stands in the evidence, the page stays passive', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(hostileText),
      fc.constantFrom(exampleEvidence(), forcedEvidence(), bareEvidence()),
      async (stream, evidence) => {
        // Every free text is replaced; words of ours from closed sets and numbers stay.
        const hostile = replaceTexts(evidence, () => stream.next().value);
        assertPassivePage(await pageOf(hostile, `${stream.next().value}\x1b]8;;${stream.next().value}\x07link`));
      },
    ),
    { numRuns: 400 },
  );
});

const closedKeys = new Set(['status', 'proof', 'outcome', 'saidBy', 'says', 'verdict', 'fact', 'kind']);

function replaceTexts<Value>(value: Value, next: () => string, key = ''): Value {
  if (typeof value === 'string') return (closedKeys.has(key) ? value : next()) as Value;
  if (Array.isArray(value)) return value.map((item: unknown) => replaceTexts(item, next)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, replaceTexts(item, next, name)])) as Value;
}
