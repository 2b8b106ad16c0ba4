// `todo start`: watchdog and daemon in the foreground; each of them is killed once, and the others bring it back.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Json, type Started, type TestHome, testHome } from './harness.ts';

const waits = 'echo begun; while ! test -e go; do sleep 0.05; done; echo ended';
/** As quick as a test needs it; a watchdog's own times are its options, which a start does not set. */
const quick = { slots: { total: 9, agent: 9, project: 9 }, behavior: { drain_timeout: 5 } };

test('[W-18] [W-19] [W-32] a start waits until the daemon is ready, notes what it started, and Ctrl-C ends both [W-20]', async (t) => {
  const home = await homeOf(t);
  const starter = await started(home, []);
  const { daemon, watchdog, starter: self } = noted(home);
  assert.equal(self.pid, starter.process.pid);
  assert.ok([daemon, watchdog].every(({ startTicks, bootId }) => startTicks > 0 && bootId !== ''));
  assert.equal((await home.json(['daemon', 'status'])).pid, daemon.pid);
  const second = await home.todo(['start']);
  assert.equal(second.code, 75);
  assert.match(second.stderr, /LOCKED while starting/);
  const { number } = await home.add(waits, '--session', 'child');
  await begun(home, number);
  starter.process.kill('SIGINT');
  const { code, stdout } = await starter.ended;
  assert.deepEqual([code, [daemon, watchdog].filter(lives)], [0, []]);
  assert.match(stdout, /Ready after [\d.]+ s: daemon pid \d+, watchdog pid \d+.*Ended\.\n$/s);
  assert.equal(existsSync(join(home.folder, 'started.json')), false);

  const again = await started(home, ['--daemon-only']);
  writeFileSync(join(home.work, 'go'), '');
  const todo = await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  assert.equal(todo.runs.length, 1, 'its agent lived on');
  // Stopped by a person from elsewhere: nothing is started again.
  await home.todo(['daemon', 'stop']);
  assert.equal((await again.ended).code, 0);
  assert.match(again.stdout(), /The daemon was stopped\./);
});

test('[W-20] a second Ctrl-C ends at once what takes its time', async (t) => {
  const home = await homeOf(t);
  const starter = await started(home, []);
  const { daemon, watchdog } = noted(home);
  const { number } = await home.add('echo done', '--check', 'echo > checking; sleep 1000');
  await home.until('its check runs', () => existsSync(join(home.work, 'checking')));
  starter.process.kill('SIGINT');
  await starter.says('Again ends it now');
  starter.process.kill('SIGINT');
  assert.deepEqual([(await starter.ended).code, [daemon, watchdog].filter(lives)], [130, []]);
  assert.equal((await home.show(number)).status, 'finishing', 'goes on with the next start');
});

test('[P-37] [W-19] kill each once: daemon, watchdog, both in turn without a starter; another comes, and the agent works on', async (t) => {
  const home = await homeOf(t);
  const starter = await started(home, []);
  const { number } = await home.add(waits, '--session', 'child');
  await begun(home, number);
  const first = noted(home);

  process.kill(first.daemon.pid, 'SIGKILL');
  const second = await home.until('the watchdog starts a daemon', async () => {
    const now = await answering(home);
    return now !== null && now !== first.daemon.pid && now;
  });

  process.kill(first.watchdog.pid, 'SIGKILL');
  const watchdog = await home.until('the starter starts a watchdog', () => {
    const now = noted(home).watchdog;
    return now.pid !== first.watchdog.pid && watching(home, second) && now;
  });
  assert.equal(await answering(home), second, 'which adopts the daemon');

  starter.process.kill('SIGKILL');
  await starter.ended;
  process.kill(watchdog.pid, 'SIGKILL');
  await home.until('the daemon starts a watchdog', () => watching(home, second) && watchdogOf(home).pid !== watchdog.pid);
  assert.equal(home.log('monitor').filter(({ event }) => event === 'the watchdog was dead; another one is started').length, 1);

  process.kill(second, 'SIGKILL');
  const third = await home.until('that one starts a daemon', async () => {
    const now = await answering(home);
    return now !== null && now !== second && now;
  });

  const adopting = await started(home, []);
  assert.equal(noted(home).daemon.pid, third, 'a start finds both and starts none');
  writeFileSync(join(home.work, 'go'), '');
  const todo = await home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
  assert.equal(todo.runs.length, 1, 'one run through three daemons');
  adopting.process.kill('SIGINT');
  assert.equal((await adopting.ended).code, 0);
  assert.equal(lives({ pid: third }), false);
});

test('[P-37] kill what holds an agent: the todo is a new attempt, and the agents beside it hear nothing of it', async (t) => {
  const home = await homeOf(t);
  const starter = await started(home, []);
  const hit = await home.add(waits, '--session', 'child');
  const beside = await home.add(waits, '--session', 'child');
  for (const { number } of [hit, beside]) await begun(home, number);
  for (const pid of carrying(`TODO_ID=${hit.id}`)) process.kill(pid, 'SIGKILL');
  await home.untilTodo(hit.number, 'a second attempt', ({ runs, status }) => runs.length === 2 && status === 'running');
  writeFileSync(join(home.work, 'go'), '');
  for (const [todo, runs] of [
    [hit, 2],
    [beside, 1],
  ] as const)
    assert.equal((await home.untilTodo(todo.number, 'completed', ({ status }) => status === 'completed')).runs.length, runs); // prettier-ignore
  starter.process.kill('SIGINT');
  assert.equal((await starter.ended).code, 0);
});

test('[W-29] [W-21] what would keep a daemon from working is told before anything is started; --debug logs everything', async (t) => {
  const home = await homeOf(t);
  const archive = join(home.folder, 'archive');
  writeFileSync(archive, 'a file where a folder must be');
  const refused = await home.todo(['start']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /it could not work:\n.*archive.*\n.*Nothing was started/s);
  assert.equal(existsSync(join(home.folder, 'started.json')), false);
  assert.equal((await home.todo(['start', '--all', '--daemon-only'])).code, 64);

  const fine = await homeOf(t);
  const starter = await started(fine, ['--debug']);
  await fine.add('echo done');
  await fine.until(
    'both log everything',
    () => /DEBUG\] watchdog: probe.* verdict=good/.test(starter.stderr()) && /DEBUG +asked op=hello/.test(starter.stderr()),
  );
  starter.process.kill('SIGINT');
  await starter.ended;
  assert.match(starter.stderr(), /daemon ready/, 'what they log is shown');
});

test('what the environment says of the configuration holds for a daemon in the background and for one under a start; agents are told nothing of it', async (t) => {
  const env = { TODO_SLOTS_TOTAL: '7', TODO_STORE_TABLE_PREFIX: 'said_' };
  const inUse = async (home: TestHome): Promise<Json[]> =>
    (await home.json(['config', 'show'])).values
      .filter(({ key }: Json) => key === 'slots.total' || key === 'store.table_prefix')
      .map((it: Json) => it.inUse);
  const home = await homeOf(t);
  assert.equal((await home.todo(['daemon', 'start'], { env })).code, 0);
  assert.deepEqual(await inUse(home), [7, 'said_']);
  await home.todo(['add', 'looks around', '--agent', 'shell', '--prompt', 'env > seen', '--cwd', home.work], { env });
  await home.until(
    'the agent has looked',
    () => existsSync(join(home.work, 'seen')) && /^TODO_ID=/m.test(readFileSync(join(home.work, 'seen'), 'utf8')),
  );
  assert.doesNotMatch(readFileSync(join(home.work, 'seen'), 'utf8'), /TODO_SLOTS|TODO_STORE/);
  await home.todo(['daemon', 'stop']);

  const starter = home.start(['start', '--daemon-only'], { env });
  await starter.says('Ready after');
  assert.deepEqual(await inUse(home), [7, 'said_']);
  starter.process.kill('SIGINT');
  assert.equal((await starter.ended).code, 0);
});

async function started(home: TestHome, args: readonly string[]): Promise<Started> {
  const starter = home.start(['start', ...args]);
  await starter.says('Ready after');
  return starter;
}

/** What a failed test leaves would bring itself back; so the watchdog ends first, and the daemon with it. */
async function homeOf(t: TestContext): Promise<TestHome> {
  let home: TestHome | null = null;
  t.after(async () => {
    if (home === null || !existsSync(join(home.folder, 'watchdogs', 'daemon.json'))) return;
    if (existsSync(join(home.folder, 'started.json')) && lives(noted(home).starter)) process.kill(noted(home).starter.pid, 'SIGKILL');
    const { watchdog, child } = stateOf(home);
    for (const it of [watchdog, child?.process]) if (it && lives(it)) process.kill(it.pid, 'SIGKILL');
  });
  home = await testHome(t, quick);
  return home;
}

/** Processes whose environment has that. */
const carrying = (pair: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(pair);
      } catch {
        // It has ended, or is somebody else's.
        return false;
      }
    });

type Noted = { readonly starter: Json; readonly watchdog: Json; readonly daemon: Json };
function noted(home: TestHome): Noted {
  const { starter, children } = JSON.parse(readFileSync(join(home.folder, 'started.json'), 'utf8'));
  const of = (name: string) => children.find((it: Json) => it.name === name)?.process;
  return { starter, watchdog: of('watchdog'), daemon: of('daemon') };
}

const stateOf = (home: TestHome): Json => JSON.parse(readFileSync(join(home.folder, 'watchdogs', 'daemon.json'), 'utf8'));
const watchdogOf = (home: TestHome): Json => stateOf(home).watchdog;
const watching = (home: TestHome, pid: number): boolean => {
  const { watchdog, child, phase } = stateOf(home);
  return lives(watchdog) && child?.process.pid === pid && phase === 'healthy';
};

async function answering(home: TestHome): Promise<number | null> {
  const { stdout } = await home.todo(['--json', 'daemon', 'status']);
  return JSON.parse(stdout).pid;
}

async function begun(home: TestHome, number: number): Promise<void> {
  await home.until(`todo ${number} has begun`, async () => /begun/.test((await home.todo(['logs', String(number)])).stdout));
}

function lives({ pid }: { readonly pid: number }): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
