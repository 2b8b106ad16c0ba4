import type { Connection, Pool, PoolConnection } from 'mysql2/promise';
import type { Clock } from '../world.ts';
import { isAboutThisServer } from './mysql-errors.ts';
import type { MysqlAddress } from './url.ts';
import type { Value } from './work.ts';

/** A connection for as long as one attempt has it. Ends in exactly one of release and destroy; calling again does nothing. */
export type Line = {
  readonly server: number;
  /** Opened for this attempt; an older one may have died while nobody looked. */
  readonly fresh: boolean;
  query(sql: string): Promise<unknown>;
  execute(sql: string, values: readonly Value[]): Promise<unknown>;
  release(): void;
  /** Closes the socket at once: no goodbye to a server that may not listen. */
  destroy(): void;
};

export type Servers = ReturnType<typeof connectServers>;

/** Covers the handshake: a server that is stopped still accepts connections. */
const connectTimeoutMs = 3000;
const goodbyeMs = 1000;

/** A pool for each server of the address. One of them is in use, the first in order that could be reached, until it fails. */
export function connectServers(address: MysqlAddress, poolSize: number, deadlineMs: number) {
  const pools = new Map<number, Pool>();
  const open = new Set<object>();
  const inUse = new Set<Line>();
  const whenQuiet: (() => void)[] = [];
  const prepared = new WeakSet<object>();
  let current = 0;
  let waiting = 0;
  let packetBytesMax: number | null = null;

  async function poolOf(index: number): Promise<Pool> {
    // Through `default`: a bundle knows no other name of a CommonJS module that it loads late.
    const { createPool } = (await import('mysql2/promise')).default;
    const known = pools.get(index);
    if (known !== undefined) return known;
    const pool = createPool({
      ...address.hosts[index]!,
      user: address.user,
      password: address.password(),
      database: address.database,
      connectionLimit: poolSize,
      connectTimeout: Math.min(connectTimeoutMs, deadlineMs),
      charset: 'utf8mb4',
      supportBigNumbers: true,
      trace: false,
      ...(address.tls === 'off' ? {} : { ssl: { rejectUnauthorized: address.tls === 'verify' } }),
    });
    pool.on('connection', (connection) => {
      open.add(connection);
      connection.once('end', () => open.delete(connection));
      // Told to whoever waits for its answer; nobody else needs to hear of it.
      connection.on('error', () => open.delete(connection));
    });
    pools.set(index, pool);
    return pool;
  }

  function lineOf(connection: PoolConnection, server: number, fresh: boolean): Line {
    const once = (end: () => void) => () => {
      if (!inUse.delete(line)) return;
      end();
      if (inUse.size === 0) for (const quiet of whenQuiet.splice(0)) quiet();
    };
    const line: Line = {
      server,
      fresh,
      query: async (sql) => (await connection.query(sql))[0],
      execute: async (sql, values) => (await connection.execute(sql, [...values]))[0],
      release: once(() => connection.release()),
      destroy: once(() => {
        open.delete(connection.connection);
        connection.destroy();
        // destroy() of mysql2 says goodbye and waits; into a black hole that would be for ever.
        (connection.connection as Connection & { stream?: { destroy(): void } }).stream?.destroy();
      }),
    };
    inUse.add(line);
    return line;
  }

  async function connect(server: number, taken: (line: Line) => boolean): Promise<Line> {
    waiting += 1;
    const connection = await (await poolOf(server)).getConnection().finally(() => {
      waiting -= 1;
    });
    const fresh = !prepared.has(connection.connection);
    const line = lineOf(connection, server, fresh);
    if (!taken(line)) {
      line.release();
      throw new Error('nobody waits for this connection any more');
    }
    try {
      if (fresh) {
        packetBytesMax = await prepareSession(line, deadlineMs);
        prepared.add(connection.connection);
      }
      return line;
    } catch (error) {
      line.destroy();
      throw error;
    }
  }

  return {
    /** `taken` hears of the line before anything is sent over it, and says whether it is still wanted. */
    async acquire(taken: (line: Line) => boolean): Promise<Line> {
      const others = address.hosts.map((_, index) => index).filter((index) => index !== current);
      let first: unknown;
      for (const index of [current, ...others]) {
        try {
          const line = await connect(index, taken);
          current = index;
          return line;
        } catch (error) {
          if (!isAboutThisServer(error)) throw error;
          first ??= error;
        }
      }
      throw first;
    },
    /** Turns away from a server that does not take what it should; false where there is no other. */
    leave(line: Line | null): boolean {
      if (line === null || address.hosts.length < 2) return false;
      if (current === line.server) current = (current + 1) % address.hosts.length;
      return true;
    },
    /** As the last server that was connected to has it; null before. */
    packetBytesMax: () => packetBytesMax,
    figures: () => ({ active: inUse.size, idle: Math.max(0, open.size - inUse.size), limit: poolSize, waiting }),
    /** Lets what is on its way arrive, for a moment; then all that is open is closed. */
    async close(clock: Pick<Clock, 'sleep'>): Promise<void> {
      const settled = new AbortController();
      const patience = clock.sleep(goodbyeMs, settled.signal);
      const quiet = new Promise<void>((resolve) => (inUse.size === 0 ? resolve() : whenQuiet.push(resolve)));
      await Promise.race([quiet, patience]);
      for (const line of [...inUse]) line.destroy();
      await Promise.race([Promise.allSettled([...pools.values()].map((pool) => pool.end())), patience]);
      settled.abort();
      pools.clear();
    },
  };
}

/** UTC, strict, READ COMMITTED; waits for locks end before our deadline does, and a transaction that we lost ends soon. Returns max_allowed_packet. */
async function prepareSession(line: Line, deadlineMs: number): Promise<number> {
  const rows = await line.query(`SHOW VARIABLES WHERE Variable_name IN ('max_allowed_packet', 'wsrep_on', 'idle_transaction_timeout')`);
  const known = new Map((rows as { Variable_name: string; Value: string }[]).map(({ Variable_name, Value }) => [Variable_name, Value]));
  const deadlineSeconds = Math.max(1, Math.ceil(deadlineMs / 1000));
  const settings = [
    `time_zone = '+00:00'`,
    `sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'`,
    'autocommit = 1',
    `innodb_lock_wait_timeout = ${Math.max(1, Math.floor(deadlineSeconds / 3))}`,
    // Galera: a read sees what was committed on another node before it.
    ...(known.get('wsrep_on') === 'ON' ? ['wsrep_sync_wait = 3'] : []),
    // MariaDB: where our end was cut off without a word, its locks are free again after this.
    ...(known.has('idle_transaction_timeout') ? [`idle_transaction_timeout = ${deadlineSeconds}`] : []),
  ];
  await line.query(`SET ${settings.map((setting) => `SESSION ${setting}`).join(', ')}`);
  await line.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  return Number(known.get('max_allowed_packet'));
}
