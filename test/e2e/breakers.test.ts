// The breakers of a running daemon: they open when what is behind them fails, let one probe through, close by themselves, are kept over kill -9,
// and are held open and reset by command. What they refuse is no attempt of anybody.
import assert from 'node:assert/strict';
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { rowsOf } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { mariadbBehindProxy } from './mariadb-behind-proxy.ts';
import { withoutTmux } from './without-tmux.ts';

const behind = mariadbBehindProxy();

const silent = 'mkfifo go 2>/dev/null; read word < go';
const go = (home: TestHome): void => writeFileSync(join(home.work, 'go'), 'on\n');
const behavior = { quiet_after: 0.1, term_grace: 1, max_retries: 1, exponential_backoff: false };

let homes = 0;
async function homeOnMariadb(t: TestContext, breaker: Json): Promise<TestHome & { prefix: string }> {
  await behind.back();
  homes += 1;
  const prefix = `b${homes}_`;
  const store = { url: behind.server.url(behind.proxy.port), table_prefix: prefix };
  const home = await testHome(t, { behavior, monitoring: { rescan: 0.2 }, store, breakers: { store: breaker } });
  return { ...home, prefix };
}

async function running(home: TestHome, number: number): Promise<Json> {
  return home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
}

async function ask(sql: string): Promise<Json[]> {
  const connection = await behind.server.connect();
  try {
    return (await connection.query(sql))[0] as Json[];
  } finally {
    await connection.end();
  }
}

const listed = async (home: TestHome, name: string): Promise<Json> =>
  (await home.json(['breaker', 'list'])).breakers.find((it: Json) => it.name === name);
const events = (home: TestHome, name: string): readonly string[] =>
  home
    .log('monitor')
    .filter((line) => line.breaker === name)
    .map((line) => line.event);

test('[H-04] [H-19] [H-51] the store goes away: its breaker opens, the monitor finds it back, all is told in order and once', async (t) => {
  const home = await homeOnMariadb(t, { failure_threshold: 5, success_threshold: 2, timeout: 30 });
  await home.daemon();
  const { id, number } = await home.add(`${silent}; echo original`);
  await running(home, number);
  assert.deepEqual((await listed(home, 'store')).state, 'closed');
  await behind.away();
  go(home);
  await home.until('its breaker opened', () => events(home, 'store').includes('breaker_opened'));
  const open = await listed(home, 'store');
  assert.equal(open.state, 'open');
  assert.deepEqual(open.profile, { failureThreshold: 5, successThreshold: 2, timeoutMs: 30_000 });
  assert.ok(open.retryAfterMs > 0 && open.retryAfterMs <= 33_000, `${open.retryAfterMs}`);
  const failedTries = () => home.log('completion').filter((line) => line.event === 'step failed' && line.todo === number);
  const waiting = await home.until('the completion waits for the breaker', async () => {
    const now = (await home.json(['retry', 'status'])).waiting.find((it: Json) => it.todoId === id);
    return (await listed(home, 'store')).refused > 0 ? now : null;
  });
  assert.equal(waiting.attemptsMax, null);
  assert.equal(waiting.attempt, failedTries().length + 1, 'refused calls are no attempts');

  const backAtMs = Date.now();
  await behind.back();
  const ended = await home.untilTodo(number, 'completed', (todo) => todo.status === 'completed');
  assert.ok(Date.now() - backAtMs < 15_000, 'by the look of the monitor, long before its 30 s are over');
  assert.deepEqual([ended.proof, ended.runs.length], ['unverified', 1]);
  await home.until('its breaker closed', () => events(home, 'store').includes('breaker_closed'));
  assert.deepEqual(events(home, 'store'), ['breaker_opened', 'breaker_half_open', 'breaker_closed']);
  assert.equal((await listed(home, 'store')).state, 'closed');
  const tries = failedTries();
  const told = await home.until('the store was told', async () => {
    const rows = await ask(`SELECT * FROM signoff_test.${home.prefix}retry_attempts WHERE todo_id = '${id}' ORDER BY at_ms, attempt`);
    const healing = await ask(
      `SELECT type, detail FROM signoff_test.${home.prefix}self_healing_events WHERE type LIKE 'breaker%' ORDER BY at_ms, id`,
    );
    return rows.length === tries.length && healing.length === 2 ? { rows, healing } : null;
  });
  assert.deepEqual(
    told.rows.map((row: Json) => [row.kind, row.class, row.attempt, row.attempts_max]),
    tries.map((_, index) => ['completion', 'network', index + 1, null]),
  );
  assert.deepEqual(
    told.healing.map((row: Json) => [row.type, JSON.parse(row.detail).breaker]),
    [
      ['breaker_opened', 'store'],
      ['breaker_closed', 'store'],
    ],
  );
});

test('an open breaker keeps what is left of its wait over kill -9', async (t) => {
  const home = await homeOnMariadb(t, { failure_threshold: 2, timeout: 600 });
  const daemon = await home.daemon();
  const { number } = await home.add(`${silent}; echo kept`);
  await running(home, number);
  await behind.away();
  go(home);
  await home.until('its breaker opened', () => events(home, 'store').includes('breaker_opened'));
  const open = await listed(home, 'store');
  const seenAtMs = Date.now();
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  const kept = await listed(home, 'store');
  assert.equal(kept.state, 'open', 'without a daemon it is shown as it is kept');
  await home.daemon();
  const again = await listed(home, 'store');
  const passedMs = Date.now() - seenAtMs;
  assert.equal(again.state, 'open');
  assert.ok(Math.abs(open.retryAfterMs - passedMs - again.retryAfterMs) < 1000, `${open.retryAfterMs} ${passedMs} ${again.retryAfterMs}`);
  await behind.back();
  assert.equal((await home.untilTodo(number, 'completed', (todo) => todo.status === 'completed')).runs.length, 1);
});

test('a person holds the breaker of the store open and resets it: nothing is asked meanwhile, also by the next daemon', async (t) => {
  const home = await homeOnMariadb(t, {});
  const daemon = await home.daemon();
  const { id, number } = await home.add(`${silent}; echo held`);
  await running(home, number);
  const held = (await home.json(['breaker', 'isolate', 'store', '--reason', 'maintenance'])).breakers.find(
    (it: Json) => it.name === 'store',
  );
  assert.deepEqual([held.state, held.why, held.retryAfterMs], ['isolated', 'maintenance', null]);
  go(home);
  await home.until('the completion waits', async () => (await home.json(['retry', 'status'])).waiting.some((it: Json) => it.todoId === id));
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  assert.equal((await listed(home, 'store')).state, 'isolated');
  await home.daemon();
  const waiting = (await home.json(['retry', 'status'])).waiting.find((it: Json) => it.todoId === id);
  assert.deepEqual([waiting.class, waiting.attempt <= 2], ['refused', true]);
  assert.equal((await ask(`SELECT status FROM signoff_test.${home.prefix}todo WHERE id = '${id}'`))[0].status, 'running');
  assert.equal((await home.json(['breaker', 'isolate', 'nothing'], { code: 1 })).code, 'NOT_FOUND');
  await home.json(['breaker', 'reset', 'store']);
  await home.untilTodo(number, 'completed', (todo) => todo.status === 'completed');
  const audits = await home.until('both commands are in the audit', async () => {
    const rows = await ask(`SELECT what FROM signoff_test.${home.prefix}audit WHERE what LIKE 'breaker%' ORDER BY at_ms`);
    return rows.length === 2 ? rows : null;
  });
  assert.deepEqual(
    audits.map((row: Json) => row.what),
    ['breaker isolate', 'breaker reset'],
  );
});

test('[P-03] [H-15] a runner that cannot start: new attempts, its breaker opens, what it refuses is no attempt, and it closes when it starts again', async (t) => {
  const home = await testHome(t, {
    behavior,
    monitoring: { rescan: 0.2 },
    run: { attempts: 50, retry_delay: 0.05 },
    policies: { job: { max_delay: 0.05 } },
    breakers: { runner: { timeout: 0.5, max_timeout: 0.6 } },
  });
  const { PATH, tmux } = withoutTmux(join(home.work, '..', 'bin'));
  await home.daemon({ PATH });
  const inTmux = await home.add('echo by tmux', '--session', 'tmux');
  await home.until('its breaker opened', () => events(home, 'runner.tmux').includes('breaker_opened'));
  const { profile } = await listed(home, 'runner.tmux');
  assert.deepEqual([profile.failureThreshold, profile.successThreshold], [5, 3]);
  const byProcess = await home.add('echo by a process');
  await home.untilTodo(byProcess.number, 'completed beside it', (todo) => todo.status === 'completed');
  assert.equal((await listed(home, 'runner')).state, 'closed', 'what starts child processes has a breaker of its own');
  const started = (todo: Json): Json[] =>
    home.log('completion').filter((line) => line.event === 'start failed' && line.todo === todo.number);
  assert.ok(started(inTmux).length >= 5);
  await home.until('it was refused', async () => (await listed(home, 'runner.tmux')).refused > 0);
  symlinkSync(tmux, join(PATH, 'tmux'));
  const ended = await home.untilTodo(inTmux.number, 'completed', (todo) => todo.status === 'completed');
  const lost = ended.runs.filter((run: Json) => run.outcome === 'lost').length;
  assert.equal(lost, started(inTmux).length, 'each failed start is an attempt, and what was refused is none');
  for (const n of [1, 2]) await home.add(`echo ${n}`, '--session', 'tmux');
  await home.until('its breaker closed', () => events(home, 'runner.tmux').includes('breaker_closed'));
  const seen = events(home, 'runner.tmux');
  assert.deepEqual(
    [seen[0], ...seen.slice(-2)],
    ['breaker_opened', 'breaker_half_open', 'breaker_closed'],
    'by its time, then three probes',
  );
  const rows = await home.until('its attempts are in the store', () => {
    const found = rowsOf(home, "SELECT * FROM retry_attempts WHERE kind = 'run' AND todo_id = ? ORDER BY attempt", inTmux.id);
    return found.length === lost ? found : null;
  });
  assert.deepEqual(
    rows.map((row) => [row.class, row.attempt, row.attempts_max]),
    rows.map((_, index) => ['runner_offline', index + 1, 50]),
  );
});
