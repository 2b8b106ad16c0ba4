import { isOperational, OperationalError } from '../core/errors.ts';
import { type LongField, longFields } from '../core/record.ts';
import type { TerminalRecord } from '../core/todo.ts';
import type { Log } from '../world.ts';
import type { Driver, Source } from './driver.ts';
import { type Names, quotedNames, type Tables } from './names.ts';
import { openSchema } from './open.ts';
import { parcelOf } from './records.ts';
import { recordColumns } from './rows.ts';
import { schemaVersion, type Table, type TableName, tablesNow } from './schema.ts';
import { ownShape } from './shape.ts';
import { affectedBy, marks, type Row, rowOf, rowsOf, type Value, type Work } from './work.ts';

export type MigrationNeeds = {
  /** The store that is moved. It is read, and nothing of it is changed. */
  readonly from: { readonly driver: Source; readonly prefix: string };
  readonly to: { readonly driver: Driver; readonly prefix: string };
  /** Says whose store it is, so that a half-moved one is finished by nobody else. */
  readonly origin: string;
  /** False: only looks. */
  readonly apply: boolean;
  readonly sha256: (content: string) => string;
  readonly log: Pick<Log, 'info'>;
  readonly onProgress: (progress: {
    readonly doing: 'copying' | 'verifying';
    readonly table: string;
    readonly done: number;
    readonly of: number;
  }) => void;
};

export type MovedTable = {
  readonly name: TableName;
  readonly rows: number;
  /** Rows that are at their place already, from this call or an earlier one. */
  readonly there: number;
  readonly copied: number;
  /** Over the digests of all rows in the order of their keys; null where they were not compared. */
  readonly sha256: string | null;
};

export type Moved = {
  readonly tables: readonly MovedTable[];
  /** Values that the target holds only in part, as a record there would: the whole is in the archive. */
  readonly inPart: number;
  readonly verified: boolean;
};

/** Rows that are looked at together; of those with reports and files few, since one may have many megabytes. */
const pageOf = (name: TableName): number => (name === 'completion' || name === 'attachment_content' ? 8 : 200);

/**
 * Moves a store row by row: all of it is copied, then all of it is read again and compared by digest. It may be ended at any moment and called again:
 * what is there is not copied twice. Until the last row was compared, the target says of itself that it is half-moved, and no daemon opens it.
 */
export async function migrate(needs: MigrationNeeds): Promise<Moved> {
  const { from, to, apply } = needs;
  const source = quotedNames(from.driver.dialect, from.prefix);
  const target = quotedNames(to.driver.dialect, to.prefix);
  await refuseOld(from.driver, source);
  const before = await stateOf(to.driver, target);
  const ours = originNumber(needs.origin);
  if (before.moving !== null && before.moving !== ours)
    throw refusal(needs, 'it is half-moved from another store; finish that move first, or choose another database');
  const isMoving = before.moving === ours;
  if (!isMoving && before.isThere) await refuseStrangers(needs, source, target);
  if (!apply) return { tables: await counted(needs, source, target, before.isThere), inPart: 0, verified: false };

  const names: Names = { ...target, todos: ownShape(target) };
  await openSchema({ driver: to.driver, names, prefix: to.prefix, log: needs.log, isMoving: true });
  // A store that is there whole already is compared, and not marked: somebody may work with it.
  const isWhole = !isMoving && (await sumOf(to.driver, target)) > 0;
  if (!isWhole) await mark(to.driver, target, ours);
  const tables: MovedTable[] = [];
  let inPart = 0;
  for (const table of moved()) {
    const rows = await countOf(from.driver, source, table);
    const done = isWhole ? { there: rows, copied: 0, inPart: 0 } : await copy(needs, source, target, table, rows);
    inPart += done.inPart;
    tables.push({ name: table.name, rows, there: done.there, copied: done.copied, sha256: null });
  }
  for (const [at, table] of moved().entries()) {
    const sha256 = await compare(needs, source, target, table, tables[at]!.rows);
    tables[at] = { ...tables[at]!, sha256 };
  }
  const last = await from.driver.read(about('reading'), () => rowOf(`SELECT value FROM ${source.store_meta} WHERE name = 'number'`));
  const number = Number(last?.['value'] ?? 0);
  await to.driver.write(about('finishing'), function* () {
    yield* affectedBy(`UPDATE ${target.store_meta} SET value = ? WHERE name = 'number' AND value < ?`, number, number);
    // From here on it is a store like any other.
    yield* affectedBy(`DELETE FROM ${target.store_meta} WHERE name = 'moving'`);
  });
  return { tables, inPart, verified: true };
}

const about = (operation: string) => ({ operation, subject: 'the store that is moved' });

/** All that is data; what a store says about itself each has by itself. */
const moved = (): readonly Table[] => tablesNow().filter(({ name }) => name !== 'store_meta');

async function refuseOld(driver: Source, source: Tables): Promise<void> {
  const row = await driver
    .read(about('reading'), () => rowOf(`SELECT value FROM ${source.store_meta} WHERE name = 'version'`))
    .catch((error: unknown) => {
      if (isOperational(error) && error.code === 'STORE_SCHEMA') return null;
      throw error;
    });
  if (Number(row?.['value']) === schemaVersion) return;
  throw new OperationalError('STORE_SCHEMA', {
    ...about('reading'),
    why: row === null ? 'there is no store here yet' : `its schema has version ${row['value']}, this program works with ${schemaVersion}`,
    hint:
      row === null ? 'Nothing needs to be moved. Set store.url and begin.' : 'Call it once with this program (todo list), then move it.',
  });
}

async function stateOf(driver: Driver, target: Tables): Promise<{ readonly isThere: boolean; readonly moving: number | null }> {
  try {
    const row = await driver.read({ operation: 'looking at', subject: 'the target' }, function* () {
      yield* rowOf(`SELECT COUNT(*) AS n FROM ${target.todo}`);
      return (yield* rowsOf(`SELECT value FROM ${target.store_meta} WHERE name = 'moving'`))[0] ?? null;
    });
    return { isThere: true, moving: row === null ? null : Number(row['value']) };
  } catch (error) {
    // Nothing of ours is there yet; what else is wrong tells opening it.
    if (error instanceof OperationalError && error.code === 'STORE_SCHEMA') return { isThere: false, moving: null };
    throw error;
  }
}

/** A target in use is never written to: a row of its own, or one that is another than ours, refuses all of it. */
async function refuseStrangers(needs: MigrationNeeds, source: Tables, target: Tables): Promise<void> {
  const count = await countOf(needs.to.driver, target, tableNamed('todo'));
  if (count === 0) return;
  let last = '';
  for (;;) {
    const ids = await needs.to.driver.read(about('looking at'), () =>
      rowsOf(`SELECT id AS id FROM ${target.todo} WHERE id > ? ORDER BY id LIMIT 500`, last),
    );
    if (ids.length === 0) break;
    const keys = ids.map(({ id }) => String(id));
    const known = await needs.from.driver.read(about('looking at'), () =>
      rowsOf(`SELECT id AS id FROM ${source.todo} WHERE id IN (${marks(keys)})`, ...keys),
    );
    if (known.length < keys.length)
      throw refusal(needs, `it has todos of its own (${keys.length - known.length} or more that are not in this store)`);
    last = keys.at(-1)!;
  }
  if (count !== (await countOf(needs.from.driver, source, tableNamed('todo'))))
    throw refusal(needs, 'it has some of these todos, and no move of them is under way');
}

const refusal = ({ to }: MigrationNeeds, why: string): OperationalError =>
  new OperationalError('REFUSED', {
    operation: 'moving the store to',
    subject: `the ${to.driver.name} store${to.prefix === '' ? '' : ` with prefix ${to.prefix}`}`,
    why,
    hint: 'Nothing was changed. Choose an empty database or another --prefix.',
  });

const tableNamed = (name: TableName): Table => tablesNow().find((table) => table.name === name)!;

async function countOf(driver: Source, names: Tables, { name }: Table): Promise<number> {
  const row = await driver.read(about('counting'), () => rowOf(`SELECT COUNT(*) AS n FROM ${names[name]}`));
  return Number(row?.['n'] ?? 0);
}

async function sumOf(driver: Source, names: Tables): Promise<number> {
  let sum = 0;
  for (const table of moved()) sum += await countOf(driver, names, table);
  return sum;
}

async function counted(needs: MigrationNeeds, source: Tables, target: Tables, isThere: boolean): Promise<readonly MovedTable[]> {
  const tables: MovedTable[] = [];
  for (const table of moved()) {
    const rows = await countOf(needs.from.driver, source, table);
    // One that a newer schema brought may not be there yet.
    const there = isThere ? await countOf(needs.to.driver, target, table).catch(() => 0) : 0;
    tables.push({ name: table.name, rows, there, copied: 0, sha256: null });
  }
  return tables;
}

async function mark(driver: Driver, target: Tables, origin: number): Promise<void> {
  await driver.write(about('beginning'), () =>
    affectedBy(`${driver.dialect.insertIgnore} INTO ${target.store_meta} (name, value) VALUES ('moving', ?)`, origin),
  );
}

/** Rows of the source in the order of their keys. */
async function* pages({ driver }: MigrationNeeds['from'], names: Tables, table: Table): AsyncGenerator<readonly Row[]> {
  const columns = table.columns.map(({ name }) => `${driver.dialect.quote(name)} AS ${driver.dialect.quote(name)}`).join(', ');
  const key = driver.dialect.quote(table.key);
  let last = '';
  for (;;) {
    const rows = await driver.read(about('reading'), () =>
      rowsOf(`SELECT ${columns} FROM ${names[table.name]} WHERE ${key} > ? ORDER BY ${key} LIMIT ${pageOf(table.name)}`, last),
    );
    if (rows.length === 0) return;
    yield rows;
    last = String(rows.at(-1)![table.key]);
  }
}

const valuesIn = (table: Table, row: Row): Value[] => table.columns.map(({ name }) => row[name] as Value);
const digestOfRow = (table: Table, row: Row, sha256: MigrationNeeds['sha256']): string => sha256(JSON.stringify(valuesIn(table, row)));

/** As the target holds it: a record's long values are cut to what one statement may carry, and noted, as when it were written there. */
function fitting(
  table: Table,
  row: Row,
  bytesMax: number,
  sha256: MigrationNeeds['sha256'],
): { readonly row: Row; readonly isPart: boolean } {
  const texts = valuesIn(table, row).filter((value): value is string => typeof value === 'string');
  if (texts.every((text) => text.length * 3 <= bytesMax)) return { row, isPart: false };
  if (table.name === 'completion') {
    const record = Object.fromEntries(
      Object.entries(recordColumns).map(([field, column]) => [field, row[column]]),
    ) as unknown as TerminalRecord;
    const { record: held, truncated } = parcelOf(record, bytesMax, (content) => sha256(String(content)));
    const parts = Object.fromEntries(longFields.map((field: LongField) => [recordColumns[field], held[field]]));
    const before = JSON.parse(String(row['truncated'])) as object;
    return { row: { ...row, ...parts, truncated: JSON.stringify({ ...before, ...truncated }) }, isPart: Object.keys(truncated).length > 0 };
  }
  const tooLong = table.columns.find(({ name }) => Buffer.byteLength(String(row[name] ?? '')) > bytesMax);
  if (tooLong === undefined) return { row, isPart: false };
  throw new OperationalError('STORE_REFUSED', {
    operation: 'copying',
    subject: `row ${String(row[table.key])} of ${table.name}`,
    why: `its ${tooLong.name} has ${Buffer.byteLength(String(row[tooLong.name]))} bytes, the server takes ${bytesMax} in one statement`,
    hint: 'Raise max_allowed_packet of the server and call again; what was copied stays.',
  });
}

async function copy(
  needs: MigrationNeeds,
  source: Tables,
  target: Tables,
  table: Table,
  of: number,
): Promise<{ there: number; copied: number; inPart: number }> {
  const { to, sha256 } = needs;
  const bytesMax = await to.driver.valueBytesMax();
  let there = 0;
  let copied = 0;
  let inPart = 0;
  for await (const page of pages(needs.from, source, table)) {
    const given = page.map((row) => fitting(table, row, bytesMax, sha256));
    inPart += given.filter(({ isPart }) => isPart).length;
    const wanted = new Map(given.map(({ row }) => [String(row[table.key]), row]));
    const found = await rowsAt(needs, target, table, [...wanted.keys()]);
    for (const row of found) {
      const key = String(row[table.key]);
      // Copied before, and changed at its source since: only a half-moved store is ever written to.
      if (digestOfRow(table, row, sha256) !== digestOfRow(table, wanted.get(key)!, sha256)) continue;
      wanted.delete(key);
      there += 1;
    }
    const changed = found.map((row) => String(row[table.key])).filter((key) => wanted.has(key));
    if (wanted.size > 0)
      await to.driver.write({ operation: 'copying', subject: `${wanted.size} rows of ${table.name}` }, () =>
        put(to.driver, target, table, [...wanted.values()], changed, bytesMax),
      );
    copied += wanted.size;
    there += wanted.size;
    needs.onProgress({ doing: 'copying', table: table.name, done: there, of });
  }
  return { there, copied, inPart };
}

function* put(
  { dialect }: Driver,
  target: Tables,
  table: Table,
  rows: readonly Row[],
  changed: readonly string[],
  bytesMax: number,
): Work<void> {
  if (changed.length > 0)
    yield* affectedBy(`DELETE FROM ${target[table.name]} WHERE ${dialect.quote(table.key)} IN (${marks(changed)})`, ...changed);
  const insert = `INSERT INTO ${target[table.name]} (${table.columns.map(({ name }) => dialect.quote(name)).join(', ')}) VALUES `;
  const one = `(${marks(table.columns)})`;
  let batch: Row[] = [];
  let bytes = 0;
  function* send(): Work<void> {
    if (batch.length > 0) yield* affectedBy(`${insert}${batch.map(() => one).join(', ')}`, ...batch.flatMap((row) => valuesIn(table, row)));
    batch = [];
    bytes = 0;
  }
  for (const row of rows) {
    const size = sizeOf(table, row);
    if (bytes + size > bytesMax) yield* send();
    if (size > bytesMax) {
      yield* putLong({ dialect }, target, table, row, insert + one);
      continue;
    }
    batch.push(row);
    bytes += size;
  }
  yield* send();
}

/** Values that are too large together travel each in a statement of its own. */
function* putLong({ dialect }: Pick<Driver, 'dialect'>, target: Tables, table: Table, row: Row, insert: string): Work<void> {
  const long = table.columns.filter(({ name, type }) => type === 'text' && String(row[name] ?? '').length > 4096).map(({ name }) => name);
  yield* affectedBy(insert, ...valuesIn(table, { ...row, ...Object.fromEntries(long.map((name) => [name, ''])) }));
  for (const name of long)
    yield* affectedBy(
      `UPDATE ${target[table.name]} SET ${dialect.quote(name)} = ? WHERE ${dialect.quote(table.key)} = ?`,
      row[name] as Value,
      String(row[table.key]),
    );
}

const sizeOf = (table: Table, row: Row): number =>
  valuesIn(table, row).reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length * 3 : 8), 0);

async function rowsAt({ to }: MigrationNeeds, target: Tables, table: Table, keys: readonly string[]): Promise<readonly Row[]> {
  const { quote } = to.driver.dialect;
  const columns = table.columns.map(({ name }) => `${quote(name)} AS ${quote(name)}`).join(', ');
  return await to.driver.read({ operation: 'reading back', subject: `rows of ${table.name}` }, () =>
    rowsOf(`SELECT ${columns} FROM ${target[table.name]} WHERE ${quote(table.key)} IN (${marks(keys)})`, ...keys),
  );
}

/** Every row of both, by digest, and that the target has no other. */
async function compare(needs: MigrationNeeds, source: Tables, target: Tables, table: Table, of: number): Promise<string> {
  const { to, sha256 } = needs;
  const bytesMax = await to.driver.valueBytesMax();
  const wrong = (why: string): OperationalError =>
    new OperationalError('REFUSED', {
      operation: 'verifying',
      subject: `table ${table.name}`,
      why,
      hint: 'The source is untouched. Nobody may write to either store while it is moved; call again when nobody does.',
    });
  let all = sha256('');
  let done = 0;
  for await (const page of pages(needs.from, source, table)) {
    const found = new Map(
      (
        await rowsAt(
          needs,
          target,
          table,
          page.map((row) => String(row[table.key])),
        )
      ).map((row) => [String(row[table.key]), row]),
    );
    for (const row of page) {
      const key = String(row[table.key]);
      const there = found.get(key);
      const digest = digestOfRow(table, fitting(table, row, bytesMax, sha256).row, sha256);
      if (there === undefined) throw wrong(`row ${key} is not there`);
      if (digestOfRow(table, there, sha256) !== digest) throw wrong(`row ${key} reads back as another`);
      all = sha256(all + digest);
    }
    done += page.length;
    needs.onProgress({ doing: 'verifying', table: table.name, done, of });
  }
  const count = await countOf(to.driver, target, table);
  if (count !== done) throw wrong(`it has ${count} rows, the source has ${done}`);
  return all;
}

/** Of a home: 31 bits are enough to tell a few homes apart. */
function originNumber(origin: string): number {
  let hash = 0x811c9dc5;
  for (const char of origin) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return (hash >>> 1) + 1;
}
