// Nobody waits an hour in a test: what is on disk of a home whose daemon does not run is made older instead.
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { Entry } from '../../src/core/entry.ts';
import { manifestName, parseManifest } from '../../src/core/manifest.ts';
import type { Json, TestHome } from './harness.ts';

export function inDatabase<T>(home: TestHome, use: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(home.folder, 'todo.db'), { timeout: 5000 });
  try {
    return use(db);
  } finally {
    db.close();
  }
}

export const rowsOf = (home: TestHome, sql: string, ...values: SQLInputValue[]): Json[] =>
  inDatabase(home, (db) => db.prepare(sql).all(...values));

/** Changes what the journal has of a todo's newest run. */
export function changeEntry(home: TestHome, todoId: string, change: (entry: Entry) => Entry): Entry {
  return inDatabase(home, (db) => {
    const row = db.prepare('SELECT run_id, json FROM journal WHERE todo_id = ? ORDER BY started_at_ms DESC LIMIT 1').get(todoId) as {
      run_id: string;
      json: string;
    };
    const changed = change(JSON.parse(row.json));
    db.prepare('UPDATE journal SET json = ?, started_at_ms = ?, revision = revision + 1 WHERE run_id = ?').run(
      JSON.stringify(changed),
      changed.startedAtMs,
      row.run_id,
    );
    return changed;
  });
}

/** A run, its last sign and its output become so much older. */
export function ageRun(home: TestHome, todoId: string, ms: number): Entry {
  const entry = changeEntry(home, todoId, (it) => ({ ...it, startedAtMs: it.startedAtMs - ms, lastSignAtMs: it.lastSignAtMs - ms }));
  inDatabase(home, (db) => db.prepare('UPDATE run SET started_at_ms = started_at_ms - ? WHERE id = ?').run(ms, entry.ref.runId));
  ageTree(join(home.folder, 'runs', entry.ref.runId), ms);
  return entry;
}

/** Everything under a path, and the path itself, was last touched so much earlier. */
export function ageTree(path: string, ms: number): void {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) return;
  if (stat.isDirectory()) for (const name of readdirSync(path)) ageTree(join(path, name), ms);
  utimesSync(path, (stat.atimeMs - ms) / 1000, (stat.mtimeMs - ms) / 1000);
}

/** All that can be seen of a folder: names, kinds, sizes, times, rights, content. Lock tables of SQLite (-shm) hold nothing that lasts. */
export function snapshot(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const walk = (path: string, name: string) => {
    const stat = lstatSync(path);
    const content =
      stat.isFile() && !name.endsWith('-shm')
        ? createHash('sha256').update(readFileSync(path)).digest('hex')
        : stat.isSymbolicLink()
          ? readlinkSync(path)
          : '';
    found[name] = name.endsWith('-shm') ? 'lock table' : `${stat.mode.toString(8)} ${stat.size} ${stat.mtimeMs} ${stat.ino} ${content}`;
    if (stat.isDirectory()) for (const entry of readdirSync(path)) walk(join(path, entry), `${name}/${entry}`);
  };
  walk(folder, '.');
  return found;
}

/** Names in an archive folder whose digest is not that of the manifest, or that it does not list; and listed ones that are not there. */
export function manifestFaults(folder: string): string[] {
  const listed = parseManifest(readFileSync(join(folder, manifestName), 'utf8'));
  if (listed === null) return ['no manifest'];
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((it) => it.isFile() && it.name !== manifestName)
    .map((it) => join(it.parentPath, it.name).slice(folder.length + 1));
  const wrong = listed.filter(
    (it) =>
      !names.includes(it.name) ||
      createHash('sha256')
        .update(readFileSync(join(folder, it.name)))
        .digest('hex') !== it.sha256,
  );
  return [
    ...wrong.map((it) => `${it.name} is not as listed`),
    ...names.filter((name) => !listed.some((it) => it.name === name)).map((name) => `${name} is not listed`),
  ];
}

/** What a report says, as lines of text without tags. */
export function linesOfReport(path: string): string[] {
  const body = readFileSync(path, 'utf8')
    .replace(/^.*?<body[^>]*>/s, '')
    .replaceAll(/<(script|style)\b.*?<\/\1>/gs, '');
  const entities: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' };
  return body
    .replaceAll(/<[^>]+>/g, '\n')
    .replaceAll(/&(lt|gt|quot|#39|amp);/g, (it) => entities[it] ?? it)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
