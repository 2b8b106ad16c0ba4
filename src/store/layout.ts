import { coarseWords, type StoreMap } from '../core/store-map.ts';
import { rowOf, rowsOf, type Value, type Work } from './work.ts';

/** A column of somebody's table, as the server describes it. */
export type TheirColumn = {
  readonly name: string;
  /** `int(11)`, `enum('a','b')`, `longtext` … */
  readonly type: string;
  readonly kind: string;
  readonly nullable: boolean;
  readonly hasDefault: boolean;
  readonly isAutomatic: boolean;
  /** The server itself changes it with each update. */
  readonly changesByItself: boolean;
  readonly charset: string | null;
  readonly charsMax: number | null;
  readonly bytesMax: number | null;
  /** Of one character in that charset. */
  readonly charBytesMax: number;
  readonly timePrecision: number;
  readonly isUnique: boolean;
};

export type Layout = {
  readonly engine: string | null;
  /** By lower-case name; empty where there is no such table. */
  readonly columns: ReadonlyMap<string, TheirColumn>;
  /** Null where the server does not know the zone. */
  readonly zoneShift: string | null;
  /** Of one value in a statement. */
  readonly valueBytesMax: number;
};

/** What else a statement with one long value carries. */
const packetRestBytes = 64 * 1024;

/** What their table looks like now. Asks three small questions and changes nothing. */
export function* layoutOf(map: StoreMap): Work<Layout> {
  const table = yield* rowOf(
    'SELECT engine AS engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?',
    map.table,
  );
  const rows = yield* rowsOf(
    `SELECT c.column_name AS name, c.column_type AS type, c.data_type AS kind, c.is_nullable AS nullable, c.column_default AS fallback, c.extra AS extra,
      c.character_set_name AS charset, c.character_maximum_length AS chars_max, c.character_octet_length AS bytes_max, s.maxlen AS char_bytes,
      c.datetime_precision AS time_precision, c.column_key AS column_key
     FROM information_schema.columns c LEFT JOIN information_schema.character_sets s ON s.character_set_name = c.character_set_name
     WHERE c.table_schema = DATABASE() AND c.table_name = ? ORDER BY c.ordinal_position`,
    map.table,
  );
  const zone = yield* rowOf(
    `SELECT CONVERT_TZ('2024-07-01 12:00:00', '+00:00', ${zoneSql(map)}) AS shifted, @@max_allowed_packet AS packet`,
  );
  const columns = new Map<string, TheirColumn>();
  for (const row of rows) {
    const text = (field: string): string => String(row[field] ?? '');
    const number = (field: string): number | null => (row[field] === null || row[field] === undefined ? null : Number(row[field]));
    columns.set(text('name').toLowerCase(), {
      name: text('name'),
      type: text('type'),
      kind: text('kind').toLowerCase(),
      nullable: text('nullable') === 'YES',
      hasDefault: row['fallback'] !== null || text('nullable') === 'YES' || /auto_increment|generated/i.test(text('extra')),
      isAutomatic: /auto_increment/i.test(text('extra')),
      changesByItself: /on update/i.test(text('extra')),
      charset: row['charset'] === null ? null : text('charset').toLowerCase(),
      charsMax: number('chars_max'),
      bytesMax: number('bytes_max'),
      charBytesMax: number('char_bytes') ?? 1,
      timePrecision: number('time_precision') ?? 0,
      isUnique: ['PRI', 'UNI'].includes(text('column_key')),
    });
  }
  return {
    engine: table === null ? null : String(table['engine']),
    columns,
    zoneShift: zone?.['shifted'] === null || zone === null ? null : String(zone['shifted']),
    valueBytesMax: Math.max(16 * 1024, Number(zone?.['packet'] ?? 0) - packetRestBytes),
  };
}

/** Their zone for CONVERT_TZ. The setting was checked against a pattern; a name that the server does not know gives NULL. */
export const zoneSql = ({ timeZone }: Pick<StoreMap, 'timeZone'>): string =>
  timeZone === 'server' ? '@@GLOBAL.time_zone' : timeZone === 'UTC' ? "'+00:00'" : `'${timeZone}'`;

export const numberKinds = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint'];
const textKinds = ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext'];
const timeKinds = ['datetime', 'timestamp'];

/** What we do with a column of theirs: r = read, w = written. */
export type Use = { readonly key: string; readonly column: string; readonly does: 'r' | 'w' | 'rw' };

export function usesOf({ columns, release }: StoreMap): readonly Use[] {
  const uses: (Use | null)[] = [
    { key: 'id', column: columns.id, does: 'r' },
    { key: 'title', column: columns.title, does: 'r' },
    ...columns.prompt.map((column): Use => ({ key: 'prompt', column, does: 'r' })),
    { key: 'status', column: columns.status, does: 'rw' },
    release && { key: 'release', column: release.column, does: 'rw' },
    ...(['priority', 'working_directory', 'agent', 'created_at'] as const).map((key) => use(key, columns[key], 'r')),
    ...(['summary'] as const).map((key) => use(key, columns[key], 'rw')),
    ...(['html', 'text', 'started_at', 'completed_at', 'updated_at'] as const).map((key) => use(key, columns[key], 'w')),
  ];
  return uses.filter((it) => it !== null);
}

const use = (key: string, column: string | null, does: Use['does']): Use | null => (column === null ? null : { key, column, does });

/** All that keeps this mapping from being used, at once; empty where nothing does. */
export function layoutProblems(map: StoreMap, { engine, columns, zoneShift }: Layout): readonly string[] {
  if (engine === null) return [`there is no table ${map.table} in this database`];
  const problems: string[] = [];
  const { columns: names, statuses, priorities, release } = map;
  const of = (column: string): TheirColumn | undefined => columns.get(column.toLowerCase());
  const missing = [...new Set(usesOf(map).flatMap(({ key, column }) => (of(column) === undefined ? [`${column} (${key})`] : [])))];
  if (missing.length > 0) problems.push(`table ${map.table} has no ${missing.length === 1 ? 'column' : 'columns'} ${missing.join(', ')}`);
  // Without transactions their row and ours could not change together.
  if (engine.toLowerCase() !== 'innodb')
    problems.push(`table ${map.table} is kept by ${engine}, which knows no transactions (ALTER TABLE ${map.table} ENGINE = InnoDB)`);
  const kindIs = (column: string | null, kinds: readonly string[], what: string): void => {
    const found = column === null ? undefined : of(column);
    if (found !== undefined && !kinds.includes(found.kind)) problems.push(`column ${found.name} is ${found.type}, and must be ${what}`);
  };
  const wordsIn = (column: string, words: readonly string[]): void => {
    const found = of(column);
    if (found === undefined) return;
    const lacking = words.filter((each) => !holds(found, each));
    if (lacking.length > 0) problems.push(`column ${found.name} is ${found.type}, which has no ${lacking.join(', ')}`);
  };
  kindIs(names.id, numberKinds, 'a whole number');
  if (of(names.id) && !of(names.id)!.isUnique) problems.push(`column ${names.id} is no key by itself`);
  for (const column of [names.title, names.summary, names.html, names.text, names.working_directory, names.agent])
    kindIs(column, textKinds, 'text');
  for (const column of names.prompt) kindIs(column, textKinds, 'text');
  for (const column of [names.started_at, names.completed_at, names.created_at, names.updated_at])
    kindIs(column, timeKinds, 'DATETIME or TIMESTAMP');
  kindIs(names.status, ['enum', ...textKinds], 'an ENUM or text');
  wordsIn(
    names.status,
    coarseWords({ statuses }).map(({ word }) => word),
  );
  if (names.priority !== null) {
    if (priorities === null) kindIs(names.priority, numberKinds, 'a whole number, since store.map.priorities is null');
    else wordsIn(names.priority, Object.keys(priorities));
  }
  if (release !== null) for (const value of [release.value, release.otherwise]) wordsIn(release.column, [String(value)]);
  const zoned = [names.started_at, names.completed_at, names.created_at, names.updated_at].some(
    (column) => column !== null && of(column)?.kind === 'datetime',
  );
  if (zoned && zoneShift === null)
    problems.push(`the server does not know the time zone ${map.timeZone} (load it with mariadb-tzinfo-to-sql, or give an offset)`);
  return problems;
}

/** What `todo add` cannot do here, though all the rest works. */
export function addProblems(map: StoreMap, { columns }: Layout): readonly string[] {
  const { columns: names, release } = map;
  const given = new Set(
    [names.title, names.prompt[0]!, names.status, names.priority, names.working_directory, names.agent, names.created_at, names.updated_at]
      .concat(release === null ? [] : [release.column])
      .filter((column) => column !== null)
      .map((column) => column.toLowerCase()),
  );
  const lacking = [...columns.values()].filter((it) => !it.hasDefault && !given.has(it.name.toLowerCase()) && it.name !== names.id);
  return [
    ...(columns.get(names.id.toLowerCase())?.isAutomatic === true ? [] : [`column ${names.id} does not count by itself (AUTO_INCREMENT)`]),
    ...lacking.map(({ name }) => `column ${name} needs a value that we do not know`),
  ];
}

/** Whether a column can hold this word as it is. */
function holds(column: TheirColumn, word: string): boolean {
  if (column.kind === 'enum') return enumWords(column.type).includes(word);
  if (numberKinds.includes(column.kind) || column.kind === 'bit') return /^-?[0-9]+$/.test(word);
  return column.charsMax === null || [...word].length <= column.charsMax;
}

/** Of `enum('a','it''s')`. */
const enumWords = (type: string): readonly string[] =>
  [...type.matchAll(/'((?:[^']|'')*)'/g)].map(([, each]) => (each ?? '').replaceAll("''", "'"));

/** A word of the config inside an expression: as bytes, so that no text of it is ever part of a statement. */
export const literal = (value: Value): string =>
  typeof value === 'string' ? `_utf8mb4 X'${Buffer.from(value).toString('hex')}'` : value === null ? 'NULL' : String(Math.trunc(value));
