import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { random } from '../../src/platform/random.ts';
import { type Committer, createCommitter, type Database, openDatabase } from '../../src/platform/sqlite.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import type { LogFields, Store } from '../../src/world.ts';

export type Logged = { readonly event: string; readonly fields: LogFields | undefined };

/** A store file in a folder of its own. */
export function sqliteFixture() {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-store-'));
  const opened: Database[] = [];
  const file = (name = 'todo.db'): { database: Database; committer: Committer } => {
    const database = openDatabase(join(folder, name));
    opened.push(database);
    return { database, committer: createCommitter(database) };
  };
  return {
    folder,
    file,
    store(
      shared: { database: Database; committer: Committer },
      options: { prefix?: string; logged?: Logged[]; nowMs?: () => number } = {},
    ): Store {
      return createSqliteStore({
        ...shared,
        prefix: options.prefix ?? '',
        clock: { nowMs: options.nowMs ?? (() => Date.now()) },
        random: { uuidv7: random.uuidv7 },
        digest: { sha256: (content) => createHash('sha256').update(content).digest('hex') },
        log: { info: (_room, event, fields) => void options.logged?.push({ event, fields }), warn: () => {} },
      });
    },
    end() {
      for (const database of opened) database.close();
      rmSync(folder, { recursive: true });
    },
  };
}
