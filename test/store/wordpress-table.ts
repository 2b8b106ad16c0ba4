/** The table of the earlier WordPress plugin: the columns that we use, and forty others that must stay as they are. */

/** Each of another kind, so that nothing can pass by chance. */
const kinds: readonly (readonly [type: string, value: string])[] = [
  ['VARCHAR(120) CHARACTER SET utf8mb4', "'Über „alles“ 🙂'"],
  ['TEXT', "'line one\\nline two\\t'"],
  ['INT', '-7'],
  ['BIGINT UNSIGNED', '18446744073709551615'],
  ['DECIMAL(20,6)', '3.141593'],
  ['DOUBLE', '0.1'],
  ['DATETIME', "'2021-03-28 02:30:00'"],
  ['DATETIME(3) NULL ON UPDATE CURRENT_TIMESTAMP(3)', "'2020-02-29 23:59:59.999'"],
  ["ENUM('a','b','ü') CHARACTER SET utf8mb4", "'ü'"],
  ['VARBINARY(64)', "X'00FF10'"],
];

export const otherColumns = Array.from({ length: 40 }, (_, at) => ({
  name: `other_${at + 1}`,
  type: kinds[at % kinds.length]![0],
  value: at % 7 === 6 ? 'NULL' : kinds[at % kinds.length]![1],
}));

export const createWordpressTable = (table: string, { charset = 'utf8mb4', engine = 'InnoDB' } = {}): string => `CREATE TABLE ${table} (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  title VARCHAR(255) NOT NULL,
  description TEXT,
  status ENUM('offen','in_progress','completed','blocked','cancelled','cron') DEFAULT 'offen',
  priority ENUM('niedrig','mittel','hoch','kritisch') DEFAULT 'mittel',
  bearbeiten TINYINT(1) DEFAULT 0,
  working_directory VARCHAR(500) DEFAULT NULL,
  claude_prompt LONGTEXT,
  claude_html_output LONGTEXT,
  claude_text_output LONGTEXT,
  claude_summary TEXT,
  execution_started_at DATETIME DEFAULT NULL,
  completed_at DATETIME DEFAULT NULL,
  created_at DATETIME DEFAULT CURRENT_TIMESTAMP,
  updated_at DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  ${otherColumns.map(({ name, type }) => `${name} ${type}${/NULL/.test(type) ? '' : ' NULL'}`).join(',\n  ')},
  PRIMARY KEY (id), KEY status (status)
) ENGINE=${engine} DEFAULT CHARSET=${charset}`;

/** What a person's PHP would write: the columns it knows, and something in each of the others. */
export const insertRow = (
  table: string,
  fields: Readonly<Record<string, string | number | null>>,
): { sql: string; values: (string | number | null)[] } => {
  const names = Object.keys(fields);
  return {
    sql: `INSERT INTO ${table} (${[...names, ...otherColumns.map(({ name }) => name)].join(', ')}) VALUES (${[...names.map(() => '?'), ...otherColumns.map(({ value }) => value)].join(', ')})`,
    values: Object.values(fields),
  };
};

/** All that is none of ours, byte by byte, a row a todo. */
export const othersOf = (table: string): string =>
  `SELECT id, SHA2(CONCAT_WS('|', ${otherColumns.map(({ name }) => `COALESCE(HEX(${name}), 'null')`).join(', ')}, HEX(title), COALESCE(HEX(description), 'null'), COALESCE(HEX(claude_prompt), 'null'), COALESCE(HEX(working_directory), 'null'), priority, HEX(created_at)), 256) AS digest FROM ${table} ORDER BY id`;
