import type { Column, Index } from './schema.ts';
import type { Statement } from './work.ts';

/** What differs between the databases, and nothing else does. */
export type Dialect = {
  /** Around an identifier that was checked. */
  quote(identifier: string): string;
  /** Names are checked, not yet quoted. Does nothing where the table exists. */
  createTable(table: {
    readonly name: string;
    readonly key: string;
    readonly columns: readonly Column[];
    readonly indexes: readonly Index[];
  }): readonly string[];
  addColumn(table: string, column: Column): string;
  /** Names are checked. */
  addIndex(table: string, name: string, index: Index): string;
  /** Rows `index_name` of a table. */
  indexesOf(table: string): { readonly sql: string; readonly values: readonly string[] };
  /** INSERT that does nothing where the key is taken. */
  readonly insertIgnore: string;
  /** Ends a SELECT that must wait for everybody who is writing these rows. */
  readonly forUpdate: string;
  /** That a text column has this text in it, capital letters or not. Null has nothing in it. */
  contains(column: string, text: string): Statement;
  /** A column so that no index of it is used; null where the database chooses by statistics. */
  readonly unindexed: ((column: string) => string) | null;
  /** Rows `table_name`, `column_name` of all columns that the named tables have. */
  columnsOf(tables: readonly string[]): { readonly sql: string; readonly values: readonly string[] };
};

const likeOf = (text: string): string => `%${text.replaceAll(/[!%_]/g, '!$&')}%`;

/** Each letter is a class of its forms. */
function globOf(text: string): string {
  const forms = Array.from(text, (char) => {
    const all = [...new Set([char, char.toLowerCase(), char.toUpperCase()])].filter((form) => [...form].length === 1);
    return all.length > 1 || '*?['.includes(char) ? `[${all.join('')}]` : char;
  });
  return `*${forms.join('')}*`;
}

/** id, word: our own ASCII · name: short text of people · text: of any length · number: 53 bits, times included. */
export type ColumnType = 'id' | 'word' | 'name' | 'text' | 'number';

const sqliteTypes: Readonly<Record<ColumnType, string>> = { id: 'TEXT', word: 'TEXT', name: 'TEXT', text: 'TEXT', number: 'INTEGER' };

export const sqliteDialect: Dialect = {
  quote: (identifier) => `"${identifier}"`,
  createTable: ({ name, key, columns, indexes }) => [
    `CREATE TABLE IF NOT EXISTS "${name}" (${[...columns.map((column) => define(column, sqliteTypes, '"')), `PRIMARY KEY ("${key}")`].join(', ')}) STRICT`,
    ...indexes.map(
      (index, at) =>
        `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX IF NOT EXISTS "${name}_i${at + 1}" ON "${name}" (${list(index.columns, '"')})`,
    ),
  ],
  addColumn: (table, column) => `ALTER TABLE "${table}" ADD COLUMN ${define(column, sqliteTypes, '"')}`,
  addIndex: (table, name, { unique, columns }) => `CREATE ${unique ? 'UNIQUE ' : ''}INDEX "${name}" ON "${table}" (${list(columns, '"')})`,
  indexesOf: (table) => ({ sql: `SELECT name AS index_name FROM sqlite_master WHERE type = 'index' AND tbl_name = ?`, values: [table] }),
  insertIgnore: 'INSERT OR IGNORE',
  // One writer at a time: who reads inside a transaction has waited already.
  forUpdate: '',
  // LIKE knows capital letters of ASCII alone; GLOB can be told of others, and takes more than twice as long.
  contains: (column, text) =>
    /^[\0-\x7f]*$/.test(text)
      ? { sql: `${column} LIKE ? ESCAPE '!'`, values: [likeOf(text)] }
      : { sql: `${column} GLOB ?`, values: [globOf(text)] },
  unindexed: (column) => `+${column}`,
  columnsOf: (tables) => ({
    sql: `SELECT t.name AS table_name, c.name AS column_name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name IN (${tables.map(() => '?').join(', ')})`,
    values: tables,
  }),
};

/** The server's clock in milliseconds. */
export const mysqlNow = 'CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS SIGNED)';

const mysqlTypes: Readonly<Record<ColumnType, string>> = {
  id: 'VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin',
  word: 'VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin',
  name: 'VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  text: 'LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
  number: 'BIGINT',
};

export const mysqlDialect: Dialect = {
  quote: (identifier) => `\`${identifier}\``,
  createTable: ({ name, key, columns, indexes }) => {
    const keys = indexes.map((index, at) => `${index.unique ? 'UNIQUE ' : ''}KEY \`${name}_i${at + 1}\` (${list(index.columns, '`')})`);
    const parts = [...columns.map((column) => define(column, mysqlTypes, '`')), `PRIMARY KEY (\`${key}\`)`, ...keys];
    return [
      `CREATE TABLE IF NOT EXISTS \`${name}\` (${parts.join(', ')}) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin`,
    ];
  },
  addColumn: (table, column) => `ALTER TABLE \`${table}\` ADD COLUMN ${define(column, mysqlTypes, '`')}`,
  addIndex: (table, name, { unique, columns }) =>
    `ALTER TABLE \`${table}\` ADD ${unique ? 'UNIQUE ' : ''}KEY \`${name}\` (${list(columns, '`')})`,
  indexesOf: (table) => ({
    sql: 'SELECT DISTINCT index_name AS index_name FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ?',
    values: [table],
  }),
  insertIgnore: 'INSERT IGNORE',
  forUpdate: ' FOR UPDATE',
  contains: (column, text) => ({ sql: `LOWER(${column}) LIKE LOWER(?) ESCAPE '!'`, values: [likeOf(text)] }),
  unindexed: null,
  columnsOf: (tables) => ({
    sql: `SELECT table_name AS table_name, column_name AS column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN (${tables.map(() => '?').join(', ')})`,
    values: tables,
  }),
};

const define = ({ name, type, nullable }: Column, types: Readonly<Record<ColumnType, string>>, mark: string): string =>
  `${mark}${name}${mark} ${types[type]}${nullable ? '' : ' NOT NULL'}`;

const list = (columns: readonly string[], mark: string): string => columns.map((column) => `${mark}${column}${mark}`).join(', ');
