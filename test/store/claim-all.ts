// A process that claims until nothing is left, and says what it took: `claim-all.ts FILE HOST`.
import { createHash, randomUUID } from 'node:crypto';
import { createCommitter, openDatabase } from '../../src/platform/sqlite.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { aClaim } from './conformance.ts';

const [, , path = '', host = ''] = process.argv;
const database = openDatabase(path);
const store = createSqliteStore({
  database,
  committer: createCommitter(database),
  clock: { nowMs: () => Date.now() },
  prefix: '',
  random: { uuidv7: () => randomUUID() },
  digest: { sha256: (content) => createHash('sha256').update(content).digest('hex') },
  log: { info() {}, warn() {} },
});
for (;;) {
  const result = await store.claim(aClaim({ host, runId: randomUUID() }));
  if (result.kind !== 'claimed') break;
  process.stdout.write(`${result.todo.id}\n`);
}
await store.close();
database.close();
