// What a person sees who asks how things are: health, monitor and the self-test on real homes, with and without a daemon.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { test } from 'node:test';
import { ageRun, inDatabase, rowsOf, snapshot } from './aging.ts';
import { type Json, type TestHome, testHome } from './harness.ts';

const quick = { behavior: { quiet_after: 0.1, term_grace: 1 }, monitoring: { rescan: 0.2 } };
const silent = 'mkfifo go 2>/dev/null; read word < go';
const isOver = (todo: Json): boolean => ['completed', 'failed', 'cancelled', 'blocked'].includes(todo.status);
const component = (health: Json, name: string): Json => health.components.find((it: Json) => it.name === name);
const minutes = (count: number): number => count * 60_000;

/** Whether one of some tries is quicker: a busy machine is not what is measured. */
async function isQuickerThan(ms: number, call: () => Promise<unknown>): Promise<boolean> {
  for (let tries = 0; tries < 10; tries++) {
    const fromMs = performance.now();
    await call();
    if (performance.now() - fromMs < ms) return true;
  }
  return false;
}

/** Everything of a home that could change, and the store as text. */
const allOf = (home: TestHome): Json => ({ files: snapshot(home.folder), legacy: snapshot(join(home.folder, '..', 'legacy')) });

test('what an agent took is found by the number of its todo, within 80 columns; a component that was never measured is told with those that were', async (t) => {
  const home = await testHome(t, { ...quick, resource: { interval: 0.2 } });
  await home.daemon();
  const { number } = await home.add(silent, '--session', 'child');
  const asked = ['health', '--history', '--component', `todo:${number}`];
  const { rows } = await home.until('its processes were measured', async () => {
    const { code, stdout } = await home.todo(['--json', ...asked]);
    return code === 0 && JSON.parse(stdout);
  });
  assert.ok(rows.length > 0 && rows.every((it: Json) => it.component.startsWith('run:')));
  const { stdout } = await home.todo(asked);
  assert.match(stdout, new RegExp(` todo:${number} .*rss_mb \\d`));
  assert.ok(stdout.split('\n').every((line) => line.length <= 80));
  const wrong = await home.todo(['health', '--history', '--component', 'deamon']);
  assert.equal(wrong.code, 64);
  assert.match(wrong.stderr, /nothing was measured of deamon since then\nThere are: daemon, machine, todo:1$/m);
});

test('[C-34] health works without a daemon and says so, follows its contract, and takes less than a second', async (t) => {
  const home = await testHome(t);
  const idle = await home.json(['health'], { code: 0 });
  assert.deepEqual([idle.schemaVersion, idle.kind, idle.status], [1, 'health', 'healthy']);
  for (const it of idle.components)
    assert.deepEqual([typeof it.name, typeof it.status, typeof it.reason, typeof it.sinceMs], ['string', 'string', 'string', 'number']);
  for (const name of ['daemon', 'store', 'journal', 'disk', 'spool', 'queue', 'runs', 'timers', 'logs', 'configuration'])
    assert.ok(component(idle, name), name);
  assert.match(component(idle, 'daemon').reason, /^no daemon, and no todo waits/);

  await home.add('true');
  const waiting = await home.json(['health'], { code: 1 });
  assert.deepEqual([waiting.status, component(waiting, 'daemon').status], ['degraded', 'degraded']);
  assert.match(component(waiting, 'daemon').reason, /1 todo waits.*todo daemon start/);

  const { code, stdout } = await home.todo(['health']);
  assert.equal(code, 1);
  assert.match(stdout, /daemon +! degraded +no daemon/);
  assert.ok(await isQuickerThan(1000, () => home.todo(['health', '--json'])));
});

test('[C-34] [I-32] health, monitor and recover without --apply change nothing, before, without and after a daemon', async (t) => {
  const home = await testHome(t, quick);
  const looks = async (): Promise<void> => {
    const before = allOf(home);
    for (const args of [['health'], ['health', '--json'], ['monitor', '--json'], ['recover', '--json'], ['recover', '--dry-run']]) {
      await home.todo(args);
      assert.deepEqual(allOf(home), before, `todo ${args.join(' ')} changed the home`);
    }
  };
  await looks();

  await home.add('true', '--hold');
  await looks();

  const daemon = await home.daemon();
  await home.add(silent);
  await home.until('it runs', () => existsSync(join(home.work, 'go')));
  daemon.process.kill('SIGKILL');
  await daemon.ended;
  const run = join(home.folder, 'runs', rowsOf(home, 'SELECT id FROM run')[0].id);
  mkdirSync(join(home.folder, 'runs', 'orphan'));
  writeFileSync(join(home.folder, 'spool', 'new', 'x.y'), 'a stale marker');
  writeFileSync(home.legacy.marker, 'TASK_COMPLETED\n');
  await looks();
  assert.ok(existsSync(run));
});

for (const { how, listen } of [
  { how: 'refuses', listen: false },
  { how: 'is silent', listen: true },
]) {
  test(`[I-32] a database that ${how} is not green and not empty: unknown, exit 3, in less than a second`, async (t) => {
    const open = new Set<Socket>();
    const server = createServer((socket) => void open.add(socket)).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const close = () => {
      for (const socket of open) socket.destroy();
      server.close();
    };
    if (!listen) await new Promise((resolve) => server.close(resolve));
    t.after(close);
    const home = await testHome(t, { ...quick, store: { url: `mysql://nobody:nothing@127.0.0.1:${port}/none` } });
    const health = await home.json(['health'], { code: 3 });
    assert.equal(health.status, 'unknown');
    for (const name of ['store', 'queue', 'runs', 'daemon']) assert.equal(component(health, name).status, 'unknown', name);
    assert.ok(!JSON.stringify(health).includes('nothing@'), 'no password in what is shown');
    assert.ok(await isQuickerThan(1000, () => home.todo(['health', '--json'])));
    const monitor = await home.json(['monitor'], { code: 3 });
    assert.equal(component(monitor, 'store round trip').status, 'unknown');
    const recover = await home.json(['recover']);
    assert.deepEqual(recover.plans, []);
  });
}

test('[I-09] one daemon a home: the second names the first', async (t) => {
  const home = await testHome(t, quick);
  const first = await home.daemon();
  const second = await home.todo(['daemon', 'run']);
  assert.notEqual(second.code, 0);
  assert.ok(second.stderr.includes(String(first.process.pid)), second.stderr);
  assert.equal((await home.json(['health'])).status, 'healthy');
});

test('[I-09] a daemon that does not answer is red; its heartbeat is the end of a pass and of a sweep', async (t) => {
  const home = await testHome(t, { ...quick, behavior: { ...quick.behavior, health_check_interval: 0.3 } });
  const daemon = await home.daemon();
  const beat = async () => (await home.json(['status'])).lastSweepAtMs;
  const first = await home.until('a sweep', beat);
  await home.until('another sweep', async () => (await beat()) > first);
  assert.equal((await home.json(['health'])).status, 'healthy');

  daemon.process.kill('SIGSTOP');
  const health = await home.json(['health'], { code: 2 });
  assert.equal(component(health, 'daemon').status, 'unhealthy');
  assert.match(component(health, 'daemon').reason, /did not answer/);
  daemon.process.kill('SIGCONT');
  await home.until('healthy again', async () => (await home.todo(['health'])).code === 0);
});

test('[C-21] a run of more than an hour is listed with its last sign of progress, as a suspicion: nothing is done to it', async (t) => {
  const home = await testHome(t, {
    ...quick,
    behavior: { ...quick.behavior, completion_timeout: 30_000, emergency_timeout: 60_000, health_check_interval: 0.2 },
  });
  const first = await home.daemon();
  const { id, number } = await home.add(silent);
  await home.untilTodo(number, 'running', (todo) => todo.status === 'running' && existsSync(join(home.work, 'go')));
  first.process.kill('SIGKILL');
  await first.ended;
  ageRun(home, id, minutes(70));

  await home.daemon();
  const found = await home.until('two sweeps found it', async () => {
    const health = await home.json(['health']).catch(() => null);
    return health?.findings.find((it: Json) => it.check === 'hanging');
  });
  assert.deepEqual([found.todoId, found.runId !== null], [id, true]);
  assert.match(found.reason, new RegExp(`^todo ${number} .* started 70 min ago, last sign of progress 70 min ago$`));
  await home.until('the sweep told it', () => home.log('monitor').some((line) => line.event === 'found' && line.check === 'hanging'));
  assert.deepEqual((await home.json(['recover'])).plans, []);
  assert.equal((await home.show(number)).status, 'running');
  writeFileSync(join(home.work, 'go'), 'on\n');
  assert.equal((await home.untilTodo(number, 'ended', isOver)).proof, 'unverified');
});

test('[I-21] one waiting entry does not stop the others, and a queue that does not move is named', async (t) => {
  const home = await testHome(t, { ...quick, slots: { project: 4 } });
  await home.add('true', '--priority', '0', '--hold');
  const parked = await home.add('true', '--priority', '0', '--hold');
  await home.json(['park', String(parked.number), '--in', '1h']);
  const blocked = await home.add('true', '--priority', '0', '--hold');
  await home.json(['block', String(blocked.number), '--reason', 'waits for a person']);
  const moving = await home.add('true');
  await home.daemon();
  assert.equal((await home.untilTodo(moving.number, 'ended', isOver)).status, 'completed');
  assert.equal((await home.json(['health'])).status, 'healthy');

  // A todo that nobody here can take, although there are slots: an agent that this installation does not know.
  const stuck = await home.add('true', '--hold');
  inDatabase(home, (db) =>
    db.prepare('UPDATE todo SET agent = ?, held = 0, updated_at_ms = updated_at_ms - ? WHERE id = ?').run('ghost', minutes(5), stuck.id),
  );
  const health = await home.json(['health'], { code: 1 });
  assert.match(
    component(health, 'queue').reason,
    new RegExp(`queue not moving though work and slots are there: todo ${stuck.number} .*5 min ago`),
  );
});

test('[I-22] whether an agent is busy is what its run reports: not its process, not the age of files around it', async (t) => {
  const home = await testHome(t, {
    behavior: { ...quick.behavior, completion_timeout: 0.6, emergency_timeout: 60 },
    monitoring: { rescan: 0.1 },
    slots: { project: 2 },
  });
  await home.daemon();
  // Its process lives and is named like an agent, and files in its working directory are fresh: it shows nothing all the same.
  const idle = await home.add(
    'ln -s /bin/sh claude; mkfifo go other; (while [ ! -p end ]; do touch fresh; sleep 0.1; done) & ./claude -c "read word < go"; mkfifo end',
  );
  const busy = await home.add(
    '"$TODO_HOOKS/progress" 2>/dev/null || true; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i; sleep 0.15; done; read word < other',
  );
  await home.untilTodo(idle.number, 'stalled', (todo) => todo.status === 'stalled');
  const sofar = await home.json(['why', String(busy.number)]);
  assert.ok(!sofar.events.some((event: Json) => event.fact === 'stalled'));
  await home.untilTodo(busy.number, 'stalled only when it fell silent', (todo) => todo.status === 'stalled');
  writeFileSync(join(home.work, 'go'), 'on\n');
  writeFileSync(join(home.work, 'other'), 'on\n');
  for (const { number } of [idle, busy]) assert.equal((await home.untilTodo(number, 'ended', isOver)).status, 'completed');
});

test('[C-38] monitor checks the whole system, and its exit code is that of health', async (t) => {
  const home = await testHome(t, quick);
  const fine = await home.json(['monitor'], { code: 0 });
  assert.deepEqual([fine.kind, fine.status], ['monitor', 'healthy']);
  for (const name of ['daemon', 'store', 'store round trip', 'marker paths', 'agent hooks', 'log sizes', 'configuration'])
    assert.ok(component(fine, name), name);
  assert.match(component(fine, 'store round trip').reason, /^[\d.]+ ms/);

  await home.add('true');
  await home.json(['monitor'], { code: 1 });

  await home.daemon();
  const daemonless = await home.json(['monitor'], { code: 0 });
  assert.match(component(daemonless, 'daemon').reason, /^pid \d+/);

  // A pipe where the folder of the legacy marker should be: nobody could write a marker there.
  rmSync(join(home.folder, '..', 'legacy'), { recursive: true });
  writeFileSync(join(home.folder, '..', 'legacy'), '');
  const broken = await home.json(['monitor'], { code: 2 });
  assert.equal(component(broken, 'marker paths').status, 'unhealthy');
});

test('[C-77] with the timers off health says so', async (t) => {
  const home = await testHome(t, { behavior: { enable_emergency_handlers: false } });
  const health = await home.json(['health'], { code: 1 });
  assert.match(component(health, 'timers').reason, /enable_emergency_handlers is false/);
});

test('[C-37] [I-23] the self-test completes real todos in a store of its own and leaves nothing anywhere', async (t) => {
  const home = await testHome(t, quick);
  await home.add('the only one', '--hold');
  const temporary = mkdtempSync(join(tmpdir(), 'signoff-selftest-'));
  t.after(() => rmSync(temporary, { recursive: true, force: true }));
  const before = snapshot(home.folder);
  const inTmp = () => readdirSync('/tmp').filter((name) => name.startsWith('todo-selftest-'));
  const elsewhere = inTmp();
  const result = await home.json(['test'], { env: { TMPDIR: temporary } });
  assert.equal(result.kind, 'test');
  assert.ok(result.checks.length >= 10, `${result.checks.length} checks`);
  for (const check of result.checks) assert.ok(check.passed && check.name.length > 5, JSON.stringify(check));
  for (const said of [/verified/, /failed check/, /forced/, /twice/, /silent/])
    assert.ok(
      result.checks.some((check: Json) => said.test(check.name)),
      String(said),
    );
  assert.deepEqual(readdirSync(temporary), []);
  assert.deepEqual(inTmp(), elsewhere);
  assert.deepEqual(snapshot(home.folder), before);
  assert.deepEqual(processesIn(temporary), []);
  assert.equal((await home.json(['list'])).todos.length, 1);
});

test('[C-37] a self-test that fails says which check, and exits 1', async (t) => {
  const home = await testHome(t, quick);
  const temporary = mkdtempSync(join(tmpdir(), 'signoff-selftest-'));
  t.after(() => rmSync(temporary, { recursive: true, force: true }));
  const result = await home.json(['test'], { env: { TMPDIR: join(temporary, 'nowhere') }, code: 1 });
  assert.ok(result.checks.some((check: Json) => !check.passed && check.reason.length > 0));
});

test('[C-37] a self-test that is stopped half-way leaves nothing either', async (t) => {
  const home = await testHome(t, quick);
  const temporary = mkdtempSync(join(tmpdir(), 'signoff-selftest-'));
  t.after(() => rmSync(temporary, { recursive: true, force: true }));
  // Stands first in PATH: the self-test's hanging agents call it, so that its first call comes when todos are being worked on.
  const bin = join(home.folder, '..', 'bin');
  mkdirSync(bin);
  execFileSync('mkfifo', [join(bin, 'never')]);
  writeFileSync(join(bin, 'mkfifo'), `#!/bin/sh\n: >'${bin}/called'\nread word <'${bin}/never'\n`, { mode: 0o755 });
  const called = new Promise<void>((resolve) => {
    const watcher = watch(bin, () => {
      if (!existsSync(join(bin, 'called'))) return;
      watcher.close();
      resolve();
    });
  });
  const started = home.start(['test'], { env: { TMPDIR: temporary, PATH: `${bin}:${process.env['PATH']}` } });
  await Promise.race([called, started.ended.then(({ stdout }) => assert.fail(`it ended before it was stopped\n${stdout}`))]);
  assert.notDeepEqual(processesIn(temporary), []);
  started.process.kill('SIGINT');
  await started.ended;
  assert.deepEqual(readdirSync(temporary), []);
  assert.deepEqual(processesIn(temporary), []);
});

/** Processes that name this folder in their environment or working directory. */
function processesIn(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TMPDIR=${folder}`);
    } catch {
      return false;
    }
  });
}
