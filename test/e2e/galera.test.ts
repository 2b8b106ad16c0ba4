// Three hosts on a real Galera cluster of three, whose nodes are killed, frozen, cut off, restarted and all lost, one after the other, while todos
// complete. As many as TODO_GALERA_TODOS says (a whole round of faults for each thousand): they are given to the store beforehand and looked at in
// pages, so any number fits. An independent look at the tables of every node, the archives and what the daemons acknowledged says whether any was lost or doubled.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import { type Galera, type Node, startGalera } from '../fixtures/galera.ts';
import { logTail, untilIn } from '../fixtures/log-tail.ts';
import { type Expected, wrongInStore } from '../fixtures/store-checker.ts';
import { aTodo } from '../store/conformance.ts';
import { mysqlStore } from '../store/mysql-fixture.ts';
import { type TestHome, testHome } from './harness.ts';

const todos = Number(process.env['TODO_GALERA_TODOS'] ?? 1000);
const prefix = 'g_';

test(`[C-55] ${todos} todos on three hosts and three Galera nodes, each of which fails in each way: none lost, none doubled, every acknowledged one on every node`, {
  timeout: 240_000 + todos * 1000,
}, async (t) => {
  const startedMs = Date.now();
  const galera = await startGalera();
  t.after(() => galera.stop());
  if (!galera.cuts.includes('one-way'))
    t.diagnostic('NOT TRIED: a one-way partition, and packets that are lost. They need the right to make networks (root).');
  const homes: TestHome[] = [];
  for (let n = 0; n < 3; n++)
    homes.push(
      await testHome(t, {
        behavior: { database_timeout: 3, lease: 20, quiet_after: 0.05, exponential_backoff: false, max_retries: 100 },
        slots: { total: 4, agent: 4, project: 4 },
        logging: { max_size_mb: 10_000 },
        store: { url: galera.url(), table_prefix: prefix },
      }),
    );
  const expected = await added(galera, homes[0]!.work);
  const daemons = await Promise.all(homes.map((home) => home.daemon()));
  const upMs = Date.now();
  const told = storyOf(homes);
  const logs = homes.map(({ folder }) => join(folder, 'logs'));
  /** However long it takes, as long as it goes on. */
  const untilClosed = async (count: number): Promise<void> => {
    for (let before = told().size; before < count; before = told().size)
      await untilIn(logs, `more than ${before} of ${todos} are closed`, () => told().size > before);
  };
  const faults = faultsOf(galera);
  const rounds = Math.max(1, Math.round(todos / 1000));
  const steps = faults.length * rounds;
  const took: string[] = [];
  for (let step = 0; step < steps; step++) {
    const { name, strike } = faults[step % faults.length]!;
    await untilClosed(Math.floor(((step + 0.5) * todos) / steps));
    const fromMs = Date.now();
    await strike();
    took.push(`${name} ${((Date.now() - fromMs) / 1000).toFixed(1)} s`);
    await untilClosed(Math.min(todos, told().size + 1));
    if (rounds > 1) t.diagnostic(`${told().size} of ${todos} closed after ${name}`);
  }
  await untilClosed(todos);
  const seconds = (Date.now() - upMs) / 1000;
  t.diagnostic(
    `${todos} todos, ${steps} faults in ${seconds.toFixed(1)} s (${(todos / seconds).toFixed(1)}/s); the cluster and three daemons up in ${((upMs - startedMs) / 1000).toFixed(1)} s`,
  );
  t.diagnostic(took.join(', '));
  for (const daemon of daemons) daemon.process.kill('SIGTERM');
  for (const daemon of daemons) await daemon.ended;
  await galera.untilSize(galera.nodes, 3);
  const archives = homes.map(({ folder }) => join(folder, 'archive'));
  const sums: unknown[] = [];
  for (const [at, node] of galera.nodes.entries()) {
    const connection = await node.connect();
    t.after(() => connection.destroy());
    // What was committed on another node before is seen.
    await connection.query('SET SESSION wsrep_sync_wait = 1');
    assert.deepEqual(await wrongInStore(connection, prefix, at === 0 ? archives : [], expected), [], node.name);
    assert.deepEqual(await lostOf(connection, told()), [], node.name);
    sums.push((await connection.query(`CHECKSUM TABLE ${prefix}todo, ${prefix}run, ${prefix}completion`))[0]);
  }
  assert.deepEqual([sums[1], sums[2]], [sums[0], sums[0]], 'all nodes have the same');
  // The look would see it: a record that is gone, and a todo that is not what it was.
  const [one] = expected;
  const damaged = await galera.nodes[1]!.connect();
  t.after(() => damaged.destroy());
  await damaged.query(
    `DELETE FROM ${prefix}completion WHERE todo_id = '${one!.id}'; UPDATE ${prefix}todo SET status = 'open' WHERE id = '${one!.id}'`,
  );
  assert.equal((await wrongInStore(damaged, prefix, [], expected)).length, 2);
  assert.equal((await lostOf(damaged, told())).length, 1);
});

type Fault = { readonly name: string; strike(): Promise<void> };

/** Each ends with a whole cluster of three. */
function faultsOf(galera: Galera): readonly Fault[] {
  const { nodes } = galera;
  const others = (node: Node): Node[] => nodes.filter((it) => it !== node);
  const whole = () => galera.untilSize(nodes, 3);
  /** The others go on without it, before it comes back. */
  const without = (node: Node, name: string, begin: () => Promise<void> | void, end: () => Promise<void> | void): Fault => ({
    name: `${name} ${node.name}`,
    async strike() {
      await begin();
      await galera.untilSize(others(node), 2);
      await end();
      await whole();
    },
  });
  return [
    ...nodes.map((node) => without(node, 'kill -9', node.kill9, node.join)),
    ...nodes.map((node) => without(node, 'SIGSTOP', node.freeze, node.thaw)),
    // The first is the one that all write to.
    ...galera.cuts.map((how) =>
      without(
        nodes[0]!,
        `${how} partition`,
        () => galera.cut(nodes[0]!, how),
        () => galera.heal(nodes[0]!),
      ),
    ),
    {
      name: 'rolling restart',
      async strike() {
        for (const node of nodes) {
          await node.shutDown();
          await node.join();
        }
        await whole();
      },
    },
    {
      name: 'full outage and bootstrap',
      async strike() {
        await Promise.all(nodes.map((node) => node.kill9()));
        await galera.bootstrap();
        await whole();
      },
    },
  ];
}

async function added(galera: Galera, work: string): Promise<Expected[]> {
  const store = mysqlStore(galera.url(), { prefix });
  await store.open();
  const expected: Expected[] = [];
  for (let n = 1; n <= todos; n++) {
    const said = `said by cluster ${n} once.`;
    const { id, number } = await store.add(
      aTodo({ id: randomUUID(), title: `cluster ${n}`, prompt: `echo '${said}'`, cwd: work, project: work }),
    );
    expected.push({ id, number, said });
  }
  await store.close();
  return expected;
}

/** What the daemons have acknowledged, from their logs: number of the todo → run whose record they saw. */
function storyOf(homes: readonly TestHome[]): () => ReadonlyMap<number, string> {
  const tails = homes.map(({ folder }) => logTail(join(folder, 'logs', 'completion.log')));
  const superseded = new Set<unknown>();
  const closed = new Map<number, string>();
  return () => {
    for (const added of tails)
      for (const { event, todo, run, reason } of added()) {
        if (event === 'superseded' || /^superseded/.test(String(reason ?? ''))) superseded.add(run);
        if (event !== 'closed' || superseded.has(run)) continue;
        assert.ok(!closed.has(Number(todo)), `todo ${todo} was acknowledged twice`);
        closed.set(Number(todo), String(run));
      }
    return closed;
  };
}

/** Runs that were acknowledged and have no record on this node. */
async function lostOf(connection: Connection, acknowledged: ReadonlyMap<number, string>): Promise<readonly string[]> {
  const runs = [...acknowledged.values()];
  const lost: string[] = [];
  for (let from = 0; from < runs.length; from += 500) {
    const page = runs.slice(from, from + 500);
    const [rows] = await connection.query(`SELECT run_id FROM ${prefix}completion WHERE run_id IN (?)`, [page]);
    const there = new Set((rows as { run_id: string }[]).map(({ run_id }) => run_id));
    lost.push(...page.filter((run) => !there.has(run)));
  }
  return lost;
}
