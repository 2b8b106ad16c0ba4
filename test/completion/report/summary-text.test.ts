import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { outcomeInWords } from '../../../src/completion/report/outcome.ts';
import { cutAtCharacter, summaryText } from '../../../src/completion/report/summary-text.ts';
import type { Evidence } from '../../../src/core/evidence.ts';
import { outcomes, proofs, sayers, todoStatuses, words } from '../../../src/core/words.ts';
import { bareEvidence, check, exampleEvidence, forcedEvidence } from './example-evidence.ts';

const result = (changes: Partial<Evidence['result']>): Evidence['result'] => ({ ...exampleEvidence().result, ...changes });

test('the first line says how it ended and what proved it', () => {
  const cases: readonly (readonly [Evidence, line: string])[] = [
    [exampleEvidence(), 'Completed — verified by 2 checks'],
    [exampleEvidence({ checks: [check({})] }), 'Completed — verified by 1 check'],
    [
      exampleEvidence({ checks: [], result: result({ proof: 'unverified', saidBy: 'marker' }) }),
      "Completed — unverified: the agent's marker said so, and no check was asked",
    ],
    [
      exampleEvidence({ checks: [], result: result({ proof: 'unverified', saidBy: 'process-end' }) }),
      'Completed — unverified: its process ended with exit code 0, and no check was asked',
    ],
    [
      exampleEvidence({ checks: [check({}), check({ passed: false })], result: result({ proof: 'overridden', saidBy: 'person' }) }),
      'Completed — overridden: a person said so, although 1 of 2 checks failed',
    ],
    [forcedEvidence(), 'FORCE-COMPLETED: nobody reported success; the daemon ended this todo after 30 min'],
    [
      forcedEvidence({ result: { ...forcedEvidence().result, saidBy: 'person' } }),
      'FORCE-COMPLETED: nobody reported success; a person ended this todo with todo emergency after 30 min',
    ],
    [
      forcedEvidence({ said: exampleEvidence().said }),
      'FORCE-COMPLETED: done was said, but nothing proved it; the daemon ended this todo after 30 min',
    ],
    [
      exampleEvidence({
        result: result({ status: 'failed', proof: null, outcome: 'failed', reason: 'said done, but 1 of 2 checks failed: npm test' }),
      }),
      'Failed — said done, but 1 of 2 checks failed: npm test',
    ],
    [bareEvidence(), 'Lost — the agent died by SIGKILL; attempt 1 of 5'],
    [exampleEvidence({ result: result({ status: 'cancelled', proof: null, outcome: 'cancelled' }) }), 'Cancelled'],
    [
      exampleEvidence({ result: result({ status: 'parked', proof: null, outcome: 'parked', reason: 'usage limit until 14:00' }) }),
      'Parked — usage limit until 14:00',
    ],
  ];
  for (const [evidence, line] of cases) assert.equal(outcomeInWords(evidence).line, line);
});

test('the summary gives the outcome, and what the agent said in the name of the agent', () => {
  const cases: readonly (readonly [Evidence, summary: string])[] = [
    [exampleEvidence({ said: { ...exampleEvidence().said!, summary: 'All parsed.' } }), 'Completed, verified by 2 checks: All parsed.'],
    [
      exampleEvidence({ said: { ...exampleEvidence().said!, summary: 'Two\nlines\u202e' }, result: result({ proof: 'unverified' }) }),
      'Completed, unverified; the agent says: Two lines‹U+202E›',
    ],
    [
      exampleEvidence({
        said: { ...exampleEvidence().said!, saidBy: 'person', summary: 'Looked at it.' },
        result: result({ proof: 'overridden' }),
      }),
      'Completed, overridden; a person says: Looked at it.',
    ],
    [exampleEvidence({ said: null, structured: null }), 'Completed, verified by 2 checks'],
    [
      forcedEvidence({ structured: exampleEvidence().structured }),
      'FORCE-COMPLETED: nobody reported success; the daemon ended this todo after 30 min',
    ],
  ];
  for (const [evidence, summary] of cases) assert.equal(summaryText(evidence), summary);
});

test('a cut never tears a character', () => {
  assert.equal(cutAtCharacter('abcdef', 6), 'abcdef');
  assert.equal(cutAtCharacter('abcdef', 5), 'abcd…');
  assert.equal(cutAtCharacter('ab👩‍💻cd', 6), 'ab…');
  assert.equal(cutAtCharacter('ab👩‍💻cd', 8), 'ab👩‍💻…');
  assert.equal(cutAtCharacter('e\u0301e\u0301e\u0301', 5), 'e\u0301e\u0301…');
  assert.equal(cutAtCharacter(`a${'\u0301'.repeat(50)}`, 10), '…');
});

test('whatever the evidence, the summary is one visible line of at most 150 characters that claims nothing nobody reported', () => {
  const text = fc.option(
    fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.constantFrom('\u202eevil', 'a\r\nb', '👩‍💻'.repeat(40)),
    ),
  );
  const evidence = fc
    .record({
      status: fc.constantFrom(...todoStatuses),
      proof: fc.option(fc.constantFrom(...proofs)),
      outcome: fc.constantFrom(...outcomes),
      saidBy: fc.constantFrom(...sayers),
      reason: text,
      says: fc.option(fc.constantFrom(...words)),
      summary: text,
      final: text,
    })
    .map(({ says, summary, final, ...parts }) =>
      exampleEvidence({
        result: parts,
        said: summary === null && says === null ? null : { says, saidBy: parts.saidBy, summary, atMs: 0 },
        structured: { ...exampleEvidence().structured!, finalText: final },
      }),
    );
  fc.assert(
    fc.property(evidence, (each) => {
      const summary = summaryText(each);
      const { line } = outcomeInWords(each);
      assert.ok(summary.length <= 150 && summary.length > 0 && summary.isWellFormed());
      assert.doesNotMatch(summary, /[\p{Cc}\u202a-\u202e\u2066-\u2069\u200b]/u);
      assert.equal(summary.startsWith('FORCE-COMPLETED'), each.result.proof === 'forced');
      assert.equal(line.startsWith('FORCE-COMPLETED: '), each.result.proof === 'forced');
      const ours = each.result.proof !== 'forced' && /^Completed/.test(line);
      assert.equal(ours && !(each.result.status === 'completed' && each.result.outcome === 'done'), false, line);
    }),
    { numRuns: 5_000 },
  );
});
