import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { lookAtHealth } from '../../healing/health.ts';
import type { Call } from '../command.ts';
import { engineFor } from '../engine.ts';
import { healthNeeds } from '../health-look.ts';
import { type OwnMariadb, startOwnMariadb, whyNoMariadb } from './mariadb.ts';
import { agentOutOfMemory, daemonOutOfMemory } from './memory.ts';
import { whyNoMemoryCage } from './memory-cage.ts';
import { smallDisk, whyNoMounts } from './mounts.ts';
import { type BrokenLine, proxyTo } from './proxy.ts';
import { foldersReadOnly } from './read-only.ts';
import { type Outcome, openStage, type Stage, shortWork, todosEach, watched } from './stage.ts';
import { tmuxKilled, whyNoTmux } from './tmux.ts';
import { watchdogKilled } from './watchdog.ts';

/** What a scenario is given: whose environment, and how far away a slow database is, each way. */
export type Given = Pick<Call, 'env'> & { readonly eachWayMs: number };

export type Scenario = {
  readonly name: string;
  readonly fault: string;
  /** What must hold beside "nothing lost, nothing doubled". */
  readonly promise: string;
  /** Why it cannot be tried here; null: it can. */
  readonly unable: () => string | null;
  /** Throws where the promise is broken. */
  readonly run: (given: Given) => Promise<Outcome>;
};

const always = (): null => null;

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
    name: 'watchdog-killed',
    fault: 'kill -9 of the watchdog',
    promise: 'the daemon works on, and starts another watchdog that takes it over as it is',
    unable: always,
    run: watchdogKilled,
  },
  {
    name: 'agent-killed',
    fault: 'kill -9 of an agent and all it started',
    promise: 'it is no answer: a new attempt completes the todo',
    unable: always,
    run: agentKilled,
  },
  {
    name: 'tmux-killed',
    fault: 'kill -9 of the tmux server in whose windows agents work',
    promise: 'agents that went with their windows gave no answer: new attempts on a new server complete the todos',
    unable: whyNoTmux,
    run: tmuxKilled,
  },
  {
    name: 'agent-memory',
    fault: 'an agent asks for more memory than it may have, and the kernel kills it (a cgroup of 8 MB)',
    promise: 'it counts as lost, not as an answer: a new attempt completes the todo',
    unable: whyNoMemoryCage,
    run: agentOutOfMemory,
  },
  {
    name: 'daemon-memory',
    fault: 'the daemon gets no more memory, and the kernel kills it (a cgroup)',
    promise: 'the watchdog starts it again, and the runs that lived on are found again',
    unable: whyNoMemoryCage,
    run: daemonOutOfMemory,
  },
  {
    name: 'read-only',
    fault: 'nobody may write to runs/ and archive/ any more (mounted read-only)',
    promise: 'what was said to be done or has ended waits, goes on by itself when it is writable again, and nothing is done again',
    unable: whyNoMounts('a read-only folder'),
    run: foldersReadOnly,
  },
  {
    name: 'disk-full',
    fault: 'the disk of the home is full (a tmpfs of 128 MB)',
    promise: 'health says so, nothing goes on that could not be saved, and it goes on by itself when there is room',
    unable: whyNoMounts('a small disk of its own'),
    run: diskFull,
  },
  {
    name: 'store-down',
    fault: 'the database refuses and cuts all connections',
    promise: 'completions wait in the journal and are recorded when it is back',
    unable: whyNoMariadb,
    run: (call) => storeFault(call, (stage, proxy) => storeAway(stage, proxy.cut, proxy.mend)),
  },
  {
    name: 'store-killed',
    fault: 'kill -9 of the database server; it comes back with the data that it had written',
    promise: 'completions wait in the journal and are recorded when it is back',
    unable: whyNoMariadb,
    run: (call) => storeFault(call, (stage, _, mariadb) => storeAway(stage, mariadb.kill, mariadb.start)),
  },
  {
    name: 'slow-tcp',
    fault: 'whatever goes to the database and back arrives later: 100 ms each way, or as --each-way says',
    promise: 'it is told as slow and not taken for stuck, and the todos end',
    unable: whyNoMariadb,
    run: (given) => storeFault(given, (stage, proxy) => slowTcp(stage, proxy, given.eachWayMs)),
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
  const before = await stage.healthy();
  await stage.add(todosEach, shortWork);
  await stage.running();
  process.kill(before, osSignal);
  const restarts = stage.watchdog()?.restarts.length ?? 0;
  const detectedMs = await stage.until('the watchdog has seen it', () => {
    const state = stage.watchdog();
    return state !== null && (state.phase !== 'healthy' || state.restarts.length > restarts);
  });
  const mendedMs = await stage.until('another daemon answers', async () => ![undefined, before].includes((await stage.status())?.pid));
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
  const { path: disk } = stack.use(smallDisk(128));
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

type Act = (stage: Stage, proxy: BrokenLine, mariadb: OwnMariadb) => Promise<Outcome>;

async function storeFault(call: Pick<Call, 'env'>, act: Act): Promise<Outcome> {
  await using mariadb = await startOwnMariadb();
  await using proxy = await proxyTo(mariadb.port);
  await using stage = await openStage(call, { storeUrl: { daemon: mariadb.url(proxy.port), direct: mariadb.url(mariadb.port) } });
  stage.start('daemon', 'run');
  await stage.until('the daemon answers', async () => (await stage.status())?.store.reachable === 'yes');
  return await act(stage, proxy, mariadb);
}

async function storeAway(stage: Stage, away: () => unknown, back: () => unknown): Promise<Outcome> {
  await stage.add(todosEach, shortWork);
  await stage.running();
  await away();
  const detectedMs = await stage.until('the daemon knows', async () => (await stage.status())?.store.reachable === 'no');
  const { journal } = stage.opened.world;
  await stage.until('completions wait', () => journal.live().some(({ fact, lastError }) => fact === 'reported' && lastError !== null));
  await back();
  const fromMs = performance.now();
  await stage.until('it is back', async () => (await stage.status())?.store.reachable === 'yes');
  const mendedMs = Math.round(performance.now() - fromMs);
  return { ...(await stage.toll()), detectedMs, mendedMs };
}

/** What is done about a database that is stuck. It brings none nearer, and cuts off what is on its way. */
const againstStuck: readonly string[] = ['store-reset', 'store-optimize', 'store-restart', 'store-restart-advised'];

async function slowTcp(stage: Stage, proxy: BrokenLine, eachWayMs: number): Promise<Outcome> {
  const slow = async (): Promise<number> => (await stage.status())?.store.queries?.slow ?? 0;
  const before = await slow();
  await stage.add(todosEach, shortWork);
  proxy.slow(eachWayMs);
  const fromMs = performance.now();
  const detectedMs = await stage.until('it is counted as slow', async () => (await slow()) > before);
  const toll = await stage.toll();
  const did = (await stage.opened.world.store.healingEvents({ todoId: null, limit: 100 })).filter(({ what }) =>
    againstStuck.includes(what),
  );
  if (did.length > 0) throw new Error(`it was taken for stuck: ${did.map(({ what }) => what).join(', ')}`);
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
