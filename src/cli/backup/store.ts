import type { Config } from '../../core/config.ts';
import { isOperational, OperationalError } from '../../core/errors.ts';
import { homeId } from '../../platform/home.ts';
import { createCommitter, openDatabase } from '../../platform/sqlite.ts';
import type { Driver, Source } from '../../store/driver.ts';
import type { MigrationNeeds, Moved } from '../../store/migrate.ts';
import type { MysqlDriver } from '../../store/mysql.ts';
import { sqliteDriver } from '../../store/sqlite.ts';
import type { World } from '../../world.ts';
import type { StoredAs } from './manifest.ts';

export type StoreNeeds = { readonly config: Config; readonly world: Pick<World, 'clock' | 'random' | 'digest' | 'log' | 'home'> };

/**
 * The store of a home whose todos are in MySQL, row by row into a file, by what `todo store migrate` moves one with: each row is read again and compared.
 * All of it is read in one snapshot, so what other hosts write meanwhile is in it whole or not at all.
 */
export async function copyStore(opened: StoreNeeds, file: string, step: (text: string) => void): Promise<StoredAs> {
  const { store } = opened.config;
  if (isOwnFile(store.url)) return { kind: 'in-database' };
  if (store.map !== null)
    return {
      kind: 'not-included',
      why: `its todos are in the table ${JSON.stringify(store.map.table ?? 'of store.map')}, which is backed up with its database (mysqldump)`,
    };
  await using stack = new AsyncDisposableStack();
  const { driver, described } = await mysqlOf(opened, stack);
  const from = stack.use(await driver.snapshot({ operation: 'backing up', subject: 'the store' }));
  const to = sqliteAt(file, opened);
  stack.defer(() => to.close());
  try {
    await move({ opened, from, to: to.driver, step });
  } catch (error) {
    if (!isOperational(error) || error.code !== 'STORE_CONFLICT') throw error;
    const hint = 'Its tables were altered while they were read: a program of another version came. Call it again.';
    throw new OperationalError('LOCKED', { operation: 'backing up', subject: 'the store', cause: error, hint });
  }
  return { kind: 'copied', from: described, prefix: store.table_prefix };
}

/** Puts the rows of a backup into the MySQL store of this home. One in use is refused; one that an interrupted restore began is finished. */
export async function restoreStore(opened: StoreNeeds, file: string, prefix: string, step: (text: string) => void): Promise<Moved> {
  await using stack = new AsyncDisposableStack();
  const to = await mysqlOf(opened, stack);
  const from = sqliteAt(file, opened);
  stack.defer(() => from.close());
  return await move({ opened, from: from.driver, fromPrefix: prefix, to: to.driver, step });
}

export const isOwnFile = (url: string | null): boolean => url === null || url.startsWith('sqlite:');

type Move = {
  readonly opened: StoreNeeds;
  readonly from: Source;
  readonly fromPrefix?: string;
  readonly to: Driver;
  readonly step: (text: string) => void;
};

async function move({ opened, from, fromPrefix, to, step }: Move): Promise<Moved> {
  const { world, config } = opened;
  const { migrate } = await import('../../store/migrate.ts');
  const prefix = config.store.table_prefix;
  const needs: MigrationNeeds = {
    from: { driver: from, prefix: fromPrefix ?? prefix },
    to: { driver: to, prefix },
    origin: homeId(world.home.root),
    apply: true,
    sha256: world.digest.sha256,
    log: world.log,
    onProgress: ({ doing, table, done, of }) => step(`${doing} ${table}: ${done} of ${of}`),
  };
  return await migrate(needs);
}

async function mysqlOf(
  { config, world }: StoreNeeds,
  stack: AsyncDisposableStack,
): Promise<{ readonly driver: MysqlDriver; readonly described: string }> {
  const [{ mysqlDriver }, { parseStoreUrl }] = await Promise.all([import('../../store/mysql.ts'), import('../../store/url.ts')]);
  const { log, clock, random } = world;
  const { store, behavior } = config;
  const address = parseStoreUrl(store.url, store.password_file);
  if (address.kind !== 'mysql') throw new Error(`${address.describe()} is no MySQL address`);
  const tunnel =
    store.ssh === null
      ? null
      : (await import('../../store/tunnel.ts')).openTunnel({
          settings: store.ssh,
          timeoutMs: behavior.ssh_timeout * 1000,
          hosts: address.hosts,
          log,
        });
  const driver = mysqlDriver({
    address,
    ...(tunnel && { reach: tunnel.reach, onClose: tunnel.close }),
    clock,
    random,
    log,
    deadlineMs: behavior.database_timeout * 1000,
    poolSize: 1,
  });
  stack.defer(() => driver.close());
  return { driver, described: address.describe() };
}

function sqliteAt(path: string, { world: { clock } }: StoreNeeds): { readonly driver: Driver; close(): void } {
  const database = openDatabase(path);
  const committer = createCommitter(database);
  return {
    driver: sqliteDriver(database, committer, clock),
    close() {
      committer.flush();
      // One file without a log beside it.
      database.exec('PRAGMA journal_mode = DELETE');
      database.close();
    },
  };
}
