import type { Log, QueryFigures, Store } from '../world.ts';
import type { About, Driver } from './driver.ts';
import type { Result, Work } from './work.ts';

type Note = Parameters<Store['note']>[0];

export type TimingNeeds = {
  readonly log: Pick<Log, 'warn'>;
  /** Keeps a row about what was slow; null where whoever asks changes nothing. Never told of by itself: it must not make slow slower. */
  readonly note: ((row: Note) => Promise<void>) | null;
};

/** Over this an operation is in the log (P-16), from that on it is an event of its own (H-33). */
export const slowMs = 100;
export const verySlowMs = 1000;
/** A server that is slow is slow at everything: lines and rows are bounded, and say how many they stand for. */
const linesMax = 20;
const linesPerMs = 60_000;
const rowEveryMs = 10_000;
const statementMax = 200;

/** Beside its statements an operation may have to connect (3), prepare the session (3), begin, commit, and look at the server again. */
const journeysAround = 10;
/** A server that takes longer for nothing at all is not far away, it is slow. */
const journeyMsMax = 1000;

const boundsMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000] as const;

type Kind = 'read' | 'write' | 'define';
type Kept = { count: number; sumMs: number; readonly buckets: number[] };
/** One operation from its call to its answer, with its waits and tries. */
type Taken = {
  readonly about: About;
  readonly kind: Kind;
  readonly ms: number;
  readonly error: string | null;
  readonly statement: string | null;
  readonly statementMs: number;
  /** What of `ms` the way to the server may explain. */
  readonly wayMs: number;
};
/** `turns`: as many operations as there are connections were under way before it, so many times. */
type Trace = { sql: string | null; ms: number; last: string | null; sinceMs: number; statements: number; readonly turns: number };

/** The one place where time is taken: every operation of every driver passes here. */
export function timed(driver: Driver, { log, note }: TimingNeeds): Driver {
  const kinds: Record<Kind, Kept> = { read: none(), write: none(), define: none() };
  const line = bounded();
  const underWay = new Set<{ readonly fromMs: number; readonly trace: Trace }>();
  let slow = 0;
  let verySlow = 0;
  let heldUp = 0;
  let lastSlow: string | null = null;
  /** What the next row tells. */
  let untold: { readonly first: Taken; readonly atMs: number; count: number; longestMs: number } | null = null;
  let rowDueMs = 0;
  let noting = false;

  /** Each statement may have to be prepared first, and who comes late waits for a connection. */
  const wayMsOf = ({ statements, turns }: Trace): number =>
    Math.min(journeyMsMax, driver.figures().journeyMs ?? 0) * (2 * statements + journeysAround) * turns;

  function over(taken: Taken): void {
    const { ms, kind, about } = taken;
    if (ms - taken.wayMs >= verySlowMs || taken.error === 'STORE_TIMEOUT') heldUp += 1;
    count(kinds[kind], ms);
    if (ms > slowMs) slow += 1;
    const isEvent = ms >= verySlowMs || taken.error === 'STORE_TIMEOUT';
    if (isEvent) {
      verySlow += 1;
      lastSlow = `${about.operation} ${about.subject} took ${Math.round(ms)} ms`;
      untold ??= { first: taken, atMs: Date.now(), count: 0, longestMs: 0 };
      untold.count += 1;
      untold.longestMs = Math.max(untold.longestMs, ms);
    }
    const event = isEvent ? 'slow_query' : 'slow query';
    if (isEvent || ms > slowMs)
      line(`${event} ${about.operation}`, (leftOut) => log.warn('monitor', event, { ...fieldsOf(taken), leftOut }));
    // Whoever answers has time for a row about how long others took.
    if (untold !== null && taken.error === null) void keep();
  }

  async function keep(): Promise<void> {
    if (note === null || noting || untold === null || performance.now() < rowDueMs) return;
    const { first, atMs, count: times, longestMs } = untold;
    noting = true;
    rowDueMs = performance.now() + rowEveryMs;
    const detail = JSON.stringify({ ...fieldsOf(first), times, longestMs: Math.round(longestMs) });
    try {
      await note({ kind: 'healing', todoId: null, runId: null, atMs, what: 'slow_query', detail });
      if (untold !== null) untold.count -= times;
      if (untold.count <= 0) untold = null;
    } catch {
      // The log has it; the row comes with the next one that is slow, or not at all.
    } finally {
      noting = false;
    }
  }

  const around =
    (kind: Kind) =>
    async <T>(about: About, work: () => Work<T>): Promise<T> => {
      const fromMs = performance.now();
      const turns = 1 + Math.floor(underWay.size / driver.figures().limit);
      const trace: Trace = { sql: null, ms: 0, last: null, sinceMs: fromMs, statements: 0, turns };
      let error: string | null = null;
      const here = { fromMs, trace };
      underWay.add(here);
      try {
        return await driver[kind](about, () => watched(work(), trace));
      } catch (cause) {
        error = (cause as { code?: string }).code ?? 'defect';
        throw cause;
      } finally {
        underWay.delete(here);
        const nowMs = performance.now();
        // Where no answer came, the last statement is the one that was waited for.
        if (error !== null && nowMs - trace.sinceMs > trace.ms) Object.assign(trace, { sql: trace.last, ms: nowMs - trace.sinceMs });
        over({ about, kind, ms: nowMs - fromMs, error, statement: trace.sql, statementMs: trace.ms, wayMs: wayMsOf(trace) });
      }
    };

  return {
    ...driver,
    read: around('read'),
    write: around('write'),
    define: around('define'),
    figures() {
      const nowMs = performance.now();
      const heldUpForMs = Math.max(0, ...[...underWay].map(({ fromMs, trace }) => nowMs - fromMs - wayMsOf(trace)));
      const counts = { slow, verySlow, heldUp, heldUpForMs, lastSlow };
      return { ...driver.figures(), queries: { boundsMs, kinds: copyOf(kinds), ...counts } };
    },
  };
}

/** The same work, with an eye on its slowest statement. */
function* watched<T>(work: Work<T>, slowest: Trace): Work<T> {
  let step = work.next();
  while (!step.done) {
    const { sql } = step.value;
    slowest.sql ??= sql;
    slowest.last = sql;
    slowest.statements += 1;
    slowest.sinceMs = performance.now();
    let result: Result;
    try {
      result = yield step.value;
    } catch (error) {
      step = work.throw(error);
      continue;
    }
    const ms = performance.now() - slowest.sinceMs;
    if (ms > slowest.ms) Object.assign(slowest, { sql, ms });
    step = work.next(result);
  }
  return step.value;
}

const fieldsOf = ({ about, kind, ms, error, statement, statementMs, wayMs }: Taken) => ({
  operation: about.operation,
  subject: about.subject,
  kind,
  durationMs: Math.round(ms),
  error,
  // Values are bound, so no statement has any in its text.
  statement: statement === null ? null : statement.replace(/\s+/g, ' ').trim().slice(0, statementMax),
  statementMs: Math.round(statementMs),
  wayMs: Math.round(wayMs),
});

const none = (): Kept => ({ count: 0, sumMs: 0, buckets: boundsMs.map(() => 0) });

function count(kept: Kept, ms: number): void {
  kept.count += 1;
  kept.sumMs += ms;
  for (let at = boundsMs.length - 1; at >= 0 && ms <= boundsMs[at]!; at--) kept.buckets[at]! += 1;
}

const copyOf = (kinds: Record<Kind, Kept>): QueryFigures['kinds'] =>
  Object.fromEntries(
    Object.entries(kinds).map(([kind, { count: times, sumMs, buckets }]) => [kind, { count: times, sumMs, buckets: [...buckets] }]),
  );

/** At most so many lines in a time, and the first of each kind all the same: many of one do not hide another. The next line says how many were left out. */
function bounded(): (kind: string, say: (leftOut: number) => void) => void {
  let fromMs = Number.NEGATIVE_INFINITY;
  let said = 0;
  let leftOut = 0;
  const kinds = new Set<string>();
  return (kind, say) => {
    const nowMs = performance.now();
    if (nowMs - fromMs >= linesPerMs) {
      fromMs = nowMs;
      said = 0;
      kinds.clear();
    }
    if (said >= linesMax && kinds.has(kind)) {
      leftOut += 1;
      return;
    }
    said += 1;
    kinds.add(kind);
    say(leftOut);
    leftOut = 0;
  };
}
