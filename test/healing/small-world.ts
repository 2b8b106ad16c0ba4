// A small world for healing: real files in a folder of its own, everything else as plain values that a test sets.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Config } from '../../src/core/config.ts';
import { configSchema, defaultConfig } from '../../src/core/config.ts';
import type { DaemonStatus } from '../../src/core/control.ts';
import type { Entry } from '../../src/core/entry.ts';
import { OperationalError } from '../../src/core/errors.ts';
import { newEntry } from '../../src/core/new-entry.ts';
import type { Run, Todo } from '../../src/core/todo.ts';
import type { Actions, HealingRecord, Treating } from '../../src/healing/apply.ts';
import type { HealthNeeds } from '../../src/healing/health.ts';
import type { SweepNeeds } from '../../src/healing/sweep.ts';
import { createTurns } from '../../src/healing/turns.ts';
import { files } from '../../src/platform/files.ts';

export const startMs = Date.UTC(2026, 0, 15, 12);
export const minutes = (count: number): number => count * 60_000;
const owner = { pid: 10, startTicks: 1, bootId: 'b' };

export class SmallWorld {
  readonly root = mkdtempSync(join(tmpdir(), 'signoff-healing-'));
  nowMs = startMs;
  config: Config = defaultConfig();
  daemon: HealthNeeds['daemon'] = null;
  entries: Entry[] | null = [];
  closed: Entry[] = [];
  rows: { todo: Todo; run: Run | null }[] = [];
  todos: Todo[] = [];
  runs: Run[] = [];
  windows: string[] | null = [];
  tmux: 'yes' | 'no' | 'unknown' = 'yes';
  /** Processes that runs started. */
  left: { process: { pid: number; startTicks: number; bootId: string }; runId: string }[] = [];
  ownerAlive: 'yes' | 'no' | 'unknown' = 'yes';
  freeBytes = 10 ** 12;
  /** How the store answers. */
  storeIs: 'there' | 'refusing' | 'hanging' | 'foreign' = 'there';
  /** What recoveries left. */
  readonly notes: HealingRecord[] = [];
  /** Rows that the store has of earlier ones, on whatever host. */
  stored: { kind: string; todoId: string; runId: string | null; atMs: number; what: string; detail: string }[] = [];
  readonly turns = createTurns();
  readonly lines: { level: string; event: string; fields: Record<string, unknown> }[] = [];
  readonly journalNotes = new Map<string, string>();
  private ids = 0;
  private sleepers: { atMs: number; wake: () => void }[] = [];

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  /** A file, and its folder, last touched so long ago. */
  put(path: string, content: string | Uint8Array, ageMs = 0): string {
    const whole = this.path(path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, content);
    const at = (this.nowMs - ageMs) / 1000;
    utimesSync(whole, at, at);
    utimesSync(dirname(whole), at, at);
    return whole;
  }

  /** Time goes on: sleepers that were due wake. */
  pass(ms: number): void {
    this.nowMs += ms;
    for (const sleeper of this.sleepers.filter((it) => it.atMs <= this.nowMs)) sleeper.wake();
  }

  needs(): HealthNeeds {
    return { world: this.world, config: this.config, daemon: this.daemon, liveEntries: this.entries };
  }

  /** As the daemon has it, with these actions. */
  treating(actions: Actions, actor: Treating['actor'] = 'daemon'): Treating {
    return { actions, actor, turns: this.turns, record: (event) => void this.notes.push(event) };
  }

  readonly world: SweepNeeds['world'] = {
    random: { uuidv7: () => `id-${++this.ids}` },
    clock: {
      nowMs: () => this.nowMs,
      sleep: (ms, stop) =>
        new Promise((resolve) => {
          this.sleepers.push({ atMs: this.nowMs + ms, wake: resolve });
          stop?.addEventListener('abort', () => resolve());
        }),
    },
    files: { ...files, freeBytes: () => this.freeBytes },
    terminals: { available: () => this.tmux, list: () => this.windows },
    processes: { alive: () => this.ownerAlive, ofHome: () => this.left },
    journal: {
      get: (runId) => [...(this.entries ?? []), ...this.closed].find((entry) => entry.ref.runId === runId) ?? null,
      live: () => this.entries ?? [],
      getNote: (key) => this.journalNotes.get(key) ?? null,
      setNote: async (key, value) => void this.journalNotes.set(key, value),
      notes: (prefix) =>
        [...this.journalNotes]
          .filter(([key]) => key.startsWith(prefix))
          .map(([key, value]) => ({ key, value }))
          .sort((a, b) => (a.key < b.key ? -1 : 1)),
      dropNotes: async (keys) => {
        for (const key of keys) this.journalNotes.delete(key);
      },
    },
    store: {
      driver: 'memory',
      ping: () => this.ask(undefined),
      nowMs: () => this.ask(this.nowMs),
      inProgress: () => this.ask(this.rows),
      list: ({ statuses }) => this.ask({ todos: this.todos.filter((it) => statuses?.includes(it.status) ?? true), truncated: false }),
      find: (ref) => this.ask(this.todos.find((it) => it.id === ref || String(it.number) === ref) ?? null),
      getRun: (id) => this.ask(this.runs.find((run) => run.id === id) ?? null),
      notesOf: (todoId) => this.ask(this.stored.filter((it) => it.todoId === todoId)),
    },
    log: {
      rotate: () => {},
      debug: () => {},
      info: (_room, event, fields = {}) => this.lines.push({ level: 'info', event, fields }),
      warn: (_room, event, fields = {}) => this.lines.push({ level: 'warn', event, fields }),
      error: (_room, event, fields = {}) => this.lines.push({ level: 'error', event, fields }),
      critical: (_room, event, fields = {}) => this.lines.push({ level: 'critical', event, fields }),
    },
    host: { id: 'here/home', uid: process.getuid?.() ?? 0 },
    home: {
      root: this.root,
      database: this.path('todo.db'),
      lock: this.path('lock.db'),
      spool: { tmp: this.path('spool/tmp'), new: this.path('spool/new'), cur: this.path('spool/cur'), bad: this.path('spool/bad') },
      runs: this.path('runs'),
      archive: this.path('archive'),
      logs: this.path('logs'),
      socket: this.path('daemon.sock'),
      legacy: {
        marker: this.path('legacy/TASK_COMPLETED'),
        pointer: this.path('legacy/CURRENT_TODO_ID'),
        sessionPrefix: this.path('legacy/claude_session_'),
      },
    },
  };

  private ask<T>(value: T): Promise<T> {
    if (this.storeIs === 'hanging') return new Promise(() => {});
    if (this.storeIs === 'there') return Promise.resolve(value);
    const code = this.storeIs === 'refusing' ? 'STORE_UNREACHABLE' : 'STORE_SCHEMA';
    return Promise.reject(new OperationalError(code, { operation: 'asking', subject: 'the store', why: 'connect ECONNREFUSED' }));
  }
}

export const withConfig = (raw: unknown): Config => configSchema.parse(raw);

export const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

export function todo(number: number, changes: Partial<Todo> = {}): Todo {
  return {
    id: `todo-${number}`,
    number,
    title: `number ${number}`,
    prompt: 'true',
    cwd: '/somewhere',
    project: `/somewhere/${number}`,
    agent: 'shell',
    session: null,
    checks: [],
    priority: 5,
    timeoutMs: null,
    rounds: 1,
    after: null,
    held: false,
    status: 'open',
    proof: null,
    reason: null,
    fence: 0,
    runId: null,
    notBeforeMs: null,
    attempts: 0,
    resets: 0,
    summary: null,
    report: null,
    createdAtMs: startMs - minutes(120),
    updatedAtMs: startMs - minutes(120),
    endedAtMs: null,
    ...changes,
  };
}

export function run(number: number, changes: Partial<Run> = {}): Run {
  return {
    id: `run-${number}`,
    todoId: `todo-${number}`,
    fence: 1,
    agent: 'shell',
    kind: 'child',
    host: 'here/home',
    tokenSha256: '',
    leaseUntilMs: startMs + minutes(1),
    round: 1,
    startedAtMs: startMs - minutes(10),
    endedAtMs: null,
    outcome: null,
    saidBy: null,
    ...changes,
  };
}

export function entry(number: number, changes: Partial<Entry> = {}): Entry {
  const nowMs = startMs - minutes(10);
  const fresh = newEntry({
    todo: todo(number, { status: 'running', runId: `run-${number}` }),
    run: run(number),
    owner,
    conversationId: 'c',
    nowMs,
  });
  return { ...fresh, fact: 'running', shown: 'running', lastSignAtMs: startMs, ...changes };
}

export const daemonStatus = (changes: Partial<DaemonStatus> = {}): DaemonStatus => ({
  pid: 10,
  startedAtMs: startMs - minutes(30),
  live: [],
  lastPassAtMs: startMs - 1000,
  lastSweepAtMs: startMs - minutes(2),
  store: { reachable: 'yes', sinceMs: startMs - minutes(30), error: null },
  draining: false,
  ...changes,
});
