// What a network and a server can do to one journey, at each of the seven stages of a completion, through one real daemon. Each todo has a fault of
// its own, found on the wire by its run; whatever came, it ends exactly once with its own output.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import type { Store } from '../../src/world.ts';
import { logTail, untilIn } from '../fixtures/log-tail.ts';
import { type Mariadb, startMariadb } from '../fixtures/mariadb.ts';
import { type Expected, wrongInStore } from '../fixtures/store-checker.ts';
import { type Command, type Fate, startTcpProxy, type TcpProxy } from '../fixtures/tcp-proxy.ts';
import { aTodo } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

let server: Mariadb;
before(async () => {
  server = await startMariadb();
});
after(() => server?.stop());

/** How long a server that is gone stays gone, and how late a slow one is. */
const outageMs = 300;
const slowMs = 700;

/** `commit`: in a transaction the fault waits for its COMMIT. */
const faults: readonly { readonly name: string; readonly fate: Fate | 'refuse'; readonly commit?: boolean }[] = [
  { name: 'refused', fate: 'refuse' },
  { name: 'cut', fate: 'cut' },
  { name: 'reset', fate: 'reset' },
  { name: 'black hole both ways', fate: 'swallow' },
  { name: 'black hole for answers', fate: 'swallow-answer' },
  { name: 'byte by byte', fate: 'drip' },
  { name: 'cut after five bytes', fate: { answerBytes: 5 } },
  { name: 'COMMIT cut before it arrives', fate: 'cut', commit: true },
  { name: 'cut after COMMIT, before OK', fate: 'lose-answer', commit: true },
  { name: '1213', fate: { error: 1213 } },
  { name: '1213 at COMMIT', fate: { error: 1213 }, commit: true },
  { name: '1205', fate: { error: 1205 } },
  { name: '1047', fate: { error: 1047 } },
  { name: '1180 at COMMIT, not committed', fate: { error: 1180 }, commit: true },
  { name: '1180 at COMMIT, committed', fate: { error: 1180, arrives: true }, commit: true },
  { name: '1290', fate: { error: 1290 } },
  { name: '1062', fate: { error: 1062 } },
  { name: 'slow', fate: { slowMs } },
];

/**
 * collect: the word is said, its session lives on, only leases speak with the store · check: the check runs · report: from the end of the check on ·
 * record: the record is written · confirm: it is read back · clean: what comes after that · close: the same, twice.
 */
const stages = ['collect', 'check', 'report', 'record', 'confirm', 'clean', 'close'] as const;
type Stage = (typeof stages)[number];

type Case = {
  readonly stage: Stage;
  readonly fault: (typeof faults)[number];
  readonly todo: Json;
  readonly said: string;
  runId: string;
  /** The test says when; later stages are seen on the wire. */
  armed: boolean;
  recorded: boolean;
  confirmed: boolean;
  left: number;
};

const comPing = new Set([0x03, 0x16, 0x17]);

/** Decides by what is said on the wire: which run a connection speaks of, and where that run stands. */
function faultsOnTheWire(cases: ReadonlyMap<string, Case>, proxy: TcpProxy) {
  const speaksOf = new Map<number, Case>();
  const waitsForCommit = new Map<number, Case>();
  return async (command: Command): Promise<Fate> => {
    const { sql, text, connection, code } = command;
    if (!comPing.has(code)) return 'pass';
    if (/^START TRANSACTION/i.test(sql)) {
      speaksOf.delete(connection);
      waitsForCommit.delete(connection);
    }
    // One statement renews many leases: it is about one that has yet to meet its fault.
    const about = [...cases.values()].filter(({ runId }) => runId !== '' && text.includes(runId));
    const named = about.find(({ left }) => left > 0) ?? about[0];
    if (named !== undefined) speaksOf.set(connection, named);
    const it = speaksOf.get(connection);
    if (/^(COMMIT|ROLLBACK)/i.test(sql)) speaksOf.delete(connection);
    const committing = waitsForCommit.get(connection);
    if (/^COMMIT/i.test(sql) && committing !== undefined) {
      waitsForCommit.delete(connection);
      return fire(committing);
    }
    if (it === undefined || code === 0x16) return 'pass';
    const isRecord = /^INSERT INTO \S*completion/i.test(sql);
    const isConfirm = /^SELECT[\s\S]* FROM \S*completion/i.test(sql);
    const isWrite = !/^SELECT/i.test(sql);
    const here = ((): boolean => {
      switch (it.stage) {
        case 'collect':
        case 'check':
        case 'report':
          return it.armed && named === it;
        case 'record':
          return isRecord;
        case 'confirm':
          return isConfirm && it.recorded;
        case 'clean':
        case 'close':
          return it.confirmed && named === it;
      }
    })();
    if (isRecord) it.recorded = true;
    const fate = here && it.left > 0 ? aim(it, isWrite, connection) : 'pass';
    if (isConfirm && it.recorded) it.confirmed = true;
    return fate;
  };

  function aim(it: Case, isWrite: boolean, connection: number): Fate | Promise<Fate> {
    if (it.fault.commit === true && isWrite) {
      waitsForCommit.set(connection, it);
      return 'pass';
    }
    return fire(it);
  }

  async function fire(it: Case): Promise<Fate> {
    if (it.left === 0) return 'pass';
    it.left -= 1;
    if (it.fault.fate !== 'refuse') return it.fault.fate;
    await proxy.refuse();
    setTimeout(() => void proxy.accept(), outageMs);
    return 'cut';
  }
}

const say = (path: string): void => writeFileSync(path, 'go\n');

/** Bytes that come slowly are no failure, so nothing is tried again. */
const timesOf = (stage: Stage, { fate }: Case['fault']): number => (stage === 'close' && fate !== 'drip' ? 2 : 1);

/** So many faults a daemon; the daemons work side by side, because most of the time they wait. */
const share = 6;

test('each fault of the wire at each of the seven stages: every todo ends exactly once, with its own output', {
  concurrency: faults.length / share,
}, async (t) => {
  const parts = Array.from({ length: Math.ceil(faults.length / share) }, (_, part) => faults.slice(part * share, (part + 1) * share));
  await Promise.all(parts.map((own, part) => t.test(own.map(({ name }) => name).join(' · '), (it) => throughStages(it, own, `w${part}_`))));
});

async function throughStages(t: TestContext, own: typeof faults, prefix: string): Promise<void> {
  const fromMs = Date.now();
  const proxy = await startTcpProxy(server.port);
  t.after(() => proxy.stop());
  const home = await testHome(t, {
    behavior: { database_timeout: 0.6, quiet_after: 60, lease: 0.6, exponential_backoff: false, max_retries: 100 },
    monitoring: { rescan: 0.2 },
    slots: { total: 100, agent: 100, project: 100 },
    store: { url: server.url(proxy.port), table_prefix: prefix, pool: 8 },
  });
  await home.daemon();
  const store = mysqlStore(server.url(), { prefix });
  t.after(() => store.close());
  await store.open();
  const until = (what: string, look: () => boolean) => untilIn([join(home.folder, 'logs'), home.work], what, look);
  const all: Case[] = [];
  const told = storyOf(home);
  for (const stage of stages) {
    const cases = await casesOf(home, store, stage, own);
    all.push(...cases);
    const reached = (event: string): Promise<unknown> =>
      until(`all are ${event}`, () => cases.every(({ todo }) => told().has(`${todo.number} ${event}`)));
    await reached('running');
    for (const it of cases) it.runId = told().get(`${it.todo.number} running`) ?? '';
    await until('all wait for their word', () => cases.every((it) => existsSync(gate(home, it, 'word'))));
    proxy.plan(faultsOnTheWire(new Map(cases.map((it) => [it.todo.id, it])), proxy));
    const met = (): boolean => cases.every(({ left }) => left === 0);
    const arm = (): void => {
      for (const it of cases) it.armed = true;
    };
    const open = async (name: 'word' | 'end' | 'check'): Promise<void> => {
      await until(`all wait for their ${name}`, () => cases.every((it) => existsSync(gate(home, it, name))));
      for (const it of cases) say(gate(home, it, name));
    };
    await open('word');
    if (stage === 'collect') {
      await reached('signal');
      arm();
      await until('each met its fault while its session lived', met);
    }
    await open('end');
    await reached('collected');
    if (stage === 'check') {
      await until('all are being checked', () => cases.every((it) => existsSync(gate(home, it, 'check'))));
      arm();
      await until('each met its fault while its check ran', met);
    }
    if (stage === 'report') arm();
    await open('check');
    await reached('closed');
    assert.deepEqual(
      cases.filter(({ left }) => left > 0).map(({ fault }) => fault.name),
      [],
      `faults that were never met at ${stage}`,
    );
  }
  proxy.plan(() => 'pass');
  const connection = await server.connect();
  t.after(() => connection.destroy());
  const expected: Expected[] = all.map(({ todo, said }) => ({ id: todo.id, number: todo.number, said }));
  assert.equal(expected.length, own.length * stages.length);
  assert.deepEqual(await wrongInStore(connection, prefix, [join(home.folder, 'archive')], expected), []);
  // The checker sees what it is there to see.
  await connection.query(`UPDATE ${prefix}completion SET output = CONCAT(output, output) WHERE todo_id = '${expected[0]!.id}'`);
  await connection.query(`DELETE FROM ${prefix}completion WHERE todo_id = '${expected[1]!.id}'`);
  const planted = await wrongInStore(connection, prefix, [join(home.folder, 'archive')], expected);
  assert.deepEqual(planted, [
    `todo ${expected[0]!.number}: its output has its own words 2 times`,
    `todo ${expected[1]!.number}: 0 terminal records`,
  ]);
  t.diagnostic(`${expected.length} todos, each with its fault, in ${((Date.now() - fromMs) / 1000).toFixed(1)} s`);
}

/** `<number> <event>` → run, from the daemon's log. */
function storyOf(home: TestHome): () => ReadonlyMap<string, string> {
  const added = logTail(join(home.folder, 'logs', 'completion.log'));
  const seen = new Map<string, string>();
  return () => {
    for (const { todo, event, run } of added()) if (todo !== undefined) seen.set(`${todo} ${event}`, String(run));
    return seen;
  };
}

const gate = (home: TestHome, { todo }: Case, name: 'word' | 'end' | 'check'): string => join(home.work, `${todo.title}-${name}`);

/** Added beside the proxy; only the last by the program, which wakes the daemon. */
async function casesOf(home: TestHome, store: Store, stage: Stage, own: typeof faults): Promise<Case[]> {
  const cases: Case[] = [];
  for (const [index, fault] of own.entries()) {
    const name = `${stage}-${index}`;
    const said = `said by ${name} once.`;
    const wait = (gateName: string) => `mkfifo ${name}-${gateName}; read -r word < ${name}-${gateName}`;
    const prompt = `echo "${said}"; ${wait('word')}; "$TODO_MARKER" done; ${wait('end')}`;
    const check = wait('check');
    const isLast = index === own.length - 1;
    const todo = isLast
      ? (
          await home.json(['add', name, '--agent', 'shell', '--prompt', prompt, '--check', check, '--cwd', home.work], {
            env: { TODO_STORE_URL: server.url(), TODO_BEHAVIOR_DATABASE_TIMEOUT: '30' },
          })
        ).todo
      : await store.add(
          aTodo({ id: randomUUID(), title: name, prompt, agent: 'shell', checks: [check], cwd: home.work, project: home.work }),
        );
    cases.push({ stage, fault, todo, said, runId: '', armed: false, recorded: false, confirmed: false, left: timesOf(stage, fault) });
  }
  return cases;
}
