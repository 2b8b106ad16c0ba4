import { closeSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Condition } from '../world.ts';
import type { SqliteDatabase } from './sqlite.ts';

type Judged = Omit<Condition, 'server'>;

/** `statfs` names of file systems on which SQLite's locks, or a flush, do not mean what they say. */
const remote: Readonly<Record<number, string>> = {
  26985: 'NFS',
  4283649346: 'CIFS',
  4266872130: 'SMB',
  20859: 'SMB',
  1702057286: 'FUSE',
  16914839: '9p',
};
const volatile: Readonly<Record<number, string>> = { 16914836: 'tmpfs', 2240043254: 'ramfs' };
const freeBytesMin = 512 * 1024 * 1024;

/** The same for the home's own file. Reads only; the check of its pages takes as long as reading it. */
export function sqliteConditions(database: SqliteDatabase): readonly Condition[] {
  const { path } = database;
  const judged = [pages(database), ...(path === undefined ? [] : [journalMode(path), place(path), room(path), rights(path)])];
  return judged.map((it) => ({ ...it, server: null }));
}

const ok = (name: string, found: string): Judged => ({ name, status: 'healthy', found, change: null });

/** As the file itself says it: a file that nobody writes is read as one without a log, whatever it is. */
function journalMode(path: string): Judged {
  const header = Buffer.alloc(20);
  const file = openSync(path, 'r');
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  return header[18] === 2
    ? ok('journal_mode', 'wal; every writer of ours flushes each commit (synchronous = FULL)')
    : {
        name: 'journal_mode',
        status: 'degraded',
        found: 'not wal',
        change: 'open it with the daemon once: it sets WAL, so that readers keep nobody from writing',
      };
}

function pages(database: SqliteDatabase): Judged {
  const rows = database.prepare('PRAGMA quick_check(5)').all() as { quick_check?: string }[];
  const said = rows.map((row) => row.quick_check ?? '');
  return said.length === 1 && said[0] === 'ok'
    ? ok('pages', 'quick_check finds nothing wrong')
    : { name: 'pages', status: 'unhealthy', found: said.join('; '), change: 'stop the daemon and restore a backup (todo restore FILE)' };
}

function place(path: string): Judged {
  const { type } = statfsSync(dirname(path));
  const far = remote[type];
  if (far !== undefined)
    return {
      name: 'place',
      status: 'unhealthy',
      found: `on ${far}`,
      change: 'move the home to a local disk: locks and flushes over a network are not to be trusted',
    };
  const lost = volatile[type];
  if (lost !== undefined)
    return { name: 'place', status: 'degraded', found: `on ${lost}`, change: 'move the home to a disk: here all is gone with the power' };
  return ok('place', 'a local disk');
}

function room(path: string): Judged {
  const { bavail, bsize } = statfsSync(dirname(path));
  const freeBytes = bavail * bsize;
  const found = `${Math.floor(freeBytes / 1024 / 1024)} MB free`;
  return freeBytes >= freeBytesMin
    ? ok('room', found)
    : { name: 'room', status: 'degraded', found, change: `free some space: du -xhd1 ${dirname(path)} | sort -h shows what takes it` };
}

function rights(path: string): Judged {
  const mode = statSync(path).mode & 0o777;
  const found = `mode 0${mode.toString(8)}`;
  return (mode & 0o077) === 0
    ? ok('rights', found)
    : { name: 'rights', status: 'degraded', found, change: `chmod 600 ${path}: outputs are in it` };
}
