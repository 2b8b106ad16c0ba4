import { basename, join, resolve } from 'node:path';
import { isOperational, OperationalError } from '../core/errors.ts';
import type { ProbeAnswer } from '../core/probe.ts';
import { inMs } from '../core/seconds.ts';
import { untoldEnding } from '../core/untold.ts';
import { pastRestarts } from '../daemon/restart.ts';
import { createWakeup } from '../daemon/wakeup.ts';
import { watchdogFolder } from '../platform/home.ts';
import { httpProbe } from '../platform/http-probe.ts';
import { takeLock } from '../platform/lock.ts';
import { dateTimeLine } from '../platform/log-human.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { nodeReport } from '../platform/node-report.ts';
import type { Needs } from '../watchdog/context.ts';
import type { Restart } from '../watchdog/limits.ts';
import type { ProbeKind, Settings } from '../watchdog/settings.ts';
import { supervise } from '../watchdog/supervise.ts';
import type { ProcessEnd } from '../world.ts';
import type { Call, Opened } from './command.ts';
import { exit } from './exit-codes.ts';
import { write } from './out.ts';
import { todoCommand } from './program.ts';
import { usage } from './todos.ts';
import { createBeat } from './watchdog-beat.ts';
import { pager, teller } from './watchdog-words.ts';

type Options = {
  readonly name?: string;
  readonly health?: string;
  readonly exec?: string;
  readonly heartbeat?: string;
  readonly checkInterval?: number;
  readonly timeout?: number;
  readonly probeTimeout?: number;
  readonly probeTries?: number;
  readonly probeWait?: number;
  readonly startupGrace?: number;
  readonly grace?: number;
  readonly steady?: number;
  readonly maxRestarts?: number;
  readonly maxRestartsDay?: number;
  readonly always?: boolean;
  readonly logPath?: string;
  readonly debug?: boolean;
};

/** After the drain of a daemon: what is cut short is ended. */
const endWithinMs = 5000;

/** Watches in the foreground until the command has ended by itself, or TERM, INT or the terminal's end: then the command is ended first. */
export async function watchCommand(call: Call): Promise<number> {
  await using opened = await call.open();
  const { world, config } = opened;
  const options = call.options as Options;
  const settings = settingsOf(call, options, opened);
  await using releases = new AsyncDisposableStack();
  const places = placesOf(settings.name, options, call, opened);
  for (const folder of [places.state, places.logs, places.incidents]) makeFolder(folder);
  const lock = takeLockOf(join(places.state, `${settings.name}.lock.db`), settings, opened);
  releases.defer(() => lock.release());

  const { openLog } = await import('../platform/log.ts');
  const log = openLog({
    folder: places.logs,
    settings: { ...config.logging, ...(options.debug ? { level: 'debug' as const } : {}) },
    ...(call.json ? {} : { mirror: (line: string) => write(2, line), line: dateTimeLine }),
  });
  releases.defer(() => log.close());
  const ends = new Map<number, ProcessEnd>();
  const bell = createWakeup(world.clock);
  opened.onProcessEnd((end) => {
    ends.set(end.pid, end);
    bell.ring();
  });
  const stop = new AbortController();
  let wish: string | null = null;
  releases.defer(
    onOsSignals(stop, (text) => {
      wish = text;
      bell.ring();
    }),
  );
  const beat = createBeat(opened, log);
  releases.defer(() => beat.stopping());
  const rows = teller(opened, log, join(places.state, `${settings.name}${untoldEnding}`));
  releases.defer(() => rows.close());
  const needs: Needs = {
    clock: world.clock,
    random: world.random,
    digest: world.digest,
    files: world.files,
    processes: world.processes,
    log,
    bell: {
      ring: bell.ring,
      sleepUntil: (atMs, until) => bell.sleepUntil(Math.min(atMs, world.clock.nowMs() + beat.round()), until),
    },
    http: httpProbe,
    daemon: (timeoutMs) => daemonProbe(opened, timeoutMs),
    nodeReport,
    itsOwn: () => (settings.ends === 'own' ? ownRestarts(opened) : []),
    takeEnd(pid) {
      const end = ends.get(pid) ?? null;
      ends.delete(pid);
      return end;
    },
    tell: rows.tell,
    page: pager(opened, log),
    paths: {
      state: join(places.state, `${settings.name}.json`),
      output: join(places.logs, `${settings.name}.out`),
      incidents: places.incidents,
    },
  };
  log.info('monitor', 'watchdog starting', {
    name: settings.name,
    pid: process.pid,
    probe: settings.probe.kind,
    command: settings.argv[0],
  });
  // Node waits for its own children only; what the first process of a container inherits stays a zombie.
  if (process.pid === 1)
    log.warn('monitor', 'watchdog: it is process 1', { name: settings.name, hint: 'docker run --init, or tini before it' });
  const takeRestart = (): string | null => {
    const asked = wish;
    wish = null;
    return asked;
  };
  const { why } = await supervise(needs, settings, { stop: stop.signal, takeRestart });
  log.info('monitor', 'watchdog stopped', { name: settings.name, pid: process.pid, reason: why });
  call.out.json('watchdog', { name: settings.name, ended: why });
  return exit.yes;
}

function settingsOf(call: Call, options: Options, opened: Opened): Settings {
  const { rest } = call;
  if (rest !== null && rest.length === 0) throw usage('watchdog', 'no command after --');
  const ours = rest === null;
  const argv = rest ?? [...todoCommand, 'daemon', 'run', '--home', opened.world.home.root, ...(options.debug ? ['--debug'] : [])];
  const probe = probeOf(options, call, ours);
  const timeoutMs = options.timeout ?? 45_000;
  return {
    name: nameOf(options.name ?? (ours ? 'daemon' : basename(argv[0] ?? ''))),
    argv,
    cwd: ours ? opened.world.home.root : call.cwd,
    env: ours ? opened.world.host.configEnv : {},
    probe,
    intervalMs: options.checkInterval ?? 15_000,
    timeoutMs,
    probeMs: options.probeTimeout ?? 10_000,
    tries: options.probeTries ?? 3,
    againMs: options.probeWait ?? 2000,
    startupMs: options.startupGrace ?? null,
    graceMs: options.grace ?? 10_000,
    leaveMs: options.grace ?? (ours ? inMs(opened.config.behavior.drain_timeout) + endWithinMs : 10_000),
    startedAs: startedAs(opened),
    restartsMax: options.maxRestarts ?? 5,
    restartsADayMax: options.maxRestartsDay ?? 20,
    steadyMs: options.steady ?? 3000,
    always: options.always === true,
    // Its agents live on without it.
    ends: ours ? 'own' : 'all',
  };
}

function probeOf({ health, exec, heartbeat }: Options, call: Call, ours: boolean): ProbeKind {
  const given = [health, exec, heartbeat].filter((it) => it !== undefined).length;
  if (given > 1) throw usage('watchdog', 'one of --health, --exec and --heartbeat, not several');
  if (ours && given > 0)
    throw usage('watchdog', 'the daemon of this home is asked over its own socket', 'Leave the probe out, or name a command after --.');
  if (ours) return { kind: 'daemon' };
  if (health !== undefined) {
    const protocol = URL.canParse(health) ? new URL(health).protocol : '';
    if (protocol !== 'http:' && protocol !== 'https:')
      throw usage('watchdog', `--health ${health} is no address`, 'For example: --health http://127.0.0.1:8080/health');
    return { kind: 'http', url: health };
  }
  if (exec !== undefined) return { kind: 'exec', argv: ['sh', '-c', exec] };
  if (heartbeat !== undefined) return { kind: 'heartbeat', path: resolve(call.cwd, heartbeat) };
  return { kind: 'alive' };
}

/** It is a part of file names. */
function nameOf(said: string): string {
  const name = said.replaceAll(/[^\w.-]/g, '_').slice(0, 60);
  if (!/^\w/.test(name)) throw usage('watchdog', `--name ${said} is no name`, 'Letters, digits, dot, dash; a letter or digit first.');
  return name;
}

/** Without --json, which is for whoever started this one. */
const startedAs = ({ world }: Opened): readonly string[] => {
  const words = process.argv
    .slice(2)
    .filter((word, at, all) => word !== '--json' && word !== '--home' && all[at - 1] !== '--home' && !word.startsWith('--home='));
  const at = words.indexOf('--');
  const [own, rest] = at < 0 ? [words, []] : [words.slice(0, at), words.slice(at)];
  return [...own, '--home', world.home.root, ...rest];
};

/** A daemon counts its restarts in its journal; where that cannot be read the limits are ours alone. */
function ownRestarts({ world: { journal, log } }: Opened): readonly Restart[] {
  try {
    return pastRestarts({ journal }).map(({ atMs, why }) => ({ atMs, cause: 'itself', why }));
  } catch (error) {
    if (!isOperational(error)) throw error;
    log.warn('monitor', 'watchdog: what the daemon did by itself is not known', { reason: error.message });
    return [];
  }
}

function placesOf(name: string, { logPath }: Options, call: Call, { world: { home } }: Opened) {
  const logs = logPath === undefined ? join(home.logs, 'watchdog_logs') : resolve(call.cwd, logPath);
  return { name, logs, incidents: join(logs, 'incidents'), state: watchdogFolder(home.root) };
}

function takeLockOf(path: string, { name }: Settings, { world }: Opened) {
  try {
    return takeLock(path, { ...world.processes.self(), startedAtMs: world.clock.nowMs() });
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code !== 'LOCKED') throw error;
    throw new OperationalError('LOCKED', {
      operation: 'watching as',
      subject: name,
      cause: error,
      hint: 'One watchdog a name: todo watchdog status. Another command needs another --name.',
    });
  }
}

async function daemonProbe({ ask, world: { clock } }: Opened, timeoutMs: number): Promise<ProbeAnswer> {
  const fromMs = clock.monotonicMs();
  const tookMs = (): number => clock.monotonicMs() - fromMs;
  try {
    const reply = await ask({ op: 'progress' }, timeoutMs);
    if (reply === null) return { kind: 'none', why: 'nobody is at its socket', tookMs: tookMs() };
    // An older daemon knows no such question, and one whose journal refuses a write says so: they have answered, and a restart would mend nothing.
    const standstill = reply.ok && reply.kind === 'progress' ? reply.standstill : null;
    return standstill !== null
      ? { kind: 'late', why: standstill, tookMs: tookMs() }
      : { kind: 'answered', status: 200, mediaType: '', body: '', tookMs: tookMs() };
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    // It holds the home and says nothing.
    return { kind: 'late', why: error.message, tookMs: tookMs() };
  }
}

/** HUP asks for another start, unless it says that the terminal is gone; all others ask for the end. */
function onOsSignals(stop: AbortController, restart: (why: string) => void): () => void {
  const end = (): void => stop.abort();
  const inTerminal = process.stdin.isTTY === true || process.stderr.isTTY === true;
  const again = (): void => (inTerminal ? end() : restart('a person asked for it (SIGHUP)'));
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, end);
  process.on('SIGHUP', again);
  return () => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.off(name, end);
    process.off('SIGHUP', again);
  };
}
