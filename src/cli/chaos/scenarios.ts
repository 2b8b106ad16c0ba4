import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lookAtHealth } from '../../healing/health.ts';
import type { Call } from '../command.ts';
import { engineFor } from '../engine.ts';
import { healthNeeds } from '../health-look.ts';
import { startOwnMariadb, whyNoMariadb } from './mariadb.ts';
import { type BrokenLine, proxyTo } from './proxy.ts';
import { openStage, type Stage, type Toll } from './stage.ts';

/** Times from the fault on. */
export type Outcome = Toll & { readonly detectedMs: number; readonly mendedMs: number };

export type Scenario = {
  readonly name: string;
  readonly fault: string;
  /** What must hold beside "nothing lost, nothing doubled". */
  readonly promise: string;
  /** Why it cannot be tried here; null: it can. */
  readonly unable: () => string | null;
  /** Throws where the promise is broken. */
  readonly run: (call: Pick<Call, 'env'>) => Promise<Outcome>;
};

const always = (): null => null;
const watched = ['watchdog', '--check-interval', '1s', '--timeout', '4s', '--probe-timeout', '1s', '--grace', '1s', '--steady', '1s'];
const todosEach = 5;
const shortWork = 'sleep 1; echo done';

export const scenarios: readonly Scenario[] = [
  {
    name: 'daemon-killed',
    fault: 'kill -9 of the daemon while agents work',
    promise: 'the watchdog starts it again, and the runs that lived on are found again',
    unable: always,
    run: (call) => daemonFault(call, 'SIGKILL'),
  },
  {
    name: 'daemon-stopped',
    fault: 'SIGSTOP of the daemon: it lives and says nothing',
    promise: 'the watchdog ends it and starts another',
    unable: always,
    run: (call) => daemonFault(call, 'SIGSTOP'),
  },
  {
    name: 'agent-killed',
    fault: 'kill -9 of an agent and all it started',
    promise: 'it is no answer: a new attempt completes the todo',
    unable: always,
    run: agentKilled,
  },
  {
    name: 'disk-full',
    fault: 'the disk of the home is full (a tmpfs of 128 MB)',
    promise: 'health says so, nothing goes on that could not be saved, and it goes on by itself when there is room',
    unable: () => (process.getuid?.() === 0 ? null : 'a small disk of its own needs root (mount -t tmpfs)'),
    run: diskFull,
  },
  {
    name: 'store-down',
    fault: 'the database refuses and cuts all connections',
    promise: 'completions wait in the journal and are recorded when it is back',
    unable: whyNoMariadb,
    run: (call) => storeFault(call, storeDown),
  },
  {
    name: 'slow-tcp',
    fault: 'whatever goes to the database and back arrives 20 ms later',
    promise: 'it is told as slow, and the todos end',
    unable: whyNoMariadb,
    run: (call) => storeFault(call, slowTcp),
  },
  {
    name: 'clock-jump',
    fault: 'the clock of the daemon jumps 10 minutes ahead and 2 hours back',
    promise: 'no timer ends a run for that',
    unable: always,
    run: clockJump,
  },
];

async function daemonFault(call: Pick<Call, 'env'>, osSignal: 'SIGKILL' | 'SIGSTOP'): Promise<Outcome> {
  await using stage = await openStage(call);
  stage.start(...watched);
  const daemonPid = async (): Promise<number | null> => (await stage.status())?.pid ?? null;
  await stage.until('the daemon is healthy', async () => stage.watchdog()?.phase === 'healthy' && (await daemonPid()) !== null);
  await stage.add(todosEach, shortWork);
  await stage.running();
  const before = await daemonPid();
  if (before === null) throw new Error('the daemon did not answer before the fault');
  process.kill(before, osSignal);
  const restarts = stage.watchdog()?.restarts.length ?? 0;
  const detectedMs = await stage.until('the watchdog has seen it', () => {
    const state = stage.watchdog();
    return state !== null && (state.phase !== 'healthy' || state.restarts.length > restarts);
  });
  const mendedMs = await stage.until('another daemon answers', async () => ![null, before].includes(await daemonPid()));
  return { ...(await stage.toll()), detectedMs, mendedMs: detectedMs + mendedMs };
}

async function agentKilled(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call);
  stage.start('daemon', 'run');
  await stage.add(todosEach, 'sleep 2; echo done');
  await stage.running();
  const { journal, processes } = stage.opened.world;
  const victim = journal.live().find(({ fact }) => fact === 'running');
  if (victim === undefined) throw new Error('no agent runs');
  const fromMs = performance.now();
  await processes.endTagged('TODO_RUN', victim.ref.runId, 0);
  await stage.until('its end is heard', () => !['running'].includes(journal.get(victim.ref.runId)?.fact ?? ''));
  const detectedMs = Math.round(performance.now() - fromMs);
  await stage.until('a new attempt', () => journal.ofTodo(victim.ref.todoId).some(({ ref }) => ref.runId !== victim.ref.runId));
  const mendedMs = Math.round(performance.now() - fromMs);
  return { ...(await stage.toll()), detectedMs, mendedMs };
}

async function diskFull(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stack = new AsyncDisposableStack();
  const disk = mkdtempSync(join(tmpdir(), 'todo-chaos-disk-'));
  stack.defer(() => rmdirSync(disk));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128m,mode=0700', 'tmpfs', disk]);
  stack.defer(() => void execFileSync('umount', ['-l', disk]));
  const stage = stack.use(await openStage(call, { on: disk }));
  stage.start('daemon', 'run');
  await stage.add(todosEach, 'sleep 3; echo done');
  await stage.until(
    'all of them run',
    () => stage.opened.world.journal.live().filter(({ fact }) => fact === 'running').length === todosEach,
  );
  const filler = join(disk, 'filler');
  fill(filler);
  const detectedMs = await stage.until('health says so', async () => {
    const { components } = await lookAtHealth(healthNeeds(stage.opened));
    return components.some(({ name, status }) => name === 'disk' && status === 'unhealthy');
  });
  // Long enough for all of them to end while nothing can be written.
  await stage.opened.world.clock.sleep(5000);
  unlinkSync(filler);
  const fromMs = performance.now();
  const toll = await stage.toll();
  return { ...toll, detectedMs, mendedMs: Math.round(performance.now() - fromMs) };
}

function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let size = 1024 * 1024; size >= 512; ) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        size /= 2;
      }
    }
  } finally {
    closeSync(file);
  }
}

async function storeFault(call: Pick<Call, 'env'>, act: (stage: Stage, proxy: BrokenLine) => Promise<Outcome>): Promise<Outcome> {
  await using mariadb = await startOwnMariadb();
  await using proxy = await proxyTo(mariadb.port);
  await using stage = await openStage(call, { storeUrl: { daemon: mariadb.url(proxy.port), direct: mariadb.url(mariadb.port) } });
  stage.start('daemon', 'run');
  await stage.until('the daemon answers', async () => (await stage.status())?.store.reachable === 'yes');
  return await act(stage, proxy);
}

async function storeDown(stage: Stage, proxy: BrokenLine): Promise<Outcome> {
  await stage.add(todosEach, shortWork);
  await stage.running();
  proxy.cut();
  const detectedMs = await stage.until('the daemon knows', async () => (await stage.status())?.store.reachable === 'no');
  const { journal } = stage.opened.world;
  await stage.until('completions wait', () => journal.live().some(({ fact, lastError }) => fact === 'reported' && lastError !== null));
  proxy.mend();
  const fromMs = performance.now();
  await stage.until('it is back', async () => (await stage.status())?.store.reachable === 'yes');
  const mendedMs = Math.round(performance.now() - fromMs);
  return { ...(await stage.toll()), detectedMs, mendedMs };
}

async function slowTcp(stage: Stage, proxy: BrokenLine): Promise<Outcome> {
  const slow = async (): Promise<number> => (await stage.status())?.store.queries?.slow ?? 0;
  const before = await slow();
  await stage.add(todosEach, shortWork);
  proxy.slow(20);
  const fromMs = performance.now();
  const detectedMs = await stage.until('it is counted as slow', async () => (await slow()) > before);
  const toll = await stage.toll();
  return { ...toll, detectedMs, mendedMs: Math.round(performance.now() - fromMs) };
}

const minuteMs = 60_000;

/** The daemon's engine in this process, with real agents and a real store, and a clock that jumps. */
async function clockJump(call: Pick<Call, 'env'>): Promise<Outcome> {
  await using stage = await openStage(call);
  const { world } = stage.opened;
  let aheadMs = 0;
  const clock = { ...world.clock, nowMs: () => world.clock.nowMs() + aheadMs };
  const stop = new AbortController();
  const engine = engineFor({ ...stage.opened, world: { ...world, clock } }, { kind: 'daemon' }, stop.signal);
  await engine.recover();
  const loop = (async () => {
    while (!stop.signal.aborted) await engine.sleepUntil(await engine.pass());
  })();
  try {
    await stage.add(todosEach, 'sleep 3; echo done');
    engine.wake();
    await stage.running();
    const fromMs = performance.now();
    aheadMs = 10 * minuteMs;
    engine.wake();
    const passAtMs = engine.status().lastPassAtMs;
    await stage.until('it has looked', () => engine.status().lastPassAtMs > passAtMs);
    const detectedMs = Math.round(performance.now() - fromMs);
    aheadMs = -120 * minuteMs;
    engine.wake();
    const toll = await stage.toll();
    return { ...toll, detectedMs, mendedMs: Math.round(performance.now() - fromMs) };
  } finally {
    await world.processes.endTagged('TODO_HOME', stage.folder, 1000);
    stop.abort();
    engine.wake();
    await loop;
    await engine.context.tasks.settled();
  }
}
