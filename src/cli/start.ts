import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { environmentName } from '../core/config-keys.ts';
import type { ControlReply } from '../core/control.ts';
import type { ProcessId } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import { parsedJson } from '../core/shape.ts';
import { createWakeup } from '../daemon/wakeup.ts';
import { stateFolder, watchdogFolder } from '../platform/home.ts';
import { takeLock } from '../platform/lock.ts';
import { makeFolder } from '../platform/make-folder.ts';
import { allowed, type Restart } from '../watchdog/limits.ts';
import { readState, type State } from '../watchdog/state.ts';
import { tagName } from '../watchdog/tag.ts';
import type { Call, Opened } from './command.ts';
import { preflight } from './doctor/preflight.ts';
import { exit } from './exit-codes.ts';
import { followFile } from './follow.ts';
import { onInterrupt } from './interrupt.ts';
import { write } from './out.ts';
import { todoCommand } from './program.ts';
import { plain } from './text/plain.ts';

type Mode = 'configured' | 'all' | 'daemonOnly' | 'dashboardOnly';
type Asked = { readonly mode: Mode; readonly debug: boolean };

/** H-45: from its start until it may be given work. */
const readyWithinMs = 60_000;
const lookEveryMs = 1000;
const readyLookMs = 100;
/** Beside the drain, and what the watchdog takes until it has seen the end. */
const stopSlackMs = 15_000;
const limits = { restartsMax: 5, restartsADayMax: 20 };
const shownLines = 15;
/** As a shell says that Ctrl-C ended something. */
const interrupted = 130;

/** What was started, by pid and start time: a number that is used again is nobody's. The next start finds by it what a killed one left. */
type Started = {
  readonly v: 1;
  readonly starter: ProcessId;
  readonly children: readonly { readonly name: 'watchdog' | 'daemon'; readonly process: ProcessId }[];
};

type Context = {
  readonly call: Call;
  readonly opened: Opened;
  readonly asked: Asked;
  readonly bell: ReturnType<typeof createWakeup>;
  readonly stop: AbortController;
  restarts: readonly Restart[];
  /** What stands in the file of the started. */
  noted: string;
};

/** In the foreground until Ctrl-C, or until the daemon was stopped. */
export async function startAll(call: Call, asked: Asked): Promise<number> {
  if (asked.mode === 'dashboardOnly') return (await import('./http/observer.ts')).serveHome(call);
  await ready(call);
  await using opened = await call.open();
  await using releases = new AsyncDisposableStack();
  const { world } = opened;
  makeFolder(watchdogFolder(world.home.root));
  const lock = lockOf(opened);
  releases.defer(() => lock.release());
  const context: Context = { call, opened, asked, bell: createWakeup(world.clock), stop: new AbortController(), restarts: [], noted: '' };
  opened.onProcessEnd(() => context.bell.ring());
  let interrupts = 0;
  const hard = new AbortController();
  releases.defer(
    onInterrupt((count) => {
      interrupts = count;
      if (count === 1) call.out.note('Ending: what completes is brought to its end. Again ends it now.');
      if (count > 1) hard.abort();
      context.stop.abort();
    }),
  );
  const followed = follow(context);
  releases.defer(() => followed.end());
  let watchdog = living(context) ?? start(context);
  watchdog = await readiness(context, watchdog);
  const left = interrupts > 0 ? 'interrupted' : await keep(context, watchdog);
  if (left !== 'interrupted') {
    call.out.line(left.words);
    return left.code;
  }
  return await end(context, hard.signal);
}

/** What would keep a daemon from working is told all at once; the rest is for people to know. */
async function ready(call: Call): Promise<void> {
  const findings = await preflight(call);
  const wrong = findings.filter(({ severity }) => severity === 'unhealthy');
  const line = ({ what, evidence, mend }: (typeof findings)[number]): string => `${what}: ${evidence}${mend === null ? '' : ` → ${mend}`}`;
  for (const finding of findings)
    if (finding.severity === 'degraded' || finding.severity === 'unknown') call.out.note(plain(line(finding)));
  if (wrong.length === 0) return;
  throw new OperationalError('REFUSED', {
    operation: 'starting',
    subject: 'the daemon',
    why: `it could not work:\n  ${wrong.map((finding) => plain(line(finding))).join('\n  ')}`,
    hint: 'Nothing was started. All that was looked at: todo doctor',
  });
}

function lockOf({ world }: Opened) {
  try {
    return takeLock(join(watchdogFolder(world.home.root), 'start.lock.db'), {
      ...world.processes.self(),
      startedAtMs: world.clock.nowMs(),
    });
  } catch (error) {
    if (!(error instanceof OperationalError) || error.code !== 'LOCKED') throw error;
    throw new OperationalError('LOCKED', {
      operation: 'starting',
      subject: world.home.root,
      cause: error,
      hint: 'End that one with Ctrl-C, or: todo daemon stop',
    });
  }
}

const stateOf = ({ opened: { world } }: Context): State | null =>
  readState(join(watchdogFolder(world.home.root), 'daemon.json'), world.files);

/** A watchdog of this home's daemon that lives: one that a killed start left, or that the daemon started in its place. */
function living(context: Context): ProcessId | null {
  const { world } = context.opened;
  const state = stateOf(context);
  if (state !== null && state.phase !== 'ended' && world.processes.alive(state.watchdog) === 'yes') return state.watchdog;
  const kept = parsedJson(world.files.readText(startedPath(context)) ?? '') as Started | null;
  const left = kept?.v === 1 ? kept.children.find(({ name }) => name === 'watchdog') : undefined;
  return left !== undefined && world.processes.alive(left.process) === 'yes' ? left.process : null;
}

const outputPath = ({ opened: { world } }: Context): string => join(world.home.logs, 'watchdog.out');
const startedPath = ({ opened: { world } }: Context): string => join(stateFolder(world.home.root), 'started.json');

function start(context: Context): ProcessId {
  const { opened, asked } = context;
  const { world } = opened;
  const words = ['watchdog', '--home', world.home.root, ...(asked.debug ? ['--debug'] : [])];
  const watchdog = world.processes.start({
    argv: [...todoCommand, ...words],
    cwd: world.home.root,
    env: { ...world.host.configEnv, ...serverEnvironment(asked.mode, opened.config) },
    outputPath: outputPath(context),
  });
  note(context, watchdog);
  return watchdog;
}

/** What the mode says over server.port; the watchdog hands it on to the daemon. */
function serverEnvironment(mode: Mode, { server }: Config): Readonly<Record<string, string>> {
  if (mode === 'daemonOnly') return { [portName]: 'null' };
  return mode === 'all' && server.port === null ? { [portName]: '0' } : {};
}
const portName = environmentName('server.port');

/** Whole or not at all. */
function note(context: Context, watchdog: ProcessId): void {
  const { files, processes } = context.opened.world;
  const daemon = stateOf(context)?.child?.process ?? null;
  const started: Started = {
    v: 1,
    starter: processes.self(),
    children: [{ name: 'watchdog', process: watchdog }, ...(daemon === null ? [] : [{ name: 'daemon' as const, process: daemon }])],
  };
  const text = `${JSON.stringify(started)}\n`;
  if (text === context.noted) return;
  context.noted = text;
  const path = startedPath(context);
  files.write(`${path}.new`, text);
  files.rename(`${path}.new`, path);
}

/** A handshake, no wait: the daemon of that watchdog answers, and takes todos or says why not. */
async function readiness(context: Context, first: ProcessId): Promise<ProcessId> {
  const { call, opened, stop } = context;
  const { clock, processes, home } = opened.world;
  // No spinner: what both log comes meanwhile, and would stand in its line.
  call.out.note('Starting watchdog and daemon; what they log follows.');
  const fromMs = clock.monotonicMs();
  for (;;) {
    if (stop.signal.aborted) return first;
    const daemon = await hello(opened);
    const watchdog = living(context) ?? first;
    const watched = stateOf(context)?.child?.process.pid;
    if (daemon !== null && daemon.pid === watched && daemon.intake?.kind !== 'validating') {
      note(context, watchdog);
      const tookMs = Math.round(clock.monotonicMs() - fromMs);
      call.out.json('started', {
        daemonPid: daemon.pid,
        watchdogPid: watchdog.pid,
        home: home.root,
        tookMs,
        intake: daemon.intake ?? null,
      });
      call.out.line(
        `Ready after ${(tookMs / 1000).toFixed(1)} s: daemon pid ${daemon.pid}, watchdog pid ${watchdog.pid}, home ${home.root}`,
      );
      call.out.line('Ctrl-C ends both; agents live on.');
      return watchdog;
    }
    const ended = processes.alive(watchdog) === 'no';
    if (ended || clock.monotonicMs() - fromMs > readyWithinMs) {
      throw new OperationalError('NO_DAEMON', {
        operation: 'starting',
        subject: 'the daemon',
        why: `${ended ? 'its watchdog ended' : `it was not ready within ${readyWithinMs / 1000} s`}. Last words:\n  ${lastWords(context)}`,
        hint: `What it printed is in ${outputPath(context)} and ${join(home.logs, 'watchdog_logs')}. See also: todo doctor`,
      });
    }
    await clock.sleep(readyLookMs, stop.signal);
  }
}

function lastWords(context: Context): string {
  const said = (context.opened.world.files.readText(outputPath(context)) ?? '').trimEnd().split('\n').slice(-shownLines);
  return said.map(plain).join('\n  ') || '(none)';
}

async function hello({ ask }: Opened): Promise<Extract<ControlReply, { kind: 'hello' }> | null> {
  // It may be there and not answer yet.
  const reply = await ask({ op: 'hello' }, 2000).catch(() => null);
  return reply?.ok && reply.kind === 'hello' ? reply : null;
}

type Left = 'interrupted' | { readonly words: string; readonly code: number };

/** A dead watchdog is followed by another one, here at once; the daemon does the same where nobody else does. */
async function keep(context: Context, first: ProcessId): Promise<Left> {
  const { opened, bell, stop } = context;
  const { clock, processes, random } = opened.world;
  for (let watchdog = first; ; ) {
    if (stop.signal.aborted) return 'interrupted';
    if (processes.alive(watchdog) === 'no') {
      if (stateOf(context)?.phase === 'ended') return { words: 'The daemon was stopped.', code: exit.yes };
      const other = living(context);
      if (other === null) {
        const nowMs = clock.nowMs();
        const may = allowed(context.restarts, 0, limits, nowMs, random.next);
        if (may.kind === 'hold') return { words: `The watchdog does not live on (${may.why}). See: ${outputPath(context)}`, code: exit.no };
        context.restarts = [...context.restarts, { atMs: nowMs, cause: 'crash', why: 'the watchdog ended' }];
        context.call.out.note(`The watchdog (pid ${watchdog.pid}) is dead; another one is started.`);
        if (context.restarts.length > 1) await clock.sleep(may.delayMs, stop.signal);
      }
      watchdog = other ?? start(context);
    }
    note(context, watchdog);
    await bell.sleepUntil(clock.nowMs() + lookEveryMs, stop.signal);
  }
}

/** The watchdog ends the daemon and then itself; at the second Ctrl-C, or when it takes too long, both are killed. */
async function end(context: Context, hard: AbortSignal): Promise<number> {
  const { call, opened } = context;
  const { clock, processes, files } = opened.world;
  const watchdog = living(context);
  const tag = stateOf(context)?.child?.tag;
  if (watchdog !== null) process.kill(watchdog.pid, 'SIGTERM');
  const endsMs = clock.monotonicMs() + inMs(opened.config.behavior.drain_timeout) + stopSlackMs;
  while (watchdog !== null && processes.alive(watchdog) !== 'no') {
    if (hard.aborted || clock.monotonicMs() > endsMs) {
      process.kill(watchdog.pid, 'SIGKILL');
      if (tag !== undefined) await processes.endTagged(tagName, tag, 0, 'tagged');
      call.out.line('Ended at once. What was under way goes on with the next start.');
      return hard.aborted ? interrupted : exit.no;
    }
    await clock.sleep(readyLookMs, hard);
  }
  files.unlink(startedPath(context));
  call.out.line('Ended.');
  return exit.yes;
}

/** What both log, as it comes. */
function follow(context: Context): { end(): Promise<void> } {
  const { call, opened } = context;
  if (call.json) return { end: async () => {} };
  const over = new AbortController();
  const { home, files } = opened.world;
  const paths = [outputPath(context), join(home.logs, 'watchdog_logs', 'daemon.out')];
  const following = paths.map((path) =>
    followFile(
      path,
      files.stat(path)?.sizeBytes ?? 0,
      (bytes) => write(2, bytes.toString('utf8')),
      () => false,
      over.signal,
    ),
  );
  return {
    async end() {
      over.abort();
      await Promise.all(following);
    },
  };
}
