// `todo daemon restart`: announced, drained, in place, looked at, bounded. Real daemons, real agents.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { type TestHome, testHome } from './harness.ts';
import { misbehaves, watch, webhook } from './watching.ts';

const waits = 'echo begun; while ! test -e go; do sleep 0.05; done; echo ended';
const many = { total: 9, agent: 9, project: 9 };

test('[H-27] [H-30] a restart in place: told before, looked at after; pid, agents and what waits are as they were', async (t) => {
  const hook = await webhook(t);
  const home = await testHome(t, { slots: many, monitoring: { webhook_url: hook.url } });
  const daemon = await home.daemon();
  const child = await home.add(waits, '--session', 'child');
  const window = await home.add(waits, '--session', 'tmux');
  for (const { number } of [child, window]) await begun(home, number);
  const restarted = await home.json(['daemon', 'restart', '--reason', 'a new version']);
  assert.deepEqual([restarted.pid, restarted.generation, restarted.intake], [daemon.process.pid, 2, { kind: 'open' }]);
  const later = await home.add('echo later');
  writeFileSync(join(home.work, 'go'), '');
  for (const { number } of [child, window, later]) {
    const todo = await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
    assert.equal(todo.runs.length, 1, 'one run through both');
  }
  const told = await home.until('the store has heard of it', () => {
    const rows = healing(home);
    return rows.some(({ what }) => what === 'restart_validated') && rows;
  });
  assert.deepEqual(
    told.map(({ what }) => what),
    ['restart_planned', 'restart_validated'],
  );
  const [planned, validated] = told.map(({ detail }) => JSON.parse(detail));
  assert.deepEqual([planned.by, planned.reason, planned.live], ['person', 'a new version', 2]);
  assert.deepEqual([validated.generation, validated.starts, validated.runs, validated.opened], [2, 1, 2, 'looked']);
  assert.ok(validated.gapMs < 60_000, `${validated.gapMs} ms`);
  await home.until('the webhook has heard of it', () => hook.bodies.some(({ message }) => message === 'the daemon restarts itself'));
  t.diagnostic(`gap ${validated.gapMs} ms`);
});

test('[H-24] [H-31] five minutes between two, so many an hour, also after the restart; the watchdog’s count, and a person may force it', async (t) => {
  const home = await testHome(t, { restart: { per_hour: 2 } });
  await home.daemon();
  await home.json(['daemon', 'restart']);
  const refused = await home.json(['daemon', 'restart'], { code: 1 });
  assert.match(refused.message, /restart\.cooldown: one restart within 300 s/);
  assert.match(refused.hint, /Again in 5 min.*--force/);
  assert.equal((await home.json(['daemon', 'restart', '--force'])).generation, 3);
  await home.json(['config', 'set', 'restart.cooldown', '0']);
  assert.match((await home.json(['daemon', 'restart'], { code: 1 })).message, /restart\.per_hour: 2 restarts within 1 h/);
  await home.json(['config', 'set', 'restart.per_hour', '3']);
  // What its watchdog did an hour ago does not count, a minute ago it does.
  const restarts = (minutes: number) => [{ atMs: Date.now() - minutes * 60_000, cause: 'crash', why: 'it exited with 1' }];
  mkdirSync(join(home.folder, 'watchdogs'), { recursive: true });
  writeFileSync(join(home.folder, 'watchdogs', 'daemon.json'), JSON.stringify({ v: 1, restarts: restarts(1) }));
  assert.match((await home.json(['daemon', 'restart'], { code: 1 })).message, /restart\.per_hour: 3 restarts within 1 h/);
  writeFileSync(join(home.folder, 'watchdogs', 'daemon.json'), JSON.stringify({ v: 1, restarts: restarts(61) }));
  assert.equal((await home.json(['daemon', 'restart'])).generation, 4);
});

test('[H-31] one budget, both ways: the daemon counts what its watchdog restarted, the watchdog what the daemon restarted by itself', async (t) => {
  const home = await testHome(t, { restart: { cooldown: 0, per_hour: 3 } });
  const watched = watch(t, home, ['--check-interval', '300ms', '--steady', '300ms', '--max-restarts', '3'], null);
  await watched.logs('watchdog: healthy');
  process.kill((await home.json(['daemon', 'status'])).pid, 'SIGKILL');
  await watched.logs('watchdog: recovered');
  for (const generation of [3, 4]) assert.equal((await home.json(['daemon', 'restart'])).generation, generation);
  assert.match((await home.json(['daemon', 'restart'], { code: 1 })).message, /restart\.per_hour: 3 restarts within 1 h/);

  process.kill((await home.json(['daemon', 'status'])).pid, 'SIGKILL');
  await watched.logs('watchdog: gave up');
  const [given] = watched.log().filter(({ event }) => event === 'watchdog: gave up');
  assert.match(given.reason, /^restart limit: 3 restarts within 10 minutes; last: it was ended by SIGKILL$/);
  assert.equal((await watched.status()).restarts.length, 1, 'one of them was its own');
  assert.equal((await home.json(['daemon', 'status'], { code: 1 })).running, false);
});

test('what it left and does not find again: nothing new is taken, a person is told once, nothing restarts; a person opens it', async (t) => {
  const hook = await webhook(t);
  const home = await testHome(t, { monitoring: { webhook_url: hook.url } });
  const first = await home.daemon();
  first.process.kill('SIGTERM');
  await first.ended;
  const handover = {
    v: 1,
    atMs: Date.now(),
    by: 'person',
    why: 'w',
    generation: 1,
    version: '0',
    pausedAtMs: Date.now(),
    leftAtMs: Date.now(),
    runs: ['a-run-that-is-nowhere'],
    untold: [],
    breakers: { store: 'isolated' },
    storeAnswered: true,
  }; // prettier-ignore
  withDatabase(home, (database) =>
    database.prepare('INSERT INTO journal_note (key, value) VALUES (?, ?)').run('restart:handover', JSON.stringify(handover)),
  );
  await home.daemon();
  const held = await home.until('it is held', async () => {
    const { intake } = await home.json(['daemon', 'status']);
    return intake.kind === 'held' && intake;
  });
  assert.match(held.why, /1 of 1 live runs were not found again: a-run-that-is-nowhere; breaker store is closed and was isolated/);
  assert.match(
    (await home.todo(['daemon', 'status'])).stdout,
    /takes nothing new, because the restart was not validated.*todo daemon resume/,
  );
  const { number } = await home.add('echo done');
  await home.until('the webhook has heard of it', () => hook.bodies.length > 0);
  assert.equal(hook.bodies[0].severity, 'CRITICAL');
  assert.equal((await home.show(number)).status, 'open', 'nothing new is taken');
  assert.equal((await home.json(['daemon', 'resume'])).intake.kind, 'open');
  await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  assert.equal((await home.json(['daemon', 'status'])).generation, 2, 'nothing was restarted');
  assert.match((await home.json(['daemon', 'resume'], { code: 1 })).message, /nothing is held/);
  assert.equal(hook.bodies.length, 1);
});

test('[H-02] an exception that nobody caught: the daemon starts anew in place within its limits, beyond them it ends for its watchdog; its agents live on', async (t) => {
  const home = await testHome(t, { slots: many });
  const daemon = await home.daemon(misbehaves('throw'));
  const { number } = await home.add(waits, '--session', 'child');
  await begun(home, number);
  daemon.process.kill('SIGUSR2');
  const second = await home.until('another one answers', async () => {
    const found = await home.json(['daemon', 'status'], { code: 0 }).catch(() => null);
    return found?.generation === 2 && found.intake.kind === 'open' && found;
  });
  assert.equal(second.pid, daemon.process.pid);
  assert.match(JSON.parse(healing(home).find(({ what }) => what === 'restart_planned')!.detail).reason, /a planted defect/);
  daemon.process.kill('SIGUSR2');
  const { code, stderr } = await daemon.ended;
  assert.equal(code, 1, 'within the cooldown it does not restart itself');
  assert.match(stderr, /a planted defect/);
  assert.equal(home.log('monitor').filter(({ event }) => event === 'restart refused').length, 1);
  await home.daemon();
  writeFileSync(join(home.work, 'go'), '');
  const todo = await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  assert.equal(todo.runs.length, 1);
});

test('an event loop that stands still: the daemon leaves where it stood and ends itself, its watchdog starts the next, which tells it once', async (t) => {
  const home = await testHome(t, { monitoring: { blocked_limit: 1 } });
  const watchdog = home.start(['watchdog', '--check-interval', '300ms', '--steady', '300ms'], { env: misbehaves('spin') });
  const answers = async () => (await home.todo(['--json', 'daemon', 'status'])).stdout;
  const first = await home.until('it answers', async () => JSON.parse(await answers()).pid);
  process.kill(first, 'SIGUSR2');
  await watchdog.says(/watchdog: restart .*it was ended by SIGABRT/);
  const second = await home.until('the next one answers', async () => JSON.parse(await answers()).pid);
  assert.notEqual(second, first);
  const told = () => home.log('emergency').filter(({ event }) => /event loop stood still/.test(event));
  await home.until('it is told', () => told().length > 0);
  assert.match(told()[0].stack[0], /^spinForEver file:.*misbehave\.cjs:\d+/);
  process.kill(second, 'SIGKILL');
  await home.until('a third one answers', async () => ![null, second].includes(JSON.parse(await answers()).pid));
  assert.equal(told().length, 1);
});

async function begun(home: TestHome, number: number): Promise<void> {
  await home.until(`todo ${number} has begun`, async () => /begun/.test((await home.todo(['logs', String(number)])).stdout));
}

function healing(home: TestHome): { what: string; detail: string }[] {
  return withDatabase(home, (database) =>
    database
      .prepare("SELECT what, detail FROM self_healing_events WHERE what LIKE 'restart%' ORDER BY at_ms, id")
      .all()
      .map((row) => ({ what: String(row['what']), detail: String(row['detail']) })),
  );
}

function withDatabase<T>(home: TestHome, work: (database: DatabaseSync) => T): T {
  using database = new DatabaseSync(join(home.folder, 'todo.db'), { timeout: 5000 });
  return work(database);
}
