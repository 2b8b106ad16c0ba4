import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sqliteDialect } from '../../store/dialect.ts';
import { quotedNames } from '../../store/names.ts';
import type { Counts, StoredAs } from './manifest.ts';

/** What a backup, or a home that was restored from it, holds; `store` says where its todos are. */
export function countsOf(folder: string, store: StoredAs, prefix: string): Counts {
  const live = count(join(folder, 'todo.db'), "SELECT COUNT(*) AS n FROM journal WHERE fact NOT IN ('closed', 'dead-lettered')");
  const archives = namesIn(join(folder, 'archive')).length;
  if (store.kind === 'not-included') return { todos: 0, runs: 0, records: 0, live, archives };
  const file = join(folder, store.kind === 'copied' ? 'store.db' : 'todo.db');
  const names = quotedNames(sqliteDialect, prefix);
  const rows = (table: 'todo' | 'run' | 'completion'): number => count(file, `SELECT COUNT(*) AS n FROM ${names[table]}`);
  return { todos: rows('todo'), runs: rows('run'), records: rows('completion'), live, archives };
}

function count(file: string, sql: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return Number(database.prepare(sql).get()?.['n']);
  } finally {
    database.close();
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
