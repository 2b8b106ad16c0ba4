import { OperationalError } from '../core/errors.ts';
import { autoAgent, fallbackRunner } from '../core/runners.ts';
import type { Run, Todo } from '../core/todo.ts';
import { isInProgress, isTerminal } from '../core/words.ts';
import type { AutoRunners, ClaimRequest, ClaimResult } from '../world.ts';
import type { Driver } from './driver.ts';
import type { Names } from './names.ts';
import { fieldsIn, identified, runColumns, selected, todoColumns, valuesOf } from './rows.ts';
import type { Condition, Sets } from './shape.ts';
import { runById, todoById } from './todos.ts';
import { affectedBy, marks, type Row, rowOf, rowsOf, type Value, type Work } from './work.ts';

/** Candidates that are looked at together: more than other hosts will take away between two statements. */
const candidatesMax = 8;
/** How often new candidates are looked for after all were taken away; then the caller comes again. */
const looksMax = 5;

type Nothing = Exclude<ClaimResult, { kind: 'claimed' }>;
/** What choosing and granting look at; a prompt may be long, and eight are read for one that is taken. */
type Candidate = Pick<Todo, 'id' | 'fence' | 'agent' | 'session' | 'priority' | 'createdAtMs' | 'number'>;
type Slots = { readonly full: boolean; readonly fullAgents: readonly string[]; readonly fullProjects: readonly string[] };

/** Whether a claim could succeed now, without writing anything: an idle daemon asks every few seconds and must not wear out a disk. */
export function* look(driver: Driver, names: Names, request: ClaimRequest): Work<ClaimResult | 'try'> {
  const here = yield* ask(driver, names, request);
  const said = yield* saidBefore(names, request, here);
  if (said !== null) return said;
  const chosen = yield* choose(names, request, here);
  return 'kind' in chosen ? chosen : 'try';
}

/**
 * One transaction. The host's row is written first, so claims of one host stand in line and its slots can be counted. Ownership is granted by
 * one thing alone: the guarded UPDATE of the todo that says one row. It is right without SKIP LOCKED and without locks across a cluster.
 */
export function* take(driver: Driver, names: Names, request: ClaimRequest): Work<ClaimResult> {
  yield* standInLine(driver, names, request.host);
  const here = yield* ask(driver, names, request);
  const said = yield* saidBefore(names, request, here);
  if (said !== null) return said;
  const { nowMs } = here;
  for (let looks = 0; looks < looksMax; looks++) {
    const chosen = yield* choose(names, request, looks === 0 ? here : yield* ask(driver, names, request));
    if ('kind' in chosen) return chosen;
    for (const todo of chosen.candidates) {
      // Somebody set it back by hand, and the agent that works on it has not heard of it yet.
      if (!(yield* names.todos.align(todo.id, nowMs, true))) {
        if (request.todoId !== null) return { kind: 'refused', why: 'it was set back by hand; the agent that works on it is ended first' };
        continue;
      }
      if (!(yield* grant(names, request, todo, nowMs))) continue;
      const run = runFor(request, todo, nowMs);
      const values = valuesOf(runColumns, run);
      yield* affectedBy(`INSERT INTO ${names.run} (${Object.values(runColumns).join(', ')}) VALUES (${marks(values)})`, ...values);
      return { kind: 'claimed', todo: (yield* todoById(names, todo.id))!, run };
    }
  }
  throw new OperationalError('STORE_CONFLICT', {
    operation: 'claiming',
    subject: request.todoId ?? 'the next todo',
    why: 'others took each candidate first',
  });
}

/** What a claim rests on beside the queue. */
type Here = { readonly nowMs: number; readonly isKnown: boolean; readonly isDrained: boolean; readonly slots: Slots };

/** In one journey: each statement costs a far server's distance, and claims of one host wait for each other. */
function* ask(driver: Driver, names: Names, { runId, host, slots }: ClaimRequest): Work<Here> {
  const clock = driver.nowSql();
  const busy = slots === null ? { sql: '', values: [] } : { sql: ` UNION ALL ${busySlots(names)}`, values: [host] };
  const rows = yield* rowsOf(
    `SELECT ${clock.sql} AS now_ms, (SELECT COUNT(*) FROM ${names.run} WHERE id = ?) AS known,
     (SELECT COUNT(*) FROM ${names.host} WHERE id = ? AND drained_at_ms IS NOT NULL) AS drained, NULL AS agent, NULL AS project${busy.sql}`,
    ...clock.values,
    runId,
    host,
    ...busy.values,
  );
  const about = rows.find((row) => row['now_ms'] !== null);
  return {
    nowMs: Number(about?.['now_ms']),
    isKnown: Number(about?.['known']) > 0,
    isDrained: Number(about?.['drained']) > 0,
    slots:
      slots === null
        ? { full: false, fullAgents: [], fullProjects: [] }
        : slotsLeft(
            slots,
            rows.filter((row) => row !== about),
          ),
  };
}

function* saidBefore(names: Names, request: ClaimRequest, { isKnown, isDrained }: Here): Work<ClaimResult | null> {
  const own = isKnown ? yield* ownClaim(names, request) : null;
  // What a person starts there by name (no slots) is their own word against their own.
  return own ?? (request.slots !== null && isDrained ? drained : null);
}
const drained: Nothing = { kind: 'nothing', why: 'drained', nextAtMs: null };

function* standInLine(driver: Driver, names: Names, host: string): Work<void> {
  const clock = driver.nowSql();
  const step = () =>
    affectedBy(`UPDATE ${names.host} SET claims = claims + 1, claimed_at_ms = ${clock.sql} WHERE id = ?`, ...clock.values, host);
  if ((yield* step()) === 1) return;
  yield* affectedBy(`${driver.dialect.insertIgnore} INTO ${names.host} (id, claims, claimed_at_ms) VALUES (?, 0, 0)`, host);
  yield* step();
}

/** The answer to a claim that was made before: its commit's answer was lost, and it is asked again with the same run. */
function* ownClaim(names: Names, { runId }: ClaimRequest): Work<ClaimResult | null> {
  const run = yield* runById(names, runId);
  if (run === null) return null;
  const todo = yield* todoById(names, run.todoId);
  if (todo?.runId === runId && run.endedAtMs === null) return { kind: 'claimed', todo, run };
  return { kind: 'refused', why: `run ${runId} has ended${run.outcome === null ? '' : `: ${run.outcome}`}` };
}

function* choose(
  names: Names,
  request: ClaimRequest,
  { slots, nowMs }: Here,
): Work<Nothing | { readonly candidates: readonly Candidate[] }> {
  return request.todoId === null ? yield* next(names, request, slots, nowMs) : yield* named(names, request, request.todoId, slots);
}

/** Guarded by all that the choice rests on and that others may change meanwhile. */
function* grant(names: Names, { runId, todoId, kind }: ClaimRequest, todo: Candidate, nowMs: number): Work<boolean> {
  const from = todoId !== null && kind === 'external' ? "'open', 'parked', 'claimed', 'running', 'stalled'" : "'open', 'parked'";
  const inOrder = todoId === null ? ' AND held = 0 AND (not_before_ms IS NULL OR not_before_ms <= ?)' : '';
  const sets: Sets = {
    status: 'claimed',
    fence: todo.fence + 1,
    run_id: runId,
    reason: null,
    not_before_ms: null,
    updated_at_ms: nowMs,
  };
  const guard: Condition = {
    sql: `fence = ? AND run_id IS NULL AND status IN (${from})${inOrder}`,
    values: [todo.fence, ...(todoId === null ? [nowMs] : [])],
  };
  return (yield* names.todos.update(todo.id, sets, guard, nowMs)) === 1;
}

function runFor(request: ClaimRequest, todo: Candidate, nowMs: number): Run {
  const { runId, host, kind, tokenSha256, leaseMs, externalLeaseMs } = request;
  return {
    id: runId,
    todoId: todo.id,
    fence: todo.fence + 1,
    agent: runnerOf(request, todo),
    kind: kind === 'by-todo' ? (todo.session ?? 'child') : kind,
    host,
    tokenSha256,
    leaseUntilMs: nowMs + (kind === 'external' && externalLeaseMs !== null ? externalLeaseMs : leaseMs),
    round: 1,
    startedAtMs: nowMs,
    endedAtMs: null,
    outcome: null,
    saidBy: null,
  };
}

/** The todo's own agent; of agent `auto` the one that was found best for its session. */
const runnerOf = ({ auto }: ClaimRequest, { agent, session }: Pick<Todo, 'agent' | 'session'>): string =>
  agent === autoAgent && auto !== undefined ? auto[session ?? 'any'] : agent;

/** What of this host's slots is used up, a row each. A person's run or a foreign session takes none. */
const busySlots = (names: Names): string =>
  `SELECT NULL, NULL, NULL, r.agent, t.project FROM ${names.todo} t JOIN ${names.run} r ON r.id = t.run_id
   WHERE t.status IN ('claimed', 'running', 'stalled') AND r.host = ? AND r.kind IN ('child', 'tmux')`;

function slotsLeft(slots: NonNullable<ClaimRequest['slots']>, busy: readonly Row[]): Slots {
  return {
    full: busy.length >= slots.total || slots.agent === 0 || slots.project === 0,
    fullAgents: crowded(
      busy.map(({ agent }) => String(agent)),
      slots.agent,
    ),
    fullProjects: crowded(
      busy.map(({ project }) => String(project)),
      slots.project,
    ),
  };
}

function crowded(values: readonly string[], limit: number): readonly string[] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].filter(([, count]) => count >= limit).map(([value]) => value);
}

/** Each by itself, so that an index gives the first few in order without sorting all that wait. Parked without a time waits for a person. */
const statuses = [`t.status = 'open'`, `t.status = 'parked' AND t.not_before_ms IS NOT NULL`];
const startable = `t.held = 0 AND t.run_id IS NULL AND (t.after_id IS NULL OR (d.status = 'completed' AND d.proof <> 'forced'))`;
const isDue = (nowMs: number): Condition => ({ sql: '(t.not_before_ms IS NULL OR t.not_before_ms <= ?)', values: [nowMs] });
const isLater = (nowMs: number): Condition => ({ sql: 't.not_before_ms > ?', values: [nowMs] });
const anything: Condition = { sql: '1 = 1', values: [] };
const among = (column: string, values: readonly string[]): Condition => ({
  sql: values.length === 0 ? '1 = 0' : `${column} IN (${marks(values)})`,
  values,
});
const notAmong = (column: string, values: readonly string[]): Condition => ({
  sql: values.length === 0 ? anything.sql : `${column} NOT IN (${marks(values)})`,
  values,
});
const all = (...conditions: readonly Condition[]): Condition => ({
  sql: conditions.map(({ sql }) => `(${sql})`).join(' AND '),
  values: conditions.flatMap(({ values }) => values),
});

const sessions = ['any', 'child', 'tmux'] as const;

/** Of agent `auto`: not while the slots of its runner are taken, and not to say that nobody works on it while another host may yet. */
function fitsAuto(auto: AutoRunners | undefined, { fullAgents }: Slots, nowMs: number): Condition {
  if (auto === undefined) return anything;
  const session = "COALESCE(t.session, 'any')";
  const full = sessions.filter((each) => fullAgents.includes(auto[each]));
  const last = auto.fallbackAfterMs > 0 ? sessions.filter((each) => auto[each] === fallbackRunner) : [];
  const waitedFor = '(t.updated_at_ms <= ? AND (t.not_before_ms IS NULL OR t.not_before_ms <= ?))';
  const sinceMs = nowMs - auto.fallbackAfterMs;
  const ifAuto = (of: readonly string[], more: string, values: readonly Value[]): Condition =>
    of.length === 0 ? anything : { sql: `t.agent <> ? OR ${session} NOT IN (${marks(of)})${more}`, values: [autoAgent, ...of, ...values] };
  return all(ifAuto(full, '', []), ifAuto(last, ` OR ${waitedFor}`, [sinceMs, sinceMs]));
}

function* next(
  names: Names,
  { agents, auto }: ClaimRequest,
  slots: Slots,
  nowMs: number,
): Work<Nothing | { readonly candidates: readonly Candidate[] }> {
  const { waitingRows, ends, order } = names.todos;
  const from = `FROM ${waitingRows} t LEFT JOIN ${ends} d ON d.id = t.after_id`;
  const ours = (status: string): Condition =>
    all({ sql: status, values: [] }, { sql: startable, values: [] }, agents === null ? anything : among('t.agent', agents));
  if (!slots.full) {
    const looks = statuses.map((status) => {
      const fitting = all(
        ours(status),
        isDue(nowMs),
        notAmong('t.agent', slots.fullAgents),
        notAmong('t.project', slots.fullProjects),
        fitsAuto(auto, slots, nowMs),
      );
      const sql = `SELECT ${selected('t', candidateColumns)} ${from} WHERE ${fitting.sql} ORDER BY ${order.sql} LIMIT ${candidatesMax}`;
      return { sql: `SELECT * FROM (${sql}) ${status === statuses[0] ? 'a' : 'b'}`, values: fitting.values };
    });
    const rows = yield* rowsOf(looks.map(({ sql }) => sql).join(' UNION ALL '), ...looks.flatMap(({ values }) => values));
    if (rows.length > 0) return { candidates: rows.map((row) => candidateIn(row)).sort(order.compare) };
  }
  const asked = statuses.flatMap((status) => {
    const [ready, waits] = [all(ours(status), isDue(nowMs)), all(ours(status), isLater(nowMs))];
    return [
      { sql: `EXISTS (SELECT t.id ${from} WHERE ${ready.sql})`, values: ready.values },
      { sql: `(SELECT MIN(t.not_before_ms) ${from} WHERE ${waits.sql})`, values: waits.values },
    ];
  });
  const found = yield* rowOf(
    `SELECT ${asked.map(({ sql }, at) => `${sql} AS a${at}`).join(', ')}`,
    ...asked.flatMap(({ values }) => values),
  );
  const of = (each: number): readonly number[] =>
    asked.flatMap((_, at) => (at % 2 === each && typeof found?.[`a${at}`] === 'number' ? [found[`a${at}`] as number] : []));
  const soonest = of(1);
  return {
    kind: 'nothing',
    why: of(0).includes(1) ? 'no-slot' : 'none-open',
    nextAtMs: soonest.length === 0 ? null : Math.min(...soonest),
  };
}

const { id, fence, agent, session, priority, createdAtMs, number } = todoColumns;
const candidateColumns = { id, fence, agent, session, priority, createdAtMs, number };
const candidateIn = (row: Row): Candidate => identified(fieldsIn(row, 't', candidateColumns)) as unknown as Candidate;

/**
 * Whatever its flag, time and order; never one that runs or has ended, and not before what it waits for. By hand also one that is in
 * progress without a run: somebody set it so outside of us.
 */
function* named(
  names: Names,
  request: ClaimRequest,
  todoId: string,
  slots: Slots,
): Work<Nothing | { readonly candidates: readonly Candidate[] }> {
  const { agents, kind } = request;
  const refused = (why: string): Nothing => ({ kind: 'refused', why });
  const todo = yield* todoById(names, todoId);
  if (todo === null) return refused('there is no such todo');
  if (isTerminal(todo.status))
    return refused(`it has ended: ${todo.status}${todo.proof === null ? '' : ` (${todo.proof})`}${since(todo.endedAtMs)}`);
  if (todo.status === 'blocked') return refused(`it is blocked${todo.reason === null ? '' : `: ${todo.reason}`}; release it first`);
  if (todo.status === 'dead-lettered') return refused('it is dead-lettered; requeue or release it first');
  const adopted = kind === 'external' && todo.runId === null && isInProgress(todo.status);
  if (!adopted && (todo.runId !== null || (todo.status !== 'open' && todo.status !== 'parked'))) {
    const run = todo.runId === null ? null : yield* runById(names, todo.runId);
    return refused(`it is ${todo.status}${run === null ? '' : `${since(run.startedAtMs)} on ${run.host}`}`);
  }
  const waitsFor = todo.after === null ? null : yield* dependency(names, todo.after);
  if (waitsFor !== null) return refused(waitsFor);
  if (agents !== null && !agents.includes(todo.agent)) return refused(`agent ${todo.agent} cannot be started on this host`);
  if (slots.full || slots.fullAgents.includes(runnerOf(request, todo)) || slots.fullProjects.includes(todo.project))
    return { kind: 'nothing', why: 'no-slot', nextAtMs: null };
  return { candidates: [todo] };
}

/** Why a todo that waits for this one may not start; null when it may. */
function* dependency(names: Names, after: string): Work<string | null> {
  const before = yield* todoById(names, after);
  if (before === null) return `it waits for todo ${after}, which is not in this store`;
  if (before.status === 'completed' && before.proof !== 'forced') return null;
  return `it waits for todo ${before.number}, which is ${before.status}${before.proof === null ? '' : ` (${before.proof})`}`;
}

const since = (atMs: number | null): string => (atMs === null ? '' : ` since ${new Date(atMs).toISOString()}`);
