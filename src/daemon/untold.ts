import { dirname, join } from 'node:path';
import { untoldEnding, untoldRows } from '../core/untold.ts';
import type { Context } from './context.ts';
import { noteLater } from './notebook.ts';

/**
 * What watchdogs of this home could not tell the store and may not live to tell. Into the journal first, then the file goes; a watchdog that lives has
 * it in hand too and tells it by the same id.
 */
export function takeUntold(context: Context): void {
  const { files, home, log } = context.world;
  const folder = join(dirname(home.database), 'watchdogs');
  for (const name of files.list(folder).filter((it) => it.endsWith(untoldEnding))) {
    const path = join(folder, name);
    const rows = untoldRows(files.readText(path) ?? '');
    for (const row of rows) noteLater(context, row);
    files.unlink(path);
    log.info('monitor', 'events of a watchdog taken up', { name, rows: rows.length });
  }
}
