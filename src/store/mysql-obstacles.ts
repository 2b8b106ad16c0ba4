import type { Obstacle, Obstacles } from '../world.ts';
import { span } from './span.ts';

type Ask = (sql: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;

export type ObstacleNeeds = {
  /** Over a connection of its own: those of the pool may all be waiting. */
  readonly ask: Ask;
  /** An open transaction older than this is told of. */
  readonly longMs: number;
  /** Connections of our own pool: they are not suspected of holding us up. Null where somebody else's pool is meant. */
  readonly own: ReadonlySet<number> | null;
};

/** A statement that has waited for so long is held up. Short, because those that gave up and came again have only begun to wait. */
const waitedMs = 100;
const textMax = 120;
const suspectsMax = 3;

/** Who holds what for how long, and who waits for it. Changes nothing; what the account may not see is said. */
export async function lookForObstacles(needs: ObstacleNeeds): Promise<Obstacles> {
  const blind: string[] = [];
  const seen = async (what: string, look: () => Promise<readonly Obstacle[]>): Promise<readonly Obstacle[]> => {
    try {
      return await look();
    } catch (error) {
      if (!isRefused(error)) throw error;
      blind.push(what);
      return [];
    }
  };
  const [about] = await needs.ask('SELECT VERSION() AS version');
  const isMariadb = /mariadb/i.test(String(about?.['version']));
  const found = [
    ...(await seen('transactions', () => longTransactions(needs))),
    ...(await seen('row locks', () => rowLocks(needs, isMariadb))),
    ...(await seen('table locks', () => tableLocks(needs, isMariadb))),
  ];
  const hint = 'GRANT PROCESS ON *.* TO the account of the store';
  return { found, blind: blind.length === 0 ? null : `${blind.join(' and ')} of others cannot be seen (${hint})` };
}

const who = 'p.ID AS id, p.USER AS user, p.HOST AS host, p.COMMAND AS command, p.INFO AS info';

async function longTransactions({ ask, longMs }: ObstacleNeeds): Promise<readonly Obstacle[]> {
  const rows = await ask(
    `SELECT ${who}, TIMESTAMPDIFF(MICROSECOND, t.trx_started, NOW(6)) DIV 1000 AS held_ms, t.trx_rows_locked AS locked
     FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.ID = t.trx_mysql_thread_id
     WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() HAVING held_ms >= ${Math.floor(longMs)} ORDER BY held_ms DESC LIMIT 20`,
  );
  return rows.map((row) => {
    const heldMs = Number(row['held_ms']);
    const text = `${holderOf(row)} has had a transaction open for ${span(heldMs)}, with ${row['locked']} rows locked`;
    return { kind: 'long-transaction', holder: Number(row['id']), heldMs, text };
  });
}

async function rowLocks({ ask }: ObstacleNeeds, isMariadb: boolean): Promise<readonly Obstacle[]> {
  const waits = isMariadb
    ? 'SELECT requesting_trx_id AS waiter, blocking_trx_id AS holder FROM information_schema.innodb_lock_waits'
    : 'SELECT REQUESTING_ENGINE_TRANSACTION_ID AS waiter, BLOCKING_ENGINE_TRANSACTION_ID AS holder FROM performance_schema.data_lock_waits';
  const rows = await ask(
    `SELECT ${who}, TIMESTAMPDIFF(MICROSECOND, h.trx_started, NOW(6)) DIV 1000 AS held_ms,
       TIMESTAMPDIFF(MICROSECOND, w.trx_wait_started, NOW(6)) DIV 1000 AS waited_ms, w.trx_query AS waiting
     FROM (${waits}) l JOIN information_schema.innodb_trx w ON w.trx_id = l.waiter JOIN information_schema.innodb_trx h ON h.trx_id = l.holder
     JOIN information_schema.processlist p ON p.ID = h.trx_mysql_thread_id
     WHERE p.DB = DATABASE() HAVING waited_ms >= ${waitedMs} ORDER BY waited_ms DESC LIMIT 20`,
  );
  return rows.map((row) => {
    const heldMs = Number(row['held_ms']);
    const text = `${holderOf(row)} has held a row lock for ${span(heldMs)}; for ${span(Number(row['waited_ms']))} it has kept waiting: ${shortOf(row['waiting'])}`;
    return { kind: 'row-lock', holder: Number(row['id']), heldMs, text };
  });
}

/** LOCK TABLES, ALTER, backups: no transaction shows them, only that others wait. Who holds the lock is known where the server keeps a list of them. */
async function tableLocks(needs: ObstacleNeeds, isMariadb: boolean): Promise<readonly Obstacle[]> {
  const { ask } = needs;
  const waiting = await ask(
    `SELECT ${who}, p.TIME_MS AS waited_ms, p.STATE AS state FROM information_schema.processlist p
     WHERE p.DB = DATABASE() AND p.STATE LIKE 'Waiting for%lock%' AND p.TIME_MS >= ${waitedMs} ORDER BY p.TIME_MS DESC LIMIT 20`.replaceAll(
      'p.TIME_MS',
      isMariadb ? 'p.TIME_MS' : 'p.TIME * 1000',
    ),
  );
  const longest = waiting[0];
  if (longest === undefined) return [];
  const heldMs = Math.round(Number(longest['waited_ms']));
  const what = `${waiting.length} ${waiting.length === 1 ? 'statement waits' : 'statements wait'} for a table lock, for ${span(heldMs)}: ${shortOf(longest['info'])}`;
  const known = await holders(ask, isMariadb);
  const [holder] = known ?? (await suspects(needs, heldMs));
  if (holder === undefined) return [{ kind: 'table-lock', holder: null, heldMs, text: `${what}; who holds it cannot be seen` }];
  const all = known ?? (await suspects(needs, heldMs));
  const names = all.slice(0, suspectsMax).map(holderOf).join(', or ');
  const text = known === null ? `${what}; probably held by ${names}` : `${what}; held by ${names}`;
  return [{ kind: 'table-lock', holder: Number(holder['id']), heldMs, text }];
}

/** Null where the server has no list of table locks. */
async function holders(ask: Ask, isMariadb: boolean): ReturnType<Ask> extends Promise<infer R> ? Promise<R | null> : never {
  const list = isMariadb
    ? `SELECT DISTINCT THREAD_ID AS id FROM information_schema.metadata_lock_info
       WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> '' AND LOCK_MODE IN ('MDL_SHARED_NO_WRITE', 'MDL_SHARED_NO_READ_WRITE', 'MDL_EXCLUSIVE', 'MDL_SHARED_READ_ONLY')`
    : `SELECT DISTINCT t.PROCESSLIST_ID AS id FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID
       WHERE l.OBJECT_SCHEMA = DATABASE() AND l.LOCK_STATUS = 'GRANTED' AND l.LOCK_TYPE IN ('SHARED_NO_WRITE', 'SHARED_NO_READ_WRITE', 'EXCLUSIVE', 'SHARED_READ_ONLY')`;
  try {
    return await ask(`SELECT ${who} FROM (${list}) l JOIN information_schema.processlist p ON p.ID = l.id WHERE p.ID <> CONNECTION_ID()`);
  } catch (error) {
    if (numberOf(error) === null) throw error;
    return null;
  }
}

/** Whoever sits in this database, does not wait, and did so before the first of us waited. */
async function suspects({ ask, own }: ObstacleNeeds, heldMs: number): Promise<Awaited<ReturnType<Ask>>> {
  if (own === null) return [];
  const rows = await ask(
    `SELECT ${who}, p.TIME AS seconds FROM information_schema.processlist p
     WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() AND (p.STATE IS NULL OR p.STATE NOT LIKE 'Waiting for%') AND p.TIME >= ${Math.floor(heldMs / 1000)}
     ORDER BY p.TIME DESC LIMIT 20`,
  );
  return rows.filter((row) => !own.has(Number(row['id'])));
}

const holderOf = (row: Readonly<Record<string, unknown>>): string =>
  `connection ${row['id']} (${row['user']}@${row['host']}, ${row['command'] === 'Sleep' ? 'asleep' : shortOf(row['info'] ?? row['command'])})`;

const shortOf = (text: unknown): string => {
  const line = String(text ?? 'a statement')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > textMax ? `${line.slice(0, textMax)}…` : line;
};

/** Not allowed, or not there in this version. */
const isRefused = (error: unknown): boolean => [1044, 1045, 1142, 1143, 1227, 1109, 1146].includes(numberOf(error) ?? 0);
const numberOf = (error: unknown): number | null => {
  const { errno, sqlState } = (error ?? {}) as { errno?: unknown; sqlState?: unknown };
  return typeof errno === 'number' && sqlState !== undefined ? errno : null;
};
