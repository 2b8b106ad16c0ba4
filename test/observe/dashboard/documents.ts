// Documents as the contract says them (src/core/dashboard.ts), for what a real daemon shows only after hours, or after many todos.
import type { Component } from '../../../src/core/control.ts';
import type { Overview, Part, TodoDetail, TodoLine } from '../../../src/core/dashboard.ts';
import type { ShownStatus } from '../../../src/core/words.ts';

export const idOf = (number: number): string => `0193e5f0-0000-7000-8000-${String(number).padStart(12, '0')}`;

const part = <T>(value: T, asOfMs: number): Part<T> => ({ value, asOfMs, problem: null });
const minute = 60_000;

export const component = (name: string, status: Component['status'], reason: string, sinceMs: number): Component => ({
  name,
  status,
  reason,
  sinceMs,
  evidence: status === 'healthy' ? { looks: 12 } : { failures: 4, lastError: 'connect ECONNREFUSED 127.0.0.1:3306' },
  whatToDo: status === 'healthy' ? null : 'Start the database, or see: todo doctor',
});

export function healthyOverview(atMs: number): Overview {
  return {
    schemaVersion: 1,
    kind: 'overview',
    atMs,
    version: '0.1.0',
    host: 'build-7',
    daemon: {
      pid: 4711,
      startedAtMs: atMs - 190 * minute,
      draining: false,
      lastPassAtMs: atMs - 800,
      store: { reachable: 'yes', sinceMs: atMs - 190 * minute, error: null },
    },
    acts: true,
    health: {
      status: 'healthy',
      lookedAtMs: atMs - 4_000,
      components: ['store', 'loop', 'timers', 'disk', 'memory', 'runner', 'journal', 'server', 'watchdog'].map((name) =>
        component(name, 'healthy', name === 'disk' ? '61 % used, 212 GiB free' : 'works', atMs - 190 * minute),
      ),
    },
    todosVersion: 1,
    todos: part({ open: 14, running: 3, finishing: 1, parked: 2, blocked: 1, completed: 1284, failed: 17, cancelled: 9 }, atMs),
    live: [
      run(1328, 'claude', 'Rewrite the importer so that a broken row does not stop the file', 'running', atMs, 754_000),
      run(1327, 'claude', 'Add pagination to the orders API', 'running', atMs, 62_000),
      run(1325, 'shell', 'npm run nightly-report -- --region eu', 'collected', atMs, 12_000),
    ],
    breakers: [breaker('store', 'closed', 'the last call succeeded', atMs), breaker('runner', 'closed', 'the last call succeeded', atMs)],
    retries: part({ count: 0, nextAtMs: null, items: [] }, atMs),
    deadLetters: part({ count: 0, items: [] }, atMs),
    watchdogs: part([{ name: 'daemon', state: 'healthy', sinceMs: atMs - 190 * minute, pid: 4700, restarts: 0, reason: null }], atMs),
    notifications: part({ waiting: 0, dead: 0, configured: false }, atMs),
    healing: part([], atMs),
    audit: part(
      [
        note(1324, 'completed', 'verified by 2 checks', atMs - 40_000),
        note(1328, 'claimed', 'build-7, fence 2', atMs - 754_000),
        note(1301, 'requeued', 'by ada (operator): the database is back', atMs - 50 * minute),
      ],
      atMs,
    ),
  };
}

/** Much is wrong, and each kind of row is there. */
export function degradedOverview(atMs: number): Overview {
  const usual = healthyOverview(atMs);
  return {
    ...usual,
    health: {
      status: 'degraded',
      lookedAtMs: atMs - 4_000,
      components: [
        component(
          'store',
          'degraded',
          'MySQL at 127.0.0.1:3306 does not answer since 3 min; 4 completions wait in the journal',
          atMs - 3 * minute,
        ),
        component('disk', 'degraded', '93 % used, 14 GiB free', atMs - 40 * minute),
        component('notifications', 'unknown', 'could not be looked at: the outbox is in the store', atMs - 3 * minute),
        ...usual.health.components.filter(({ name }) => !['store', 'disk'].includes(name)),
      ],
    },
    todos: { value: null, asOfMs: null, problem: 'STORE_UNREACHABLE while counting: connect ECONNREFUSED 127.0.0.1:3306' },
    breakers: [
      { ...breaker('store', 'open', 'connect ECONNREFUSED 127.0.0.1:3306', atMs), failures: 5, refused: 31, retryAfterMs: 12_000 },
      breaker('runner', 'half-open', 'a probe is on its way', atMs),
      breaker('webhook', 'isolated', 'by ada: the receiver is being moved', atMs),
      breaker('tmux', 'closed', 'the last call succeeded', atMs),
    ],
    retries: part(
      {
        count: 73,
        nextAtMs: atMs + 9_000,
        items: [
          retry(1325, 'completion', 'store-unreachable', atMs + 9_000, 'connect ECONNREFUSED 127.0.0.1:3306'),
          retry(1322, 'start', 'spawn', atMs - 20_000, 'tmux: no server running on /tmp/tmux-1000/default'),
        ],
      },
      atMs - 95_000,
    ),
    deadLetters: part(
      {
        count: 1,
        items: [
          {
            id: `dl-${idOf(1290).slice(-8)}`,
            kind: 'completion',
            todoId: idOf(1290),
            number: 1290,
            class: 'report',
            sinceMs: atMs - 130 * minute,
            attempts: 5,
            lastError: 'ENOSPC: no space left on device, write archive/1290/report.html',
          },
        ],
      },
      atMs,
    ),
    watchdogs: part(
      [{ name: 'daemon', state: 'backoff', sinceMs: atMs - 8_000, pid: 4700, restarts: 3, reason: 'no answer within 5 s, three times' }],
      atMs,
    ),
    notifications: part({ waiting: 4, dead: 2, configured: true }, atMs),
    healing: part(
      [
        {
          id: 'h2',
          atMs: atMs - 5 * minute,
          todoId: idOf(1311),
          runId: null,
          what: 'recovery.reset',
          actor: 'daemon',
          reason: 'its session ended without a word',
          before: 'running',
          after: 'open',
          outcome: 'done',
          detail: '',
        },
        {
          id: 'h1',
          atMs: atMs - 11 * minute,
          todoId: null,
          runId: null,
          what: 'store.end-sessions',
          actor: 'daemon',
          reason: 'a session held a lock for 40 s',
          before: 'locked',
          after: 'locked',
          outcome: 'failed',
          detail: '',
        },
      ],
      atMs,
    ),
  };
}

const run = (number: number, agent: string, title: string, fact: string, atMs: number, forMs: number): Overview['live'][number] => ({
  todoId: idOf(number),
  number,
  title,
  runId: `0193e5f1-0000-7000-8000-${String(number).padStart(12, '0')}`,
  fact,
  agent,
  startedAtMs: atMs - forMs,
  lastSignAtMs: atMs - 3_000,
  round: number === 1328 ? 2 : 1,
  nextDeadlineAtMs: atMs + 17 * minute,
  emergency: null,
});

const breaker = (name: string, state: Overview['breakers'][number]['state'], why: string, atMs: number): Overview['breakers'][number] => ({
  name,
  state,
  why,
  sinceMs: atMs - 4 * minute,
  retryAfterMs: null,
  failures: 0,
  successes: 8123,
  reopenings: 0,
  refused: 0,
  late: 0,
  profile: { failureThreshold: 5, successThreshold: 2, timeoutMs: 30_000 },
});

const retry = (number: number, kind: 'completion' | 'start', errorClass: string, nextAtMs: number, lastError: string) => ({
  kind,
  id: `${kind}-${number}`,
  todoId: idOf(number),
  number,
  class: errorClass,
  attempt: 3,
  attemptsMax: kind === 'start' ? 5 : null,
  nextAtMs,
  lastError,
});

const note = (number: number, what: string, detail: string, atMs: number) => ({ atMs, todoId: idOf(number), number, what, detail });

const titles = [
  'Add pagination to the orders API',
  'Rewrite the importer so that a broken row does not stop the file',
  'npm run nightly-report -- --region eu',
  'Find out why the login page needs two seconds on the first visit, and mend it without changing what is shown to people who are logged in',
  'Bump the TLS library',
];
const statuses: readonly ShownStatus[] = [
  'completed',
  'completed',
  'failed',
  'completed',
  'cancelled',
  'completed',
  'open',
  'blocked',
  'parked',
];

export function todoLine(number: number, atMs: number, more: Partial<TodoLine> = {}): TodoLine {
  const status = statuses[number % statuses.length]!;
  const ended = ['completed', 'failed', 'cancelled'].includes(status);
  return {
    id: idOf(number),
    number,
    title: titles[number % titles.length]!,
    status,
    proof: status === 'completed' ? (['verified', 'unverified', 'verified', 'forced'] as const)[number % 4]! : null,
    priority: 5,
    agent: number % 3 === 0 ? 'shell' : 'claude',
    project: `/home/ada/work/${number % 2 === 0 ? 'shop' : 'tools'}`,
    held: number % 11 === 0,
    summary: status === 'completed' ? 'Done: the cursor is opaque, the page size is bounded, and the tests cover the last page.' : null,
    reason: status === 'failed' ? 'npm test exited 1' : status === 'blocked' ? 'needs a key for the staging shop' : null,
    createdAtMs: atMs - number * 1000 - 3_600_000,
    updatedAtMs: atMs - (2000 - (number % 2000)) * 7_000,
    endedAtMs: ended ? atMs - 60_000 : null,
    notBeforeMs: null,
    ...more,
  };
}

export function todoDetail(line: TodoLine, atMs: number, more: Partial<TodoDetail> = {}): TodoDetail {
  const first = atMs - 3_600_000;
  const runId = '0193e5f1-0000-7000-8000-00000000aaaa';
  const event = (
    inMs: number,
    fact: string,
    layer: 1 | 2 | 3 | 4 | null,
    durationMs: number | null,
    attempt = 1,
    reason: string | null = null,
  ) => ({ atMs: first + inMs, fact, layer, attempt, durationMs, reason, run: runId });
  return {
    schemaVersion: 1,
    kind: 'todo-detail',
    todo: {
      ...line,
      prompt: 'Add pagination to GET /orders.\n\n- keyset, not offset\n- at most 100 a page\n- tests for the last page',
      cwd: `${line.project}/api`,
      checks: ['npm test', 'npm run lint -- --max-warnings 0'],
      report: line.status === 'completed' ? '/home/ada/.todo/archive/report.html' : null,
      runs: [
        {
          id: '0193e5f1-0000-7000-8000-00000000bbbb',
          fence: 1,
          agent: line.agent,
          host: 'build-7',
          round: 1,
          startedAtMs: first - 900_000,
          endedAtMs: first - 300_000,
          outcome: 'lost',
          saidBy: null,
        },
        {
          id: runId,
          fence: 2,
          agent: line.agent,
          host: 'build-7',
          round: 1,
          startedAtMs: first,
          endedAtMs: first + 700_000,
          outcome: 'done',
          saidBy: 'marker',
        },
      ],
    },
    events: [
      event(0, 'claimed', null, null),
      event(2_000, 'running', null, null),
      event(640_000, 'signalled', null, null, 1, 'marker'),
      event(652_000, 'collected', 1, 1_900),
      event(653_000, 'reported', 2, 340),
      event(661_000, 'stored', 3, 120, 3, 'connect ECONNREFUSED, twice'),
      event(661_500, 'confirmed', 4, 80),
      event(662_000, 'closed', 4, 40),
    ],
    output: null,
    actions: [],
    notes: [
      note(line.number, 'claimed', 'build-7, fence 2', first),
      note(line.number, 'completed', 'verified by 2 checks', first + 661_000),
    ],
    ...more,
  };
}

/** What somebody could write into a title to mislead or to break the page. */
export const hostile = [
  '<img src=x onerror="window.pwned = true"><script>window.pwned = true</script>',
  '\u202egnp.exe\u2066 \u200b\u0000\u0007\u009b31m \ufeff \ud800 javascript:alert(1)',
  'x'.repeat(10_240),
];
