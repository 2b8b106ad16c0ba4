// What watchdogs in the field did wrong, each with a program that would bring it about, through a running `todo watchdog`. Times are scaled by its
// options; where a number of the field matters it stands beside the test.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { freePort } from '../fixtures/free-port.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { serviceManager } from './service-manager.ts';
import { lives, rows, type Watching, watch, watchBackend, webhook } from './watching.ts';

// They mostly wait, each for a machine of its own.
describe('watchdogs in the field', { concurrency: 3 }, () => {
  test('[W-34] a slow /health: three tries, two seconds apart, five seconds each; a check of which one is good is good', async (t) => {
    const home = await testHome(t);
    const port = await freePort();
    // The first is of the start; the next check has its first two unanswered, the one after it all three.
    const watched = watchBackend(t, home, port, ['--check-interval', '3s'], ['--tells', '--silent-at', '2,3,5,6,7']);
    const asked = (): number[] => [...output(home, 'backend').matchAll(/^asked \d+ at (\d+)$/gm)].map(([, atMs]) => Number(atMs));
    await home.until('it was asked eight times', () => asked().length >= 8);
    const at = asked();
    const gap = (n: number): number => (at[n - 1]! - at[n - 2]!) / 1000;
    for (const n of [3, 4, 6, 7]) assert.ok(gap(n) >= 6.9 && gap(n) < 12, `question ${n} came ${gap(n)} s after the one before: 5 + 2`);
    await watched.logs('watchdog: healthy', 2);
    const told = events(watched);
    assert.equal(told.filter((event) => event === 'watchdog: unresponsive').length, 1, 'a check is bad when all three are');
    assert.ok(!told.includes('watchdog: restart'), String(told));
  });

  // 2 s for a probe under CPU load killed a healthy server three times, and the work it did.
  test('busy is not dead: on a machine without a free core, short probes kill nothing', async (t) => {
    const home = await testHome(t);
    const options = ['--check-interval', '200ms', '--probe-timeout', '800ms', '--timeout', '4s', '--grace', '1s'];
    const watched = watchBackend(t, home, await freePort(), options, ['--tells']);
    await watched.logs('watchdog: healthy');
    const hogs = Array.from({ length: 4 }, () => spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }));
    const end = (): void => hogs.forEach((hog) => void hog.kill('SIGKILL'));
    t.after(end);
    // What is measured is a time under load: two and a half times its patience.
    await pass(10_000);
    end();
    const seen = output(home, 'backend').split('asked').length;
    await home.until('it is asked again', () => output(home, 'backend').split('asked').length > seen);
    assert.deepEqual(events(watched).filter(isRestart), []);
  });

  // A boot of 138 s under a patience of 45 s; asks for a restart while one was under way; a wait of 15 s for a boot that took 92.
  test('a boot that takes longer than its patience comes up, also when it is asked for again and again, and what it took is learned', async (t) => {
    const home = await testHome(t);
    const options = ['--check-interval', '200ms', '--timeout', '900ms', '--grace', '1s', '--steady', '500ms'];
    const fixed = watchBackend(
      t,
      home,
      await freePort(),
      [...options, '--startup-grace', '20s', '--name', 'fixed'],
      ['--boots-in', '2800'],
    );
    const learning = watchBackend(t, home, await freePort(), [...options, '--name', 'learning'], ['--boots-in', '2800']);
    await Promise.all([fixed, learning].map((it) => it.logs('watchdog: healthy')));
    const [tookMs] = (await learning.status()).startsMs;
    assert.ok(tookMs >= 2800 && tookMs < 30_000, `learned: ${tookMs} ms`);
    for (let times = 0; times < 3; times++) fixed.started.process.kill('SIGHUP');
    await fixed.logs('watchdog: starting', 2);
    for (let times = 0; times < 3; times++) fixed.started.process.kill('SIGHUP');
    await fixed.logs('watchdog: healthy', 2);
    assert.equal(events(fixed).filter((event) => event === 'watchdog: starting').length, 2, 'one start for six wishes');
    assert.deepEqual([...events(fixed), ...events(learning)].filter(isRestart), []);
  });

  // "Restart returned 0" was told as recovery; six alarms for what mended itself taught people to mute it.
  test('recovered is said of what has been good for a while, and nobody is woken before that was tried', async (t) => {
    const hook = await webhook(t);
    const home = await testHome(t, { monitoring: { webhook_url: hook.url } });
    // Three times it comes up well and dies within a second, then it stays.
    const lines = 'echo x >> starts; test $(wc -l < starts) -gt 3 && exec sleep 1000; sleep 0.7; exit 1';
    const watched = watch(t, home, ['--name', 'fickle', '--steady', '1500ms'], ['sh', '-c', `cd '${home.work}'; ${lines}`]);
    await watched.logs('watchdog: recovered');
    const told = events(watched);
    assert.equal(told.filter(isRestart).length, 3);
    assert.equal(told.filter((event) => event === 'watchdog: recovered').length, 1);
    assert.ok(told.lastIndexOf('watchdog: recovered') > told.lastIndexOf('watchdog: restart'));
    assert.deepEqual(hook.bodies, []);
  });

  // The heartbeat of the run before was read as death at boot, or as life for ever; overlapping cycles moved it backwards.
  test('a heartbeat counts from this start on, and each change of it is a beat, also one that goes backwards', async (t) => {
    const home = await testHome(t);
    const old = join(home.work, 'old');
    const fresh = join(home.work, 'fresh');
    const back = join(home.work, 'back');
    for (const path of [old, fresh, back]) writeFileSync(path, '');
    utimesSync(old, 1, 1);
    const options = ['--check-interval', '100ms', '--timeout', '1s', '--grace', '500ms'];
    const beat = `while :; do touch beat; mv beat`;
    const slow = watch(
      t,
      home,
      [...options, '--name', 'old', '--heartbeat', old, '--startup-grace', '20s'],
      ['sh', '-c', `cd '${home.work}'; sleep 2; ${beat} old; sleep 0.1; done`],
    );
    const dead = watch(
      t,
      home,
      [...options, '--name', 'fresh', '--heartbeat', fresh, '--startup-grace', '1s', '--max-restarts', '0'],
      ['sleep', '1000'],
    );
    const backwards = watch(
      t,
      home,
      [...options, '--name', 'back', '--heartbeat', back, '--startup-grace', '20s'],
      ['sh', '-c', `cd '${home.work}'; touch back; n=900000000; while :; do n=$((n - 100)); touch -d @$n back; sleep 0.2; done`],
    );
    await slow.logs('watchdog: healthy');
    await backwards.logs('watchdog: healthy');
    await dead.logs('watchdog: gave up');
    assert.ok(!events(dead).includes('watchdog: healthy'), 'the touch before its start is none of its beats');
    const fromMs = mtimeMs(back);
    await home.until('it has beaten for twice its patience', () => fromMs - mtimeMs(back) > 100_000 * 10);
    assert.deepEqual([...events(slow), ...events(backwards)].filter(isRestart), []);
  });

  // Killed a healthy agent five times in nine minutes because an old state file said so, although it was heard since.
  test('what an old state file says is no evidence: who was given up as silent and answers now is kept', async (t) => {
    const home = await testHome(t);
    const port = await freePort();
    const options = ['--check-interval', '200ms', '--probe-timeout', '400ms', '--probe-wait', '100ms', '--timeout', '30s'];
    const first = watchBackend(t, home, port, options);
    await first.logs('watchdog: healthy');
    const { pid } = (await first.status()).child.process;
    process.kill(pid, 'SIGSTOP');
    await first.logs('watchdog: unresponsive');
    first.started.process.kill('SIGKILL');
    await first.started.ended;
    process.kill(pid, 'SIGCONT');
    const second = watchBackend(t, home, port, [...options, '--timeout', '2s']);
    await second.logs('watchdog: healthy', 2);
    assert.equal((await second.status()).child.process.pid, pid);
    assert.deepEqual(events(second).filter(isRestart), []);
  });

  test('a number in an old state file that belongs to somebody else by now is left alone', async (t) => {
    const home = await testHome(t);
    const first = watch(t, home, ['--name', 'it'], ['sleep', '1000']);
    await first.logs('watchdog: healthy');
    const { pid } = (await first.status()).child.process;
    first.started.process.kill('SIGKILL');
    await first.started.ended;
    process.kill(pid, 'SIGKILL');
    const stranger = spawn('sleep', ['1000'], { stdio: 'ignore' });
    t.after(() => stranger.kill('SIGKILL'));
    const path = join(home.folder, 'watchdogs', 'it.json');
    const state = JSON.parse(readFileSync(path, 'utf8'));
    state.child.process.pid = stranger.pid;
    writeFileSync(path, JSON.stringify(state));
    const second = watch(t, home, ['--name', 'it'], ['sleep', '1000']);
    await second.logs('watchdog: healthy', 2);
    assert.notEqual((await second.status()).child.process.pid, stranger.pid);
    assert.ok(lives(stranger.pid!), 'it was not ours to end');
  });

  // A count that died with its process let it flap without end.
  test('the restarts of a day are counted across watchdogs, also killed ones', async (t) => {
    const home = await testHome(t);
    const options = ['--name', 'flaps', '--max-restarts-day', '3'];
    const command = ['sh', '-c', 'sleep 0.2; exit 1'];
    const first = watch(t, home, options, command);
    await first.logs('watchdog: restart', 2);
    first.started.process.kill('SIGKILL');
    await first.started.ended;
    const second = watch(t, home, options, command);
    await second.logs('watchdog: gave up');
    assert.equal(events(second).filter(isRestart).length, 3, 'two of the first, one of the second');
    assert.match((await second.status()).why, /^restart limit: 3 restarts within 24 hours/);
  });

  // Times without work were taken for a freeze: a storm of restarts.
  test('idle is not frozen, and a watchdog that stood still itself blames nobody for it', async (t) => {
    const home = await testHome(t);
    const options = ['--check-interval', '200ms', '--timeout', '1s', '--grace', '500ms'];
    const idle = watchBackend(t, home, await freePort(), [...options, '--name', 'idle'], ['--tells']);
    const quiet = watch(t, home, [...options, '--name', 'quiet', '--exec', 'true'], ['sleep', '1000']);
    await Promise.all([idle, quiet].map((it) => it.logs('watchdog: healthy')));
    idle.started.process.kill('SIGSTOP');
    // What is measured is a stop of three times its patience.
    await pass(3000);
    idle.started.process.kill('SIGCONT');
    await idle.logs('watchdog: it stood still itself');
    const seen = output(home, 'idle').split('asked').length;
    await home.until('it was asked for three times its patience', () => output(home, 'idle').split('asked').length >= seen + 15);
    assert.deepEqual([...events(idle), ...events(quiet)].filter(isRestart), []);
  });

  // What was in its way was gone when somebody looked: its errors went to nowhere.
  test('evidence of a hang: its last 64 KiB, where each process stood, and what a Node program that still hears says of itself', async (t) => {
    const home = await testHome(t);
    const command = [process.execPath, '--report-on-signal', join(import.meta.dirname, '..', 'fixtures', 'backend.ts')];
    const port = await freePort();
    const options = ['--name', 'loops', '--check-interval', '200ms', '--timeout', '500ms', '--grace', '500ms', '--max-restarts', '0'];
    const words = [`head -c 100000 /dev/zero | tr '\\0' x; echo; cd '${home.work}'; exec "$@"`, 'sh', ...command, String(port)];
    const health = ['--health', `http://127.0.0.1:${port}/`];
    const watched = watch(t, home, [...options, ...health], ['sh', '-c', ...words, '--mute-after', '3']);
    await watched.logs('watchdog: gave up');
    const [{ evidence: path }] = watched.log().filter(({ event }) => event === 'watchdog: gave up') as [Json];
    const evidence = JSON.parse(readFileSync(path, 'utf8'));
    assert.equal(evidence.output.length, 64 * 1024);
    assert.match(evidence.output, /x\nlistening \d+\n/);
    const [it] = evidence.processes;
    assert.ok(it.cpuMs > 0 && it.rssBytes > 1024 * 1024 && it.openFiles > 3, JSON.stringify(it));
    assert.match(it.kernel.status, /^Threads:/m);
    assert.equal(typeof it.kernel.wchan, 'string');
    assert.equal(evidence.nodeReport.header.trigger, 'Signal');
    assert.ok(evidence.nodeReport.javascriptHeap.usedMemory > 1024 * 1024);
    assert.ok(!JSON.stringify(evidence).includes('"environmentVariables"'), 'an environment may hold secrets');
  });

  test('no zombies: a thousand short children of the command, and a hundred probes', async (t) => {
    const home = await testHome(t);
    const lines = 'n=0; while test $n -lt 1000; do (true & true); n=$((n + 1)); done; echo all; exec sleep 1000';
    const probes = join(home.work, 'probes');
    const options = ['--name', 'parent', '--check-interval', '20ms', '--exec', `echo x >> '${probes}'`];
    const watched = watch(t, home, options, ['sh', '-c', lines]);
    await home.until('all have been', () => output(home, 'parent').includes('all'));
    await home.until('it was probed', () => existsSync(probes) && readFileSync(probes, 'utf8').length >= 2 * 100);
    await home.until('none is left', () => zombiesOf(watched.started.process.pid!).length === 0);
    assert.ok(lives(watched.started.process.pid!));
  });

  test('under a service manager it says that it is ready, that its rounds go on, also while nothing runs, and that it stops', async (t) => {
    const home = await testHome(t);
    const manager = await serviceManager(t, home);
    const started = home.start(['watchdog', '--name', 'told', '--max-restarts', '0', '--', 'false'], {
      env: { NOTIFY_SOCKET: manager.socket, WATCHDOG_USEC: '600000' },
    });
    await manager.heard(home, 'READY=1', 1);
    await home.until(
      'it holds',
      async () => JSON.parse((await home.todo(['--json', 'watchdog', 'status'])).stdout).watchdogs[0]?.phase === 'held',
    );
    const before = manager.count('WATCHDOG=1');
    await manager.heard(home, 'WATCHDOG=1', before + 3);
    started.process.kill('SIGSTOP');
    const standing = manager.count('WATCHDOG=1');
    // What is measured is a standstill of several pings; one may have been on its way.
    await pass(1500);
    assert.ok(manager.count('WATCHDOG=1') <= standing + 1);
    started.process.kill('SIGCONT');
    started.process.kill('SIGTERM');
    assert.equal((await started.ended).code, 0);
    assert.equal(manager.count('STOPPING=1'), 1);
  });

  // Its database was away as well, and what the watchdog had done was known to nobody.
  test('[W-04] each action is in the log and in self_healing_events, also of a watchdog that died while the store was away', async (t) => {
    const port = await freePort();
    const home = await testHome(t, { store: { url: `mysql://nobody@127.0.0.1:${port}/nowhere` } });
    const options = ['--name', 'unheard', '--max-restarts', '1'];
    const watched = watch(t, home, options, ['sh', '-c', 'sleep 0.1; exit 1']);
    await watched.logs('watchdog: gave up');
    watched.started.process.kill('SIGKILL');
    await watched.started.ended;
    const actions = events(watched).filter((event) => event.startsWith('watchdog: ') && event !== 'watchdog: gave up');
    // The store is another one by now, and there.
    const path = join(home.folder, 'hooks', 'config.json');
    const { store: _, ...config } = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify(config));
    await home.daemon();
    const told = await home.until('the daemon has told all of it', () => {
      const found = rows(home).filter((what) => what.startsWith('watchdog.'));
      return found.length >= actions.length && found;
    });
    assert.deepEqual(
      told.map((what) => what.replace('.', ': ')),
      actions,
    );
    assert.deepEqual(
      readdirSync(join(home.folder, 'watchdogs')).filter((name) => name.endsWith('.untold')),
      [],
    );
  });
});

const events = (watched: Watching): string[] => watched.log().map(({ event }) => event);
const isRestart = (event: string): boolean => event === 'watchdog: restart';
const mtimeMs = (path: string): number => statSync(path).mtimeMs;

function output(home: TestHome, name: string): string {
  const path = join(home.folder, 'logs', 'watchdog_logs', `${name}.out`);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function zombiesOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return /^State:\s+Z/m.test(status) && new RegExp(`^PPid:\\s+${parent}$`, 'm').test(status);
      } catch {
        return false;
      }
    });
}
