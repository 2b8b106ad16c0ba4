import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import type { ControlReply, ControlRequest } from '../core/control.ts';
import { inMs } from '../core/seconds.ts';
import type { Engine } from '../daemon/engine.ts';
import { live } from '../daemon/live.ts';
import { serveControl } from '../platform/control-socket.ts';
import { configPath, testHome } from '../platform/home.ts';
import { takeLock } from '../platform/lock.ts';
import { startSentinel } from '../platform/sentinel.ts';
import { watch } from '../platform/watcher.ts';
import type { Call, Opened } from './command.ts';
import { version } from './configured-home.ts';
import { engineFor } from './engine.ts';
import { exit } from './exit-codes.ts';
import { type Http, httpOf } from './http/of-daemon.ts';
import { endedWell, hasWorked, imageThatWorks, startCounted } from './last-good.ts';
import { mirrorOnStderr } from './mirror.ts';
import { isSupervised } from './supervised.ts';

/** TERM to what is cut short, then KILL; a drain and this are less than half a minute. */
const cutWithinMs = 4000;

/** The daemon of a home, in the foreground. After a restart another image of it goes on in this process. */
export async function runDaemon(call: Call, how: Asked): Promise<number> {
  if (how.check) return await startsAtAll(call);
  const late = Promise.withResolvers<Lived>();
  const handedOver = (next: Lived): void => void setTimeout(() => late.resolve(next), releaseWithinMs);
  const lived = await Promise.race([daemonLife(call, { ...how, handedOver }), late.promise]);
  if (lived.kind === 'restarts') becomeAnew(lived.image);
  return exit.yes;
}

/** For who is about to start this build: it is loaded whole, it can read the journal (a newer build may have changed that), and nothing is touched. */
async function startsAtAll(call: Call): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const loaded = await Promise.all([
    import('./http/showing.ts'),
    import('./http/service.ts'),
    import('../platform/log.ts'),
    import('../store/sqlite.ts'),
    import('../store/mysql.ts'),
  ]);
  opened.world.journal.getNote('ready');
  call.out.json('daemon', { starts: true, version, pieces: loaded.length, home: opened.world.home.root });
  return exit.yes;
}

/** What was handed over is durable. Where no thread for file work comes free, files and sockets are never closed: then the kernel does it. */
const releaseWithinMs = 5000;

const maxMemory = ({ options }: Call): { maxMemoryBytes?: number } =>
  typeof options['maxMemory'] === 'number' ? { maxMemoryBytes: options['maxMemory'] } : {};

/** restarts: that argv goes on in this process. */
type Lived = { readonly kind: 'ended' } | { readonly kind: 'restarts'; readonly image: readonly string[] };
type Asked = { readonly once: boolean; readonly debug: boolean; readonly check: boolean };
type How = Omit<Asked, 'check'> & { readonly handedOver: (next: Lived) => void };

/** Twice at which a watchdog puts it aside, who keeps the old ones. */
const outputBytesMax = 20 * 1024 * 1024;

/** Lock, engine, socket, watcher; released in reverse order, also after half a start. */
async function daemonLife(call: Call, { once, debug, handedOver }: How): Promise<Lived> {
  const mirror = call.json ? undefined : mirrorOnStderr(outputBytesMax);
  await using opened = await call.open({ log: true, debug, ...(mirror ? { mirror } : {}), ...maxMemory(call) });
  const { world, config, warnings } = opened;
  const { home, log, clock } = world;
  await using releases = new AsyncDisposableStack();
  testHome(home, { force: call.env['TODO_ALLOW_NETWORK_DISK'] === '1' });
  const startedAtMs = clock.nowMs();
  const lock = takeLock(home.lock, { ...world.processes.self(), startedAtMs });
  releases.defer(() => lock.release());
  log.info('monitor', 'daemon starting', { pid: process.pid, version, home: home.root });
  for (const warning of warnings) log.warn('monitor', 'configuration', { warning });
  const isWatched = isSupervised(process.env);
  const program = await told(log, () => startCounted(world, isWatched));
  if (program.kind === 'other') {
    const next: Lived = { kind: 'restarts', image: program.argv };
    handedOver(next);
    return next;
  }

  const drain = new AbortController();
  const stop = new AbortController();
  const engine = engineFor(opened, once ? { kind: 'daemon', once } : { kind: 'daemon' }, stop.signal, program);
  let defect: { readonly error: unknown } | null = null;
  const end = (force: boolean) => {
    if (force || drain.signal.aborted) stop.abort();
    drain.abort();
    engine.wake();
  };
  releases.defer(onOsSignals(end, log));
  const onDefect = (error: unknown): void => {
    defect ??= { error };
    end(true);
  };
  process.setUncaughtExceptionCaptureCallback(onDefect);
  releases.defer(() => process.setUncaughtExceptionCaptureCallback(null));
  releases.defer(onHangup(() => void engine.request({ op: 'reload', by: 'SIGHUP' }, stop.signal), end, log));
  // Who answers is ready: a journal that cannot be opened ends it here, before anybody is told that a daemon runs.
  await told(log, async () => world.journal.getNote('ready'));
  const http = httpOf(engine, config.server, world, onDefect);
  const server = await serveControl(home.socket, (request, gone) => serve({ engine, http, end }, request, gone), onDefect);
  releases.defer(() => server.close());
  if (config.server.port !== null) releases.defer(await http.start(config.server.port));
  const settingsPath = configPath(home.root);
  if (config.monitoring.watcher) {
    const watcher = await watch(
      {
        folders: [home.spool.new],
        files: [home.legacy.marker, home.legacy.pointer, existsSync(dirname(settingsPath)) ? settingsPath : null].filter(
          (path) => path !== null,
        ),
        runs: home.runs,
      },
      () => engine.wake(),
    );
    releases.defer(() => watcher.close());
  }
  log.info('monitor', 'daemon ready', { pid: process.pid, socket: home.socket, rescanMs: inMs(config.monitoring.rescan) });
  if (config.monitoring.blocked_limit > 0 && isWatched) {
    const sentinel = startSentinel({ limitMs: inMs(config.monitoring.blocked_limit), folder: home.logs });
    releases.defer(() => sentinel.close());
  }
  const worked = setTimeout(() => void hasWorked(world), inMs(config.restart.good_after));
  releases.defer(() => clearTimeout(worked));
  const lived = await told(log, async () => {
    try {
      const how = await live(engine, world, drain.signal, stop.signal);
      if (defect !== null) throw (defect as { error: unknown }).error;
      await endedWell(world);
      return how;
    } catch (error) {
      if (!(await engine.restartAfter(error))) throw error;
      return 'restarts' as const;
    }
  });
  const forced = stop.signal.aborted;
  // What the drain did not see to its end: checks are ended, and run again by the next daemon.
  stop.abort();
  await engine.settled(clock.nowMs() + cutWithinMs);
  log.info('monitor', lived === 'restarts' ? 'daemon restarts' : 'daemon stopped', {
    pid: process.pid,
    live: engine.live().length,
    forced,
  });
  if (lived === 'restarts') {
    const next: Lived = { kind: 'restarts', image: await imageThatWorks(world) };
    handedOver(next);
    return next;
  }
  call.out.json('daemon', { running: false, pid: process.pid, startedAtMs, home: home.root });
  return { kind: 'ended' };
}

/**
 * The same command by the same Node, in place: pid, parent, output, tmux and systemd's MainPID stay. Children stay, too, but Node does not know them any
 * more: agents are found again by pid and start time as after a crash, and one that has ended stays a zombie, which counts as ended, until we end.
 */
function becomeAnew(image: readonly string[]): never {
  const { execve, argv, env } = process;
  const asText = Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  // The end of this image: a log that could not be closed is written out.
  process.emit('exit', 0);
  const [node = '', ...words] = image;
  return execve!(node, [node, ...words, ...argv.slice(2)], asText);
}

/** An error here ends the process, and the journal makes that safe; whoever looks at the logs later must find why. */
async function told<T>(log: Opened['world']['log'], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    log.critical('monitor', 'daemon ended by an error', { error });
    throw error;
  }
}

type Serving = { readonly engine: Engine; readonly http: Http; readonly end: (force: boolean) => void };

async function serve({ engine, http, end }: Serving, request: ControlRequest, gone: AbortSignal): Promise<ControlReply> {
  engine.context.world.log.debug('monitor', 'asked', { op: request.op });
  if (request.op === 'metrics') return http.metrics(request.format);
  if (request.op !== 'stop') return engine.request(request, gone);
  // Answered before it begins: the asker then watches the process.
  setImmediate(() => end(request.force));
  return { ok: true, kind: 'accepted' };
}

/** The first drains, the second cuts short; what it left in the journal is taken up at the next start. */
function onOsSignals(end: (force: boolean) => void, log: Opened['world']['log']): () => void {
  const listeners = (['SIGTERM', 'SIGINT'] as const).map((name) => {
    const listener = () => {
      log.info('monitor', 'daemon asked to stop', { osSignal: name, number: constants.signals[name] });
      end(false);
    };
    process.on(name, listener);
    return { name, listener };
  });
  return () => {
    for (const { name, listener } of listeners) process.off(name, listener);
  };
}

/** SIGHUP asks a daemon to take up its configuration. Where it lives in a terminal it means that the terminal is gone. */
function onHangup(reload: () => void, end: (force: boolean) => void, log: Opened['world']['log']): () => void {
  const inTerminal = process.stdin.isTTY === true || process.stderr.isTTY === true;
  const listener = (): void => {
    log.info('monitor', inTerminal ? 'daemon asked to stop' : 'daemon asked to reload', {
      osSignal: 'SIGHUP',
      number: constants.signals.SIGHUP,
    });
    if (inTerminal) end(false);
    else reload();
  };
  process.on('SIGHUP', listener);
  return () => void process.off('SIGHUP', listener);
}
