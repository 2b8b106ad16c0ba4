import { OperationalError } from '../core/errors.ts';
import type { Log } from '../world.ts';
import type { Driver } from './driver.ts';
import { checked, type Names } from './names.ts';
import { applicationId, type Change, indexName, migrations, schemaVersion, type Table, tableNames, tablesNow } from './schema.ts';
import { affectedBy, rowOf, rowsOf, type Work } from './work.ts';

type Needs = {
  readonly driver: Driver;
  readonly names: Names;
  readonly prefix: string;
  readonly log: Pick<Log, 'info'>;
  /** Who moves a store into this one. */
  readonly isMoving?: boolean;
};

/** Looks whether the schema is there, whole and ours; makes what is missing; says so in four log events (P-13). Writes nothing where nothing is missing. */
export async function openSchema({ driver, names, prefix, log, isMoving = false }: Needs): Promise<void> {
  const about = { operation: 'checking the schema of', subject: `the ${driver.name} store` };
  log.info('monitor', 'store schema check starting…', { driver: driver.name });
  const seen = await driver.read(about, () => inspect(driver, names, prefix));
  refuseForeign(seen, prefix);
  if (seen.isHalfMoved && !isMoving) refuseHalfMoved();
  const { todos } = names;
  refuseAnothers(seen, todos.signature);
  if (todos.signature !== null) refuseMismatch(await driver.read(about, () => todos.problems()), todos.table);
  log.info('monitor', 'store schema check completed', { driver: driver.name, version: seen.version, missing: missingTables(seen, prefix) });
  const created = needsWork(seen, prefix, todos.signature) ? await driver.define(about, () => bringUp(driver, names, prefix)) : [];
  log.info('monitor', 'store initialized', { driver: driver.name, version: schemaVersion, created });
  log.info('monitor', 'store ready', { driver: driver.name });
}

type Seen = {
  /** Lower case, prefix included → columns, lower case. */
  readonly columns: ReadonlyMap<string, ReadonlySet<string>>;
  readonly application: number | null;
  /** 0 where there is nothing of ours. */
  readonly version: number;
  readonly lastNumber: number | null;
  readonly highestNumber: number;
  /** Of the table that these todos are tied to; null where they are our own. */
  readonly mapped: number | null;
  /** Another store is being moved into this one, or was and did not end. */
  readonly isHalfMoved: boolean;
};

function* inspect(driver: Driver, names: Names, prefix: string): Work<Seen> {
  const asked = driver.dialect.columnsOf(tableNames.map((table) => checked(`${prefix}${table}`)));
  const columns = new Map<string, Set<string>>();
  for (const row of yield* rowsOf(asked.sql, ...asked.values)) {
    const table = String(row['table_name']).toLowerCase();
    columns.set(table, (columns.get(table) ?? new Set()).add(String(row['column_name']).toLowerCase()));
  }
  const has = (table: string, ...wanted: string[]): boolean =>
    wanted.every((column) => columns.get(`${prefix}${table}`.toLowerCase())?.has(column));
  const meta = new Map<string, number>();
  if (has('store_meta', 'name', 'value'))
    for (const row of yield* rowsOf(`SELECT name, value FROM ${names.store_meta}`)) meta.set(String(row['name']), Number(row['value']));
  const highest = has('todo', 'number') ? yield* rowOf(`SELECT MAX(number) AS highest FROM ${names.todo}`) : null;
  const whole = tablesNow().every((table) => table.name === 'store_meta' || has(table.name, ...table.columns.map(({ name }) => name)));
  return {
    columns,
    application: meta.get('application') ?? null,
    // Where only store_meta was lost the tables speak for themselves.
    version: meta.get('version') ?? (whole ? schemaVersion : 0),
    lastNumber: meta.get('number') ?? null,
    mapped: meta.get('mapped') ?? null,
    isHalfMoved: meta.has('moving'),
    highestNumber: Number(highest?.['highest'] ?? 0),
  };
}

function refuseForeign(seen: Seen, prefix: string): void {
  const refuse = (why: string, hint?: string): never => {
    throw new OperationalError('STORE_SCHEMA', {
      operation: 'opening',
      subject: 'the store',
      why,
      ...(hint === undefined ? {} : { hint }),
    });
  };
  if (seen.application !== null && seen.application !== applicationId)
    refuse(`table ${prefix}store_meta is not ours (application ${seen.application})`);
  if (seen.version > schemaVersion)
    refuse(`its schema has version ${seen.version}, this program knows ${schemaVersion}`, 'Update signoff on this host.');
  for (const table of tablesAt(seen.version)) {
    const found = seen.columns.get(`${prefix}${table.name}`.toLowerCase());
    const lost = found === undefined ? [] : table.columns.filter(({ name }) => !found.has(name)).map(({ name }) => name);
    if (lost.length > 0) {
      const whose = seen.application === null ? 'is not ours' : 'has lost';
      refuse(
        `table ${prefix}${table.name} ${whose}${seen.application === null ? ': it has no' : ''} ${lost.length === 1 ? 'column' : 'columns'} ${lost.join(', ')}`,
        'Restore a backup (todo restore FILE), choose a store.table_prefix, or point store.url elsewhere.',
      );
    }
  }
}

/** Our numbers are their ids in a mapped store and our own in another: the two are never mixed. */
function refuseAnothers({ mapped, highestNumber }: Seen, signature: number | null): void {
  if (mapped === signature || (mapped === null && highestNumber === 0)) return;
  throw new OperationalError('STORE_SCHEMA', {
    operation: 'opening',
    subject: 'the store',
    why:
      signature === null
        ? "its todos stand in somebody's table, and store.map is not set"
        : mapped === null
          ? 'it has todos of its own, and store.map is set'
          : 'it belongs to another table than store.map.table',
    hint: 'Choose another store.table_prefix, or mend store.map.',
  });
}

function refuseHalfMoved(): never {
  throw new OperationalError('STORE_SCHEMA', {
    operation: 'opening',
    subject: 'the store',
    why: 'another store was being moved into it, and not all of it is there',
    hint: 'Finish it: todo store migrate --to … --apply, from the home that began it.',
  });
}

function refuseMismatch(problems: readonly string[], table: string): void {
  if (problems.length === 0) return;
  throw new OperationalError('STORE_SCHEMA', {
    operation: 'opening',
    subject: `table ${table}`,
    why: problems.join('; '),
    hint: 'See: todo store map --check',
  });
}

/** As tables stood at a version; where nothing of ours is there yet, nobody else's may have our names either. */
const tablesAt = (version: number): readonly Table[] => (version === 0 ? tablesNow() : tablesNow(version));

const missingTables = (seen: Seen, prefix: string): readonly string[] =>
  tablesNow().flatMap(({ name }) => (seen.columns.has(`${prefix}${name}`.toLowerCase()) ? [] : [name]));

const needsWork = (seen: Seen, prefix: string, signature: number | null): boolean =>
  seen.mapped !== signature ||
  seen.application === null ||
  seen.version < schemaVersion ||
  seen.lastNumber === null ||
  seen.lastNumber < seen.highestNumber ||
  missingTables(seen, prefix).length > 0;

/** Every step may run twice, also by two hosts at once. Returns what was created. */
function* bringUp(driver: Driver, names: Names, prefix: string): Work<readonly string[]> {
  const seen = yield* inspect(driver, names, prefix);
  refuseForeign(seen, prefix);
  const created = missingTables(seen, prefix);
  // New tables are made as they are today: half a table would look like a foreign one to who opens it in between.
  for (const table of tablesNow(seen.version === 0 ? schemaVersion : seen.version))
    if (created.includes(table.name)) yield* create(driver, prefix, table);
  for (const migration of migrations.filter(({ version }) => version > seen.version)) {
    for (const change of migration.changes) yield* make(driver, prefix, change);
  }
  const remembered: readonly (readonly [string, number])[] = [
    ['application', applicationId],
    ['version', 0],
    ['number', 0],
    ...(names.todos.signature === null ? [] : [['mapped', names.todos.signature] as const]),
  ];
  for (const [name, value] of remembered)
    yield* affectedBy(`${driver.dialect.insertIgnore} INTO ${names.store_meta} (name, value) VALUES (?, ?)`, name, value);
  yield* affectedBy(`UPDATE ${names.store_meta} SET value = ? WHERE name = 'version' AND value < ?`, schemaVersion, schemaVersion);
  yield* affectedBy(`UPDATE ${names.store_meta} SET value = ? WHERE name = 'number' AND value < ?`, seen.highestNumber, seen.highestNumber);
  return created;
}

function* make(driver: Driver, prefix: string, change: Change): Work<void> {
  if ('create' in change) {
    yield* create(driver, prefix, change.create);
    return;
  }
  const table = checked(`${prefix}${change.table}`);
  if ('addIndex' in change) {
    yield* addIndex(driver, table, change);
    return;
  }
  const columns = driver.dialect.columnsOf([table]);
  yield* unlessThere(columns, 'column_name', change.addColumn.name, driver.dialect.addColumn(table, change.addColumn));
}

/** Another host may make it between our look and our change. */
function* unlessThere(asked: ReturnType<Driver['dialect']['columnsOf']>, column: string, name: string, sql: string): Work<void> {
  const isThere = function* (): Work<boolean> {
    const rows = yield* rowsOf(asked.sql, ...asked.values);
    return rows.some((row) => String(row[column]).toLowerCase() === name.toLowerCase());
  };
  if (yield* isThere()) return;
  try {
    yield* affectedBy(sql);
  } catch (error) {
    if (!(yield* isThere())) throw error;
  }
}

function* addIndex(driver: Driver, table: string, change: Extract<Change, { addIndex: unknown }>): Work<void> {
  const all = tablesNow().find(({ name }) => name === change.table)?.indexes ?? [];
  const name = checked(indexName(table, all.indexOf(change.addIndex) + 1));
  yield* unlessThere(driver.dialect.indexesOf(table), 'index_name', name, driver.dialect.addIndex(table, name, change.addIndex));
}

function* create(driver: Driver, prefix: string, table: Table): Work<void> {
  for (const sql of driver.dialect.createTable({ ...table, name: checked(`${prefix}${table.name}`) })) yield* affectedBy(sql);
}
