// `todo service` under a real systemd: a machine of its own (fixtures/systemd-machine.ts), whose init is the systemd that is installed here. The commands
// are those that a person would give there.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { diesSoonAfterItsStart } from '../fixtures/broken-build.ts';
import { type SystemdMachine, systemdMachine, whyNoMachine } from '../fixtures/systemd-machine.ts';
import { build } from './build.ts';
import { type Json, parseOne, until } from './harness.ts';

const todo = '/opt/signoff/bin/todo';
/** One run at a time in each. */
const work = '/srv/work';
const beside = '/srv/beside';
const waits = (file: string) => `echo $$ >${file}.pid; while ! test -e ${file}; do sleep 0.05; done; echo ended`;
const skip = whyNoMachine() ?? false;

test('[W-38] a service of the machine: ready when it says so, restarted by systemd when it hangs or dies, its agents live on, a stop drains, and nothing is left', {
  skip,
}, async (t) => {
  await build();
  const machine = await systemdMachine(t);
  const at = onMachine(machine, { TODO_HOME: '/srv/signoff' });
  await at.ok('useradd', '--system', '--create-home', '--shell', '/usr/sbin/nologin', 'worker');
  await at.ok('install', '-d', '-o', 'worker', work, beside);

  const outOfReach = ['service', 'install', '--system', '--account', 'worker', '--home', '/root/of-root'];
  assert.match(
    (await at.json(outOfReach, { user: 'root', code: 1 })).message,
    /the home \/root\/of-root is not that user's, or out of reach/,
  );
  at.write('/srv/signoff/hooks/config.json', JSON.stringify({ restart: { good_after: 0.8, cooldown: 0 } }));
  await at.ok('chown', '-R', 'worker', '/srv/signoff');
  const installed = await at.json(['service', 'install', '--system', '--account', 'worker'], { user: 'root' });
  assert.deepEqual([installed.written, installed.enabled, installed.path], [true, true, '/etc/systemd/system/signoff.service']);
  // As `systemctl edit` would: what takes a minute and a half takes five seconds.
  at.write('/run/systemd/system/signoff.service.d/quick.conf', '[Unit]\nStartLimitBurst=20\n[Service]\nWatchdogSec=5\nRestartSec=100ms\n');
  await at.ok('systemctl', 'daemon-reload');
  await at.ok('systemctl', 'start', 'signoff');
  const first = await at.unit();
  assert.equal(first.StatusText, 'takes todos to their end');
  assert.equal((await at.json(['daemon', 'status'])).pid, Number(first.MainPID), 'started means: it answers');
  assert.match((await at.ok('ps', '-o', 'user=', '-p', first.MainPID)).stdout, /^worker/);
  const status = await at.json(['service', 'status', '--system'], { user: 'root' });
  assert.deepEqual([status.active, status.enabled, status.ours], ['active', 'enabled', true]);
  await at.until(
    'systemd hears of its progress',
    async () => (await at.unit()).WatchdogTimestampMonotonic !== first.WatchdogTimestampMonotonic,
  );

  const long = await at.add(work, waits('go'));
  await at.until('its agent works', () => at.has(`${work}/go.pid`));
  const agent = at.read(`${work}/go.pid`).trim();
  const again = async (what: string, pid: string): Promise<Json> =>
    at.until(what, async () => {
      const unit = await at.unit();
      return unit.ActiveState === 'active' && unit.MainPID !== pid && unit;
    });

  await at.ok('kill', '-STOP', first.MainPID);
  const second = await again('systemd restarts what stands still', first.MainPID);
  assert.match((await at.ok('journalctl', '--no-pager', '--unit=signoff')).stdout, /Watchdog timeout \(limit 5s\)/);
  await at.ok('kill', '-KILL', second.MainPID);
  const third = await again('systemd restarts what died', second.MainPID);
  assert.ok(Number(third.NRestarts) >= 2);
  await at.ok('systemctl', 'reload', 'signoff');
  assert.equal((await at.json(['daemon', 'restart'])).pid, Number(third.MainPID), 'restarted in place');
  assert.deepEqual(await at.mainAndRestarts(), [third.MainPID, third.NRestarts], 'systemd saw no end');

  await at.until('a copy of the build is kept', () => at.has('/srv/signoff/last-good/dist/todo.cjs'));
  const program = '/opt/signoff/dist/todo.cjs';
  at.write('/run/broken.cjs', `${diesSoonAfterItsStart}${at.read(program)}`);
  await at.ok('chmod', '644', '/run/broken.cjs');
  await at.ok('mount', '--bind', '/run/broken.cjs', program);
  await at.ok('kill', '-KILL', third.MainPID);
  const copy = await at.until('after two starts of it that died systemd gets the last good copy', async () => {
    const { stdout } = await machine.run(['setpriv', ...as('worker'), todo, '--json', 'daemon', 'status'], { TODO_HOME: '/srv/signoff' });
    const it = parseOne(stdout);
    return it.program?.kind === 'last-good' && it.intake?.kind === 'open' && it;
  });
  assert.match(copy.program.why, /dist\/todo\.cjs was started 2 times and never worked/);
  const ofCopy = await at.unit();
  assert.deepEqual([ofCopy.ActiveState, ofCopy.MainPID], ['active', String(copy.pid)]);
  await at.ok('umount', program);
  // What was mounted is still there in the namespace of the service; a start has it anew.
  await at.ok('systemctl', 'restart', 'signoff');
  assert.equal((await at.json(['daemon', 'status'])).program.kind, 'installed');

  const checked = await at.add(beside, 'echo done', '--check', 'echo >checks; while ! test -e pass; do sleep 0.05; done');
  await at.until('its check runs', () => at.has(`${beside}/checks`));
  const stopped = at.ok('systemctl', 'stop', 'signoff');
  await at.until('it drains', async () => (await at.unit()).StatusText === 'finishes what completes');
  at.write(`${beside}/pass`, '');
  await stopped;
  assert.equal((await at.show(checked.number)).proof, 'verified', 'what was completing came to its end');
  assert.equal((await at.unit()).Result, 'success');
  assert.ok(at.has(`/proc/${agent}`), 'its agent lives on through hang, death, restart and stop');

  await at.ok('systemctl', 'start', 'signoff');
  at.write(`${work}/go`, '');
  const ended = await at.until('it ends', async () => {
    const it = await at.show(long.number);
    return it.status === 'completed' && it;
  });
  assert.equal(ended.runs.length, 1);

  await at.add(work, waits('later'));
  await at.until('another one works', () => at.has(`${work}/later.pid`));
  const removed = await at.json(['service', 'uninstall', '--system'], { user: 'root' });
  assert.deepEqual([removed.removed, removed.stopped], [true, true]);
  assert.ok(at.has(`/proc/${at.read(`${work}/later.pid`).trim()}`), 'what works is not ended by it');
  assert.equal(at.has(installed.path), false);
  assert.equal((await at.json(['daemon', 'status'], { code: 1 })).running, false);
  assert.equal((await at.json(['service', 'status', '--system'], { user: 'root', code: 1 })).installed, false);
});

test('[W-38] a service of a login: its own systemd is told, starts it again when it dies, and forgets it', { skip }, async (t) => {
  await build();
  const machine = await systemdMachine(t);
  const at = onMachine(machine, { TODO_HOME: '/home/worker/todos', XDG_RUNTIME_DIR: '/run/login', HOME: '/home/worker' });
  await at.ok('useradd', '--system', '--create-home', 'worker');
  for (const folder of [work, '/run/login']) await at.ok('install', '-d', '-o', 'worker', '-m', '700', folder);
  const login = ['--unit=login', '--uid=worker', '--property=Type=notify', '--property=Delegate=yes'];
  const own = ['--setenv=XDG_RUNTIME_DIR=/run/login', '--setenv=HOME=/home/worker'];
  await at.ok('systemd-run', ...login, ...own, '/lib/systemd/systemd', '--user');
  const systemctl = (...words: string[]) => at.ok('setpriv', ...as('worker'), 'systemctl', '--user', ...words);

  const installed = await at.json(['service', 'install']);
  assert.deepEqual(
    [installed.scope, installed.enabled, installed.path],
    ['user', true, '/home/worker/.config/systemd/user/signoff.service'],
  );
  await systemctl('start', 'signoff');
  assert.equal((await at.json(['service', 'status'])).active, 'active');
  const { pid } = await at.json(['daemon', 'status']);
  await at.ok('kill', '-KILL', String(pid));
  await at.until('it is started again', async () => {
    const { stdout } = await systemctl('show', '--property=MainPID,ActiveState', 'signoff');
    return stdout.includes('ActiveState=active') && !stdout.includes(`MainPID=${pid}\n`);
  });
  assert.notEqual((await at.json(['daemon', 'status'])).pid, pid);
  assert.equal((await at.json(['service', 'uninstall'])).stopped, true);
  assert.equal((await at.json(['daemon', 'status'], { code: 1 })).running, false);
  assert.equal((await at.json(['service', 'status'], { code: 1 })).installed, false);
});

const as = (user: string): string[] => [`--reuid=${user}`, `--regid=${user}`, '--init-groups'];

/** What a person at that machine has. */
function onMachine({ run, root }: SystemdMachine, env: Readonly<Record<string, string>>) {
  const seen = (path: string): string => join(root, path);
  const ok = async (...argv: readonly string[]) => {
    const done = await run(argv, env);
    assert.equal(done.code, 0, `${argv.join(' ')}\n${done.stdout}${done.stderr}`);
    return done;
  };
  const json = async (args: readonly string[], { user = 'worker', code = 0 } = {}): Promise<Json> => {
    const done = await run(['setpriv', ...as(user), todo, '--json', ...args], env);
    assert.equal(done.code, code, `todo ${args.join(' ')}\n${done.stdout}${done.stderr}`);
    return parseOne(done.stdout);
  };
  const unit = async (): Promise<Json> => {
    const words = ['MainPID', 'NRestarts', 'ActiveState', 'StatusText', 'Result', 'WatchdogTimestampMonotonic'];
    const { stdout } = await ok('systemctl', 'show', `--property=${words.join(',')}`, 'signoff');
    return Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  };
  return {
    ok,
    json,
    unit,
    mainAndRestarts: async () => {
      const { MainPID, NRestarts } = await unit();
      return [MainPID, NRestarts];
    },
    has: (path: string) => existsSync(seen(path)),
    read: (path: string) => readFileSync(seen(path), 'utf8'),
    write(path: string, text: string) {
      mkdirSync(join(seen(path), '..'), { recursive: true });
      writeFileSync(seen(path), text);
    },
    add: async (cwd: string, command: string, ...options: string[]) =>
      (await json(['add', command.slice(0, 60), '--agent', 'shell', '--prompt', command, '--cwd', cwd, '--session', 'child', ...options]))
        .todo,
    show: async (number: number) => (await json(['show', String(number)])).todo,
    until: <T>(what: string, look: () => T | false | Promise<T | false>) => until(what, [seen(work)], look),
  };
}
