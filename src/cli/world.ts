import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { clock } from '../platform/clock.ts';
import { ask } from '../platform/control-socket.ts';
import { digest } from '../platform/digest.ts';
import { files } from '../platform/files.ts';
import { configPath, homeId, homeRoot, makeHome } from '../platform/home.ts';
import { hostOf } from '../platform/host.ts';
import { openJournal } from '../platform/journal.ts';
import { network } from '../platform/network.ts';
import { createProcesses } from '../platform/processes.ts';
import { random } from '../platform/random.ts';
import { createResources } from '../platform/resources.ts';
import { type Committer, createCommitter, type Database, openDatabase } from '../platform/sqlite.ts';
import { createTerminals } from '../platform/terminals.ts';
import type { Home, Log, ProcessEnd, Settings, Store, World } from '../world.ts';
import type { Call, Opened, OpenOptions } from './command.ts';
import { configuredHome } from './configured-home.ts';
import { hooksFolder, programFolder, todoCommand } from './program.ts';
import { secretsOf } from './secrets.ts';

type Question = Pick<Call, 'home' | 'env' | 'cwd'>;

/** The real world of a home. Journal, store, terminals and logs come to life when they are first asked for. */
export async function openWorld(
  { home: flag, env, cwd }: Question,
  { readOnly = false, log: logWanted = false, debug = false, snapshot = false, mirror, maxMemoryBytes }: OpenOptions = {},
): Promise<Opened> {
  const given = maxMemoryBytes === undefined ? env : { ...env, TODO_RESOURCE_MAX_MEMORY_MB: String(maxMemoryBytes / 1024 ** 2) };
  const root = homeRoot({ flag, env, cwd, programFolder });
  const settings = logWanted && !readOnly ? await settingsFor(root, given, (next) => secretsOf({ world, config: next })) : null;
  const { config, warnings, home } = await configuredHome(root, given, { readOnly });
  const opened = new AsyncDisposableStack();
  const exitListeners = new Set<(end: ProcessEnd) => void>();
  if (!readOnly) makeHome(home);
  const log =
    logWanted && !readOnly
      ? await fileLog(home, debug ? { ...config, logging: { ...config.logging, level: 'debug' } } : config, mirror, opened)
      : silentLog;
  const processes = createProcesses({ onExit: (end) => exitListeners.forEach((listener) => void listener(end)) });
  const terminals = createTerminals({ homeId: homeId(root) });

  const local = once(() => {
    const seen = readOnly ? databaseToLookAt(home.database, config) : null;
    const database = seen ?? openDatabase(readOnly ? emptyPath(opened) : home.database);
    const committer = createCommitter(database);
    opened.defer(() => {
      committer.flush();
      database.close();
    });
    // Made together with the file, so that who only looks finds it.
    return { database, committer, journal: openJournal(database, committer, clock), mayDefine: seen === null };
  });
  const journal = lazily(() => local().journal);
  const asked = openedFirst(
    await storeOf(config, log, local, opened, logWanted && !readOnly),
    () => !readOnly || (isSqlite(config.store.url) && local().mayDefine),
  );

  const host = hostOf({ root, env, todoCommand, hooksFolder });
  const asking = (request: Parameters<Opened['ask']>[0], timeoutMs = 10_000) => ask(home.socket, request, timeoutMs);
  const { store, stale } =
    snapshot && !isSqlite(config.store.url)
      ? (await import('./stale-store.ts')).staleStore(asked, { config, ask: asking, world: { journal, files, digest, clock, home, host } })
      : { store: asked, stale: () => null };
  const world: World = {
    clock,
    random,
    digest,
    files,
    processes,
    terminals,
    resources: createResources(),
    journal,
    store,
    network,
    log,
    host,
    home,
  };
  return {
    world,
    config,
    settings,
    warnings,
    ask: asking,
    async wake() {
      try {
        return (await asking({ op: 'wake' }, 1000)) !== null;
      } catch {
        // It is there but busy; its next scan finds what we wrote.
        return true;
      }
    },
    stale,
    onProcessEnd: (listener) => void exitListeners.add(listener),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Of who lives on and may see the configuration change; taken before it is read. */
async function settingsFor(root: string, env: Question['env'], secrets: (config: Config) => readonly string[]): Promise<Settings> {
  const { settingsFile } = await import('../platform/settings-file.ts');
  return settingsFile({ path: configPath(root), env, secretsOf: secrets });
}

/** A store is opened by its first question, so a daemon starts while MySQL is away. Who only looks makes no schema. */
function openedFirst(store: Store, mayDefine: () => boolean): Store {
  let ready: Promise<void> | null = null;
  const open = () => {
    ready ??= (mayDefine() ? store.open() : Promise.resolve()).catch((error: unknown) => {
      ready = null;
      throw error;
    });
    return ready;
  };
  return new Proxy(store, {
    get(target, name: keyof Store) {
      const member = target[name];
      if (typeof member !== 'function' || name === 'figures' || name === 'close')
        return typeof member === 'function' ? member.bind(target) : member;
      if (name === 'open') return open;
      return async (...args: unknown[]) => {
        await open();
        return (member as (...given: unknown[]) => unknown).apply(target, args);
      };
    },
  });
}

type Local = { readonly database: Database; readonly committer: Committer };

const isSqlite = (url: string | null): url is null => url === null || url.startsWith('sqlite:');

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Made at the first use of any member; what goes wrong is told to whoever uses it. */
function lazily<T extends object>(make: () => T): T {
  let made: T | null = null;
  return new Proxy({} as T, {
    get(_target, name) {
      // Asked of everything that is awaited: this is no promise.
      if (name === 'then') return undefined;
      made ??= make();
      const member = Reflect.get(made, name, made);
      return typeof member === 'function' ? member.bind(made) : member;
    },
  });
}

/** Who only looks makes nothing: where there is nothing to look at yet, he looks at an empty database elsewhere. */
function databaseToLookAt(path: string, { store }: Config): Database | null {
  if (!existsSync(path)) return null;
  const database = openDatabase(path, { readOnly: true });
  const wanted = isSqlite(store.url) ? ['journal', `${store.table_prefix}todo`] : ['journal'];
  const made = database.prepare(`SELECT name FROM sqlite_schema WHERE name IN (${wanted.map(() => '?').join(', ')})`).all(...wanted);
  if (made.length === wanted.length) return database;
  database.close();
  return null;
}

function emptyPath(opened: AsyncDisposableStack): string {
  const folder = mkdtempSync(join(tmpdir(), 'todo-empty-'));
  opened.defer(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'todo.db');
}

async function fileLog(
  home: Home,
  config: Config,
  mirror: ((line: string) => void) | undefined,
  opened: AsyncDisposableStack,
): Promise<Log> {
  const { openLog } = await import('../platform/log.ts');
  const log = openLog({ folder: home.logs, settings: config.logging, ...(mirror ? { mirror } : {}) });
  const flush = () => log.flush();
  process.on('exit', flush);
  opened.defer(async () => {
    await log.close();
    process.off('exit', flush);
  });
  return log;
}

/** Commands that move nothing have nothing to log. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {}, critical() {}, rotate() {} };

async function storeOf(config: Config, log: Log, local: () => Local, opened: AsyncDisposableStack, keepsEvents: boolean): Promise<Store> {
  const { url } = config.store;
  if (isSqlite(url)) {
    const { createSqliteStore } = await import('../store/sqlite.ts');
    return lazily(() =>
      createSqliteStore({
        database: local().database,
        committer: local().committer,
        clock,
        prefix: config.store.table_prefix,
        random,
        digest,
        log,
        keepsEvents,
      }),
    );
  }
  const [{ createMysqlStore }, { parseStoreUrl }, { storeMapOf }] = await Promise.all([
    import('../store/mysql.ts'),
    import('../store/url.ts'),
    import('../core/store-map.ts'),
  ]);
  const address = parseStoreUrl(url, config.store.password_file);
  if (address.kind !== 'mysql') throw new Error(`${address.describe()} is no MySQL address`);
  const { ssh } = config.store;
  const tunnel =
    ssh === null
      ? null
      : (await import('../store/tunnel.ts')).openTunnel({
          settings: ssh,
          timeoutMs: config.behavior.ssh_timeout * 1000,
          hosts: address.hosts,
          log,
        });
  const store = createMysqlStore({
    address,
    ...(tunnel && { reach: tunnel.reach, onClose: tunnel.close }),
    clock,
    random,
    digest,
    log,
    keepsEvents,
    prefix: config.store.table_prefix,
    map: config.store.map === null ? null : storeMapOf(config.store.map),
    deadlineMs: config.behavior.database_timeout * 1000,
    poolSize: config.store.pool,
  });
  opened.defer(() => store.close());
  return store;
}
