// Healing as people meet it: what the daemon mends by itself, how often, what it leaves of it, and healing by hand.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ageRun, ageTree, inDatabase, rowsOf } from './aging.ts';
import { type Json, type Started, type TestHome, testHome } from './harness.ts';
import { receiver } from './receiver.ts';

const quick = { quiet_after: 0.1, term_grace: 1 };
const homeWith = (t: TestContext, behavior: Json = {}, more: Json = {}): Promise<TestHome> =>
  testHome(t, { behavior: { ...quick, ...behavior }, ...more, monitoring: { rescan: 0.2, ...more.monitoring } });
const minutes = (count: number): number => count * 60_000;
const silent = 'mkfifo go 2>/dev/null; read word < go';
const eventsOf = (home: TestHome, what: string): Json[] =>
  // The schema is made in the daemon's first second.
  rowsOf(home, "SELECT name FROM sqlite_master WHERE name = 'self_healing_events'").length === 0
    ? []
    : rowsOf(home, 'SELECT * FROM self_healing_events WHERE type = ? ORDER BY at_ms', what).map((row) => ({
        ...row,
        ...JSON.parse(row.detail),
      }));

/** A run folder that nobody knows, old enough to be looked at. */
function orphanFolder(home: TestHome, name = '01999999-0000-7000-8000-000000000000'): string {
  const folder = join(home.folder, 'runs', name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'output.log'), 'said\n');
  ageTree(folder, minutes(31));
  return folder;
}

test('[H-05] [H-50] (I) what the daemon heals is logged, kept as a row with who, why, before, after and outcome, and notified', async (t) => {
  const hook = await receiver(t);
  hook.state.status = 200;
  const home = await homeWith(t, { health_check_interval: 0.2 }, { monitoring: { webhook_url: hook.url } });
  const folder = orphanFolder(home);
  await home.daemon();
  const [row] = await home.until('a row', () => {
    const rows = eventsOf(home, 'recovery.archive-orphan');
    return rows.length > 0 ? rows : null;
  });
  assert.equal(existsSync(folder), false);
  assert.deepEqual([row.actor, row.outcome, row.after, row.subject], ['daemon', 'done', 'moved to the archive', folder]);
  assert.match(row.reason, /a run that neither journal nor store knows; last touched 31 min ago/);
  assert.match(row.before, /last touched \d{4}-/);
  const line = home.log('monitor').find((it) => it.event === 'recovered');
  assert.deepEqual([line.action, line.actor, line.outcome, line.reason], ['archive-orphan', 'daemon', 'done', row.reason]);
  const heard = await home.until('notified', () => hook.heard.find((it) => it.kind === 'healing'));
  assert.deepEqual(
    [heard.severity, heard.what, heard.actor, heard.reason, heard.outcome, heard.event],
    ['INFO', 'recovery.archive-orphan', 'daemon', row.reason, 'done', row.id],
  );

  const { events } = await home.json(['heal', '--history']);
  const shown = events.find((it: Json) => it.what === 'recovery.archive-orphan');
  assert.deepEqual([shown.id, shown.actor, shown.outcome, shown.after], [row.id, 'daemon', 'done', row.after]);
  assert.match(
    (await home.todo(['heal', '--history', '--limit', '5'])).stdout,
    /recovery\.archive-orphan +the folder of a run that neither/,
  );
});

test('an action that did not help is told as failed, and its row says what is left', async (t) => {
  const home = await homeWith(t, { health_check_interval: 0.2 });
  const folder = orphanFolder(home);
  // More levels than are followed: it is refused, and stays for a person.
  mkdirSync(join(folder, ...Array.from({ length: 15 }, () => 'deeper')), { recursive: true });
  ageTree(folder, minutes(31));
  await home.daemon();
  const [row] = await home.until('a row', () => {
    const rows = eventsOf(home, 'recovery.archive-orphan');
    return rows.length > 0 ? rows : null;
  });
  assert.deepEqual([row.outcome, existsSync(folder)], ['failed', true]);
  assert.match(row.after, /more than 10000 files or 12 levels/);
  assert.ok(home.log('monitor').some((it) => it.event === 'recovery did not work' && it.level === 'warn'));
});

/** In progress by the store, while nobody works on it and its lease is over: what a lost journal leaves (I-16). The run is its last one. */
const loseClaim = (home: TestHome, id: string): void =>
  inDatabase(home, (db) => {
    db.exec('BEGIN IMMEDIATE');
    db.prepare('DELETE FROM journal WHERE todo_id = ?').run(id);
    const { id: run } = db.prepare('SELECT id FROM run WHERE todo_id = ? ORDER BY fence DESC LIMIT 1').get(id) as { id: string };
    db.prepare('UPDATE run SET ended_at_ms = NULL, outcome = NULL, started_at_ms = 1, lease_until_ms = 2 WHERE id = ?').run(run);
    db.prepare("UPDATE todo SET status = 'running', run_id = ? WHERE id = ?").run(run, id);
    db.exec('COMMIT');
  });

test('three automatic recoveries of a todo, whatever restarts; then it is blocked, with an alarm, and a release begins anew', async (t) => {
  const hook = await receiver(t);
  hook.state.status = 200;
  const more = { run: { resets: 100 }, monitoring: { webhook_url: hook.url } };
  const home = await homeWith(t, { health_check_interval: 0.2, auto_continue: false, lease: 3600 }, more);
  const { id, number } = await home.add('exit 0');
  const fresh = await home.daemon();
  await home.json(['claim', String(number)]);
  await home.json(['release', String(number)]);
  fresh.process.kill('SIGTERM');
  await fresh.ended;
  const recoveries = () => eventsOf(home, 'recovery.rescue').map((it) => [it.actor, it.outcome, it.after]);
  /** Lost while a daemon lives that has looked for expired leases already: only the sweep finds it. */
  const lostAndFound = async (daemon: Started) => {
    const swept = home.log('monitor').filter((it) => it.event === 'swept').length;
    await home.until('it has looked', () => home.log('monitor').filter((it) => it.event === 'swept').length > swept + 1);
    loseClaim(home, id);
    const found = await home.untilTodo(number, 'found', (todo) => todo.status !== 'running');
    daemon.process.kill('SIGTERM');
    await daemon.ended;
    return found;
  };
  for (let life = 1; life <= 3; life++) {
    assert.equal((await lostAndFound(await home.daemon())).status, 'open');
    assert.equal(recoveries().length, life);
  }
  const blocked = await lostAndFound(await home.daemon());
  assert.equal(blocked.status, 'blocked');
  assert.match(blocked.reason, /recovered 3 times by itself already; a person must look/);
  assert.deepEqual(recoveries(), Array(3).fill(['daemon', 'done', 'it may start again']));
  const [last] = eventsOf(home, 'recovery.block');
  assert.deepEqual([last.actor, last.outcome], ['daemon', 'blocked']);
  const alarm = home.log('emergency').find((it) => it.event === 'todo blocked after its last recovery');
  assert.deepEqual([alarm.level, alarm.todo], ['CRITICAL', id]);
  const again = await home.daemon();
  await home.until('a person is told', () =>
    hook.heard.some((it) => it.kind === 'healing' && it.severity === 'CRITICAL' && it.todoId === id),
  );
  assert.match((await home.todo(['why', String(number)])).stdout, /recovery\.block/);

  await home.json(['release', String(number)]);
  assert.equal((await lostAndFound(again)).status, 'open', 'three new ones after a person released it');
});

/** A silent run whose timers are off, and that should have been ended long ago. */
async function overdue(t: TestContext, behavior: Json = {}): Promise<{ home: TestHome; id: string; number: number }> {
  const home = await homeWith(t, { enable_emergency_handlers: false, health_check_interval: 0.2, ...behavior });
  const first = await home.daemon();
  const { id, number } = await home.add(silent);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  first.process.kill('SIGKILL');
  await first.ended;
  ageRun(home, id, minutes(120));
  return { home, id, number };
}

test('[H-65] (E) recovery and healing never run at once on one todo; healing begins with the daemon and ends with its drain', async (t) => {
  const { home, id, number } = await overdue(t);
  const daemon = await home.daemon();
  await home.until('it sweeps', () => home.log('monitor').filter((it) => it.event === 'swept').length >= 2);
  // Beside the daemon's own sweeps three people heal the same todo at the same moment.
  const asked = await Promise.all([home.json(['heal', String(number)]), home.json(['recover', '--apply']), home.json(['heal', 'runs'])]);
  const acted = asked.flatMap(({ results }) => results).filter((it: Json) => it.plan.startsWith('force-complete:'));
  assert.deepEqual(
    acted.map((it: Json) => it.done),
    [true],
    JSON.stringify(asked.map(({ results }) => results)),
  );
  const ended = await home.untilTodo(number, 'ended', (todo) => todo.status === 'completed');
  assert.deepEqual([ended.proof, ended.runs.length], ['forced', 1]);
  const rows = await home.until('its row', () => {
    const found = eventsOf(home, 'recovery.force-complete');
    return found.length > 0 ? found : null;
  });
  assert.deepEqual(
    rows.map((it) => [it.todo_id, it.actor, it.outcome]),
    [[id, 'person', 'done']],
  );
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  const lines = home
    .log('monitor')
    .concat(home.log('completion'))
    .toSorted((a, b) => a.time - b.time);
  const drainedAt = lines.find((it) => it.event === 'draining')?.time;
  assert.ok(drainedAt !== undefined);
  assert.deepEqual(
    lines.filter((it) => ['recovered', 'recovery did not work'].includes(it.event) && it.time > drainedAt),
    [],
  );
});

test('todo heal: a dry run shows and changes nothing, a component is healed alone, and the rate of heals outlives the daemon', async (t) => {
  const home = await homeWith(t, { heals_per_minute: 2, auto_recovery: false });
  const folder = orphanFolder(home);
  const log = join(home.folder, 'logs', 'emergency.log');
  mkdirSync(join(home.folder, 'logs'), { recursive: true });
  writeFileSync(log, 'x'.repeat(11 * 1024 * 1024));
  const dry = await home.json(['heal', '--dry-run']);
  assert.deepEqual(dry.plans.map((it: Json) => it.action).sort(), ['archive-orphan', 'rotate-log']);
  for (const plan of dry.plans) assert.ok(plan.why !== '' && plan.risk !== '' && plan.evidence.length > 0);
  assert.deepEqual([dry.results, existsSync(folder)], [[], true]);

  const daemon = await home.daemon();
  const logs = await home.json(['heal', 'logs']);
  assert.deepEqual(
    logs.plans.map((it: Json) => it.action),
    ['rotate-log'],
  );
  assert.deepEqual([logs.before[0].status, logs.after[0].status], ['degraded', 'healthy']);
  assert.equal(existsSync(folder), true, 'only what was named');
  assert.equal((await home.todo(['heal'])).code, 0);
  assert.equal(existsSync(folder), false);
  daemon.process.kill('SIGTERM');
  await daemon.ended;
  const third = await home.todo(['heal']);
  assert.notEqual(third.code, 0);
  assert.match(third.stderr, /at most 2 a minute \(behavior\.heals_per_minute\); again in \d+ s/);
  assert.equal((await home.todo(['heal', '--dry-run'])).code, 0, 'a look is free');
  assert.match((await home.todo(['heal', 'nonsense', '--dry-run'])).stderr, /no component and no todo is called so/);
});

test('[W-04] (I) each action of daemon and watchdog is one line of the log and one row, and both say the same', async (t) => {
  const home = await homeWith(t, { health_check_interval: 0.2 });
  orphanFolder(home);
  orphanFolder(home, '01999999-0000-7000-8000-000000000001');
  await home.daemon();
  await home.until('both are moved', () => eventsOf(home, 'recovery.archive-orphan').length === 2);
  const lines = home.log('monitor').filter((it) => it.event === 'recovered');
  assert.deepEqual(
    eventsOf(home, 'recovery.archive-orphan').map((it) => [it.subject, it.actor, it.reason, it.outcome]),
    lines.map((it) => [it.plan.replace('archive-orphan:', ''), it.actor, it.reason, it.outcome]),
  );

  home.start(['watchdog', '--name', 'crashy', '--max-restarts', '1', '--', 'sh', '-c', 'sleep 0.2; exit 3']);
  const log = join(home.folder, 'logs', 'watchdog_logs', 'monitor.log');
  const read = (): Json[] =>
    (existsSync(log) ? readFileSync(log, 'utf8') : '')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  await home.until('it gave up', () => read().some((it) => it.event === 'watchdog: gave up'));
  const told = await home.until('the rows', () => {
    const rows = rowsOf(home, "SELECT what, detail FROM self_healing_events WHERE what LIKE 'watchdog.%' ORDER BY at_ms, id");
    return rows.some((it) => it.what === 'watchdog.held') ? rows : null;
  });
  // `gave up` is how the alarm of `held` is called.
  const acted = read().filter((it) => /^watchdog: (?!gave up)/.test(it.event));
  assert.deepEqual(
    told.map((it) => it.what),
    acted.map((it) => it.event.replace('watchdog: ', 'watchdog.')),
  );
  for (const [index, row] of told.entries()) {
    const detail = JSON.parse(row.detail);
    assert.deepEqual([detail.actor, detail.name, detail.reason], ['watchdog', 'crashy', acted[index].reason]);
  }
  assert.ok(told.some((it) => it.what === 'watchdog.restart'));
});

test('[W-33] after kill -9 of the daemon: what still has a todo is adopted, and processes and windows without one are ended, their output archived', async (t) => {
  const home = await homeWith(t, { health_check_interval: 0.5 });
  const first = await home.daemon();
  // Two that leave their group and session, one in a process of the daemon and one in a window.
  const work = (name: string) => `setsid sh -c 'echo $$ > ${name}.pid; exec sleep 1000' & while [ ! -e ${name}.go ]; do sleep 0.1; done`;
  const pidOf = (name: string) => Number(readFileSync(join(home.work, `${name}.pid`), 'utf8'));
  const lives = (name: string) =>
    existsSync(`/proc/${pidOf(name)}`) && !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pidOf(name)}/status`, 'utf8'));
  const kept = await home.add(work('kept'));
  await home.until('it works', () => existsSync(join(home.work, 'kept.pid')));
  const [lost, window] = [await home.add(work('lost'), '--session', 'child'), await home.add(work('window'), '--session', 'tmux')];
  for (const { number } of [lost, window]) home.start(['run', String(number)]);
  for (const name of ['lost', 'window']) await home.until(`${name} works`, () => existsSync(join(home.work, `${name}.pid`)));
  first.process.kill('SIGKILL');
  await first.ended;
  // Nobody knows of these two any more: neither journal nor store.
  const folders = [lost, window].map(({ id }) => {
    const [{ id: run }] = rowsOf(home, 'SELECT id FROM run WHERE todo_id = ?', id) as Json;
    for (const sql of ['DELETE FROM journal WHERE todo_id = ?', 'DELETE FROM run WHERE todo_id = ?', 'DELETE FROM todo WHERE id = ?'])
      inDatabase(home, (db) => db.prepare(sql).run(id));
    const folder = join(home.folder, 'runs', run);
    ageTree(folder, minutes(31));
    return folder;
  });
  await home.daemon();
  await home.until('they are ended', () => !lives('lost') && !lives('window'));
  await home.until('and archived', () => folders.every((folder) => !existsSync(folder)));
  const actions = () => rowsOf(home, "SELECT what FROM self_healing_events WHERE what LIKE 'recovery.%'").map((row) => row.what);
  await home.until('each is a row', () => actions().filter((it) => it === 'recovery.archive-orphan').length === 2);
  assert.ok(actions().includes('recovery.end-processes'), actions().join());
  assert.ok(lives('kept'), 'what has a todo lives on');
  writeFileSync(join(home.work, 'kept.go'), '');
  const ended = await home.untilTodo(kept.number, 'ended', (todo) => todo.status === 'completed');
  assert.deepEqual([ended.runs.length, lives('kept')], [1, false], 'adopted, and its end took all of it along');
});
