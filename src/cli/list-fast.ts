import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { facts, hasEnded, isCompletion } from '../core/entry.ts';
import { parseScheduled, scheduleKeys } from '../core/schedule.ts';
import type { ShownStatus } from '../core/words.ts';
import { homeRoot } from '../platform/home.ts';
import { listJson } from '../store/list-json.ts';
import type { Call } from './command.ts';
import { configuredHome } from './configured-home.ts';
import { programFolder } from './program.ts';

const finishingFacts = facts.filter((fact) => isCompletion(fact) && !hasEnded(fact));
const busyTimeoutMs = 2000;

/**
 * `todo list --json` as agents and dashboards call it again and again: SQLite itself builds the text, and nothing else is loaded.
 * Null where that is not enough: another store, a home without a database, a question that needs more than the stored status.
 */
export async function listDocument(
  call: Call,
  { limit, statuses }: { limit: number; statuses: readonly ShownStatus[] | null },
): Promise<string | null> {
  if (
    statuses !== null &&
    (statuses.includes('finishing') || statuses.some((it) => it === 'running' || it === 'claimed' || it === 'stalled'))
  )
    return null;
  const root = homeRoot({ flag: call.home, env: call.env, cwd: call.cwd, programFolder });
  const { config, home } = await configuredHome(root, call.env, { readOnly: true });
  if (config.store.url !== null && !config.store.url.startsWith('sqlite:')) return null;
  if (!existsSync(home.database)) return null;
  const database = new DatabaseSync(locationOf(home.database), { readOnly: true, timeout: busyTimeoutMs });
  try {
    const prefix = config.store.table_prefix;
    const made = database.prepare(`SELECT count(*) AS n FROM sqlite_schema WHERE name IN ('journal', ?)`).get(`${prefix}todo`) as {
      n: number;
    };
    if (made.n < 2) return null;
    const finishing = database
      .prepare(`SELECT todo_id AS id FROM journal WHERE fact IN (${finishingFacts.map((fact) => `'${fact}'`).join(', ')})`)
      .all() as { id: string }[];
    const later = database
      .prepare(`SELECT key, value FROM journal_note WHERE key >= '${scheduleKeys}' AND key < '${scheduleKeys}~'`)
      .all() as { key: string; value: string }[];
    return listJson(database, limit, { statuses, finishing: finishing.map(({ id }) => id), scheduled: scheduledIn(later), prefix });
  } finally {
    database.close();
  }
}

/** What was put off, as the whole list shows it. */
function scheduledIn(notes: readonly { readonly value: string }[]): string | null {
  if (notes.length === 0) return null;
  const items = notes.flatMap(({ value }) => parseScheduled(value) ?? []);
  return JSON.stringify(Object.fromEntries(items.map(({ todoId, id, verb, atMs }) => [todoId, { id, verb, atMs }])));
}

/** As platform/sqlite.ts opens a file to look at it: where nobody writes, no write-ahead log is laid beside it. */
const locationOf = (path: string): string =>
  existsSync(`${path}-wal`) ? path : `file:${path.replaceAll(/[%?#]/g, encodeURIComponent)}?immutable=1`;
