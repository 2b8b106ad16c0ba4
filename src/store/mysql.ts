import { type ErrorCode, OperationalError } from '../core/errors.ts';
import type { Clock, Condition, Random, Store } from '../world.ts';
import { mysqlDialect, mysqlNow } from './dialect.ts';
import type { About, Driver, Snapshot } from './driver.ts';
import { mysqlConditions } from './mysql-conditions.ts';
import { isAboutThisServer, isLostConnection, judge, type Sent } from './mysql-errors.ts';
import { lookForObstacles } from './mysql-obstacles.ts';
import { connectServers, type Line, type Reach } from './mysql-servers.ts';
import { beginSnapshot } from './mysql-session.ts';
import { createStore, type StoreNeeds } from './store.ts';
import type { MysqlAddress } from './url.ts';
import { type Result, rowOf, runWith, type Statement, Undo, type Work } from './work.ts';

export type MysqlStoreOptions = Omit<StoreNeeds, 'driver' | 'random'> & {
  readonly address: MysqlAddress;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly random: Pick<Random, 'uuidv7' | 'next'>;
  /** `behavior.database_timeout`: of one whole operation, with its waits and tries. */
  readonly deadlineMs: number;
  /** `store.pool` */
  readonly poolSize: number;
  /** Where its servers are reached; absent: themselves. */
  readonly reach?: Reach;
  /** What was opened to reach them; closed last. */
  readonly onClose?: () => Promise<void>;
};

/** MySQL or MariaDB, shared by many hosts. mysql2 is loaded at the first operation. */
export function createMysqlStore({ address, clock, deadlineMs, poolSize, reach, onClose, ...needs }: MysqlStoreOptions): Store {
  const ways = { ...(reach && { reach }), ...(onClose && { onClose }) };
  const driver = mysqlDriver({ address, clock, random: needs.random, log: needs.log, deadlineMs, poolSize, ...ways });
  return createStore({ ...needs, driver });
}

type Needs = Pick<MysqlStoreOptions, 'address' | 'clock' | 'random' | 'log' | 'deadlineMs' | 'poolSize' | 'reach' | 'onClose'>;
type Kind = 'read' | 'write' | 'define';

/** One attempt at an operation. Once it is `over` (its deadline passed) nobody waits for what it brings. */
type Trip = { sent: Sent; line: Line | null; over: boolean };

/** Tries of a transaction that was rolled back by the server. */
const triesMax = 10;
/** Between them: full jitter from here to there. */
const pauseMs = { from: 20, to: 200 };

/** A look at what holds us up, and what is done about it, is not held up itself. */
const asideMs = 5000;

/** SQLite needs none: there the file itself is copied in one read transaction. */
export type MysqlDriver = Driver & { snapshot(about: About): Promise<Snapshot> };

export function mysqlDriver({ address, clock, random, log, deadlineMs, poolSize, reach, onClose }: Needs): MysqlDriver {
  const servers = connectServers({
    address,
    poolSize,
    deadlineMs,
    ...(reach && { reach }),
    onSwitch: (from, to) => log.warn('monitor', 'store server changed', { from, to }),
  });
  const closed = Promise.withResolvers<'closed'>();

  /** Runs attempts until one has an answer, all within one deadline. A promise of mysql2 may stay pending for ever once its connection is destroyed. */
  async function operate<T>(about: About, kind: Kind, work: () => Work<T>): Promise<T> {
    const problem = (code: ErrorCode, why: string) => new OperationalError(code, { ...about, why: `${why} (${address.describe()})` });
    const settled = new AbortController();
    const deadline = clock.sleep(deadlineMs, settled.signal).then(() => 'late' as const);
    try {
      for (let tries = 1; ; tries++) {
        const trip: Trip = { sent: 'nothing', line: null, over: false };
        const answer = await Promise.race([answerOf(attempt(trip, kind, work)), deadline, closed.promise]);
        if (answer === 'late' || answer === 'closed') {
          abandon(trip);
          const why = answer === 'late' ? `no answer within ${deadlineMs} ms` : 'the store was closed';
          if (trip.sent === 'commit') throw problem('STORE_IN_DOUBT', `${why}; COMMIT was sent`);
          throw problem(answer === 'late' ? 'STORE_TIMEOUT' : 'STORE_UNREACHABLE', `${why}; nothing was written`);
        }
        if ('value' in answer) return answer.value;
        if (answer.error instanceof OperationalError) throw answer.error;
        if (hadDied(trip, kind, answer.error) && tries < triesMax) continue;
        const judgement = judge(answer.error, trip.sent);
        if (judgement === null) throw answer.error;
        if (judgement !== 'again') {
          const another = trip.sent !== 'commit' && isAboutThisServer(answer.error) && servers.leave(trip.line);
          if (another && tries < triesMax) continue;
          throw new OperationalError(judgement, {
            ...about,
            cause: answer.error,
            why: `${reasonOf(answer.error)} (${address.describe()})`,
          });
        }
        if (tries === triesMax) throw problem('STORE_CONFLICT', `rolled back ${tries} times, last by: ${reasonOf(answer.error)}`);
        const pause = clock.sleep(pauseMs.from + random.next() * (pauseMs.to - pauseMs.from), settled.signal);
        if ((await Promise.race([pause, deadline])) === 'late')
          throw problem('STORE_CONFLICT', `rolled back ${tries} times within ${deadlineMs} ms`);
      }
    } finally {
      settled.abort();
    }
  }

  async function attempt<T>(trip: Trip, kind: Kind, work: () => Work<T>): Promise<T> {
    // Known from its first moment, so that the deadline can cut it off wherever it is.
    const line = await servers.acquire(kind === 'read' ? 'read' : 'write', (taken) => {
      trip.line = taken;
      return !trip.over;
    });
    try {
      if (kind === 'write') await line.query('START TRANSACTION');
      trip.sent = 'statements';
      const value = await runWith(work(), (statement) => send(line, statement));
      if (kind === 'write') {
        trip.sent = 'commit';
        await line.query('COMMIT');
      }
      line.release();
      return value;
    } catch (error) {
      await giveUp(line, kind, trip.sent, error);
      if (error instanceof Undo) return error.value as T;
      throw error;
    }
  }

  /** In time or not at all; a connection that hangs is left to its end. */
  async function aside<T>(about: About, work: () => Promise<T>, withinMs = Math.min(asideMs, Math.max(1000, deadlineMs))): Promise<T> {
    const settled = new AbortController();
    const late = clock.sleep(withinMs, settled.signal).then(() => 'late' as const);
    try {
      const answer = await Promise.race([answerOf(work()), late]);
      if (answer === 'late') throw new OperationalError('STORE_TIMEOUT', { ...about, why: `no answer within ${withinMs} ms` });
      if ('value' in answer) return answer.value;
      const judgement = judge(answer.error, 'nothing');
      if (judgement === null) throw answer.error;
      const code = judgement === 'again' ? 'STORE_CONFLICT' : judgement;
      throw new OperationalError(code, { ...about, cause: answer.error, why: `${reasonOf(answer.error)} (${address.describe()})` });
    } finally {
      settled.abort();
    }
  }

  /** One connection for all of it, which nobody gets after it: it is closed at its end, and at its first error. */
  async function snapshot(about: About): Promise<Snapshot> {
    const trip: Trip = { sent: 'nothing', line: null, over: false };
    const within = async <T>(what: About, work: () => Promise<T>): Promise<T> => {
      try {
        return await aside(what, work, deadlineMs);
      } catch (error) {
        abandon(trip);
        throw error;
      }
    };
    const line = await within(about, async () => {
      const taken = await servers.acquire('read', (it) => {
        trip.line = it;
        return !trip.over;
      });
      await beginSnapshot(taken);
      return taken;
    });
    return {
      dialect: mysqlDialect,
      read: (what, work) =>
        within(what, async () => {
          await line.query('SAVEPOINT read_begun');
          const value = await runWith(work(), (statement) => send(line, statement));
          // Gives back the lock on the table itself: whoever changes it, and all who come after them, would wait for the whole snapshot.
          await line.query('ROLLBACK TO SAVEPOINT read_begun');
          return value;
        }),
      [Symbol.asyncDispose]: async () => abandon(trip),
    };
  }

  return {
    name: 'mysql',
    snapshot,
    dialect: mysqlDialect,
    read: (about, work) => operate(about, 'read', work),
    write: (about, work) => operate(about, 'write', work),
    // MySQL commits at each CREATE and ALTER anyway; all of them may run twice.
    define: (about, work) => operate(about, 'define', work),
    *now() {
      const row = yield* rowOf(`SELECT ${mysqlNow} AS now_ms`);
      return Number(row?.['now_ms']);
    },
    nowSql: () => ({ sql: mysqlNow, values: [] }),
    async valueBytesMax() {
      if (servers.packetBytesMax() === null) await operate({ operation: 'asking', subject: 'the store' }, 'read', () => nothing());
      return (servers.packetBytesMax() ?? 1024 * 1024) - packetRestBytes;
    },
    figures: () => servers.figures(),
    care: {
      obstacles: () =>
        aside({ operation: 'looking for', subject: 'what holds up the store' }, () =>
          servers.aside((query) =>
            lookForObstacles({ ask: async (sql) => (await query(sql)) as Result['rows'], longMs: deadlineMs, own: servers.own() }),
          ),
        ),
      async reset() {
        const closedCount = await aside({ operation: 'opening anew', subject: 'the connections of the store' }, () => servers.reset());
        return `${closedCount} ${closedCount === 1 ? 'connection' : 'connections'} closed, one opened anew`;
      },
      optimize: (tables) =>
        aside({ operation: 'renewing', subject: 'the statistics of the store' }, () =>
          servers.aside(async (query) => {
            // Whoever waits behind us in the line for a table waits no longer than this.
            await query('SET SESSION lock_wait_timeout = 1');
            return analyzed((await query(`ANALYZE NO_WRITE_TO_BINLOG TABLE ${tables.join(', ')}`)) as readonly Analyzed[], tables.length);
          }),
        ),
      async conditions(tables) {
        const of = (server: number): Promise<readonly Condition[]> =>
          aside({ operation: 'checking', subject: servers.nameOf(server) }, () =>
            servers.aside(
              (query) =>
                mysqlConditions({
                  server: servers.nameOf(server),
                  ask: async (sql) => (await query(sql)) as Result['rows'],
                  tables,
                  servers: address.hosts.length,
                  isEncrypted: address.tls !== 'off',
                  isLocal: reach !== undefined || /^(localhost|127\..*|::1)$/.test(address.hosts[server]!.host),
                }),
              server,
            ),
          ).catch((error: unknown) => {
            if (!(error instanceof OperationalError)) throw error;
            const change = address.hosts.length > 1 ? 'start it, or take it out of store.url' : error.hint;
            return [{ name: 'reachable', server: servers.nameOf(server), status: 'unknown', found: error.message, change }];
          });
        return (await Promise.all(address.hosts.map((_, server) => of(server)))).flat();
      },
    },
    async close() {
      await servers.close(clock);
      closed.resolve('closed');
      await onClose?.();
    },
  };
}

type Analyzed = { readonly Table: string; readonly Msg_type: string; readonly Msg_text: string };

function analyzed(rows: readonly Analyzed[], asked: number): string {
  const failed = rows.filter(({ Msg_type }) => Msg_type === 'Error');
  const why = failed.map(({ Table, Msg_text }) => `${Table}: ${Msg_text}`).slice(0, 3);
  return `statistics of ${asked - failed.length} of ${asked} tables renewed${why.length > 0 ? ` (${why.join('; ')})` : ''}`;
}

/** What else a statement with one long value carries. */
const packetRestBytes = 64 * 1024;

/** Connecting is all it takes. */
function* nothing(): Work<void> {}

const answerOf = <T>(promise: Promise<T>): Promise<{ readonly value: T } | { readonly error: unknown }> =>
  promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );

/** The server sees the connection end and rolls back what was not committed. */
function abandon(trip: Trip): void {
  trip.over = true;
  trip.line?.destroy();
}

/** A pooled connection that was lost while it lay idle (a restart, a firewall): with nothing written over it, another one is taken at once. */
const hadDied = ({ line, sent }: Trip, kind: Kind, error: unknown): boolean =>
  line !== null && !line.fresh && isLostConnection(error) && (sent === 'nothing' || kind === 'read');

async function giveUp(line: Line, kind: Kind, sent: Sent, error: unknown): Promise<void> {
  // Whether it committed is found out over a connection that has nothing to do with it.
  if (isLostConnection(error) || judge(error, sent) === 'STORE_IN_DOUBT') return line.destroy();
  try {
    if (kind === 'write') await line.query('ROLLBACK');
    line.release();
  } catch {
    line.destroy();
  }
}

async function send(line: Line, { sql, values }: Statement): Promise<Result> {
  // Bound on the server, so that no text of a value is ever part of a statement; those without values need no preparing.
  const answer = values.length === 0 ? await line.query(sql) : await line.execute(sql, values);
  if (Array.isArray(answer)) return { rows: answer as Result['rows'], affected: 0 };
  return { rows: [], affected: (answer as { affectedRows: number }).affectedRows };
}

const reasonOf = (error: unknown): string => {
  const { code, message } = error as { code?: string; message?: string };
  return message?.includes(code ?? '') ? (message ?? '') : [code, message].filter(Boolean).join(' ');
};
