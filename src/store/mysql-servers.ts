import type { Connection, ConnectionOptions, Pool, PoolConnection } from 'mysql2/promise';
import type { Clock } from '../world.ts';
import { isAboutThisServer } from './mysql-errors.ts';
import { lookAgain, type Member, prepareSession, whyNot } from './mysql-session.ts';
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

/** What a connection is wanted for: whoever writes needs a server that takes writes. */
export type Wanted = 'read' | 'write';

/** Where a server is reached: itself, or the near end of a tunnel. */
export type Reach = (server: number) => Promise<Pick<ConnectionOptions, 'host' | 'port' | 'socketPath'>>;

export type ServersNeeds = {
  readonly address: MysqlAddress;
  readonly poolSize: number;
  readonly deadlineMs: number;
  readonly reach?: Reach;
  /** Hears of each change of the server in use. */
  readonly onSwitch?: (from: string, to: string) => void;
};

export type Servers = ReturnType<typeof connectServers>;

/** Covers the handshake: a server that is stopped still accepts connections. */
const connectTimeoutMs = 3000;
const goodbyeMs = 1000;
/** A server that was demoted is noticed within this, also by an account that may write to it all the same. */
const lookEveryMs = 5000;
/** A server that failed is asked last for so long. */
const failedForMs = 2000;
/** The way to the server takes as long as the quickest answer within this, and within as long before: those that waited for a lock tell nothing. */
const journeysForMs = 2500;
/** How often a cluster's preferred member is asked whether it is back. */
const homeEveryMs = 60_000;

/**
 * A pool for each server of the address. One of them is in use: the first in order of preference that can be reached, is a ready member and takes writes.
 *
 * It is kept until it fails, then the order is walked from its start. Nothing returns to a preferred server by itself while the present one works:
 * with asynchronous replication that server may lack the newest rows, and a second failover helps nobody. Members of one Galera cluster all have
 * every row, and several writers cost conflicts: there the preferred one is taken again once it has been ready at a look, one a minute.
 * Where no server takes writes, reads may still go to one that is read-only.
 */
export function connectServers({ address, poolSize, deadlineMs, reach, onSwitch = () => {} }: ServersNeeds) {
  const { hosts } = address;
  const pools = new Map<number, Pool>();
  const open = new Map<object, number>();
  const inUse = new Set<Line>();
  const whenQuiet: (() => void)[] = [];
  const prepared = new WeakSet<object>();
  const members = new Map<number, Member>();
  const failedAtMs = new Map<number, number>();
  let journey = { fromMs: Number.NEGATIVE_INFINITY, ms: Number.POSITIVE_INFINITY, beforeMs: Number.POSITIVE_INFINITY };
  let current = 0;
  let waiting = 0;
  let homeDueMs = performance.now() + homeEveryMs;
  let packetBytesMax: number | null = null;

  const nameOf = (server: number): string => `${hosts[server]!.host}:${hosts[server]!.port}`;
  const mysql2 = async () => (await import('mysql2/promise')).default;

  async function optionsOf(server: number): Promise<ConnectionOptions> {
    return {
      ...(reach === undefined ? hosts[server]! : await reach(server)),
      user: address.user,
      password: address.password(),
      database: address.database,
      connectTimeout: Math.min(connectTimeoutMs, deadlineMs),
      charset: 'utf8mb4',
      supportBigNumbers: true,
      trace: false,
      ...(address.tls === 'off' ? {} : { ssl: { rejectUnauthorized: address.tls === 'verify' } }),
    };
  }

  async function poolOf(server: number): Promise<Pool> {
    // Through `default`: a bundle knows no other name of a CommonJS module that it loads late.
    const { createPool } = await mysql2();
    const options = await optionsOf(server);
    const known = pools.get(server);
    if (known !== undefined) return known;
    const pool = createPool({ ...options, connectionLimit: poolSize });
    pool.on('connection', (connection) => {
      open.set(connection, connection.threadId ?? 0);
      connection.once('end', () => open.delete(connection));
      // Told to whoever waits for its answer; nobody else needs to hear of it.
      connection.on('error', () => open.delete(connection));
    });
    pools.set(server, pool);
    return pool;
  }

  function lineOf(connection: PoolConnection, server: number, fresh: boolean): Line {
    const once = (end: () => void) => () => {
      if (!inUse.delete(line)) return;
      end();
      if (inUse.size === 0) for (const quiet of whenQuiet.splice(0)) quiet();
    };
    const answered = async (answer: Promise<readonly [unknown, ...unknown[]]>): Promise<unknown> => {
      const fromMs = performance.now();
      const [first] = await answer;
      journeyed(performance.now() - fromMs);
      return first;
    };
    const line: Line = {
      server,
      fresh,
      query: (sql) => answered(connection.query(sql)),
      execute: (sql, values) => answered(connection.execute(sql, [...values])),
      release: once(() => connection.release()),
      destroy: once(() => {
        open.delete(connection.connection);
        hangUp(connection);
      }),
    };
    inUse.add(line);
    return line;
  }

  function journeyed(ms: number): void {
    const forMs = performance.now() - journey.fromMs;
    if (forMs <= journeysForMs) journey.ms = Math.min(journey.ms, ms);
    else journey = { fromMs: performance.now(), ms, beforeMs: forMs <= 2 * journeysForMs ? journey.ms : Number.POSITIVE_INFINITY };
  }

  async function connect(server: number, taken: (line: Line) => boolean): Promise<Line> {
    waiting += 1;
    const connection = await poolOf(server)
      .then((pool) => pool.getConnection())
      .finally(() => {
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
        const member = await prepareSession(line, deadlineMs);
        packetBytesMax = member.packetBytesMax;
        members.set(server, member);
        if (member.notReady === null) prepared.add(connection.connection);
      } else if (mayHaveChanged(server)) {
        members.set(server, await lookAgain(line, members.get(server)));
      }
      return line;
    } catch (error) {
      line.destroy();
      throw error;
    }
  }

  /** A server that takes no writes is asked each time, so that work goes on as soon as it does. */
  function mayHaveChanged(server: number): boolean {
    const member = members.get(server);
    return member === undefined || performance.now() - member.seenAtMs > lookEveryMs || whyNot(member, 'write') !== null;
  }

  /** The one in use first, then by preference; whoever failed a moment ago comes last. */
  function walk(): number[] {
    const nowMs = performance.now();
    const rank = (server: number): number =>
      (nowMs - (failedAtMs.get(server) ?? Number.NEGATIVE_INFINITY) < failedForMs ? 2 * hosts.length : 0) +
      (server === current ? 0 : 1 + server);
    return hosts.map((_, server) => server).sort((a, b) => rank(a) - rank(b));
  }

  function take(server: number): void {
    failedAtMs.delete(server);
    if (server === current) return;
    const from = current;
    current = server;
    homeDueMs = performance.now() + homeEveryMs;
    onSwitch(nameOf(from), nameOf(server));
  }

  /** In a cluster only; beside the operation that is under way, which has its server already. */
  async function lookHome(): Promise<void> {
    homeDueMs = performance.now() + homeEveryMs;
    for (let server = 0; server < current; server++) {
      try {
        const line = await connect(server, () => true);
        line.release();
        const member = members.get(server);
        if (member?.isCluster && whyNot(member, 'write') === null) return take(server);
      } catch (error) {
        if (!isAboutThisServer(error)) throw error;
      }
    }
  }

  return {
    /** `taken` hears of the line before anything is sent over it, and says whether it is still wanted. */
    async acquire(wanted: Wanted, taken: (line: Line) => boolean): Promise<Line> {
      const refused: { server: number; error: unknown }[] = [];
      let readable: number | null = null;
      for (const server of walk()) {
        try {
          const line = await connect(server, taken);
          const reason = whyNot(members.get(server)!, 'write');
          if (reason === null) {
            take(server);
            if (current > 0 && members.get(server)!.isCluster && performance.now() >= homeDueMs) void lookHome().catch(() => {});
            return line;
          }
          line.release();
          if (wanted === 'read' && whyNot(members.get(server)!, 'read') === null) readable ??= server;
          throw reason;
        } catch (error) {
          if (!isAboutThisServer(error)) throw error;
          failedAtMs.set(server, performance.now());
          refused.push({ server, error });
        }
      }
      if (readable !== null) return await connect(readable, taken);
      throw together(refused.map(({ server, error }) => ({ name: nameOf(server), error })));
    },
    /** Turns away from a server that does not take what it should; false where there is no other. */
    leave(line: Line | null): boolean {
      if (line === null) return false;
      // What it said of itself before is not true any more.
      const member = members.get(line.server);
      if (member !== undefined) members.set(line.server, { ...member, seenAtMs: Number.NEGATIVE_INFINITY });
      if (hosts.length < 2) return false;
      failedAtMs.set(line.server, performance.now());
      return true;
    },
    /** As the last server that was connected to has it; null before. */
    packetBytesMax: () => packetBytesMax,
    figures: () => ({
      active: inUse.size,
      idle: Math.max(0, open.size - inUse.size),
      limit: poolSize,
      waiting,
      journeyMs: journey.ms === Number.POSITIVE_INFINITY ? 0 : Math.min(journey.ms, journey.beforeMs),
      server: hosts.length > 1 ? nameOf(current) : null,
    }),
    nameOf,
    /** The server's numbers of our connections. */
    own: (): ReadonlySet<number> => new Set(open.values()),
    /** One connection beside the pool, which may be waiting as a whole. */
    async aside<T>(work: (query: (sql: string) => Promise<unknown>) => Promise<T>, server = current): Promise<T> {
      const { createConnection } = await mysql2();
      const connection = await createConnection(await optionsOf(server));
      // A connection that is lost tells whoever waits for an answer.
      connection.on('error', () => {});
      try {
        return await work(async (sql) => (await connection.query(sql))[0]);
      } finally {
        hangUp(connection);
      }
    },
    /** Closes all that is open, also what is waiting, and opens one anew. Returns how many were closed. */
    async reset(): Promise<number> {
      const closed = open.size;
      for (const line of [...inUse]) line.destroy();
      for (const pool of pools.values()) pool.end().catch(() => {});
      pools.clear();
      open.clear();
      members.clear();
      (await this.acquire('read', () => true)).release();
      return closed;
    },
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

/** destroy() of mysql2 says goodbye and waits; into a black hole that would be for ever. */
function hangUp(connection: Pick<Connection, 'destroy'>): void {
  connection.destroy();
  const inner = (connection as { connection?: unknown }).connection as { stream?: { destroy(): void } } | undefined;
  inner?.stream?.destroy();
}

/** One error for all servers: it counts as that of the first, and says what each of them said. */
function together(refused: readonly { readonly name: string; readonly error: unknown }[]): unknown {
  const [first] = refused;
  if (first === undefined || refused.length === 1 || !(first.error instanceof Error)) return first?.error;
  const all = refused.map(({ name, error }) => `${name}: ${error instanceof Error ? error.message : String(error)}`);
  const { errno, sqlState, code, fatal } = first.error as Error & Record<string, unknown>;
  return Object.assign(new Error(all.join('; '), { cause: first.error }), { errno, sqlState, code, fatal });
}
