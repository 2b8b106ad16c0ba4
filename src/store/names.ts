import { OperationalError } from '../core/errors.ts';
import type { Dialect } from './dialect.ts';
import { type TableName, tableNames } from './schema.ts';
import type { Shape } from './shape.ts';

/** Quoted names of our tables, prefix included: what SQL texts are built with. */
export type Tables = Readonly<Record<TableName, string>>;
/** Our tables, and where the todos are. */
export type Names = Tables & { readonly todos: Shape };

export function quotedNames(dialect: Dialect, prefix: string): Tables {
  const quoted = tableNames.map((table) => [table, dialect.quote(checked(`${prefix}${table}`))]);
  return Object.fromEntries(quoted) as Tables;
}

/** An identifier is letters, digits and underscores, never longer than every database takes. */
export function checked(identifier: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]{0,62}$/.test(identifier)) return identifier;
  throw new OperationalError('CONFIG_INVALID', {
    operation: 'naming a table',
    subject: JSON.stringify(identifier),
    why: 'letters, digits and underscores only, not beginning with a digit, at most 63',
    hint: 'Mend store.table_prefix or the mapping.',
  });
}
