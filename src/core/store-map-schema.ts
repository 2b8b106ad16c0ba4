import { z } from 'zod';
import { type TodoStatus, todoStatuses } from './words.ts';

/** Letters, digits and underscores: what every database takes as a name when it is quoted. Anything else is refused, never escaped. */
const identifier = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'a name of letters, digits and underscores, at most 63');
const word = z.string().min(1).max(64);
const plainValue = z.union([word, z.number().int()]);
const nameOrNull = identifier.nullable().optional();

const statusKeys = Object.fromEntries(todoStatuses.map((status) => [status, word.optional()])) as Record<
  TodoStatus,
  z.ZodOptional<typeof word>
>;

/**
 * `store.map`: somebody's existing table as the table of todos. A preset gives all of it but the table's name; each key that is given beside it
 * wins, and null says that there is no such column.
 */
export const storeMapSchema = z.strictObject({
  preset: z.enum(['wordpress']).nullable().optional(),
  table: identifier,
  /** The zone that their DATETIME columns are written in: 'server', 'UTC', '+05:30' or a name such as 'Europe/Berlin'. */
  time_zone: z
    .string()
    .regex(/^(server|UTC|[+-][0-9]{2}:[0-9]{2}|[A-Za-z]+(\/[A-Za-z0-9_+-]+)+)$/, "'server', 'UTC', '+05:30' or 'Europe/Berlin'")
    .optional(),
  columns: z
    .strictObject({
      id: identifier.optional(),
      title: identifier.optional(),
      status: identifier.optional(),
      /** The first of them that is not empty; a new todo's goes into the first. */
      prompt: z.array(identifier).min(1).max(8).optional(),
      priority: nameOrNull,
      working_directory: nameOrNull,
      agent: nameOrNull,
      html: nameOrNull,
      text: nameOrNull,
      summary: nameOrNull,
      started_at: nameOrNull,
      completed_at: nameOrNull,
      created_at: nameOrNull,
      updated_at: nameOrNull,
    })
    .optional(),
  /** Ours → theirs. Several of ours may share one of theirs; the finer one is kept in our own table. */
  statuses: z.strictObject(statusKeys).optional(),
  /** Theirs → 0 (first) … 9 (last). Null where the column holds such numbers itself. */
  priorities: z.record(word, z.number().int().min(0).max(9)).nullable().optional(),
  /** The column that releases a todo for agents. */
  release: z.strictObject({ column: identifier, value: plainValue, otherwise: plainValue }).nullable().optional(),
  /** For what their table has no column for. */
  defaults: z
    .strictObject({
      agent: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,30}$/)
        .optional(),
      /** Where a todo works whose own folder is empty. */
      working_directory: z.string().min(1).optional(),
      rounds: z.number().int().min(1).max(100).optional(),
    })
    .optional(),
});
export type StoreMapSettings = z.infer<typeof storeMapSchema>;
