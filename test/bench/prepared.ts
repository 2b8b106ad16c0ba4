// A home with runs as a daemon finds them that was away while all agents ended: each run in store and journal, its folder with output and
// exit, and its marker in the spool. Whoever prepares must be dead before a daemon takes over, so this runs in a process of its own:
//
//   node test/bench/prepared.ts HOME RUNS child|external|open [ADDRESS OF MYSQL] [PROMPT]
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { prepareRunFolder } from '../../src/completion/prepare-run-folder.ts';
import { configSchema } from '../../src/core/config.ts';
import type { Entry } from '../../src/core/entry.ts';
import { newEntry } from '../../src/core/new-entry.ts';
import { runFiles } from '../../src/core/run-folder.ts';
import { stamp } from '../../src/core/signal.ts';
import { clock } from '../../src/platform/clock.ts';
import { digest } from '../../src/platform/digest.ts';
import { files } from '../../src/platform/files.ts';
import { homeAt, makeHome } from '../../src/platform/home.ts';
import { hostOf } from '../../src/platform/host.ts';
import { openJournal } from '../../src/platform/journal.ts';
import { createProcesses } from '../../src/platform/processes.ts';
import { random } from '../../src/platform/random.ts';
import { createCommitter, openDatabase } from '../../src/platform/sqlite.ts';
import { createMysqlStore } from '../../src/store/mysql.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { type MysqlAddress, parseStoreUrl } from '../../src/store/url.ts';
import type { Home } from '../../src/world.ts';

export const outputBytes = 16 * 1024;
const hourMs = 3_600_000;

export type Prepared = { readonly todoId: string; readonly runId: string; readonly number: number; readonly token: string };

/** `external`: worked on by hand, marker still to come. `child`: the agent has written its marker and ended. `open`: a todo that nobody has claimed. */
export type Kind = 'child' | 'external' | 'open';

export async function prepareRuns(
  root: string,
  count: number,
  kind: Kind,
  mysqlUrl: string | null = null,
  prompt = 'true',
): Promise<readonly Prepared[]> {
  const home = homeAt(root, configSchema.parse({}).paths);
  makeHome(home);
  const database = openDatabase(home.database);
  const committer = createCommitter(database);
  const journal = openJournal(database, committer, clock);
  const log = { info() {}, warn() {} };
  const shared = { clock, prefix: '', random, digest, log };
  const store =
    mysqlUrl === null
      ? createSqliteStore({ ...shared, database, committer })
      : createMysqlStore({ ...shared, address: mysqlAddress(mysqlUrl), deadlineMs: 30_000, poolSize: 4 });
  await store.open();
  const host = hostOf({ root, env: {}, todoCommand: ['todo'], hooksFolder: '' });
  const owner = createProcesses({ onExit() {} }).self();

  const prepare = async (index: number): Promise<Prepared> => {
    const todoId = random.uuidv7();
    const added = {
      id: todoId,
      title: `measured ${index}`,
      prompt,
      cwd: root,
      project: `${root}/${index}`,
      agent: 'shell',
      session: null,
    };
    const todo = await store.add({ ...added, checks: [], priority: 5, timeoutMs: null, rounds: 1, after: null, held: false });
    if (kind === 'open') return { todoId, runId: '', number: todo.number, token: '' };
    const token = random.token();
    const claimed = await store.claim({
      runId: random.uuidv7(),
      tokenSha256: digest.sha256(token),
      host: host.id,
      kind,
      leaseMs: hourMs,
      todoId,
      slots: null,
      agents: null,
      externalLeaseMs: hourMs,
    });
    if (claimed.kind !== 'claimed') throw new Error(`todo ${index} could not be claimed: ${claimed.kind}`);
    const nowMs = clock.nowMs();
    const entry = newEntry({ todo: claimed.todo, run: claimed.run, owner, conversationId: randomUUID(), nowMs });
    const { runId } = entry.ref;
    const at = runFiles(home.runs, runId);
    prepareRunFolder(runId, { files, home });
    files.write(at.token, token, 0o600);
    files.write(at.output, outputOf(index));
    if (kind === 'child') files.write(at.exit, '1 code 0\n');
    await journal.save(kind === 'child' ? begun(entry, nowMs) : entry);
    if (kind === 'child') writeMarker(home, { todoId, runId, token });
    return { todoId, runId, number: claimed.todo.number, token };
  };
  const prepared: Prepared[] = [];
  // In groups, so that they share commits.
  for (let from = 0; from < count; from += 50)
    prepared.push(...(await Promise.all(Array.from({ length: Math.min(50, count - from) }, (_, index) => prepare(from + index)))));
  await store.close();
  committer.flush();
  database.close();
  return prepared;
}

function mysqlAddress(url: string): MysqlAddress {
  const address = parseStoreUrl(url);
  if (address.kind !== 'mysql') throw new Error(`not an address of MySQL: ${address.kind}`);
  return address;
}

function begun(entry: Entry, nowMs: number): Entry {
  return {
    ...entry,
    fact: 'running',
    shown: 'running',
    session: { kind: 'child', process: { pid: 2 ** 22 + 1, startTicks: 0, bootId: 'ended' } },
    timeline: stamp(entry, { atMs: nowMs, fact: 'running', reason: 'round 1' }),
  };
}

/** Lines as an agent prints them, some coloured; 16 KiB. */
export function outputOf(index: number): string {
  let text = '';
  for (let line = 1; text.length < outputBytes; line++) {
    const digits = createHash('sha256').update(`${index}:${line}`).digest('hex');
    text += line % 8 === 0 ? `\u001b[32mok ${line}\u001b[0m ${digits}\n` : `${line}: ${digits}\n`;
  }
  return text.slice(0, outputBytes - 1).concat('\n');
}

/** As `hooks/mark-done` does: durable when it returns. */
export function writeMarker(home: Pick<Home, 'spool'>, { todoId, runId, token }: Pick<Prepared, 'todoId' | 'runId' | 'token'>): string {
  const line = JSON.stringify({ v: 1, todo: todoId, run: runId, token, says: 'done', summary: 'measured' });
  const name = `${runId}.${randomUUID()}`;
  const draft = join(home.spool.tmp, name);
  const fd = openSync(draft, 'wx', 0o600);
  writeSync(fd, `${line}\nsha256 ${digest.sha256(line)} ${Buffer.byteLength(line)}\n`);
  fsyncSync(fd);
  closeSync(fd);
  linkSync(draft, join(home.spool.new, name));
  const folder = openSync(home.spool.new, 'r');
  fsyncSync(folder);
  closeSync(folder);
  unlinkSync(draft);
  return name;
}

if (import.meta.main) {
  const [root = '', count = '', kind = '', mysqlUrl = '', prompt] = process.argv.slice(2);
  if (kind !== 'child' && kind !== 'external' && kind !== 'open') throw new Error('usage: prepared.ts HOME RUNS child|external|open');
  process.stdout.write(`${JSON.stringify(await prepareRuns(root, Number(count), kind, mysqlUrl || null, prompt))}\n`);
}
