import type { ErrorCode } from '../core/errors.ts';

/** How far a transaction had gone when its error came: `commit` = COMMIT was sent and its answer may be lost. */
export type Sent = 'nothing' | 'statements' | 'commit';

/** again: rolled back for certain, the whole transaction may be run again · null: a defect in a statement. */
export type Judgement = 'again' | ErrorCode | null;

type Rule = {
  readonly means: 'again' | ErrorCode;
  /** What it means once COMMIT was sent; where nothing stands here, the answer is as good as lost. */
  readonly atCommit?: 'again' | ErrorCode;
};

/** Numbers of MySQL, MariaDB and Galera errors. One row a number: which may be tried again is decided here and nowhere else. */
const rules: Readonly<Record<number, Rule>> = {
  // Rolled back for certain.
  1213: { means: 'again', atCommit: 'again' }, // deadlock; a certification conflict, also as COMMIT's answer
  1020: { means: 'again', atCommit: 'again' }, // record has changed since last read (snapshot isolation)
  3101: { means: 'again', atCommit: 'again' }, // group replication: rolled back by certification
  1205: { means: 'again' }, // lock wait timeout: InnoDB keeps the transaction, so it is rolled back first
  9007: { means: 'again', atCommit: 'again' }, // TiDB: write conflict
  8022: { means: 'again', atCommit: 'again' }, // TiDB: the commit failed, safe to try again
  1412: { means: 'again' }, // somebody changed the table itself since this transaction began
  1206: { means: 'again' }, // more locks than fit
  1062: { means: 'again' }, // somebody made this row meanwhile: the next look sees it

  // Not executed.
  1047: { means: 'STORE_READ_ONLY', atCommit: 'STORE_READ_ONLY' }, // Galera: not in the primary component
  1290: { means: 'STORE_READ_ONLY', atCommit: 'STORE_READ_ONLY' }, // read_only, super_read_only
  1836: { means: 'STORE_READ_ONLY', atCommit: 'STORE_READ_ONLY' },
  1792: { means: 'STORE_READ_ONLY' }, // read-only transaction
  1040: { means: 'STORE_UNREACHABLE' }, // too many connections
  1129: { means: 'STORE_UNREACHABLE' }, // this host is blocked
  1203: { means: 'STORE_UNREACHABLE' }, // too many connections of this user
  1226: { means: 'STORE_UNREACHABLE' }, // a resource limit of this user
  1053: { means: 'STORE_UNREACHABLE' }, // shutdown in progress
  1317: { means: 'STORE_UNREACHABLE' }, // query interrupted
  1927: { means: 'STORE_UNREACHABLE' }, // connection was killed
  4031: { means: 'STORE_UNREACHABLE' }, // disconnected for idling
  1153: { means: 'STORE_UNREACHABLE' }, // packet too large: this server takes less than the one before; its bound is known now
  1180: { means: 'STORE_UNREACHABLE' }, // error during COMMIT: without ours it was none
  3100: { means: 'STORE_UNREACHABLE' },
  3032: { means: 'STORE_UNREACHABLE' }, // offline mode
  3168: { means: 'STORE_UNREACHABLE' }, // not available yet
  1037: { means: 'STORE_UNREACHABLE' }, // out of memory
  1038: { means: 'STORE_UNREACHABLE' },
  1041: { means: 'STORE_UNREACHABLE' },
  1637: { means: 'STORE_UNREACHABLE' }, // too many transactions at once
  1105: { means: 'STORE_UNREACHABLE' }, // unknown error: of proxies (Vitess, ProxySQL) about the server behind them
  9001: { means: 'STORE_UNREACHABLE' }, // ProxySQL: no server in time; TiDB: its placement driver
  9002: { means: 'STORE_UNREACHABLE' }, // TiDB
  9005: { means: 'STORE_UNREACHABLE' },
  // The way to it, as the server or a proxy tells it.
  1152: { means: 'STORE_UNREACHABLE' },
  1156: { means: 'STORE_UNREACHABLE' },
  1157: { means: 'STORE_UNREACHABLE' },
  1158: { means: 'STORE_UNREACHABLE' },
  1159: { means: 'STORE_UNREACHABLE' },
  1160: { means: 'STORE_UNREACHABLE' },
  1161: { means: 'STORE_UNREACHABLE' },
  1184: { means: 'STORE_UNREACHABLE' },
  1296: { means: 'STORE_UNREACHABLE' }, // the engine says no
  1297: { means: 'STORE_UNREACHABLE' },
  1815: { means: 'STORE_UNREACHABLE' }, // internal error
  // A table that is damaged: nothing is lost here while a person mends it.
  1034: { means: 'STORE_UNREACHABLE' },
  1194: { means: 'STORE_UNREACHABLE' },
  1195: { means: 'STORE_UNREACHABLE' },
  1712: { means: 'STORE_UNREACHABLE' },
  1877: { means: 'STORE_UNREACHABLE' },
  1932: { means: 'STORE_UNREACHABLE' },
  1969: { means: 'STORE_TIMEOUT' }, // max_statement_time
  3024: { means: 'STORE_TIMEOUT' },

  // A person must act, then it goes on.
  1044: { means: 'STORE_ACCESS' },
  1045: { means: 'STORE_ACCESS' },
  1049: { means: 'STORE_ACCESS' }, // no such database
  1130: { means: 'STORE_ACCESS' }, // host not allowed
  1142: { means: 'STORE_ACCESS' },
  1143: { means: 'STORE_ACCESS' },
  1227: { means: 'STORE_ACCESS' },
  1698: { means: 'STORE_ACCESS' },
  1820: { means: 'STORE_ACCESS' }, // the password has expired
  1862: { means: 'STORE_ACCESS' },
  3118: { means: 'STORE_ACCESS' }, // the account is locked
  4151: { means: 'STORE_ACCESS' },
  1021: { means: 'STORE_FULL' },
  1114: { means: 'STORE_FULL' },

  // It never will.
  1146: { means: 'STORE_SCHEMA' }, // no such table
  1054: { means: 'STORE_SCHEMA' }, // no such column
  1048: { means: 'STORE_REFUSED' },
  1118: { means: 'STORE_REFUSED' },
  1264: { means: 'STORE_REFUSED' },
  1265: { means: 'STORE_REFUSED' },
  1267: { means: 'STORE_REFUSED' },
  1292: { means: 'STORE_REFUSED' },
  1300: { means: 'STORE_REFUSED' },
  1301: { means: 'STORE_REFUSED' },
  1364: { means: 'STORE_REFUSED' },
  1366: { means: 'STORE_REFUSED' },
  1406: { means: 'STORE_REFUSED' },
  1451: { means: 'STORE_REFUSED' },
  1452: { means: 'STORE_REFUSED' },
  1644: { means: 'STORE_REFUSED' }, // SIGNAL of somebody's trigger
  4025: { means: 'STORE_REFUSED' },
};

export function judge(error: unknown, sent: Sent): Judgement {
  const number = numberOf(error);
  const rule = number === null ? undefined : rules[number];
  // What is not known to be rolled back may have been committed: the same answer (1180) was seen for both.
  if (sent === 'commit') return rule?.atCommit ?? 'STORE_IN_DOUBT';
  if (rule !== undefined) return rule.means;
  // "Got error 28 from storage engine": no space left on the server's disk.
  // Below 1000 the server tells of its own files (EE_…): a temporary one that is gone, a disk that is full.
  if (number === 1030 || number === 1026 || (number !== null && number < 1000))
    return /\b28\b|no space/i.test(String((error as Error).message)) ? 'STORE_FULL' : 'STORE_UNREACHABLE';
  return isLostConnection(error) ? 'STORE_UNREACHABLE' : null;
}

/** Nothing more comes over this connection. */
export function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, fatal } = error as Error & { code?: unknown; fatal?: unknown };
  return (
    fatal === true ||
    (typeof code === 'string' && connectionCodes.test(code)) ||
    /connection is in closed state|Pool is closed/.test(error.message)
  );
}

const connectionCodes =
  /^(E(CONN(REFUSED|RESET|ABORTED)|PIPE|TIMEDOUT|NOTFOUND|AI_AGAIN|HOSTUNREACH|NETUNREACH|HOSTDOWN|NETDOWN|ADDRNOTAVAIL|NOENT)|PROTOCOL_.*|HANDSHAKE_.*|ERR_(STREAM|SOCKET|SSL|TLS)_.*)$/;

const numberOf = (error: unknown): number | null => {
  const { errno, sqlState } = (error ?? {}) as { errno?: unknown; sqlState?: unknown };
  // System errors have numbers too, negative ones.
  return typeof errno === 'number' && errno > 0 && (sqlState !== undefined || errno >= 1000) ? errno : null;
};

/** Whether another server of the same store may take what this one did not. */
export const isAboutThisServer = (error: unknown): boolean => {
  const judgement = judge(error, 'nothing');
  return judgement === 'STORE_READ_ONLY' || judgement === 'STORE_UNREACHABLE' || judgement === 'STORE_ACCESS';
};
