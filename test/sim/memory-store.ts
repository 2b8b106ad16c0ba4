import { hash } from 'node:crypto';
import type { EndedFigures, EndedGroup, MetricsRange } from '../../src/core/completion-metrics.ts';
import { type Attachment, attachmentBytesMax, type Comment } from '../../src/core/discussion.ts';
import { OperationalError } from '../../src/core/errors.ts';
import { healingEventOf } from '../../src/core/healing-event.ts';
import { type MetricRow, rollUp } from '../../src/core/health-history.ts';
import { fits } from '../../src/core/list-filter.ts';
import { type LongField, longFields, measure, storable } from '../../src/core/record.ts';
import { autoAgent, fallbackRunner } from '../../src/core/runners.ts';
import type { NewTodo, Run, RunRef, StoredRecord, TerminalRecord, Todo } from '../../src/core/todo.ts';
import { isInProgress, isTerminal, type LivingStatus, livingStatuses } from '../../src/core/words.ts';
import type { ClaimRequest, ClaimResult, Store } from '../../src/world.ts';

/**
 * The store as a model: the same promises as SQLite and MySQL keep, in maps and without a wait. What the simulation is built on,
 * and one more engine of the store's conformance suite, so that the three stay the same thing.
 */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  const rows = options.rows ?? createRows();
  const now = () => Math.floor(options.nowMs());
  const changed = (what: StoreChange): void => options.onChange?.(what);

  /** Every write of a todo goes through here. */
  const put = (todo: Todo, changes: Partial<Todo>): Todo => {
    const after = { ...todo, ...changes, updatedAtMs: now() };
    rows.todos.set(after.id, after);
    changed({ kind: 'todo', before: todo, after });
    return after;
  };
  const putRun = (run: Run, changes: Partial<Run>): void => {
    const after = { ...run, ...changes };
    rows.runs.set(after.id, after);
    changed({ kind: 'run', before: run, after });
  };
  const todoOf = (id: string): Todo | undefined => rows.todos.get(id);

  /** The guard of all writes about a run: `where id = ? and fence = ? and run_id = ?`, and the run has not ended. */
  const held = (ref: RunRef): { todo: Todo; run: Run } | null => {
    const todo = todoOf(ref.todoId);
    const run = rows.runs.get(ref.runId);
    if (todo === undefined || run === undefined) return null;
    if (todo.fence !== ref.fence || todo.runId !== ref.runId || run.endedAtMs !== null || isTerminal(todo.status)) return null;
    return { todo, run };
  };

  const tellNote = (row: NoteRow): void => {
    rows.notes.push(row);
    changed({ kind: 'note', after: row });
  };

  /** The audit row of one change, as the databases write it. */
  const tellChange = (todo: Todo, to: Partial<Todo>, by: string, runId: string | null = null): void => {
    const tell = (what: 'status' | 'held', from: string | number, into: string | number, reason: string | null): void => {
      const detail = JSON.stringify({ from, to: into, by, reason });
      if (from !== into) tellNote({ kind: 'audit', todoId: todo.id, runId, atMs: now(), what, detail });
    };
    if (to.status !== undefined) tell('status', todo.status, to.status, to.reason ?? null);
    if (to.held !== undefined && runId === null) tell('held', Number(todo.held), Number(to.held), null);
  };

  const endRun = (run: Run, outcome: Run['outcome'], saidBy: Run['saidBy'], endedAtMs: number): void =>
    putRun(run, { outcome, saidBy, endedAtMs, tokenSha256: '' });

  return {
    driver: 'memory',
    async open() {},
    async close() {},
    async ping() {},
    async nowMs() {
      return now();
    },

    async add(given: NewTodo) {
      const before = todoOf(given.id);
      if (before !== undefined) return before;
      const atMs = now();
      const todo: Todo = {
        ...given,
        number: ++rows.lastNumber,
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
        createdAtMs: atMs,
        updatedAtMs: atMs,
        endedAtMs: null,
      };
      rows.todos.set(todo.id, todo);
      changed({ kind: 'todo', before: null, after: todo });
      return todo;
    },

    async find(ref) {
      const all = [...rows.todos.values()];
      const exact = all.find((todo) => String(todo.number) === ref) ?? todoOf(ref);
      if (exact !== undefined) return exact;
      if (ref.length < 4) return null;
      const fitting = all.filter((todo) => todo.id.startsWith(ref));
      if (fitting.length > 1)
        throw new OperationalError('AMBIGUOUS', { operation: 'finding', subject: ref, why: `${fitting.length} todos begin so` });
      return fitting[0] ?? null;
    },

    async list({ limit, ...filter }) {
      const fitting = [...rows.todos.values()].filter((todo) => fits(todo, filter)).sort(newestFirst);
      return { todos: fitting.slice(0, limit), truncated: fitting.length > limit };
    },

    async waiting() {
      return [...rows.todos.values()].filter((todo) => (todo.status === 'open' || todo.status === 'parked') && !todo.held).length;
    },

    async living() {
      const counted = (status: LivingStatus): number => [...rows.todos.values()].filter((todo) => todo.status === status).length;
      return Object.fromEntries(livingStatuses.map((status) => [status, counted(status)])) as Record<LivingStatus, number>;
    },

    async byStatus() {
      const all = Map.groupBy(rows.todos.values(), ({ status }) => status);
      return Object.fromEntries([...all].map(([status, todos]) => [status, todos.length]));
    },

    async runsOf(todoId) {
      return [...rows.runs.values()].filter((run) => run.todoId === todoId).sort((a, b) => a.fence - b.fence);
    },

    async getRun(runId) {
      return rows.runs.get(runId) ?? null;
    },

    async claim(request) {
      const own = ownClaim(rows, request);
      if (own !== null) return own;
      if (request.slots !== null && rows.drained.has(request.host)) return { kind: 'nothing', why: 'drained', nextAtMs: null };
      const chosen = request.todoId === null ? nextFor(rows, request, now()) : namedFor(rows, request);
      if ('kind' in chosen) return chosen;
      if (options.between !== undefined) await options.between();
      // Granted by a write that finds the row as it was chosen; whoever came between has won.
      if (todoOf(chosen.id) !== chosen || !hasSlot(rows, request, chosen) || !dependencyHolds(rows, chosen))
        throw new OperationalError('STORE_CONFLICT', { operation: 'claiming', subject: chosen.id, why: 'another node has changed it' });
      const atMs = now();
      const run: Run = {
        id: request.runId,
        todoId: chosen.id,
        fence: chosen.fence + 1,
        agent: runnerOf(request, chosen),
        kind: request.kind === 'by-todo' ? (chosen.session ?? 'child') : request.kind,
        host: request.host,
        tokenSha256: request.tokenSha256,
        leaseUntilMs: atMs + (request.kind === 'external' && request.externalLeaseMs !== null ? request.externalLeaseMs : request.leaseMs),
        round: 1,
        startedAtMs: atMs,
        endedAtMs: null,
        outcome: null,
        saidBy: null,
      };
      rows.runs.set(run.id, run);
      changed({ kind: 'run', before: null, after: run });
      const todo = put(chosen, { status: 'claimed', fence: run.fence, runId: run.id, reason: null, notBeforeMs: null });
      return { kind: 'claimed', todo, run };
    },

    async drainHost(host, drain) {
      if (drain === null) return rows.drained.delete(host) || knows(rows, host);
      if (!drain.mayBeNew && !knows(rows, host)) return false;
      rows.drained.set(host, { sinceMs: rows.drained.get(host)?.sinceMs ?? now(), reason: drain.reason });
      return true;
    },

    async hosts() {
      const ids = new Set([...rows.drained.keys(), ...[...rows.runs.values()].map(({ host }) => host)]);
      return [...ids].sort().map((id) => {
        const runs = [...rows.runs.values()].filter(({ host }) => host === id);
        const lastClaimAtMs = runs.length === 0 ? null : Math.max(...runs.map(({ startedAtMs }) => startedAtMs));
        return {
          id,
          live: runs.filter(({ endedAtMs }) => endedAtMs === null).length,
          lastClaimAtMs,
          drained: rows.drained.get(id) ?? null,
        };
      });
    },

    async mark(ref, status, round, reason) {
      const found = held(ref);
      if (found === null || !isInProgress(found.todo.status)) return false;
      tellChange(found.todo, { status, reason }, 'daemon', ref.runId);
      put(found.todo, { status, reason });
      if (found.run.round !== round) putRun(found.run, { round });
      return true;
    },

    async renew(refs, leaseMs) {
      return refs.map((ref) => {
        const found = held(ref);
        if (found === null) return { ref, held: false };
        putRun(found.run, { leaseUntilMs: now() + leaseMs });
        return { ref, held: true };
      });
    },

    async giveBack(ref, outcome, reason, notBeforeMs, attempts) {
      const found = held(ref);
      if (found === null) return false;
      endRun(found.run, outcome, null, now());
      tellChange(found.todo, { status: 'open', reason }, 'daemon', ref.runId);
      put(found.todo, { status: 'open', runId: null, reason, notBeforeMs, attempts });
      return true;
    },

    async leaseEndsInMs() {
      const atMs = now();
      const ends = [...rows.todos.values()].flatMap((todo) => {
        const run = todo.runId === null ? undefined : rows.runs.get(todo.runId);
        return isInProgress(todo.status) && run !== undefined && run.leaseUntilMs > atMs ? [run.leaseUntilMs] : [];
      });
      return ends.length === 0 ? null : Math.min(...ends) - atMs;
    },

    async expired() {
      const atMs = now();
      return [...rows.todos.values()].flatMap((todo) => {
        const run = todo.runId === null ? undefined : rows.runs.get(todo.runId);
        return isInProgress(todo.status) && run !== undefined && run.leaseUntilMs <= atMs ? [{ todo, run }] : [];
      });
    },

    async rescue(ref, to) {
      const found = held(ref);
      if (found === null || !isInProgress(found.todo.status) || found.run.leaseUntilMs > now()) return false;
      endRun(found.run, to.outcome, null, now());
      const { status, reason, attempts, resets, notBeforeMs } = to;
      tellChange(found.todo, { status, reason }, 'rescue', ref.runId);
      put(found.todo, { status, runId: null, reason, attempts, resets, notBeforeMs });
      return true;
    },

    async inProgress() {
      return [...rows.todos.values()]
        .filter((todo) => isInProgress(todo.status))
        .map((todo) => ({ todo, run: todo.runId === null ? null : (rows.runs.get(todo.runId) ?? null) }));
    },

    async change(todoId, from, { by = 'signoff', ...to }) {
      const todo = todoOf(todoId);
      if (todo === undefined || !from.includes(todo.status) || isTerminal(todo.status)) return false;
      if (todo.runId !== null && todo.status !== 'dead-lettered') return false;
      const ended = to.status !== undefined && isTerminal(to.status) ? { endedAtMs: now() } : {};
      const run = todo.runId === null ? undefined : rows.runs.get(todo.runId);
      const givesUpRun = run !== undefined && to.status !== undefined;
      if (givesUpRun && run.endedAtMs === null) endRun(run, to.status === 'cancelled' ? 'cancelled' : 'released', null, now());
      tellChange(todo, to, by);
      put(todo, { ...to, ...ended, ...(givesUpRun ? { runId: null } : {}) });
      return true;
    },

    async blockDependents() {
      const blocked: Todo[] = [];
      for (const todo of [...rows.todos.values()]) {
        if ((todo.status !== 'open' && todo.status !== 'parked') || todo.runId !== null || todo.after === null) continue;
        const before = todoOf(todo.after);
        if (before === undefined || !endedBadly(before)) continue;
        const how = before.status === 'completed' ? 'completed by force' : before.status;
        const to = { status: 'blocked', reason: `todo ${before.number}, which it waits for, ended ${how}` } as const;
        tellChange(todo, to, 'signoff');
        blocked.push(put(todo, to));
      }
      return blocked;
    },

    async record(given) {
      const record = storable(given);
      if (rows.records.has(record.runId)) return 'already';
      const found = held(record);
      if (found === null || found.todo.status === 'dead-lettered') return 'superseded';
      rows.records.set(record.runId, cut(record, options.longMaxBytes ?? Number.POSITIVE_INFINITY));
      endRun(found.run, record.outcome, record.saidBy, record.endedAtMs);
      if (found.run.round !== record.round) putRun(rows.runs.get(record.runId)!, { round: record.round });
      changed({ kind: 'record', after: record });
      put(found.todo, endOf(record));
      return 'recorded';
    },

    async missing(runIds) {
      return runIds.filter((runId) => !rows.records.has(runId));
    },

    async reassert(given, run) {
      const record = storable(given);
      if (rows.records.has(record.runId)) return 'already';
      const todo = todoOf(record.todoId);
      if (todo === undefined) return 'gone';
      const found = rows.runs.get(run.id);
      const another = [...rows.runs.values()].some((it) => it.todoId === todo.id && it.fence >= run.fence && it.id !== run.id);
      const isFree = todo.runId === null || todo.runId === run.id;
      const isUnheard = found === undefined || found.outcome === null || found.outcome === 'lost' || found.outcome === 'released';
      if (!isFree || another || todo.fence > run.fence || isTerminal(todo.status) || !isUnheard) return 'superseded';
      rows.records.set(record.runId, cut(record, options.longMaxBytes ?? Number.POSITIVE_INFINITY));
      if (found === undefined) {
        rows.runs.set(run.id, run);
        changed({ kind: 'run', before: null, after: run });
      } else {
        endRun(found, record.outcome, record.saidBy, record.endedAtMs);
        if (found.round !== record.round) putRun(rows.runs.get(run.id)!, { round: record.round });
      }
      changed({ kind: 'record', after: record });
      put(todo, { ...endOf(record), fence: record.fence });
      return 'recorded';
    },

    async readBack(runId) {
      const stored = rows.records.get(runId);
      if (stored === undefined) return null;
      return { ...stored, todo: rows.todos.get(stored.record.todoId)!, run: rows.runs.get(runId)! };
    },

    async deadLetter(ref, reason) {
      const found = held(ref);
      if (found === null) return false;
      tellChange(found.todo, { status: 'dead-lettered', reason }, 'daemon', ref.runId);
      put(found.todo, { status: 'dead-lettered', held: true, reason });
      return true;
    },

    async requeue(ref) {
      const found = held(ref);
      if (found === null || found.todo.status !== 'dead-lettered') return false;
      putRun(found.run, { leaseUntilMs: Math.max(found.run.leaseUntilMs, now() + requeuedLeaseMs) });
      tellChange(found.todo, { status: 'running', reason: null }, 'person', ref.runId);
      put(found.todo, { status: 'running', held: false, reason: null });
      return true;
    },

    async note(row) {
      tellNote(row);
    },

    async notesOf(todoId) {
      return rows.notes
        .filter((row) => row.todoId === todoId)
        .map(({ kind, runId, atMs, what, detail }) => ({ kind, runId, atMs, what, detail }));
    },

    async auditTail(limit) {
      return rows.notes
        .filter(({ kind }) => kind === 'audit')
        .reverse()
        .sort((a, b) => b.atMs - a.atMs)
        .slice(0, limit)
        .map(({ atMs, todoId, what, detail }) => ({ atMs, todoId, number: todoOf(todoId ?? '')?.number ?? null, what, detail }));
    },

    async healingEvents({ todoId, limit }) {
      return rows.notes
        .filter((row) => row.kind === 'healing' && (todoId === null || row.todoId === todoId))
        .toReversed()
        .slice(0, limit)
        .map(({ id = '', atMs, todoId: todo, runId, what, detail }) => healingEventOf({ id, atMs, todoId: todo, runId, what, detail }));
    },

    async comment(row) {
      if (!rows.comments.some(({ id }) => id === row.id)) rows.comments.push(row);
    },
    async commentsOf(todoId) {
      return rows.comments.filter((row) => row.todoId === todoId).sort(earliestFirst);
    },
    async attach(row, content) {
      if (content.length > attachmentBytesMax)
        throw new OperationalError('STORE_REFUSED', { operation: 'attaching', subject: row.name, why: 'it is too large' });
      rows.contents.set(row.sha256, content.slice());
      if (!rows.attachments.some(({ id }) => id === row.id)) rows.attachments.push(row);
    },
    async attachmentsOf(todoId) {
      return rows.attachments.filter((row) => row.todoId === todoId).sort(earliestFirst);
    },
    async attached(sha256) {
      return rows.contents.get(sha256) ?? null;
    },
    async keepMetrics(given) {
      for (const row of given) if (!rows.metrics.some(({ id }) => id === row.id)) rows.metrics.push(row);
    },
    async metrics(host, { sinceMs, untilMs = null, component, limit }) {
      return rows.metrics
        .filter(
          (row) =>
            row.host === host &&
            row.atMs >= sinceMs &&
            (untilMs === null || row.atMs < untilMs) &&
            (component === null || row.component === component),
        )
        .sort((a, b) => b.atMs - a.atMs || (a.component < b.component ? -1 : 1))
        .slice(0, limit)
        .reverse();
    },
    async rollMetrics(host, rollup) {
      const due = rows.metrics.filter((row) => row.host === host && row.resolution === rollup.from && row.atMs < rollup.beforeMs);
      if (due.length === 0) return 0;
      const { made, used } = rollUp(due, rollup, { whole: true, newId: () => `${rollup.to} ${rows.metricsMade++}` });
      rows.metrics = [...rows.metrics.filter((row) => !used.includes(row)), ...made];
      return used.length;
    },
    async ended(range) {
      return endedIn(rows, range);
    },
    async pastRuns(host, limit) {
      return [...rows.runs.values()]
        .filter(
          (run) => run.host === host && (run.kind === 'child' || run.kind === 'tmux') && run.endedAtMs !== null && run.outcome !== null,
        )
        .toSorted((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit)
        .flatMap(({ todoId, agent, outcome, round, startedAtMs, endedAtMs }) => {
          const todo = rows.todos.get(todoId);
          return todo === undefined || outcome === null || endedAtMs === null
            ? []
            : [{ todoId, agent, project: todo.project, outcome, round, startedAtMs, endedAtMs }];
        });
    },

    figures() {
      return { active: 0, idle: 1, limit: 1 };
    },
  };
}

export type MemoryStoreOptions = {
  /** The store's own clock. */
  readonly nowMs: () => number;
  /** Shared by several handles on one database. */
  readonly rows?: Rows;
  /** Told of every change, at the moment it becomes true. */
  readonly onChange?: (change: StoreChange) => void;
  /** What other nodes of a cluster do between the choice of a todo and its claim: locks are no news to them. */
  readonly between?: () => Promise<void>;
  /** What this store can hold of one long value; the rest is noted. */
  readonly longMaxBytes?: number;
};

export type StoreChange =
  | { readonly kind: 'todo'; readonly before: Todo | null; readonly after: Todo }
  | { readonly kind: 'run'; readonly before: Run | null; readonly after: Run }
  | { readonly kind: 'record'; readonly after: TerminalRecord }
  | { readonly kind: 'note'; readonly after: NoteRow };

export type NoteRow = Parameters<Store['note']>[0];

/** What is in the database. */
export type Rows = {
  readonly todos: Map<string, Todo>;
  readonly runs: Map<string, Run>;
  readonly records: Map<string, Pick<StoredRecord, 'record' | 'truncated'>>;
  readonly notes: NoteRow[];
  readonly comments: Comment[];
  readonly attachments: Attachment[];
  readonly contents: Map<string, Uint8Array>;
  /** Hosts that shall take nothing new. */
  readonly drained: Map<string, { readonly sinceMs: number; readonly reason: string | null }>;
  metrics: MetricRow[];
  metricsMade: number;
  lastNumber: number;
};

export const createRows = (): Rows => ({
  todos: new Map(),
  runs: new Map(),
  records: new Map(),
  notes: [],
  comments: [],
  attachments: [],
  contents: new Map(),
  drained: new Map(),
  metrics: [],
  metricsMade: 0,
  lastNumber: 0,
});

const knows = (rows: Rows, id: string): boolean => [...rows.runs.values()].some(({ host }) => host === id) || rows.drained.has(id);

/** What the todo shows from then on. */
const endOf = (record: TerminalRecord): Partial<Todo> => ({
  status: record.todoStatus,
  proof: record.proof,
  reason: record.reason,
  notBeforeMs: record.notBeforeMs,
  attempts: record.attempts,
  resets: record.resets,
  summary: record.summary,
  report: record.reportPath,
  runId: null,
  endedAtMs: isTerminal(record.todoStatus) ? record.endedAtMs : null,
});

type Said = { readonly atMs: number; readonly id: string };
const earliestFirst = (a: Said, b: Said): number => a.atMs - b.atMs || (a.id < b.id ? -1 : 1);

/** Counted plainly, row by row. */
function endedIn(rows: Rows, { sinceMs, untilMs }: MetricsRange): EndedFigures {
  const todos = [...rows.todos.values()].filter(
    ({ status, endedAtMs }) =>
      isTerminal(status) && endedAtMs !== null && endedAtMs >= (sinceMs ?? endedAtMs) && endedAtMs < (untilMs ?? Number.POSITIVE_INFINITY),
  );
  const runsOf = (todo: Todo): Run[] => [...rows.runs.values()].filter(({ todoId }) => todoId === todo.id);
  const groups = Map.groupBy(todos, ({ agent, status, proof }) => JSON.stringify([agent, status, proof]));
  const outcomes = Map.groupBy(
    todos.flatMap(runsOf).filter(({ outcome }) => outcome !== null),
    ({ outcome }) => outcome!,
  );
  const took = (of: readonly Todo[]): number[] =>
    of
      .flatMap((todo) => runsOf(todo).filter(({ fence, endedAtMs }) => fence === todo.fence && endedAtMs !== null))
      .map(({ startedAtMs, endedAtMs }) => Math.max(0, endedAtMs! - startedAtMs))
      .sort((a, b) => a - b);
  const durations = (agent: string | null, all: readonly number[]) => ({
    agent,
    count: all.length,
    meanMs: all.length === 0 ? null : all.reduce((sum, ms) => sum + ms, 0) / all.length,
    p50Ms: all[Math.max(0, Math.ceil(all.length * 0.5) - 1)] ?? null,
    p95Ms: all[Math.max(0, Math.ceil(all.length * 0.95) - 1)] ?? null,
  });
  const agents = [...new Set(todos.map(({ agent }) => agent))].sort();
  return {
    groups: [...groups]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, alike]): EndedGroup => {
        const { agent, status, proof } = alike[0]!;
        const runs = alike.map((todo) => runsOf(todo).length);
        const sum = runs.reduce((all, n) => all + n, 0);
        return { agent, status: status as EndedGroup['status'], proof, todos: alike.length, runs: sum, runsMax: Math.max(...runs) };
      }),
    outcomes: [...outcomes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([outcome, runs]) => ({ outcome, runs: runs.length })),
    durations: [
      durations(null, took(todos)),
      ...agents.map((agent) => durations(agent, took(todos.filter((todo) => todo.agent === agent)))).filter(({ count }) => count > 0),
    ],
  };
}

/** What a lease is at least. */
const requeuedLeaseMs = 60_000;

/** The answer to a claim that was made before, and whose answer was lost. */
function ownClaim(rows: Rows, { runId }: ClaimRequest): ClaimResult | null {
  const run = rows.runs.get(runId);
  if (run === undefined) return null;
  const todo = rows.todos.get(run.todoId);
  if (todo?.runId === runId && run.endedAtMs === null) return { kind: 'claimed', todo, run };
  return { kind: 'refused', why: `run ${runId} has ended${run.outcome === null ? '' : `: ${run.outcome}`}` };
}

/** The next by priority, then age, among those that may start now and have a free slot. */
function nextFor(rows: Rows, request: ClaimRequest, nowMs: number): Todo | Extract<ClaimResult, { kind: 'nothing' }> {
  const open = [...rows.todos.values()].filter((todo) => isOpen(todo) && !todo.held);
  const fitting = open.filter((todo) => dependencyHolds(rows, todo) && (request.agents === null || request.agents.includes(todo.agent)));
  const due = fitting.filter((todo) => todo.notBeforeMs === null || todo.notBeforeMs <= nowMs).sort(byPriorityThenAge);
  const free = due.find((todo) => hasSlot(rows, request, todo) && !leavesToOthers(request, todo, nowMs));
  if (free !== undefined) return free;
  const later = fitting.flatMap((todo) => (todo.notBeforeMs !== null && todo.notBeforeMs > nowMs ? [todo.notBeforeMs] : []));
  return { kind: 'nothing', why: due.length > 0 ? 'no-slot' : 'none-open', nextAtMs: later.length > 0 ? Math.min(...later) : null };
}

/** Whatever its flag and order, but never one that runs or has ended. */
function namedFor(rows: Rows, request: ClaimRequest): Todo | Exclude<ClaimResult, { kind: 'claimed' }> {
  const refused = (why: string) => ({ kind: 'refused', why }) as const;
  const todo = rows.todos.get(request.todoId!);
  if (todo === undefined) return refused('there is no such todo');
  if (isTerminal(todo.status)) return refused(`it has ended: ${todo.status}`);
  if (todo.status === 'blocked') return refused('it is blocked; release it first');
  if (todo.status === 'dead-lettered') return refused('it is dead-lettered; requeue or release it first');
  if (todo.runId !== null) return refused(`it is ${todo.status}`);
  if (!dependencyHolds(rows, todo)) return refused(`it waits for todo ${rows.todos.get(todo.after!)?.number ?? todo.after}`);
  if (request.agents !== null && !request.agents.includes(todo.agent)) return refused(`agent ${todo.agent} cannot be started on this host`);
  if (!hasSlot(rows, request, todo)) return { kind: 'nothing', why: 'no-slot', nextAtMs: null };
  return todo;
}

const isOpen = (todo: Todo): boolean =>
  (todo.status === 'open' || (todo.status === 'parked' && todo.notBeforeMs !== null)) && todo.runId === null;

/** Starts after completed with verified, unverified or overridden. */
function dependencyHolds(rows: Rows, todo: Todo): boolean {
  if (todo.after === null) return true;
  const before = rows.todos.get(todo.after);
  return before !== undefined && before.status === 'completed' && before.proof !== 'forced';
}

const endedBadly = (todo: Todo): boolean =>
  todo.status === 'failed' || todo.status === 'cancelled' || (todo.status === 'completed' && todo.proof === 'forced');

const runnerOf = ({ auto }: ClaimRequest, { agent, session }: Todo): string =>
  agent === autoAgent && auto !== undefined ? auto[session ?? 'any'] : agent;

/** Only the fallback is left here, and another host may have a runner. */
function leavesToOthers(request: ClaimRequest, todo: Todo, nowMs: number): boolean {
  const { auto } = request;
  if (auto === undefined || todo.agent !== autoAgent || runnerOf(request, todo) !== fallbackRunner) return false;
  return nowMs - Math.max(todo.updatedAtMs, todo.notBeforeMs ?? 0) < auto.fallbackAfterMs;
}

function hasSlot(rows: Rows, request: ClaimRequest, todo: Todo): boolean {
  const { slots, host } = request;
  if (slots === null) return true;
  const busy = [...rows.todos.values()].filter(
    (other) => other.runId !== null && isInProgress(other.status) && isOf(rows.runs.get(other.runId), host),
  );
  const inAll = (fits: (other: Todo) => boolean): number => busy.filter(fits).length;
  return (
    busy.length < slots.total &&
    inAll((other) => rows.runs.get(other.runId!)!.agent === runnerOf(request, todo)) < slots.agent &&
    inAll((other) => other.project === todo.project) < slots.project
  );
}

/** Slots are for agents: a person's own run takes none. */
const isOf = (run: Run | undefined, host: string): boolean =>
  run !== undefined && run.host === host && (run.kind === 'child' || run.kind === 'tmux');

const byPriorityThenAge = (a: Todo, b: Todo): number => a.priority - b.priority || a.createdAtMs - b.createdAtMs || a.number - b.number;
const newestFirst = (a: Todo, b: Todo): number => b.number - a.number;

const sha256 = (content: string | Uint8Array): string => hash('sha256', content);

/** Long values are held up to a size; `truncated` carries length and digest of the part and of the whole. */
function cut(record: TerminalRecord, maxBytes: number): Pick<StoredRecord, 'record' | 'truncated'> {
  const truncated: Record<string, { bytes: number; sha256: string; whole: { bytes: number; sha256: string } }> = {};
  const parts: Partial<Record<LongField, string>> = {};
  for (const field of longFields) {
    const whole = Buffer.from(record[field]);
    if (whole.length <= maxBytes) continue;
    const part = new TextDecoder('utf-8', { fatal: false }).decode(whole.subarray(0, lastWhole(whole, maxBytes)));
    parts[field] = part;
    truncated[field] = { ...measure(part, sha256), whole: measure(record[field], sha256) };
  }
  return { record: { ...record, ...parts }, truncated };
}

/** End of the last whole character within `max` bytes. */
function lastWhole(bytes: Uint8Array, max: number): number {
  let end = max;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return end;
}
