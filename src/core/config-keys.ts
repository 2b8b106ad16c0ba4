import type { Config } from './config.ts';
import { isObject } from './shape.ts';

/** A key whose value is not what it was. */
export type ConfigChange = { readonly key: string; readonly from: unknown; readonly to: unknown };

/** TODO_ + the key in capitals: behavior.max_rounds → TODO_BEHAVIOR_MAX_ROUNDS. store.url → TODO_STORE_URL. */
export const environmentName = (key: string): string => `TODO_${key.replaceAll('.', '_').toUpperCase()}`;

/** Rooms with names below their keys: policies.job.max_retries, agents.claude.session. */
const nestedRooms: ReadonlySet<string> = new Set(['policies', 'breakers', 'agents']);

/** What a daemon takes up only when it starts: it is built into connections, open files and folders. */
const atStart: readonly RegExp[] = [
  /^store\./,
  /^paths\./,
  /^logging\./,
  /^server\./,
  /^behavior\.(database|ssh)_timeout$/,
  /^monitoring\.(watcher|blocked_limit)$/,
];

export const needsRestart = (key: string): boolean => atStart.some((pattern) => pattern.test(key));

/** Every value under its dotted key, in the order of the schema. */
export function flatConfig(config: unknown): Map<string, unknown> {
  const flat = new Map<string, unknown>();
  const add = (path: readonly string[], value: unknown): void => {
    const depth = nestedRooms.has(path[0] ?? '') ? 3 : 2;
    if (isObject(value) && path.length < depth) for (const [name, below] of Object.entries(value)) add([...path, name], below);
    else flat.set(path.join('.'), value);
  };
  add([], config);
  return flat;
}

/** What differs between two of these, sorted by key; an absent value is undefined. */
export function changesBetween(was: ReadonlyMap<string, unknown>, is: ReadonlyMap<string, unknown>): readonly ConfigChange[] {
  return [...new Set([...was.keys(), ...is.keys()])]
    .map((key) => ({ key, from: was.get(key), to: is.get(key) }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** The next configuration as a living daemon may use it: what needs a restart stays as it is in use. */
export function withoutRestart(inUse: Config, next: Config): Config {
  const { behavior, monitoring } = inUse;
  return {
    ...next,
    behavior: { ...next.behavior, database_timeout: behavior.database_timeout, ssh_timeout: behavior.ssh_timeout },
    paths: inUse.paths,
    logging: inUse.logging,
    store: inUse.store,
    server: inUse.server,
    monitoring: { ...next.monitoring, watcher: monitoring.watcher, blocked_limit: monitoring.blocked_limit },
  };
}

const masked = '***';

/** A value as logs and people may see it: no password, no secret of an agent, no path of a webhook. */
export function shownValue(key: string, value: unknown): unknown {
  if ((key === 'store.url' || key === 'server.redis_url') && typeof value === 'string')
    return value.replace(/^([a-z]+:\/\/[^/@:]*):[^/]*@/, `$1:${masked}@`);
  if (key === 'monitoring.webhook_url' && typeof value === 'string')
    return value.replace(/^([a-z]+:\/\/)(?:[^/@]*@)?([^/?#]+).*$/, '$1$2/…');
  if (/^agents\.[^.]+\.env$/.test(key) && isObject(value)) return Object.fromEntries(Object.keys(value).map((name) => [name, masked]));
  if (/^agents\.[^.]+$/.test(key) && isObject(value) && isObject(value['env']))
    return { ...value, env: Object.fromEntries(Object.keys(value['env']).map((name) => [name, masked])) };
  return value ?? null;
}

export const shownChange = ({ key, from, to }: ConfigChange): ConfigChange => ({
  key,
  from: shownValue(key, from),
  to: shownValue(key, to),
});
