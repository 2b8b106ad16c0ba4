// A real MariaDB that is killed, frozen, restarted, locked, made read-only and filled up, one after the other, while todos complete: a
// thousand of them, or as many as TODO_STORM_TODOS says, a round of all faults for each five hundred; an independent look at the tables and the archive says whether any was lost or doubled.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { logTail, untilIn } from '../fixtures/log-tail.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Expected, wrongInStore } from '../fixtures/store-checker.ts';
import { aTodo } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';
import { type TestHome, testHome } from './harness.ts';

const todos = Number(process.env['TODO_STORM_TODOS'] ?? 1000);
const prefix = 'storm_';
/** What the server needs for itself, and some room for todos. */
const diskMb = 160 + todos;
const small = ['--innodb-log-file-size=8M', '--innodb-buffer-pool-size=32M', '--aria-log-file-size=8M', '--aria-pagecache-buffer-size=8M'];

test(`${todos} todos complete while MariaDB is killed, frozen, restarted, locked, read-only and full: none lost, none doubled`, {
  timeout: 60_000 + todos * 1000,
}, async (t) => {
  const disk = smallDisk(t);
  const server = await startMariadb(small, disk ?? undefined);
  t.after(async () => {
    await server.stop();
    if (disk === null) return;
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });
  // Whoever may do everything may also write to a server that is read-only.
  await admin(
    server,
    `CREATE USER 'plain'@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON ${server.database}.* TO 'plain'@'127.0.0.1'`,
  );
  const home = await testHome(t, {
    behavior: { database_timeout: 1, quiet_after: 0.05, exponential_backoff: false, max_retries: 100 },
    monitoring: { rescan: 0.2 },
    slots: { total: 12, agent: 12, project: 12 },
    store: { url: `mysql://plain:x@127.0.0.1:${server.port}/${server.database}`, table_prefix: prefix },
  });
  const expected = await added(server, home);
  const faults = faultsOf(server, disk);
  const daemon = await home.daemon();
  const told = storyOf(home);
  const until = (what: string, look: () => boolean) => untilIn([join(home.folder, 'logs')], what, look);
  const fromMs = Date.now();
  const rounds = Math.max(1, Math.round(todos / 500));
  const steps = faults.length * rounds;
  for (let step = 0; step < steps; step++) {
    const { name, begin, end } = faults[step % faults.length]!;
    const due = Math.floor(((step + 0.5) * todos) / steps);
    await until(`${due} are closed`, () => told().closed >= due);
    const before = told().felt;
    await begin();
    await until(`${name} is felt`, () => told().felt > before);
    await end();
    const closed = told().closed;
    await until(`work goes on after ${name}`, () => told().closed > closed || told().closed === todos);
  }
  await until('all are closed', () => told().closed >= todos);
  t.diagnostic(
    `${todos} todos, ${steps} faults (${faults.map(({ name }) => name).join(', ')}), in ${((Date.now() - fromMs) / 1000).toFixed(1)} s`,
  );
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  const connection = await server.connect();
  t.after(() => connection.destroy());
  assert.deepEqual(await wrongInStore(connection, prefix, [join(home.folder, 'archive')], expected), []);
});

type Fault = { readonly name: string; begin(): void | Promise<void>; end(): void | Promise<void> };

function faultsOf(server: Mariadb, disk: string | null): readonly Fault[] {
  let locking: Awaited<ReturnType<Mariadb['connect']>> | null = null;
  return [
    ...(disk === null ? [] : [{ name: 'disk full', begin: () => fill(disk), end: () => rmSync(join(disk, 'filler')) }]),
    { name: 'kill -9', begin: () => server.kill9(), end: () => server.restart() },
    { name: 'SIGSTOP', begin: () => server.freeze(), end: () => server.thaw() },
    { name: 'restart', begin: () => server.shutDown(), end: () => server.restart() },
    {
      name: 'LOCK TABLES',
      async begin() {
        locking = await server.connect();
        await locking.query(`LOCK TABLES ${['todo', 'run', 'completion'].map((table) => `${prefix}${table} WRITE`).join(', ')}`);
      },
      end: () => void locking?.destroy(),
    },
    { name: 'read_only', begin: () => admin(server, 'SET GLOBAL read_only = 1'), end: () => admin(server, 'SET GLOBAL read_only = 0') },
  ];
}

async function admin(server: Mariadb, sql: string): Promise<void> {
  const connection = await server.connect();
  await connection.query(sql);
  await connection.end();
}

async function added(server: Mariadb, home: TestHome): Promise<Expected[]> {
  const store = mysqlStore(server.url(), { prefix });
  await store.open();
  const expected: Expected[] = [];
  for (let n = 1; n <= todos; n++) {
    const said = `said by storm ${n} once.`;
    // Enough for tables to grow, so that a full disk is felt.
    const prompt = `echo '${said}'; head -c 40000 /dev/urandom | base64; echo; "$TODO_MARKER" done`;
    const { id, number } = await store.add(aTodo({ id: randomUUID(), title: `storm ${n}`, prompt, cwd: home.work, project: home.work }));
    expected.push({ id, number, said });
  }
  await store.close();
  return expected;
}

/** A disk of its own for the server; null, with a loud word, where this process may not have one. */
function smallDisk(t: TestContext): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskMb}m`, 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    t.diagnostic('NOT TRIED: a full disk. It needs the right to mount a small tmpfs (root).');
    rmSync(folder, { recursive: true });
    return null;
  }
  return folder;
}

function fill(disk: string): void {
  const file = openSync(join(disk, 'filler'), 'w');
  const block = Buffer.alloc(64 * 1024);
  try {
    for (;;) if (writeSync(file, block) < block.length) break;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

/** How many are closed, and how often the daemon felt the store, from its log. */
function storyOf(home: TestHome): () => { readonly closed: number; readonly felt: number } {
  const added = logTail(join(home.folder, 'logs', 'completion.log'));
  let closed = 0;
  let felt = 0;
  return () => {
    for (const { event, reason } of added()) {
      if (event === 'closed') closed += 1;
      if (/STORE_(UNREACHABLE|TIMEOUT|IN_DOUBT|READ_ONLY|FULL|CONFLICT)/.test(String(reason ?? ''))) felt += 1;
    }
    return { closed, felt };
  };
}
