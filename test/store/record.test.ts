// What is journalled before sending and what is recomputed from the answer must meet in one digest, and only then.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { canonicalRecord, digestOf, measure, type ReadBack, sameRecord } from '../../src/core/record.ts';
import type { Run, TerminalRecord, Todo } from '../../src/core/todo.ts';

const sha256 = (text: string | Uint8Array) => createHash('sha256').update(text).digest('hex');

const record: TerminalRecord = {
  todoId: 't',
  runId: 'r',
  fence: 3,
  outcome: 'done',
  todoStatus: 'completed',
  proof: 'verified',
  saidBy: 'marker',
  reason: null,
  notBeforeMs: null,
  attempts: 0,
  resets: 0,
  round: 1,
  summary: 'went well',
  reportHtml: '<p>ä\0🙂</p>',
  reportPath: '/archive/report.html',
  output: 'x'.repeat(1000),
  evidence: '{"v":1}',
  manifestSha256: 'abc',
  startedAtMs: 1,
  endedAtMs: 2,
};
const todo: Todo = {
  id: 't',
  number: 1,
  title: 'a',
  prompt: '',
  cwd: '/',
  project: '/',
  agent: 'shell',
  session: null,
  checks: [],
  priority: 5,
  timeoutMs: null,
  rounds: 1,
  after: null,
  held: false,
  status: 'completed',
  proof: 'verified',
  reason: null,
  fence: 3,
  runId: null,
  notBeforeMs: null,
  attempts: 0,
  resets: 0,
  summary: 'went well',
  report: '/archive/report.html',
  createdAtMs: 0,
  updatedAtMs: 2,
  endedAtMs: 2,
};
const run: Run = {
  id: 'r',
  todoId: 't',
  fence: 3,
  agent: 'shell',
  kind: 'child',
  host: 'h/1',
  tokenSha256: '',
  leaseUntilMs: 0,
  round: 1,
  startedAtMs: 1,
  endedAtMs: 2,
  outcome: 'done',
  saidBy: 'marker',
};
const sent = digestOf(record, sha256);
const back = (
  changes: Partial<{ record: Partial<TerminalRecord>; todo: Partial<Todo>; run: Partial<Run>; truncated: ReadBack['truncated'] }>,
): ReadBack => ({
  record: { ...record, ...changes.record },
  todo: { ...todo, ...changes.todo },
  run: { ...run, ...changes.run },
  truncated: changes.truncated ?? {},
});

test('a record that comes back as it was sent is the same, in whatever order its fields stand', () => {
  const shuffled = Object.fromEntries(Object.entries(record).reverse()) as TerminalRecord;
  assert.equal(canonicalRecord(shuffled, sha256), canonicalRecord(record, sha256));
  assert.deepEqual(sameRecord(sent, back({ record: shuffled }), sha256), { same: true });
});

test('each changed field of the record is seen', () => {
  for (const [field, value] of Object.entries(record)) {
    const other = typeof value === 'number' ? value + 1 : value === null ? 'x' : `${value}x`;
    assert.equal(sameRecord(sent, back({ record: { [field]: other } }), sha256).same, false, field);
  }
});

test('a run or todo row that does not show the record is seen, and said', () => {
  const cases: [Parameters<typeof back>[0], RegExp][] = [
    [{ run: { outcome: 'lost' } }, /run: outcome is "lost", recorded was "done"/],
    [{ run: { endedAtMs: null } }, /run: end is null/],
    [{ todo: { status: 'open' } }, /todo: status is "open", recorded was "completed"/],
    [{ todo: { proof: 'forced' } }, /todo: proof/],
    [{ todo: { runId: 'other' } }, /todo: run is "other"/],
    [{ todo: { summary: null } }, /todo: summary/],
    [{ todo: { report: null } }, /todo: report/],
    [{ todo: { endedAtMs: null } }, /todo: end/],
  ];
  for (const [changes, says] of cases) {
    const answer = sameRecord(sent, back(changes), sha256);
    assert.match(answer.same ? 'same' : answer.why, says);
  }
});

test('a todo that went on may have been taken again, but never stand at an older fence', () => {
  const parked: TerminalRecord = { ...record, todoStatus: 'parked', outcome: 'parked', proof: null };
  const digest = digestOf(parked, sha256);
  const went = (changes: Partial<Todo>): ReadBack => ({
    ...back({ record: parked, run: { outcome: 'parked' } }),
    todo: { ...todo, ...changes },
  });
  assert.deepEqual(sameRecord(digest, went({ status: 'running', fence: 4, runId: 'r2', proof: null }), sha256), { same: true });
  assert.equal(sameRecord(digest, went({ status: 'open', fence: 2 }), sha256).same, false);
});

test('a value stored in part is the same by length and digest of its part, and by the digest of the whole that was sent', () => {
  const part = record.output.slice(0, 10);
  const truncated = { output: { ...measure(part, sha256), whole: measure(record.output, sha256) } };
  assert.deepEqual(sameRecord(sent, back({ record: { output: part }, truncated }), sha256), { same: true });
  assert.equal(sameRecord(sent, back({ record: { output: `${part.slice(1)}y` }, truncated }), sha256).same, false, 'another part');
  const foreign = { output: { ...measure(part, sha256), whole: measure('another', sha256) } };
  assert.equal(sameRecord(sent, back({ record: { output: part }, truncated: foreign }), sha256).same, false, 'the part of another whole');
});

test('a lone surrogate is hashed as the replacement character that a store keeps', () => {
  const lone: TerminalRecord = { ...record, summary: 'a\ud800b', output: 'c\udfffd' };
  const stored = { ...record, summary: 'a\ufffdb', output: 'c\ufffdd' };
  const answer = sameRecord(digestOf(lone, sha256), { record: stored, todo: { ...todo, summary: 'a\ufffdb' }, run, truncated: {} }, sha256);
  assert.deepEqual(answer, { same: true });
});
