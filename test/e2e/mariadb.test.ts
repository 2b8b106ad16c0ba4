// The whole card on MariaDB, through the running daemon: the record, lost servers, lost answers, black holes.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Fate } from '../fixtures/tcp-proxy.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';

const behind = mariadbBehindProxy();

let prefixes = 0;
/** Each test has tables of its own on the one server. */
async function homeOn(t: Parameters<typeof testHome>[0], port: number, config: Json = {}): Promise<TestHome & { prefix: string }> {
  const prefix = `t${++prefixes}_`;
  behind.proxy.plan(() => 'pass');
  const home = await testHome(t, { ...config, store: { url: behind.server.url(port), table_prefix: prefix } });
  return Object.assign(home, { prefix });
}

async function rows(prefix: string, sql: string): Promise<Json[]> {
  const connection = await behind.server.connect();
  try {
    const [found] = await connection.query(sql.replaceAll('#', prefix));
    return found as Json[];
  } finally {
    await connection.end();
  }
}

const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked', 'dead-lettered'].includes(todo.status);
const failures = (home: TestHome): Json[] => home.log('completion').filter((line) => line.event === 'step failed');
const signalled = (home: TestHome) =>
  home.until('the word is in the journal', () => home.log('completion').some((line) => line.event === 'collected'));
const closedOnce = async (home: TestHome & { prefix: string }, todo: Json) => {
  await home.until('closed', () => home.log('completion').some((line) => line.event === 'closed'));
  const [row] = await rows(home.prefix, 'SELECT COUNT(*) AS n FROM #completion');
  assert.equal(Number(row.n), 1, 'one terminal record');
  const evidence = JSON.parse(readFileSync(join(dirname(todo.report), 'evidence.json'), 'utf8'));
  assert.equal(todo.runs[0].endedAtMs, evidence.run.endedAtMs, 'the original finish time');
};

test('[C-71] the whole card: marker, four layers, and the row in MariaDB read back by value', async (t) => {
  const home = await homeOn(t, behind.server.port);
  await home.daemon();
  const { number } = await home.add('echo "the output: ü 漢 👍"; "$TODO_MARKER" done "all on MariaDB"', '--check', 'true');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.proof, todo.runs[0].saidBy], ['completed', 'verified', 'marker']);
  await closedOnce(home, todo);
  const [row] = await rows(
    home.prefix,
    'SELECT t.status, t.proof, t.summary, c.output, c.report_html FROM #todo t JOIN #completion c ON c.todo_id = t.id',
  );
  assert.equal(row.status, 'completed');
  assert.match(row.summary, /all on MariaDB/);
  assert.ok(row.output.includes('the output: ü 漢 👍'));
  assert.equal(row.report_html, readFileSync(todo.report, 'utf8'));
});

test('[C-71, C-43, P-37] the same with mariadbd killed before the record: tries after 2 s and 4 s, then it is there, once', async (t) => {
  const home = await homeOn(t, behind.server.port);
  await home.daemon();
  const { number } = await home.add('echo hello; while [ ! -e go ]; do sleep 0.05; done; "$TODO_MARKER" done');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  await behind.server.kill9();
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(home.work, 'go'), '');
  await home.until('two tries have failed', () => failures(home).length >= 2);
  await behind.server.restart();
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.proof], ['completed', 'unverified']);
  const waits = failures(home).map((line) => line.nextAttemptAtMs - Date.parse(line.time));
  assert.ok(Math.abs((waits[0] ?? 0) - 2000) < 300 && Math.abs((waits[1] ?? 0) - 4000) < 300, `waits ${waits}`);
  await closedOnce(home, todo);
});

test('[C-13, I-05, C-45] a store that is away for 10 s, over a restart of the daemon: the completion waits in the journal and goes on with its original output', async (t) => {
  const home = await homeOn(t, behind.proxy.port, { behavior: { max_retries: 1 } });
  const first = await home.daemon();
  const { number } = await home.add('echo the only output; while [ ! -e go ]; do sleep 0.05; done; "$TODO_MARKER" done "kept"');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  await behind.proxy.refuse();
  const awayAtMs = Date.now();
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(home.work, 'go'), '');
  await signalled(home);
  await home.until('a whole round has failed and a person was told', () =>
    home.log('emergency').some((line) => line.level === 'CRITICAL' && /waits/.test(line.message)),
  );
  const health = await home.json(['health'], { code: 2 }).catch(() => home.json(['health'], { code: 3 }));
  assert.notEqual(health.components.find((component: Json) => component.name === 'store').status, 'healthy');
  first.process.kill('SIGKILL');
  await first.ended;
  const second = home.start(['daemon', 'run']);
  await second.says(/away|STORE_UNREACHABLE|unreachable|ready/i);
  await home.until('ten seconds have passed', () => Date.now() - awayAtMs > 10_000);
  await behind.proxy.accept();
  const backAtMs = Date.now();
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.proof], ['completed', 'unverified']);
  assert.ok(todo.runs[0].endedAtMs < awayAtMs + 5000, 'the finish time is that of the agent, not of the record');
  assert.match(readFileSync(join(dirname(todo.report), 'output.txt'), 'utf8'), /the only output/);
  t.diagnostic(`went on ${Date.now() - backAtMs} ms after the store was back`);
  await closedOnce(home, todo);
});

test('[C-14] a store that swallows everything: the operation ends at its time limit, its connection is destroyed, and the answer counts as unknown', async (t) => {
  const home = await homeOn(t, behind.proxy.port, { behavior: { database_timeout: 0.7 } });
  await home.daemon();
  const { number } = await home.add('while [ ! -e go ]; do sleep 0.05; done; "$TODO_MARKER" done');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  behind.proxy.plan(() => 'swallow');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(home.work, 'go'), '');
  await home.until('a step timed out', () =>
    failures(home).some((line) => line.code === 'STORE_TIMEOUT' || line.code === 'STORE_IN_DOUBT'),
  );
  assert.ok(existsSync(join(home.folder, 'runs')), 'nothing was removed');
  behind.proxy.plan(() => 'pass');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.equal(todo.status, 'completed');
  await closedOnce(home, todo);
});

test('[I-25] an answer that is lost after COMMIT is read back: never a failure, never twice', async (t) => {
  const home = await homeOn(t, behind.proxy.port);
  await home.daemon();
  const { number } = await home.add('while [ ! -e go ]; do sleep 0.05; done; "$TODO_MARKER" done');
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  let inRecord = false;
  let lost = 0;
  behind.proxy.plan((command) => {
    inRecord ||= /completion/i.test(command.text) && /insert/i.test(command.text);
    if (!inRecord || lost > 0 || !/^commit/i.test(command.text)) return 'pass';
    lost++;
    return 'lose-answer';
  });
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(home.work, 'go'), '');
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.deepEqual([todo.status, todo.proof], ['completed', 'unverified']);
  assert.equal(lost, 1, 'the answer of the commit was lost');
  assert.ok(!home.log('completion').some((line) => line.event === 'disproved'));
  await closedOnce(home, todo);
});

test('[C-19] a row that vanished after it was recorded is written again before anything is removed', async (t) => {
  const home = await homeOn(t, behind.proxy.port);
  await home.daemon();
  const { number } = await home.add('while [ ! -e go ]; do sleep 0.05; done; "$TODO_MARKER" done');
  const running = await home.untilTodo(number, 'running', (todo) => todo.status === 'running');
  const run = running.runs[0].id;
  let taken = false;
  behind.proxy.plan(async (command): Promise<Fate> => {
    // The first look at the record after it was written finds nothing: somebody took it away in between.
    if (!taken && /^select/i.test(command.text) && /completion/.test(command.text)) {
      const [there] = await rows(home.prefix, 'SELECT COUNT(*) AS n FROM #completion');
      if (Number(there.n) === 1) {
        taken = true;
        const connection = await behind.server.connect();
        await connection.query(`DELETE FROM ${home.prefix}completion`);
        await connection.query(`UPDATE ${home.prefix}todo SET status = 'running', proof = NULL, ended_at_ms = NULL, run_id = '${run}'`);
        await connection.query(`UPDATE ${home.prefix}run SET outcome = NULL, ended_at_ms = NULL`);
        await connection.end();
        assert.ok(existsSync(join(home.folder, 'runs', run)), 'nothing is removed before the look');
      }
    }
    return 'pass';
  });
  const { writeFileSync } = await import('node:fs');
  writeFileSync(join(home.work, 'go'), '');
  await home.until('disproved', () => home.log('completion').some((line) => line.event === 'disproved'));
  const todo = await home.untilTodo(number, 'ended', isOver);
  assert.equal(todo.status, 'completed');
  assert.ok(taken);
  await closedOnce(home, todo);
});
