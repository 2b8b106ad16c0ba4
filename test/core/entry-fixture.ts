import type { Entry, Signal } from '../../src/core/entry.ts';
import { newEntry } from '../../src/core/new-entry.ts';
import type { Run, Todo } from '../../src/core/todo.ts';

export const todo = (changes: Partial<Todo> = {}): Todo => ({
  id: '01a00000-0000-7000-8000-000000000001',
  number: 1,
  title: 'a todo',
  prompt: 'do it',
  cwd: '/w',
  project: '/w',
  agent: 'shell',
  session: null,
  checks: [],
  priority: 5,
  timeoutMs: null,
  rounds: 1,
  after: null,
  held: false,
  status: 'claimed',
  proof: null,
  reason: null,
  fence: 1,
  runId: '01a00000-0000-7000-8000-000000000002',
  notBeforeMs: null,
  attempts: 0,
  resets: 0,
  summary: null,
  report: null,
  createdAtMs: 0,
  updatedAtMs: 0,
  endedAtMs: null,
  ...changes,
});

const run: Run = {
  id: '01a00000-0000-7000-8000-000000000002',
  todoId: '01a00000-0000-7000-8000-000000000001',
  fence: 1,
  agent: 'shell',
  kind: 'child',
  host: 'h/1',
  tokenSha256: 'f'.repeat(64),
  leaseUntilMs: 60_000,
  round: 1,
  startedAtMs: 0,
  endedAtMs: null,
  outcome: null,
  saidBy: null,
};

export const entry = (changes: Partial<Entry> = {}, of: Partial<Todo> = {}): Entry => ({
  ...newEntry({ todo: todo(of), run, owner: { pid: 1, startTicks: 1, bootId: 'b' }, conversationId: 'c', nowMs: 0 }),
  fact: 'running',
  ...changes,
});

export const signal = (changes: Partial<Signal> = {}): Signal => ({
  says: 'done',
  saidBy: 'marker',
  summary: null,
  reason: null,
  atMs: 1000,
  round: 1,
  from: { kind: 'marker', path: '/s/cur/x', sha256: 'a' },
  notBeforeMs: null,
  ...changes,
});
