// What a claim takes in a store of a million todos. They are made by one statement inside the database: half of them have ended, and of the open
// ones some are held, some wait for another, some for a time.
import { join } from 'node:path';
import { clock } from '../../src/platform/clock.ts';
import { digest } from '../../src/platform/digest.ts';
import { random } from '../../src/platform/random.ts';
import { createCommitter, openDatabase } from '../../src/platform/sqlite.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/world.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { aClaim, aRecord } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';
import { asked, figure, median } from './figures.ts';
import { base } from './home.ts';

const todos = Number(asked.todos ?? 1_000_000);
const claimsMeasured = 201;
const looksMeasured = 11;
/** Reading all that waits for one project is linear: a size that people have. */
const todosOfOne = Math.min(todos, 10_000);
/** As a daemon asks by default. */
const asks = { host: 'bench/1', slots: { total: 4, agent: 2, project: 1 }, agents: ['claude', 'shell'] };

export async function claims(): Promise<void> {
  await ofSqlite();
  await ofMariadb();
}

async function ofSqlite(): Promise<void> {
  const database = openDatabase(join(base, 'claims.db'));
  const shared = { clock, prefix: '', random, digest, log: { info() {}, warn() {} } };
  const store = createSqliteStore({ ...shared, database, committer: createCommitter(database) });
  await store.open();
  const idOf = (number: string): string => `printf('019a0000-0000-7000-8000-%012d', ${number})`;
  await measure('SQLite', store, async (count, projectOf) => {
    const numbers = `WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ${count})`;
    for (const table of ['todo', 'run', 'completion']) database.exec(`DELETE FROM ${table}`);
    database.exec(`${numbers} ${insertion({ idOf, projectOf: (number) => `printf('/projects/%d', ${projectOf(number)})` })} FROM numbers`);
  });
  await store.close();
  database.close();
}

async function ofMariadb(): Promise<void> {
  // What a server has that holds a million todos: its index in memory.
  const server = await startMariadb(['--innodb-buffer-pool-size=512M', '--innodb-log-file-size=512M']);
  try {
    const store = mysqlStore(server.url());
    await store.open();
    await measure('MariaDB', store, (count, projectOf) => fillMariadb(server, count, projectOf));
    await store.close();
  } finally {
    await server.stop();
  }
}

async function fillMariadb(server: Mariadb, count: number, projectOf: (number: string) => string): Promise<void> {
  const connection = await server.connect();
  const idOf = (number: string): string => `CONCAT('019a0000-0000-7000-8000-', LPAD(${number}, 12, '0'))`;
  const from = `FROM (SELECT seq AS i FROM seq_1_to_${count}) numbers`;
  for (const table of ['todo', 'run', 'completion']) await connection.query(`TRUNCATE TABLE ${table}`);
  await connection.query(`${insertion({ idOf, projectOf: (number) => `CONCAT('/projects/', ${projectOf(number)})` })} ${from}`);
  await connection.query('ANALYZE TABLE todo');
  await connection.end();
}

type Fill = (count: number, projectOf: (number: string) => string) => Promise<void>;
type Texts = { readonly idOf: (number: string) => string; readonly projectOf: (number: string) => string };

/** Even ones have ended. Of the odd ones: 1 in 25 is held, 1 in 10 waits for one that is open, 1 in 15 for a time far off. */
function insertion({ idOf, projectOf }: Texts): string {
  const ended = (then: string, otherwise: string): string => `CASE WHEN i % 2 = 0 THEN ${then} ELSE ${otherwise} END`;
  const columns: Readonly<Record<string, string>> = {
    id: idOf('i'),
    number: 'i',
    title: "'a todo of the bench'",
    prompt: `'${'as long as prompts are '.repeat(12)}'`,
    cwd: projectOf('i'),
    project: projectOf('i'),
    agent: "CASE WHEN i % 8 < 2 THEN 'claude' ELSE 'shell' END",
    checks: "'[]'",
    priority: '(i * 7) % 10',
    rounds: '1',
    after_id: `CASE WHEN i % 20 = 11 THEN ${idOf('i - 2')} END`,
    held: 'CASE WHEN i % 50 = 1 THEN 1 ELSE 0 END',
    status: ended("'completed'", "'open'"),
    proof: ended("'verified'", 'NULL'),
    fence: ended('1', '0'),
    not_before_ms: 'CASE WHEN i % 30 = 3 THEN 9000000000000 + i END',
    attempts: '0',
    resets: '0',
    created_at_ms: '1790000000000 + i',
    updated_at_ms: '1790000000000 + i',
    ended_at_ms: ended('1790000000000 + i', 'NULL'),
  };
  return `INSERT INTO todo (${Object.keys(columns).join(', ')}) SELECT ${Object.values(columns).join(', ')}`;
}

/** Claims of one host that keeps three runs alive; then looks at a queue whose only project has no slot left. */
async function measure(name: string, store: Store, fill: Fill): Promise<void> {
  await fill(todos, (number) => `${number} % 1000`);
  const live: { readonly todoId: string; readonly runId: string; readonly fence: number }[] = [];
  const tookMs: number[] = [];
  for (let each = 0; each < claimsMeasured; each++) {
    const fromMs = performance.now();
    const claimed = await store.claim(aClaim(asks));
    tookMs.push(performance.now() - fromMs);
    if (claimed.kind !== 'claimed') throw new Error(`nothing to claim: ${JSON.stringify(claimed)}`);
    live.push({ todoId: claimed.todo.id, runId: claimed.run.id, fence: claimed.run.fence });
    if (live.length > 2) await store.record(aRecord(live.shift()!));
  }
  for (const each of live) await store.record(aRecord(each));
  const claim = median(tookMs);
  const worst = Math.max(...tookMs);
  figure(
    `claim among ${todos.toLocaleString('en')} todos, ${name}`,
    `${claim.toFixed(1)} ms (median, at most ${worst.toFixed(0)} ms)`,
    '≤ 10 ms',
    claim <= 10,
  );

  await fill(todosOfOne, () => '1');
  const only = await store.claim(aClaim(asks));
  if (only.kind !== 'claimed') throw new Error(`nothing to claim: ${JSON.stringify(only)}`);
  const lookedMs: number[] = [];
  for (let each = 0; each < looksMeasured; each++) {
    const fromMs = performance.now();
    const answer = await store.claim(aClaim(asks));
    lookedMs.push(performance.now() - fromMs);
    if (answer.kind !== 'nothing' || answer.why !== 'no-slot') throw new Error(`there should be no slot: ${JSON.stringify(answer)}`);
  }
  const look = median(lookedMs);
  const what = `look for work where all of ${todosOfOne.toLocaleString('en')} todos are of a project that has no slot left, ${name}`;
  figure(what, `${look.toFixed(1)} ms`);
}
