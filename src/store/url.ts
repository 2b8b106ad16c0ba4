import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { OperationalError } from '../core/errors.ts';

export type StoreAddress =
  /** The home's own todo.db. */
  { readonly kind: 'sqlite'; describe(): string } | MysqlAddress;

export type MysqlAddress = {
  readonly kind: 'mysql';
  /** In order of preference. */
  readonly hosts: readonly Host[];
  readonly user: string;
  readonly database: string;
  /** verify: only to a server whose certificate is good · encrypt: to any · off. */
  readonly tls: 'off' | 'encrypt' | 'verify';
  /** A function, so that no dump, log or error of this object shows it. */
  password(): string;
  /** For people and logs: without the password. */
  describe(): string;
};

export type Host = { readonly host: string; readonly port: number };

/** Reads `store.url` and `store.password_file`. CONFIG_INVALID says what is wrong, and never repeats the address: it may hold a password. */
export function parseStoreUrl(url: string | null, passwordFile: string | null = null): StoreAddress {
  const scheme = /^([a-z0-9+]+):/i.exec(url ?? 'sqlite:')?.[1]?.toLowerCase();
  if (scheme === 'sqlite') {
    if (url !== null && url.slice('sqlite:'.length) !== '')
      throw invalid('"sqlite:" is the todo.db of the home and takes no path', 'Choose the home instead: --home or TODO_HOME.');
    return { kind: 'sqlite', describe: () => 'sqlite: (todo.db of the home)' };
  }
  if (scheme === 'mysql' || scheme === 'mariadb') return mysqlAddress(url!, passwordFile);
  throw invalid(scheme === undefined ? 'it has no scheme' : `"${scheme}:" is no known kind of store`);
}

const defaultPort = 3306;

function mysqlAddress(url: string, passwordFile: string | null): MysqlAddress {
  // `new URL` knows one host only.
  const parts = /^[a-z]+:\/\/(?<authority>[^/?#]*)\/(?<database>[^/?#]+)(?:\?(?<query>[^#]*))?$/i.exec(url)?.groups;
  if (parts === undefined) throw invalid('it does not read mysql://user:password@host:port/database');
  const authority = parts['authority'] ?? '';
  const at = authority.lastIndexOf('@');
  const account = at < 0 ? '' : authority.slice(0, at);
  const colon = account.indexOf(':');
  const user = decoded(colon < 0 ? account : account.slice(0, colon), 'user');
  const inUrl = colon < 0 ? null : decoded(account.slice(colon + 1), 'password');
  if (user === '') throw invalid('it names no user');
  if (inUrl !== null && passwordFile !== null) throw invalid('a password stands in store.url and in store.password_file; keep one');
  const password = inUrl ?? (passwordFile === null ? '' : passwordIn(passwordFile));
  const hosts = authority
    .slice(at + 1)
    .split(',')
    .map(hostOf);
  const database = decoded(parts['database'] ?? '', 'database');
  const tls = tlsOf(parts['query'] ?? '');
  const shown = `mysql://${user}@${hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',')}/${database}`;
  return { kind: 'mysql', hosts, user, database, tls, password: () => password, describe: () => shown };
}

function hostOf(text: string): Host {
  const found = /^(?:\[(?<six>[0-9a-fA-F:.%]+)\]|(?<name>[^:[\]\s]+))(?::(?<port>[0-9]{1,5}))?$/.exec(text)?.groups;
  const port = found?.['port'] === undefined ? defaultPort : Number(found['port']);
  const host = found?.['six'] ?? found?.['name'];
  if (host === undefined || port < 1 || port > 65_535) throw invalid('a host does not read name, name:port or [address]:port');
  return { host, port };
}

function tlsOf(query: string): MysqlAddress['tls'] {
  for (const pair of query.split('&').filter(Boolean)) {
    if (pair === 'tls=verify') return 'verify';
    if (pair === 'tls=encrypt') return 'encrypt';
    if (pair !== 'tls=off') throw invalid('after "?" only tls=verify, tls=encrypt or tls=off may stand');
  }
  return 'off';
}

/** A file that others may read holds no secret. */
function passwordIn(path: string): string {
  const problem = (why: string, cause?: unknown) =>
    new OperationalError('CONFIG_INVALID', {
      operation: 'reading the password from',
      subject: path,
      why,
      cause,
      hint: `Make it yours and private: chmod 600 ${path}`,
    });
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (cause) {
    throw problem(`it cannot be opened (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, cause);
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw problem('it is not a regular file');
    if ((stat.mode & 0o077) !== 0) throw problem(`its mode is 0${(stat.mode & 0o777).toString(8)}, others may read or write it`);
    if (stat.size > 64 * 1024) throw problem('it is too large for a password');
    const password = readFileSync(descriptor, 'utf8').split(/\r?\n/, 1)[0] ?? '';
    if (password === '') throw problem('its first line is empty');
    return password;
  } finally {
    closeSync(descriptor);
  }
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`its ${what} has a "%" that is no escape (write %25)`);
  }
}

const invalid = (
  why: string,
  hint = 'Write mysql://user:password@host:port/database, several hosts with commas, special characters as %XX.',
) => new OperationalError('CONFIG_INVALID', { operation: 'reading', subject: 'store.url', why, hint });
