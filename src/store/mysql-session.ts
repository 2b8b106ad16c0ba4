import type { Line, Wanted } from './mysql-servers.ts';

/** What a server said of itself. */
export type Member = {
  /** By the monotonic clock. */
  readonly seenAtMs: number;
  readonly packetBytesMax: number;
  /** Galera. */
  readonly isCluster: boolean;
  /** Galera: why this member takes nothing now; null: it does, or there is no cluster. */
  readonly notReady: string | null;
  /** Which setting keeps it from taking writes. */
  readonly readOnly: string | null;
};

const readOnlySettings = ['read_only', 'super_read_only', 'innodb_read_only'];
const asked = [...readOnlySettings, 'max_allowed_packet', 'wsrep_on', 'idle_transaction_timeout'];

/** UTC, strict, READ COMMITTED; waits for locks end before our deadline does, and a transaction that we lost ends soon. */
export async function prepareSession(line: Pick<Line, 'query'>, deadlineMs: number): Promise<Member> {
  const known = await variables(line);
  const isCluster = known.get('wsrep_on') === 'ON';
  // Asked before reads wait for the cluster: a member that is cut off would not even say so.
  const status = isCluster ? await clusterStatus(line) : new Map<string, string>();
  const deadlineSeconds = Math.max(1, Math.ceil(deadlineMs / 1000));
  const lockSeconds = Math.max(1, Math.floor(deadlineSeconds / 3));
  const settings = [
    `time_zone = '+00:00'`,
    `sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'`,
    'autocommit = 1',
    `innodb_lock_wait_timeout = ${lockSeconds}`,
    // Of tables: a day unless it is said, and a statement that nobody waits for any more stays in the line for so long.
    `lock_wait_timeout = ${lockSeconds}`,
    // Galera: a read sees what was committed on another node before it.
    ...(isCluster ? ['wsrep_sync_wait = 3'] : []),
    // MariaDB: where our end was cut off without a word, its locks are free again after this.
    ...(known.has('idle_transaction_timeout') ? [`idle_transaction_timeout = ${deadlineSeconds}`] : []),
  ];
  const member = memberOf(known, status);
  if (member.notReady !== null) return member;
  await line.query(`SET ${settings.map((setting) => `SESSION ${setting}`).join(', ')}`);
  await line.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  return member;
}

/** MariaDB: a snapshot may rest for so long between two reads. Longer, and the server ends it, so that none is left behind for ever. */
const snapshotIdleSeconds = 600;

/** All that is read over this connection from here on is of this moment. No row is locked, nobody has to wait. */
export async function beginSnapshot(line: Pick<Line, 'query'>): Promise<void> {
  const [idleLimit] = (await line.query("SHOW VARIABLES LIKE 'idle_transaction_timeout'")) as unknown[];
  if (idleLimit !== undefined) await line.query(`SET SESSION idle_transaction_timeout = ${snapshotIdleSeconds}`);
  await line.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await line.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
}

/** A later look over a connection that was prepared: what may have changed since. */
export async function lookAgain(line: Pick<Line, 'query'>, before: Member | undefined): Promise<Member> {
  const isCluster = before?.isCluster === true;
  if (isCluster) await line.query('SET SESSION wsrep_sync_wait = 0');
  const known = await variables(line);
  const status = isCluster ? await clusterStatus(line) : new Map<string, string>();
  if (isCluster) await line.query('SET SESSION wsrep_sync_wait = 3');
  return memberOf(known, status);
}

export function memberOf(known: ReadonlyMap<string, string>, status: ReadonlyMap<string, string>): Member {
  const isCluster = known.get('wsrep_on') === 'ON';
  const ready = status.get('wsrep_ready');
  const component = status.get('wsrep_cluster_status');
  const notReady = !isCluster
    ? null
    : ready !== 'ON'
      ? `wsrep_ready is ${ready ?? 'not known'}`
      : component !== 'Primary'
        ? `wsrep_cluster_status is ${component ?? 'not known'}`
        : null;
  const readOnly = readOnlySettings.find((name) => known.has(name) && !/^(OFF|0)$/i.test(known.get(name)!));
  return {
    seenAtMs: performance.now(),
    packetBytesMax: Number(known.get('max_allowed_packet')),
    isCluster,
    notReady,
    readOnly: readOnly === undefined ? null : `${readOnly} is ${known.get(readOnly)}`,
  };
}

/** Null, or the error that the server itself would answer with: what becomes of it stands in one table. */
export function whyNot(member: Member, wanted: Wanted): Error | null {
  if (member.notReady !== null) return refusal(1047, '08S01', `not a ready member of its cluster: ${member.notReady}`);
  if (wanted === 'write' && member.readOnly !== null) return refusal(1290, 'HY000', `it takes no writes: ${member.readOnly}`);
  return null;
}

const refusal = (errno: number, sqlState: string, message: string): Error => Object.assign(new Error(message), { errno, sqlState });

const variables = (line: Pick<Line, 'query'>) =>
  pairs(line, `SHOW VARIABLES WHERE Variable_name IN (${asked.map((name) => `'${name}'`).join(', ')})`);
const clusterStatus = (line: Pick<Line, 'query'>) =>
  pairs(line, `SHOW STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status')`);

async function pairs(line: Pick<Line, 'query'>, sql: string): Promise<ReadonlyMap<string, string>> {
  const rows = (await line.query(sql)) as { Variable_name: string; Value: string }[];
  return new Map(rows.map(({ Variable_name, Value }) => [Variable_name.toLowerCase(), Value]));
}
