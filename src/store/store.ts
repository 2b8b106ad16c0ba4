import { attachmentBytesMax } from '../core/discussion.ts';
import { type ErrorCode, OperationalError } from '../core/errors.ts';
import type { StoreMap } from '../core/store-map.ts';
import type { Digest, Log, Random, Store } from '../world.ts';
import { look, take } from './claim.ts';
import { attach, attached, attachmentsOf, comment, commentsOf } from './discussion.ts';
import type { Driver } from './driver.ts';
import { endedFigures } from './ended-figures.ts';
import { keepMetrics, metrics, rollMetrics } from './health-metrics.ts';
import { drainHost, hosts } from './hosts.ts';
import { mappedShape } from './mapped.ts';
import { mappingReport } from './mapping-report.ts';
import { checked, type Names, quotedNames } from './names.ts';
import { auditTail, healingEvents, note, notesOf } from './notes.ts';
import { openSchema } from './open.ts';
import { pastRuns } from './past-runs.ts';
import { missing, parcelOf, readBack, reassert, record, settle } from './records.ts';
import { deadLetter, expired, giveBack, leaseEndsInMs, mark, renew, requeue, rescue } from './runs.ts';
import { tableNames } from './schema.ts';
import { ownShape, type Shape } from './shape.ts';
import { type TimingNeeds, timed } from './timing.ts';
import {
  add,
  blockDependents,
  byStatus,
  change,
  dependentsToBlock,
  find,
  inProgress,
  list,
  living,
  runById,
  runsOf,
  waiting,
} from './todos.ts';
import { rowOf, type Work } from './work.ts';

export type StoreNeeds = {
  readonly driver: Driver;
  /** `store.table_prefix`; '' for none. */
  readonly prefix: string;
  /** `store.map`: somebody's existing table as the table of todos. Only where the driver shares it with them. */
  readonly map?: StoreMap | null;
  readonly random: Pick<Random, 'uuidv7'>;
  readonly digest: Pick<Digest, 'sha256'>;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Whether what was slow leaves a row (`self_healing_events`): for whoever moves runs, never for who only looks. */
  readonly keepsEvents?: boolean;
};

/** The system of record over any driver: all its logic, once. What differs between databases is in `dialect.ts` and in the drivers. */
export function createStore({ driver: plain, prefix, map = null, random, digest, log, keepsEvents = false }: StoreNeeds): Store {
  const tables = quotedNames(plain.dialect, prefix);
  const todos = map === null ? ownShape(tables) : mappedShape({ map, tables, quote: (name) => plain.dialect.quote(checked(name)) });
  const names: Names = { ...tables, todos };
  const untimed = map === null ? plain : prepared(plain, todos);
  const keep: TimingNeeds['note'] = (row) => {
    const id = random.uuidv7();
    return untimed.write({ operation: 'noting', subject: row.what }, () => note(names, id, row));
  };
  const driver = timed(untimed, { log, note: keepsEvents ? keep : null });
  const read = <T>(operation: string, subject: string, work: () => Work<T>): Promise<T> => driver.read({ operation, subject }, work);
  const write = <T>(operation: string, subject: string, work: (nowMs: number) => Work<T>): Promise<T> =>
    driver.write({ operation, subject }, () => atNow(driver, work));
  const by = (name: string) => ({ name, noteId: random.uuidv7() });
  const found = (runId: string) => read('reading back', `run ${runId}`, () => readBack(names, runId));

  return {
    driver: driver.name,
    open: () => openSchema({ driver, names, prefix, log }),
    close: () => driver.close(),
    ping: () => read('asking', 'the store', () => ping()),
    nowMs: () => read('asking the time of', 'the store', () => driver.now()),

    add: (todo) => write('adding', `todo ${todo.id}`, (nowMs) => add(names, todo, nowMs)),
    find: (ref) => read('finding', `todo ${ref}`, () => find(names, ref)),
    list: (filter) => read('listing', 'todos', () => list(names, driver.dialect, filter)),
    waiting: () => read('counting', 'waiting todos', () => waiting(names)),
    living: () => read('counting', 'todos that have not ended', () => living(names)),
    byStatus: () => read('counting', 'all todos', () => byStatus(names)),
    runsOf: (todoId) => read('listing the runs of', `todo ${todoId}`, () => runsOf(names, todoId)),
    getRun: (runId) => read('reading', `run ${runId}`, () => runById(names, runId)),

    async claim(request) {
      const about = { operation: 'claiming', subject: request.todoId === null ? 'the next todo' : `todo ${request.todoId}` };
      const seen = await driver.read(about, () => look(driver, names, request));
      if (seen !== 'try') return seen;
      const attempt = () => driver.write(about, () => take(driver, names, request));
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof OperationalError) || error.code !== 'STORE_IN_DOUBT') throw error;
        // The same run asked for again stands in line behind the first attempt and finds its row, or none for certain.
        return await attempt().catch(() => {
          throw error;
        });
      }
    },
    drainHost: (host, drain) =>
      write(drain === null ? 'resuming' : 'draining', `host ${host}`, (nowMs) => drainHost(driver, names, host, drain, nowMs)),
    hosts: () => read('listing', 'hosts', () => hosts(names)),
    mark(ref, status, round, reason) {
      const daemon = by('daemon');
      return write('marking', `todo ${ref.todoId} ${status}`, (nowMs) => mark(names, daemon, ref, status, round, reason, nowMs));
    },
    renew: (refs, leaseMs) =>
      refs.length === 0 ? Promise.resolve([]) : write('renewing', `${refs.length} leases`, (nowMs) => renew(names, refs, leaseMs, nowMs)),
    giveBack(ref, outcome, reason, notBeforeMs, attempts) {
      const back = { outcome, reason, notBeforeMs, attempts };
      const daemon = by('daemon');
      return write('giving back', `todo ${ref.todoId}`, (nowMs) => giveBack(names, daemon, ref, back, nowMs));
    },
    leaseEndsInMs: () => read('looking for', 'the next lease to end', () => atNow(driver, (nowMs) => leaseEndsInMs(names, nowMs))),
    expired: () => read('looking for', 'expired leases', () => atNow(driver, (nowMs) => expired(names, nowMs))),
    rescue(ref, to) {
      const rescuer = by('rescue');
      return write('rescuing', `todo ${ref.todoId}`, (nowMs) => rescue(names, rescuer, ref, to, nowMs));
    },
    inProgress: () => read('listing', 'todos in progress', () => inProgress(names)),

    change: (todoId, from, to) => write('changing', `todo ${todoId}`, (nowMs) => change(names, todoId, from, to, nowMs, random.uuidv7)),
    async blockDependents() {
      const found = await read('looking for', 'todos whose dependency ended badly', () => dependentsToBlock(names));
      return found.length === 0
        ? []
        : await write('blocking', `${found.length} todos`, (nowMs) => blockDependents(names, nowMs, random.uuidv7));
    },

    async record(given) {
      const parcel = parcelOf(given, await driver.valueBytesMax(), digest.sha256);
      return await write('recording', `todo ${given.todoId}`, (nowMs) => record(names, parcel, nowMs));
    },
    missing: (runIds) =>
      runIds.length === 0 ? Promise.resolve([]) : read('looking for', `${runIds.length} records`, () => missing(names, runIds)),
    async reassert(given, run) {
      const parcel = parcelOf(given, await driver.valueBytesMax(), digest.sha256);
      return await write('recording again', `todo ${given.todoId}`, (nowMs) => reassert(names, parcel, run, nowMs));
    },
    async readBack(runId) {
      const seen = await found(runId);
      if (seen !== null || driver.dialect.forUpdate === '') return seen;
      await driver.write({ operation: 'reading back', subject: `run ${runId}` }, () => settle(names, driver.dialect.forUpdate, runId));
      return await found(runId);
    },
    deadLetter(ref, reason) {
      const daemon = by('daemon');
      return write('dead-lettering', `todo ${ref.todoId}`, (nowMs) => deadLetter(names, daemon, ref, reason, nowMs));
    },
    requeue(ref) {
      const person = by('person');
      return write('requeuing', `todo ${ref.todoId}`, (nowMs) => requeue(names, person, ref, nowMs));
    },

    note(row) {
      const id = random.uuidv7();
      return driver.write({ operation: 'noting', subject: row.what }, () => note(names, id, row));
    },
    notesOf: (todoId) => read('reading the notes of', `todo ${todoId}`, () => notesOf(names, todoId)),
    auditTail: (limit) => read('reading', 'the audit trail', () => auditTail(names, limit)),
    healingEvents: (filter) => read('reading', 'the healing events', () => healingEvents(names, filter)),

    comment: (row) =>
      driver.write({ operation: 'commenting on', subject: `todo ${row.todoId}` }, () => comment(names, driver.dialect, row)),
    commentsOf: (todoId) => read('reading the comments on', `todo ${todoId}`, () => commentsOf(names, todoId)),
    async attach(row, content) {
      const base64 = Buffer.from(content).toString('base64');
      const bytesMax = Math.min(attachmentBytesMax, Math.floor((await driver.valueBytesMax()) / 4) * 3);
      const about = { operation: 'attaching', subject: `${row.name} to todo ${row.todoId}` };
      if (content.length > bytesMax)
        throw new OperationalError('STORE_REFUSED', {
          ...about,
          why: `it has ${content.length} bytes, this store takes ${bytesMax}`,
          hint: 'Attach a part of it, or a note that says where it lies.',
        });
      await driver.write(about, () => attach(names, driver.dialect, row, base64));
    },
    attachmentsOf: (todoId) => read('listing the attachments of', `todo ${todoId}`, () => attachmentsOf(names, todoId)),
    async attached(sha256) {
      const base64 = await read('reading', `the attachment ${sha256}`, () => attached(names, sha256));
      return base64 === null ? null : Buffer.from(base64, 'base64');
    },
    keepMetrics: (rows) =>
      rows.length === 0
        ? Promise.resolve()
        : driver.write({ operation: 'keeping', subject: `${rows.length} measurements` }, () =>
            keepMetrics(names, driver.dialect.insertIgnore, rows),
          ),
    metrics: (host, question) => read('reading', 'measurements', () => metrics(names, host, question)),
    rollMetrics: (host, rollup) =>
      driver.write({ operation: 'rolling up', subject: `measurements (${rollup.from})` }, () =>
        rollMetrics(names, host, rollup, random.uuidv7),
      ),
    ended: (range) => read('counting', 'ended todos', () => endedFigures(names, range)),
    pastRuns: (host, limit) => read('reading', 'the runs that have ended', () => pastRuns(names, host, limit)),

    mapping: async () =>
      map === null
        ? null
        : await plain.read({ operation: 'looking at', subject: `table ${map.table}` }, () =>
            mappingReport(map, (name) => plain.dialect.quote(checked(name))),
          ),
    figures: () => driver.figures(),
    care: {
      obstacles: () => driver.care.obstacles(),
      reset: () => driver.care.reset(),
      optimize: () => driver.care.optimize(tableNames.map((table) => names[table])),
      conditions: () => driver.care.conditions(tableNames.map((table) => names[table])),
    },
  };
}

function* atNow<T>(driver: Driver, work: (nowMs: number) => Work<T>): Work<T> {
  return yield* work(yield* driver.now());
}

/** What a server says when a table is not what it was: nothing was written. */
const changedUnderUs: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['STORE_SCHEMA', 'STORE_REFUSED']);

/** Their table is looked at before the first operation that needs it, over the same connection; and once more where somebody altered it meanwhile. */
function prepared(driver: Driver, { prepare, forget }: Pick<Shape, 'prepare' | 'forget'>): Driver {
  const again = async <T>(attempt: () => Promise<T>): Promise<T> => {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof OperationalError) || !changedUnderUs.has(error.code)) throw error;
      forget();
      return await attempt();
    }
  };
  const after = <T>(work: () => Work<T>) =>
    function* (): Work<T> {
      yield* prepare();
      return yield* work();
    };
  return {
    ...driver,
    read: (about, work) => again(() => driver.read(about, after(work))),
    write: (about, work) => again(() => driver.write(about, after(work))),
  };
}

function* ping(): Work<void> {
  yield* rowOf('SELECT 1 AS alive');
}
