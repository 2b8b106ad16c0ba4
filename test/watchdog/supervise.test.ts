// A watchdog's hours and days on a clock of their own: what a command does, what its probes say, and what becomes of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeAnswer } from '../../src/core/probe.ts';
import { createWakeup } from '../../src/daemon/wakeup.ts';
import { digest } from '../../src/platform/digest.ts';
import type { Needs, Told } from '../../src/watchdog/context.ts';
import type { Restart } from '../../src/watchdog/limits.ts';
import type { Settings } from '../../src/watchdog/settings.ts';
import type { State } from '../../src/watchdog/state.ts';
import { supervise } from '../../src/watchdog/supervise.ts';
import type { FileStat } from '../../src/world.ts';
import { FakeClock, settle } from '../resilience/fake-clock.ts';

const second = 1000;
const minute = 60 * second;

const defaults: Settings = {
  name: 'it',
  argv: ['it'],
  cwd: '/',
  env: {},
  probe: { kind: 'http', url: 'http://127.0.0.1:1/' },
  intervalMs: 15 * second,
  timeoutMs: 45 * second,
  probeMs: 10 * second,
  tries: 3,
  againMs: 2 * second,
  startupMs: null,
  graceMs: 10 * second,
  leaveMs: 10 * second,
  startedAs: ['watchdog'],
  restartsMax: 5,
  restartsADayMax: 20,
  steadyMs: 3 * second,
  always: false,
  ends: 'all',
};

const pass: ProbeAnswer = { kind: 'answered', status: 200, mediaType: 'application/health+json', body: '{"status":"pass"}', tookMs: 3 };
const late: ProbeAnswer = { kind: 'late', why: 'no answer within 10000 ms', tookMs: 10_000 };
const refused: ProbeAnswer = { kind: 'none', why: 'ECONNREFUSED', tookMs: 1 };

/** A machine with one command on it. `answer` is what its endpoint says while it (or a stranger) runs; `lives` how long each start lives (null: until it is ended). */
function machine(settings: Partial<Settings> = {}, stranger: number | null = null, kept = new Map<string, string>()) {
  const clock = new FakeClock();
  const bell = createWakeup(clock);
  const told: Told[] = [];
  const pages: string[] = [];
  const stop = new AbortController();
  const world = {
    clock,
    told,
    pages,
    stop,
    answer: pass as ProbeAnswer,
    lives: null as { readonly ms: number; readonly code: number } | null,
    cpuMs: 0 as number | null,
    printedBytes: 0,
    /** When its endpoint was asked. */
    askedAtMs: [] as number[],
    /** False: what was started cannot be ended. */
    isMortal: true,
    pressure: 0,
    starts: [] as number[],
    running: stranger,
    ended: new Map<number, { readonly exitCode: number | null; readonly osSignal: string | null }>(),
    wish: null as string | null,
    itsOwn: [] as Restart[],
    bell,
    state: (): State => JSON.parse(kept.get('/state') ?? 'null'),
    events: (): string[] => told.map(({ what }) => what.replace('watchdog.', '')),
  };
  let pids = 100;
  const end = (pid: number, exitCode: number | null, osSignal: string | null): void => {
    if (world.running !== pid) return;
    world.running = null;
    world.ended.set(pid, { exitCode, osSignal });
    bell.ring();
  };
  const owner = { pid: 1, startTicks: 1, bootId: 'boot' };
  const files: Partial<Needs['files']> = {
    readText: (path) => (path === '/proc/pressure/cpu' ? `some avg10=${world.pressure} avg60=0\n` : (kept.get(path) ?? null)),
    readRange: () => null,
    write: (path, content) => void kept.set(path, String(content)),
    rename(from, to) {
      kept.set(to, kept.get(from) ?? '');
      return kept.delete(from);
    },
    sync() {},
    syncFolder() {},
    stat: (path) => (path === '/output' ? ({ sizeBytes: world.printedBytes } as FileStat) : null),
    list: () => [],
  };
  const processes: Partial<Needs['processes']> = {
    self: () => owner,
    start() {
      const pid = ++pids;
      world.running = pid;
      world.starts.push(clock.monotonicMs());
      const { lives } = world;
      if (lives !== null) void clock.sleep(lives.ms).then(() => end(pid, lives.code, null));
      return { pid, startTicks: pid, bootId: 'boot' };
    },
    alive: ({ pid }) => (world.running === pid ? 'yes' : 'no'),
    async endTagged() {
      if (!world.isMortal) return false;
      if (world.running !== null) end(world.running, null, 'SIGTERM');
      return true;
    },
    cpuMs: () => world.cpuMs,
    tagged: () => [],
    system: () => ({
      atMs: clock.nowMs(),
      load: [0, 0, 0],
      cpus: 2,
      memoryTotalBytes: 0,
      memoryFreeBytes: 0,
      diskTotalBytes: 0,
      diskFreeBytes: 0,
      processes: [],
    }),
  };
  const needs: Needs = {
    clock,
    bell,
    digest,
    random: { next: () => 0.5, uuidv4: () => `tag-${pids}`, uuidv7: () => '', token: () => '' },
    files: files as Needs['files'],
    processes: processes as Needs['processes'],
    log: { debug() {}, info() {}, warn() {}, error() {}, critical() {}, rotate() {} },
    async http() {
      world.askedAtMs.push(clock.monotonicMs());
      if (world.running === null) return refused;
      const { answer } = world;
      if (answer.kind === 'late') await clock.sleep(10 * second);
      return answer;
    },
    daemon: async () => refused,
    nodeReport: async () => null,
    itsOwn: () => world.itsOwn,
    takeEnd(pid) {
      const end = world.ended.get(pid) ?? null;
      world.ended.delete(pid);
      return end;
    },
    tell: (row) => void told.push(row),
    page: (text) => void pages.push(text),
    paths: { state: '/state', output: '/output', incidents: '/incidents' },
  };
  const takeRestart = (): string | null => {
    const asked = world.wish;
    world.wish = null;
    return asked;
  };
  const over = supervise(needs, { ...defaults, ...settings }, { stop: stop.signal, takeRestart });
  over.catch(() => {});
  return { ...world, world, over };
}

test('a command that stops answering is restarted 45 s after the first probe that nobody answered, and not for less', async () => {
  const { world, clock, events } = machine();
  await clock.pass(minute);
  assert.equal(world.starts.length, 1);
  world.answer = late;
  await clock.pass(44 * second);
  assert.equal(world.starts.length, 1, 'less than 45 s');
  const silentMs = clock.monotonicMs() - 44 * second;
  await clock.pass(18 * second);
  const [, again = 0] = world.starts;
  assert.ok(
    again - silentMs >= 45 * second && again - silentMs <= 62 * second,
    `after ${again - silentMs} ms: 45 s, an interval, the back-off`,
  );
  assert.deepEqual(events().slice(2), ['unresponsive', 'stopping', 'restart', 'backoff', 'starting']);
});

test('work explains silence for twice the time, pressure too; who refuses has no excuse', async () => {
  for (const [name, set, patience] of [
    ['its CPU time grows', (world: { cpuMs: number | null }) => void (world.cpuMs = Number.POSITIVE_INFINITY), 90],
    ['the machine is short of CPU', (world: { pressure: number }) => void (world.pressure = 80), 90],
    ['it refuses', (world: { answer: ProbeAnswer; pressure: number }) => void Object.assign(world, { answer: refused, pressure: 80 }), 45],
  ] as const) {
    const { world, clock } = machine();
    await clock.pass(minute);
    world.answer = late;
    // The probe that begins the silence sees the CPU as it was.
    await clock.pass(15 * second);
    set(world);
    await clock.pass((patience - 16) * second);
    assert.equal(world.starts.length, 1, `${name}: not yet`);
    await clock.pass(33 * second);
    assert.ok(world.starts.length >= 2, name);
  }
});

test('a slow answer within the time of its probe, and a degraded one, restart nothing in hours', async () => {
  const { world, clock } = machine();
  world.answer = { ...pass, tookMs: 9000 };
  await clock.pass(90 * minute);
  assert.equal(world.state().phase, 'degraded');
  world.answer = { ...pass, body: '{"status":"warn"}' };
  await clock.pass(90 * minute);
  assert.equal(world.starts.length, 1);
});

test('five restarts in ten minutes and it is held: stopped, told once, tried every five minutes, back by itself', async () => {
  const { world, clock, pages } = machine();
  world.lives = { ms: 1200, code: 1 };
  await clock.pass(45 * second);
  assert.ok(world.starts.length <= 8, `${world.starts.length} starts in 45 s`);
  await clock.pass(minute);
  assert.equal(world.starts.length, 6, 'one start and five restarts');
  assert.equal(world.state().phase, 'held');
  assert.match(world.state().why ?? '', /^crash-loop/);
  assert.equal(world.running, null, 'stopped');
  await clock.pass(60 * minute);
  assert.ok(world.starts.length >= 16 && world.starts.length <= 19, `tried every five minutes: ${world.starts.length} starts`);
  assert.deepEqual(pages, ['it is held: crash-loop: 5 restarts within 10 minutes; last: it exited with 1']);
  world.lives = null;
  await clock.pass(6 * minute);
  assert.equal(world.state().phase, 'healthy');
  assert.equal(world.state().isHeld, false);
  assert.deepEqual(pages.slice(1), ['it is back']);
});

test('ten good minutes make the restarts before them forgotten; those of a day are counted all the same', async () => {
  const { world, clock } = machine({ restartsADayMax: 12 });
  // Good for eleven minutes, then it dies: never six within a window, but more than twelve within a day.
  world.lives = { ms: 11 * minute, code: 1 };
  await clock.pass(5 * 11 * minute + minute);
  assert.equal(world.state().phase, 'healthy');
  assert.equal(world.state().restarts.length, 5);
  await clock.pass(8 * 11 * minute);
  assert.equal(world.state().phase, 'held');
  assert.match(world.state().why ?? '', /^restart limit: 12 restarts within 24 hours/);
});

test('while it starts nothing counts; what its starts took is learned, and one that takes far longer hangs', async () => {
  const { world, clock } = machine();
  world.answer = refused;
  await clock.pass(50 * second);
  assert.equal(world.starts.length, 1, 'a minute for the first start');
  world.answer = pass;
  await clock.pass(15 * second);
  assert.equal(world.state().phase, 'healthy');
  const [tookMs] = world.state().startsMs;
  assert.ok(tookMs !== undefined && tookMs >= 50 * second && tookMs <= 51 * second, String(tookMs));
  // The next start has twice that.
  world.answer = refused;
  world.wish = 'a person';
  world.bell.ring();
  await clock.pass(2 * tookMs - 10 * second);
  assert.equal(world.starts.length, 2);
  await clock.pass(15 * second);
  assert.equal(world.starts.length, 3);
  assert.equal(world.state().restarts[0]?.cause, 'hang');
});

test('a clock that jumps changes no patience, and a person who stops the watch ends the command first', async () => {
  const { world, clock, over } = machine();
  await clock.pass(minute);
  clock.setUtc(clock.nowMs() + 3_600_000);
  await clock.pass(minute);
  clock.setUtc(clock.nowMs() - 7_200_000);
  await clock.pass(minute);
  assert.equal(world.starts.length, 1);
  world.stop.abort();
  await settle();
  assert.deepEqual(await over, { why: 'stopped' });
  assert.equal(world.running, null);
  assert.equal(world.state().phase, 'ended');
});

test('somebody else at its address: nothing is started, and who it is is told', async () => {
  const { over, starts } = machine({}, 7);
  await assert.rejects(over, /somebody answers at its address before it was started: it answers 200/);
  assert.deepEqual(starts, []);
});

test('what an earlier watchdog gave up is told to be back by the next one, and has its restarts again', async () => {
  const kept = new Map<string, string>();
  const first = machine({}, null, kept);
  first.world.lives = { ms: 1200, code: 1 };
  await first.clock.pass(2 * minute);
  assert.equal(first.state().phase, 'held');
  first.stop.abort();
  await first.over;
  const next = machine({}, null, kept);
  await next.clock.pass(minute);
  assert.equal(next.state().isHeld, false);
  assert.deepEqual(next.pages, ['it is back']);
});

test('a check is three tries, two seconds apart, each with five seconds; an answer that comes later is good all the same', async () => {
  const { world, clock } = machine({ timeoutMs: 10 * minute });
  await clock.pass(minute);
  world.answer = late;
  world.askedAtMs = [];
  await clock.pass(minute);
  const gaps = world.askedAtMs.map((atMs, at) => (atMs - (world.askedAtMs[at - 1] ?? atMs)) / second);
  // 5 + 2, 5 + 2, then the check is bad and its interval is over.
  assert.deepEqual(gaps.slice(0, 7), [0, 7, 7, 5, 7, 7, 5]);
  assert.equal(world.state().phase, 'unresponsive');
  assert.equal(world.starts.length, 1);
  world.answer = refused;
  await clock.pass(20 * second);
  world.askedAtMs = [];
  await clock.pass(30 * second);
  const refusals = world.askedAtMs.map((atMs, at) => (atMs - (world.askedAtMs[at - 1] ?? atMs)) / second);
  assert.deepEqual(refusals.slice(1, 4).toSorted(), [11, 2, 2], 'who refuses at once is asked again after two seconds, twice');
});

test('what comes while a start is under way is one start: asked for ten times, started once', async () => {
  const { world, clock, bell } = machine({ startupMs: minute });
  await clock.pass(minute);
  world.answer = refused;
  for (let times = 0; times < 10; times++) {
    world.wish = 'a person';
    bell.ring();
    await clock.pass(second);
  }
  world.answer = pass;
  await clock.pass(minute);
  assert.equal(world.starts.length, 2);
  assert.equal(world.state().phase, 'healthy');
});

test('a boot that has become ten times slower than it ever was gets more time with each start, and comes up', async () => {
  const { world, clock } = machine();
  await clock.pass(minute);
  // It took no time until now; it takes 138 s from here on.
  const bootMs = 138 * second;
  const answer = (): ProbeAnswer => (clock.monotonicMs() - (world.starts.at(-1) ?? 0) < bootMs ? refused : pass);
  Object.defineProperty(world, 'answer', { get: answer });
  world.wish = 'a person';
  world.bell.ring();
  await clock.pass(15 * minute);
  assert.equal(world.state().phase, 'healthy');
  assert.ok(world.state().startsMs.at(-1)! >= bootMs && world.starts.length <= 6, `${world.starts.length} starts`);
  // Known by now: the next one is at once.
  const before = world.starts.length;
  world.wish = 'a person';
  world.bell.ring();
  await clock.pass(5 * minute);
  assert.equal(world.starts.length, before + 1);
  assert.equal(world.state().phase, 'healthy');
});

test('held: what could not be ended is tried again before another start, and who has taken its address keeps it', async () => {
  const { world, clock, pages } = machine();
  await clock.pass(minute);
  world.isMortal = false;
  world.wish = 'a person';
  world.bell.ring();
  await clock.pass(20 * minute);
  assert.equal(world.state().phase, 'held');
  assert.equal(world.starts.length, 1, 'no second copy beside one that cannot be ended');
  assert.equal(pages.length, 1);
  world.isMortal = true;
  await clock.pass(6 * minute);
  assert.equal(world.starts.length, 2);
  assert.equal(world.state().phase, 'healthy');

  const crashy = machine({ restartsMax: 0 });
  crashy.world.lives = { ms: 1200, code: 1 };
  await crashy.clock.pass(minute);
  assert.equal(crashy.state().phase, 'held');
  crashy.world.running = 7;
  await crashy.clock.pass(20 * minute);
  assert.equal(crashy.starts.length, 1, 'a person has started it by hand: no clash of ports');
  assert.match(crashy.state().why ?? '', /^somebody else answers at its address: it answers 200$/);
});

test('what a command restarted by itself uses up the budget, and makes nobody wait for the restart of one that died', async () => {
  const { world, clock } = machine({ restartsMax: 3 });
  world.itsOwn = [1, 2].map((atMs) => ({ atMs: clock.nowMs() + atMs, cause: 'itself', why: 'a person asked for it' }));
  world.lives = { ms: 1000, code: 1 };
  await clock.pass(4 * second);
  assert.deepEqual(world.state().restarts.length, 1);
  assert.ok(world.starts[1]! - world.starts[0]! < 2.5 * second, 'one second and a fifth after its end, though it is the third of them');
  assert.equal(world.state().phase, 'held');
  assert.match(world.state().why ?? '', /^restart limit: 3 restarts within 10 minutes; last: it exited with 1$/);
});

test('prints are a sign of life for twice the time, as work is', async () => {
  const { world, clock } = machine({ startupMs: minute });
  await clock.pass(minute);
  world.answer = late;
  for (let seconds = 0; seconds < 75; seconds++) {
    world.printedBytes += 10;
    await clock.pass(second);
  }
  assert.equal(world.starts.length, 1);
  await clock.pass(45 * second);
  assert.equal(world.starts.length, 2);
});

test('who asks for another start again and again, at once each time, gets it ever later, a minute at most; one that had worked gets it after a second', async () => {
  const { world, clock } = machine();
  world.lives = { ms: 300, code: 75 };
  await clock.pass(10 * minute);
  const waits = world.starts.slice(1).map((atMs, index) => Math.round((atMs - world.starts[index]!) / second));
  assert.deepEqual(waits.slice(0, 7), [1, 2, 4, 8, 16, 32, 60]);
  assert.deepEqual([world.state().restarts, world.state().phase], [[], 'backoff'], 'none of it is a crash');
  world.lives = { ms: minute, code: 75 };
  await clock.pass(3 * minute);
  const [last = 0, before = 0] = world.starts.toReversed();
  assert.equal(Math.round((last - before) / second), 61);
});
