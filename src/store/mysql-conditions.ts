import type { Condition } from '../world.ts';
import { span } from './span.ts';

type Rows = readonly Readonly<Record<string, unknown>>[];
export type ConditionNeeds = {
  /** Where it is, as `store.url` has it. */
  readonly server: string;
  readonly ask: (sql: string) => Promise<Rows>;
  /** Ours, quoted; what is not made yet is left out. */
  readonly tables: readonly string[];
  /** How many servers `store.url` names. */
  readonly servers: number;
  readonly isEncrypted: boolean;
  readonly isLocal: boolean;
};

type Judged = Omit<Condition, 'server'>;
type Known = ReadonlyMap<string, string>;

const wanted = [
  'version',
  'innodb_flush_log_at_trx_commit',
  'innodb_doublewrite',
  'log_bin',
  'binlog_format',
  'sync_binlog',
  'read_only',
  'super_read_only',
  'innodb_read_only',
  'max_allowed_packet',
  'wsrep_on',
];
const wantedStatus = ['wsrep_ready', 'wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_local_state_comment', 'wsrep_local_recv_queue'];
/** The longest report that is made; what does not fit is cut in the store and whole in the archive. */
const packetBytesMin = 16 * 1024 * 1024;
const skewMaxMs = 2000;
const lagMaxSeconds = 5;

/** What makes this server a safe system of record, one by one (RELIABILITY A.5), with what to change where it is not. Reads only. */
export async function mysqlConditions(needs: ConditionNeeds): Promise<readonly Condition[]> {
  const { ask, server } = needs;
  const known = await pairs(ask, `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${quoted(wanted)})`);
  const status = await pairs(ask, `SHOW GLOBAL STATUS WHERE Variable_name IN (${quoted(wantedStatus)})`);
  const judged = [
    version(known),
    flush(known),
    doublewrite(known),
    ...binlog(known),
    writable(known),
    ...cluster(known, status, needs.servers),
    packet(known),
    encryption(needs),
    await isolation(ask),
    await clock(ask),
    await skipLocked(ask, needs.tables),
    await engines(ask, needs.tables),
    await lag(ask),
    await process(ask),
  ];
  return judged.filter((it) => it !== null).map((it) => ({ ...it, server }));
}

const ok = (name: string, found: string): Judged => ({ name, status: 'healthy', found, change: null });
const is = (known: Known, name: string): boolean => /^(ON|1)$/i.test(known.get(name) ?? '');

function version(known: Known): Judged {
  const text = known.get('version') ?? 'unknown';
  const [major = 0, minor = 0] = text.split('.').map(Number.parseFloat);
  const fine = /mariadb/i.test(text) ? major > 10 || (major === 10 && minor >= 6) : major >= 8;
  return fine
    ? ok('version', text)
    : {
        name: 'version',
        status: 'degraded',
        found: text,
        change: 'update to MariaDB 10.6 or MySQL 8.0 or newer: older ones are not tested',
      };
}

function flush(known: Known): Judged {
  const name = 'innodb_flush_log_at_trx_commit';
  const found = known.get(name) ?? 'unknown';
  return found === '1'
    ? ok(name, found)
    : {
        name,
        status: 'unhealthy',
        found,
        change: `SET GLOBAL ${name} = 1, and in my.cnf: else a commit that was acknowledged is lost with the power`,
      };
}

function doublewrite(known: Known): Judged {
  const name = 'innodb_doublewrite';
  const found = known.get(name) ?? 'unknown';
  return /^(OFF|0)$/i.test(found)
    ? {
        name,
        status: 'degraded',
        found,
        change: `${name} = ON in my.cnf, unless the disk writes whole pages: else a page may be torn by a power cut`,
      }
    : ok(name, found);
}

function binlog(known: Known): Judged[] {
  if (!is(known, 'log_bin')) return [ok('binary log', 'off: no replica follows this server')];
  const format = known.get('binlog_format') ?? 'unknown';
  const sync = known.get('sync_binlog') ?? 'unknown';
  return [
    format === 'ROW'
      ? ok('binlog_format', format)
      : {
          name: 'binlog_format',
          status: 'degraded',
          found: format,
          change: "SET GLOBAL binlog_format = 'ROW': claims depend on the row as it stands",
        },
    sync === '1'
      ? ok('sync_binlog', sync)
      : {
          name: 'sync_binlog',
          status: 'degraded',
          found: sync,
          change: 'SET GLOBAL sync_binlog = 1: else replicas may lack commits after a crash',
        },
  ];
}

function writable(known: Known): Judged {
  const reason = ['read_only', 'super_read_only', 'innodb_read_only'].find(
    (name) => known.has(name) && !/^(OFF|0)$/i.test(known.get(name)!),
  );
  return reason === undefined
    ? ok('takes writes', 'yes')
    : {
        name: 'takes writes',
        status: 'degraded',
        found: `${reason} = ${known.get(reason)}`,
        change: 'nothing, where it is a replica; else SET GLOBAL read_only = 0',
      };
}

function cluster(known: Known, status: Known, servers: number): Judged[] {
  if (!is(known, 'wsrep_on')) {
    const found = servers > 1 ? `${servers} in order of preference; one is written to at a time` : 'one; while it is away completions wait';
    return [ok('servers', found)];
  }
  const ready = status.get('wsrep_ready') ?? 'unknown';
  const component = status.get('wsrep_cluster_status') ?? 'unknown';
  const size = Number(status.get('wsrep_cluster_size') ?? 0);
  return [
    ready === 'ON'
      ? ok('wsrep_ready', ready)
      : {
          name: 'wsrep_ready',
          status: 'unhealthy',
          found: ready,
          change: 'bring this member back into its cluster (its error log says why it is out)',
        },
    component === 'Primary'
      ? ok('wsrep_cluster_status', component)
      : {
          name: 'wsrep_cluster_status',
          status: 'unhealthy',
          found: component,
          change: 'it is cut off from the majority: mend the network between members',
        },
    size >= 3
      ? ok('voters', `${size} members`)
      : {
          name: 'voters',
          status: 'degraded',
          found: `${size} members`,
          change: 'add members (or garbd) up to three: with fewer the loss of one stops all',
        },
    ok('wsrep_sync_wait', '3 in each session of ours'),
    servers > 1
      ? ok('servers', `${servers} in order of preference; one is written to at a time`)
      : {
          name: 'servers',
          status: 'degraded',
          found: 'store.url names one member',
          change: 'name the others too, the same order on all hosts',
        },
  ];
}

function packet(known: Known): Judged {
  const name = 'max_allowed_packet';
  const bytes = Number(known.get(name));
  const found = `${Math.round(bytes / 1024 / 1024)} MiB`;
  return bytes >= packetBytesMin
    ? ok(name, found)
    : {
        name,
        status: 'degraded',
        found,
        change: `SET GLOBAL ${name} = ${packetBytesMin}: longer reports are cut in the store (the archive has them whole)`,
      };
}

const encryption = ({ isEncrypted, isLocal }: ConditionNeeds): Judged =>
  isEncrypted || isLocal
    ? ok('encryption', isEncrypted ? 'TLS' : 'not needed: it is this machine, or the end of a tunnel')
    : {
        name: 'encryption',
        status: 'degraded',
        found: 'none',
        change: 'add ?tls=verify to store.url, or use store.ssh: outputs travel in clear text',
      };

async function isolation(ask: ConditionNeeds['ask']): Promise<Judged> {
  await ask('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
  const [row] = await ask("SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')");
  const found = String(row?.['Value'] ?? 'unknown');
  return found === 'READ-COMMITTED'
    ? ok('isolation', 'READ COMMITTED in each session of ours')
    : { name: 'isolation', status: 'unhealthy', found, change: 'allow sessions to set READ COMMITTED (a proxy in between may refuse it)' };
}

async function clock(ask: ConditionNeeds['ask']): Promise<Judged> {
  const fromMs = performance.now();
  const [row] = await ask('SELECT CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS SIGNED) AS now_ms');
  const roundTripMs = performance.now() - fromMs;
  const aheadMs = Number(row?.['now_ms']) - (Date.now() - roundTripMs / 2);
  const found = `${span(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead of'} ours`;
  return Math.abs(aheadMs) <= skewMaxMs
    ? ok('clock', found)
    : { name: 'clock', status: 'degraded', found, change: 'let both follow a time server: leases go by its clock, reports by ours' };
}

async function skipLocked(ask: ConditionNeeds['ask'], tables: readonly string[]): Promise<Judged | null> {
  const [table] = tables;
  if (table === undefined) return null;
  try {
    await ask(`SELECT 1 FROM ${table} LIMIT 0 FOR UPDATE SKIP LOCKED`);
    return ok('SKIP LOCKED', 'understood; nothing depends on it');
  } catch (error) {
    if (numberOf(error) === null) throw error;
    return ok('SKIP LOCKED', 'not understood; nothing depends on it');
  }
}

async function engines(ask: ConditionNeeds['ask'], tables: readonly string[]): Promise<Judged> {
  const names = tables.map((table) => `'${table.replaceAll('`', '')}'`).join(', ');
  if (names === '') return ok('tables', 'none made yet');
  const rows = await ask(
    `SELECT table_name AS name, engine AS engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN (${names}) AND engine <> 'InnoDB'`,
  );
  if (rows.length === 0) return ok('tables', `${tables.length}, all InnoDB`);
  const found = rows.map((row) => `${row['name']} is ${row['engine']}`).join(', ');
  return { name: 'tables', status: 'unhealthy', found, change: 'ALTER TABLE … ENGINE=InnoDB: others know no transactions' };
}

async function lag(ask: ConditionNeeds['ask']): Promise<Judged> {
  const name = 'replication lag';
  try {
    const [row] = await ask('SHOW SLAVE STATUS');
    if (row === undefined) return ok(name, 'it follows nobody');
    const seconds = row['Seconds_Behind_Master'];
    if (seconds === null)
      return {
        name,
        status: 'degraded',
        found: 'it follows another server and does not keep up',
        change: 'mend its replication: SHOW SLAVE STATUS',
      };
    return Number(seconds) <= lagMaxSeconds
      ? ok(name, `${seconds} s`)
      : { name, status: 'degraded', found: `${seconds} s`, change: 'write to it only when it has caught up' };
  } catch (error) {
    if (numberOf(error) === null) throw error;
    return { name, status: 'healthy', found: 'may not be seen by this account (REPLICA MONITOR), or it follows nobody', change: null };
  }
}

async function process(ask: ConditionNeeds['ask']): Promise<Judged> {
  const name = 'who holds locks';
  try {
    await ask('SELECT trx_id FROM information_schema.innodb_trx LIMIT 1');
    return ok(name, 'can be seen');
  } catch (error) {
    if (numberOf(error) === null) throw error;
    return {
      name,
      status: 'degraded',
      found: 'cannot be seen by this account',
      change: 'GRANT PROCESS ON *.* TO it: then a store that is held up says by whom',
    };
  }
}

async function pairs(ask: ConditionNeeds['ask'], sql: string): Promise<Known> {
  return new Map((await ask(sql)).map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]));
}

const quoted = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(', ');

const numberOf = (error: unknown): number | null => {
  const { errno, sqlState } = (error ?? {}) as { errno?: unknown; sqlState?: unknown };
  return typeof errno === 'number' && sqlState !== undefined ? errno : null;
};
