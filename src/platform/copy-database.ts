import { chmodSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { OperationalError } from '../core/errors.ts';
import { sqliteProblem } from './sqlite.ts';

/** Pages a step: 8 MB, so that a spinner turns. */
const pagesAStep = 2000;

/** The database as it stood in one moment, while others write to it; one file without a log, 0600. */
export async function copyDatabase(from: string, to: string, onProgress: (done: number, of: number) => void): Promise<void> {
  try {
    const source = new DatabaseSync(from, { readOnly: true, timeout: 5000 });
    try {
      // Held open over all steps: else each write of somebody else would begin the copy anew.
      source.exec('BEGIN');
      source.prepare('SELECT COUNT(*) FROM sqlite_schema').get();
      await backup(source, to, {
        rate: pagesAStep,
        progress: ({ totalPages, remainingPages }) => onProgress(totalPages - remainingPages, totalPages),
      });
    } finally {
      source.close();
    }
    chmodSync(to, 0o600);
    const copy = new DatabaseSync(to);
    copy.exec('PRAGMA journal_mode = DELETE');
    copy.close();
  } catch (error) {
    throw sqliteProblem(error, 'copying', from);
  }
  checkDatabase(to);
}

/** Every page and index of it; what is wrong is BAD_DATA. */
export function checkDatabase(path: string): void {
  const refuse = (why: string): OperationalError => new OperationalError('BAD_DATA', { operation: 'checking', subject: path, why });
  let said: string[];
  try {
    const database = new DatabaseSync(path, { readOnly: true });
    said = database
      .prepare('PRAGMA integrity_check(5)')
      .all()
      .map((row) => String(row['integrity_check']));
    database.close();
  } catch (error) {
    throw refuse((error as Error).message);
  }
  if (said.length !== 1 || said[0] !== 'ok') throw refuse(said.join('; '));
}
