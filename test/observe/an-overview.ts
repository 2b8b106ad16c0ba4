import type { Overview } from '../../src/core/dashboard.ts';

const none = { value: null, asOfMs: null, problem: null };

export const anOverview = (changes: Partial<Overview> = {}): Overview => ({
  schemaVersion: 1,
  kind: 'overview',
  atMs: 1_000_000,
  version: '1',
  host: 'here/1',
  daemon: {
    pid: 1,
    startedAtMs: 0,
    draining: false,
    lastPassAtMs: 0,
    store: { reachable: 'yes', sinceMs: 0, error: null },
  },
  acts: true,
  health: { status: 'healthy', components: [], lookedAtMs: 0 },
  todosVersion: 1,
  live: [],
  breakers: [],
  ...{ todos: none, retries: none, deadLetters: none, watchdogs: none, notifications: none, healing: none, audit: none },
  ...changes,
});
