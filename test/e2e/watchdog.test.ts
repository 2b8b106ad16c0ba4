// `todo watchdog` over real processes that crash, hang, are busy, fork away or refuse to die, and over our own daemon.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../fixtures/free-port.ts';
import { testHome } from './harness.ts';
import { lives, misbehaves, rows, storeThatHangs, tagged, watch, watchBackend, webhook } from './watching.ts';

test('[W-03] [W-30] a crash loop: back-off, five restarts, then it is held and stopped, a person is told once, and the watchdog lives', async (t) => {
  const hook = await webhook(t);
  const home = await testHome(t, { monitoring: { webhook_url: hook.url } });
  const watched = watch(t, home, ['--name', 'crashy', '--max-restarts', '2'], ['sh', '-c', 'echo up; sleep 0.2; exit 3']);
  await watched.logs('watchdog: gave up');
  const lines = watched.log();
  assert.equal(lines.filter(({ event }) => event === 'watchdog: starting').length, 3, 'a start and two restarts');
  const waits = lines.filter(({ event }) => event === 'watchdog: restart').map(({ inMs }) => inMs);
  assert.ok(waits[0] >= 800 && waits[0] <= 1200 && waits[1] >= 1600 && waits[1] <= 2400, `1 s and 2 s, a fifth more or less: ${waits}`);
  const [critical] = lines.filter(({ level }) => level === 'CRITICAL');
  assert.match(critical.reason, /^crash-loop: 2 restarts within 10 minutes; last: it exited with 3$/);
  assert.equal((await watched.status()).phase, 'held');
  assert.deepEqual(tagged(home), [], 'nothing of it is left');
  assert.equal(watched.started.process.exitCode, null, 'the watchdog lives');
  await home.until('the webhook has it', () => hook.bodies.length > 0);
  assert.match(hook.bodies[0].text, /^crashy is held: crash-loop/);
  const evidence = JSON.parse(readFileSync(critical.evidence, 'utf8'));
  assert.equal(evidence.why, 'it exited with 3');
  assert.match(evidence.output, /up\n/);
  assert.deepEqual(rows(home), [
    'watchdog.starting',
    'watchdog.healthy',
    'watchdog.stopping',
    'watchdog.restart',
    'watchdog.backoff',
    'watchdog.starting',
    'watchdog.healthy',
    'watchdog.stopping',
    'watchdog.restart',
    'watchdog.backoff',
    'watchdog.starting',
    'watchdog.healthy',
    'watchdog.stopping',
    'watchdog.held',
  ]); // prettier-ignore

  // A person starts it again: the restarts before are forgotten.
  watched.started.process.kill('SIGHUP');
  await watched.logs('watchdog: restart', 3);
  assert.equal(hook.bodies.length, 1, 'told once');
});

test('[W-02] a backend that is stopped (SIGSTOP) is restarted after its time without an answer, not before, and is verified', async (t) => {
  const home = await testHome(t);
  const port = await freePort();
  const watched = watchBackend(t, home, port, ['--check-interval', '1.5s', '--timeout', '4.5s', '--grace', '1.9s', '--steady', '1s']);
  await watched.logs('watchdog: healthy');
  const { pid } = (await watched.status()).child.process;
  const fromMs = Date.now();
  process.kill(pid, 'SIGSTOP');
  await watched.logs('watchdog: recovered');
  const restart = watched.log().find(({ event }) => event === 'watchdog: restart');
  assert.equal(restart.cause, 'hang');
  const afterMs = Date.parse(restart.time) - fromMs;
  // 45 to 45 + 15 + 19 s by the defaults; here a tenth of all of them, and what a busy machine takes more.
  assert.ok(afterMs >= 4500 && afterMs <= 4500 + 1500 + 1900 + 10_000, `restarted ${afterMs} ms after it was stopped`);
  assert.notEqual((await watched.status()).child.process.pid, pid);
  assert.equal(lives(pid), false, 'the stopped one is gone');
});

test('a busy backend (100 % CPU, answers late) is not restarted; one that only spins is', async (t) => {
  const home = await testHome(t);
  const [slow, hung] = [await freePort(), await freePort()];
  const options = ['--check-interval', '500ms', '--timeout', '2s', '--grace', '500ms', '--steady', '1s'];
  const busy = watchBackend(t, home, slow, [...options, '--name', 'busy'], ['--busy', '--answers-in', '1500']);
  const spinning = watchBackend(t, home, hung, [...options, '--name', 'spinning'], ['--hang-after', '3']);
  await spinning.logs('watchdog: recovered');
  const restart = spinning.log().find(({ event }) => event === 'watchdog: restart');
  assert.equal(restart.cause, 'hang');
  assert.match(restart.reason, /^no good answer for [4-9]/, 'work explained the silence for twice the time');
  await spinning.logs('watchdog: restart', 2);
  assert.deepEqual(
    busy.log().filter(({ event }) => event === 'watchdog: restart'),
    [],
    'each answer within the time of its probe is good',
  );
});

test('what a probe says: health documents are read, degraded never restarts, unhealthy and refusing do', async (t) => {
  const home = await testHome(t);
  const options = ['--check-interval', '300ms', '--timeout', '1.2s', '--grace', '1s'];
  const warns = watchBackend(
    t,
    home,
    await freePort(),
    [...options, '--name', 'warns'],
    ['--says', '{"status":"warn","output":"disk 91 %"}'],
  );
  const fails = watchBackend(
    t,
    home,
    await freePort(),
    [...options, '--name', 'fails'],
    ['--says', '{"status":"fail","output":"no database"}'],
  );
  await warns.logs('watchdog: degraded');
  assert.match((await warns.status()).why, /warn: disk 91 %/);
  // While it starts nothing counts, and it never came up.
  await fails.says('starting');
  const beats = join(home.folder, 'beat');
  const beating = watch(
    t,
    home,
    [...options, '--name', 'beating', '--heartbeat', beats],
    ['sh', '-c', `touch '${beats}'; exec sleep 1000`],
  );
  await beating.logs('watchdog: restart');
  assert.match(beating.log().find(({ event }) => event === 'watchdog: restart').reason, /no beat in/);
  const exec = watch(t, home, [...options, '--name', 'asks', '--exec', `test -e '${beats}' || exit 2`], ['sleep', '1000']);
  await exec.logs('watchdog: healthy');
  assert.equal(
    warns.log().some(({ event }) => event === 'watchdog: restart'),
    false,
  );
});

test('a restart ends the whole tree: children in the background, double-forked, and deaf to TERM', async (t) => {
  const home = await testHome(t);
  const port = await freePort();
  const watched = watchBackend(t, home, port, ['--check-interval', '500ms', '--timeout', '60s', '--grace', '300ms'], ['--forks']);
  const output = join(home.folder, 'logs', 'watchdog_logs', 'backend.out');
  const left = await home.until('all have said their number', () => {
    const pids = [...(existsSync(output) ? readFileSync(output, 'utf8') : '').matchAll(/^(?:child|daemon|stubborn) (\d+)$/gm)].map(
      ([, pid]) => Number(pid),
    );
    return pids.length === 3 && pids;
  });
  await watched.logs('watchdog: healthy');
  watched.started.process.kill('SIGHUP');
  await watched.logs('watchdog: healthy', 2);
  assert.deepEqual(left.filter(lives), []);
});

test('a watchdog that is killed: the next adopts what runs, starts no second copy, and ends it with itself', async (t) => {
  const home = await testHome(t);
  const port = await freePort();
  const first = watchBackend(t, home, port, ['--check-interval', '500ms']);
  await first.logs('watchdog: healthy');
  const { pid } = (await first.status()).child.process;
  first.started.process.kill('SIGKILL');
  await first.started.ended;
  assert.ok(lives(pid), 'it lives on');
  const second = watchBackend(t, home, port, ['--check-interval', '500ms']);
  await second.logs('watchdog: healthy', 2);
  assert.equal((await second.status()).child.process.pid, pid);
  const rival = await watchBackend(t, home, port, ['--check-interval', '500ms']).started.ended;
  assert.equal(rival.code, 75);
  assert.match(rival.stderr, /LOCKED .*backend/);
  const stranger = await watchBackend(t, home, port, ['--name', 'stranger']).started.ended;
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /somebody answers at its address/);
  second.started.process.kill('SIGTERM');
  assert.equal((await second.started.ended).code, 0);
  assert.equal(lives(pid), false);
  assert.deepEqual(tagged(home), []);
});

test('exit codes: 0 ends the watch, 75 asks for another start without a mark, 125 for none', async (t) => {
  const home = await testHome(t);
  const zero = await watch(t, home, ['--name', 'zero'], ['true']).started.ended;
  assert.equal(zero.code, 0);
  const again = watch(t, home, ['--name', 'again', '--max-restarts', '0'], ['sh', '-c', 'exit 75']);
  await again.logs('watchdog: starting', 3);
  assert.deepEqual((await again.status()).restarts, []);
  const never = watch(t, home, ['--name', 'never'], ['sh', '-c', 'exit 125']);
  await never.logs('watchdog: gave up');
  assert.equal(never.log().filter(({ event }) => event === 'watchdog: starting').length, 1);
});

test('[W-01] alone it keeps the daemon of its home running: killed or stopped it comes back, and its agents live through it', async (t) => {
  const home = await testHome(t);
  const watched = watch(t, home, ['--check-interval', '500ms', '--timeout', '2s', '--grace', '1s', '--steady', '500ms'], null);
  await watched.logs('watchdog: healthy');
  const { number } = await home.add('echo begun; while ! test -e go; do sleep 0.05; done; echo ended', '--session', 'child');
  const agent = await home.until(
    'its agent has begun',
    async () => (await home.show(number)).runs[0]?.session?.pid ?? (/begun/.test((await home.todo(['logs', String(number)])).stdout) && 1),
  );
  assert.ok(agent);
  const daemonPid = async (): Promise<number> => (await home.json(['daemon', 'status'])).pid;
  const first = await daemonPid();
  process.kill(first, 'SIGKILL');
  await watched.logs('watchdog: recovered');
  const second = await daemonPid();
  assert.notEqual(second, first);
  process.kill(second, 'SIGSTOP');
  await watched.logs('watchdog: recovered', 2);
  assert.notEqual(await daemonPid(), second);
  writeFileSync(join(home.work, 'go'), '');
  await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  assert.equal((await home.show(number)).runs.length, 1, 'one run, through three daemons');
  watched.started.process.kill('SIGTERM');
  assert.equal((await watched.started.ended).code, 0);
  assert.equal((await home.json(['daemon', 'status'], { code: 1 })).running, false);
});

test('a daemon that answers and makes no progress: one whose loop does not wake, and one that schedules no todo, are restarted', async (t) => {
  const options = ['--check-interval', '300ms', '--timeout', '1s', '--probe-timeout', '500ms', '--grace', '200ms', '--steady', '200ms'];
  const [deaf, hung] = [await testHome(t, { monitoring: { rescan: 0.1 } }), await testHome(t)];
  const watched = watch(t, deaf, options, null, { env: misbehaves('deaf') });
  const other = watch(t, hung, options, null, { env: await storeThatHangs(t) });
  await watched.logs('watchdog: healthy');
  const { pid } = await deaf.json(['daemon', 'status']);
  process.kill(pid, 'SIGUSR2');
  await watched.logs('watchdog: recovered');
  const reasonOf = (it: typeof watched) => it.log().find(({ event }) => event === 'watchdog: restart').reason;
  assert.match(reasonOf(watched), /^no good answer for /);
  assert.notEqual((await deaf.json(['daemon', 'status'])).pid, pid);
  await other.logs('watchdog: restart');
  assert.match(reasonOf(other), /^no good answer for .* \(the look for a todo has gone on for \d+ s: no todo is scheduled\)$/);
  assert.ok(
    other.log().some(({ event }) => event === 'watchdog: healthy'),
    'it was well before',
  );
});

test('[W-05] [W-06] its parameters, and its lines: time, level in brackets, what', async (t) => {
  const home = await testHome(t);
  const logs = join(home.work, 'my logs');
  const watched = watch(
    t,
    home,
    ['--log-path', logs, '--debug', '--max-restarts', '5', '--check-interval', '15s', '--timeout', '45s'],
    ['sleep', '1000'],
  );
  await watched.says(/^\d{4}-\d\d-\d\dT[\d:.]+Z \[INFO\] watchdog: healthy name=sleep /m);
  await home.until('its log is there', () => readdirSync(logs).includes('monitor.log'));
  for (const [args, says] of [
    [['--max-restarts', 'many'], /whole number from 0 to 1000/],
    [['--check-interval', 'soon'], /A time like 60s/],
    [['--health', 'nowhere'], /is no address/],
    [['--health', 'http://127.0.0.1:1/', '--exec', 'true'], /not several/],
  ] as const) {
    const { code, stderr } = await watch(t, home, args, ['true']).started.ended;
    assert.equal(code, 64);
    assert.match(stderr, says);
  }
});

test('what a command prints is kept in ten files of ten megabytes, and the command goes on printing', async (t) => {
  const home = await testHome(t);
  const printing = watch(
    t,
    home,
    ['--name', 'loud', '--check-interval', '200ms'],
    ['sh', '-c', 'while :; do head -c 3000000 /dev/zero | tr "\\0" x; echo; sleep 0.1; done'],
  );
  const folder = join(home.folder, 'logs', 'watchdog_logs');
  await home.until('it was put aside twice', () => existsSync(join(folder, 'loud.out.2')));
  // The second was the first one when it was whole.
  assert.ok(statSync(join(folder, 'loud.out.2')).size >= 10 * 1024 * 1024);
  const { pid } = (await printing.status()).child.process;
  assert.ok(lives(pid), 'it was not disturbed');
});
