// Makes the files that keep today's store for ever: `node test/compat/make-store.ts` after the schema got a new version. A file that is there is
// never made again: what it proves is that programs of today open what programs of its day wrote.
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createCommitter, openDatabase } from '../../src/platform/sqlite.ts';
import { schemaVersion } from '../../src/store/schema.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/world.ts';
import { startMariadb } from '../fixtures/mariadb.ts';
import { aClaim, aRecord, aTodo, sha256 } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';

const fileOf = (ending: string): string => fileURLToPath(new URL(`store-v${schemaVersion}.${ending}`, import.meta.url));
const atMs = 1_790_000_000_000;
let ids = 0;
const id = (): string => `019b0000-0000-7000-8000-${String(++ids).padStart(12, '0')}`;

const bytes = Uint8Array.of(0, 255, 128, 10);

/** A little of everything, named by what became of it. */
async function fill(store: Store): Promise<void> {
  const add = (title: string, changes = {}) =>
    store.add({ ...aTodo({ title, prompt: `prompt of ${title} 🙂\0'"\\`, checks: ['npm test'], ...changes }), id: id() });
  const claim = async (todoId: string, leaseMs = 60_000) => {
    const result = await store.claim(aClaim({ todoId, runId: id(), leaseMs }));
    if (result.kind !== 'claimed') throw new Error(JSON.stringify(result));
    return { todoId, runId: result.run.id, fence: result.run.fence };
  };
  const done = await add('completed', { session: 'tmux', timeoutMs: 5000, rounds: 2 });
  const lost = await claim(done.id, 0);
  await store.rescue(lost, { status: 'open', outcome: 'lost', reason: 'its host went away', attempts: 1, resets: 0, notBeforeMs: null });
  await store.record({
    ...aRecord(await claim(done.id), { proof: 'verified', attempts: 1, output: 'output 🙂\0\n'.repeat(100) }),
    startedAtMs: atMs,
    endedAtMs: atMs + 1,
  });
  await store.record(
    aRecord(await claim((await add('failed')).id), { outcome: 'failed', todoStatus: 'failed', proof: null, reason: 'a check failed' }),
  );
  await add('open', { priority: 0, after: done.id });
  await add('held', { held: true });
  await store.record(
    aRecord(await claim((await add('parked')).id), { outcome: 'parked', todoStatus: 'parked', proof: null, notBeforeMs: atMs + 9 }),
  );
  await store.mark(await claim((await add('running')).id, 0), 'running', 2, null);
  await store.deadLetter(await claim((await add('dead-lettered')).id), 'REPORT_FAILED three times');
  await store.change((await add('cancelled')).id, ['open'], { status: 'cancelled', reason: 'not needed' });
  await store.note({ kind: 'audit', todoId: done.id, runId: null, atMs, what: 'a note', detail: '{"n":1}' });
  const said = { todoId: done.id, runId: null, atMs, author: 'a person' };
  await store.comment({ ...said, id: id(), text: 'a comment 🙂\0' });
  await store.attach({ ...said, id: id(), name: 'picture.png', sizeBytes: 4, sha256: sha256(bytes) }, bytes);
}

if (!existsSync(fileOf('db'))) {
  const database = openDatabase(fileOf('db'));
  let ticks = 0;
  const store = createSqliteStore({
    database,
    committer: createCommitter(database),
    clock: { nowMs: () => atMs + ++ticks },
    prefix: '',
    random: { uuidv7: id },
    digest: { sha256: (content) => sha256(String(content)) },
    log: { info() {}, warn() {} },
  });
  await store.open();
  await fill(store);
  await store.close();
  database.close();
}
if (!existsSync(fileOf('mariadb.sql'))) {
  const server = await startMariadb();
  const store = mysqlStore(server.url());
  await store.open();
  await fill(store);
  await store.close();
  const account = [`--host=127.0.0.1`, `--port=${server.port}`, `--user=${server.user}`, `--password=${server.password}`];
  const dump = execFileSync('mariadb-dump', [...account, '--skip-dump-date', '--skip-comments', '--hex-blob', server.database]);
  writeFileSync(fileOf('mariadb.sql'), dump);
  await server.stop();
}
