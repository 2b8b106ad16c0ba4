import { join } from 'node:path';
import type { ControlReply } from '../core/control.ts';
import { hasEnded, type ProcessId } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import { inMs } from '../core/seconds.ts';
import { readHolder } from '../platform/lock.ts';
import type { Call, Opened } from './command.ts';
import { exit } from './exit-codes.ts';
import { todoCommand } from './program.ts';
import { plain } from './text/plain.ts';
import { spanText } from './text/times.ts';

/** From the start of the process until it answers: a journal of a thousand live runs is read, and a slow disk flushed. */
const readyWithinMs = 60_000;
const lookEveryMs = 50;
/** After a drain: the end of what was cut short. */
const endWithinMs = 10_000;
const forceWithinMs = 10_000;
const shownLines = 15;

export async function startCommand(call: Call): Promise<number> {
  await using opened = await call.open();
  using spinner = await call.out.spin('starting the daemon');
  const before = await hello(opened);
  const daemon = before ?? (await startDaemon(call, opened, (step) => spinner.step(step)));
  spinner.end();
  tell(daemon, call, opened);
  call.out.line(`${before ? 'The daemon runs already' : 'The daemon runs'}: pid ${daemon.pid}, home ${opened.world.home.root}`);
  for (const line of programLines(daemon)) call.out.line(line);
  return exit.yes;
}

export async function stopCommand(call: Call, force: boolean): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  using spinner = await call.out.spin(force ? 'ending the daemon' : 'waiting for the daemon to finish what completes');
  const stopped = await stopDaemon(opened, force);
  spinner.end();
  tell(null, call, opened);
  const live = opened.world.journal.live().filter(({ fact }) => !hasEnded(fact)).length;
  call.out.line(
    stopped === null
      ? 'No daemon runs.'
      : `The daemon has stopped (pid ${stopped}).${live === 0 ? '' : ` ${live === 1 ? 'One run lives' : `${live} runs live`} on; the next start takes ${live === 1 ? 'it' : 'them'} up.`}`,
  );
  return exit.yes;
}

export async function statusCommand(call: Call): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const daemon = await hello(opened);
  tell(daemon, call, opened);
  const silent = daemon === null ? silentHolder(opened) : null;
  if (daemon !== null)
    call.out.line(`The daemon runs: pid ${daemon.pid}, since ${spanText(Date.now() - daemon.startedAtMs)}, home ${opened.world.home.root}`);
  else
    call.out.line(
      silent
        ? `Process ${silent.pid} has this home but does not answer. See: todo logs`
        : 'No daemon runs. Start one with: todo daemon start',
    );
  if (daemon?.intake?.kind === 'held') call.out.line(heldLine(daemon.intake.why));
  for (const line of programLines(daemon)) call.out.line(line);
  if (daemon?.server) call.out.line(daemon.server.url === null ? `HTTP: ${daemon.server.problem}` : `HTTP: ${daemon.server.url}`);
  if (daemon?.drained) call.out.line('This host is drained: it takes nothing new. See: todo host list');
  return daemon === null ? exit.no : exit.yes;
}

/** The daemon starts anew in place, its pid stays. Where none runs one is started. */
export async function restartCommand(
  call: Call,
  { force, reason }: { readonly force: boolean; readonly reason: string | null },
): Promise<number> {
  await using opened = await call.open();
  using spinner = await call.out.spin('the daemon finishes what completes');
  const { clock, home } = opened.world;
  const fromMs = clock.monotonicMs();
  const reply = await opened.ask({ op: 'restart', reason, force }, 5000);
  if (reply !== null && !reply.ok)
    throw new OperationalError('REFUSED', { operation: 'restarting', subject: 'the daemon', why: reply.message, hint: reply.hint });
  const isRestart = reply?.kind === 'restarting';
  const daemon = isRestart
    ? await nextDaemon(opened, reply.generation, (step) => spinner.step(step))
    : await startDaemon(call, opened, (step) => spinner.step(step));
  spinner.end();
  tell(daemon, call, opened);
  const tookText = `${((clock.monotonicMs() - fromMs) / 1000).toFixed(1)} s`;
  call.out.line(
    isRestart
      ? `The daemon has restarted in ${tookText}: pid ${daemon.pid}, home ${home.root}`
      : `No daemon ran; one does now: pid ${daemon.pid}, home ${home.root}`,
  );
  for (const line of programLines(daemon)) call.out.line(line);
  if (daemon.intake?.kind !== 'held') return exit.yes;
  call.out.line(heldLine(daemon.intake.why));
  return exit.no;
}

/** The one after that generation, once it has looked whether all is there. */
async function nextDaemon(opened: Opened, generation: number, step: (text: string) => void): Promise<Hello> {
  const { world, config } = opened;
  const deadlineMs = world.clock.monotonicMs() + inMs(config.behavior.drain_timeout) + readyWithinMs;
  for (;;) {
    // It may be asked while it goes.
    const answer = await hello(opened).catch(() => null);
    const isNext = answer !== null && (answer.generation ?? 0) > generation;
    if (isNext && answer.intake?.kind !== 'validating') return answer;
    if (world.clock.monotonicMs() > deadlineMs)
      throw new OperationalError('NO_DAEMON', {
        operation: 'restarting',
        subject: 'the daemon',
        why: isNext
          ? 'it still looks whether all is there'
          : `the next one did not answer within ${inMs(config.behavior.drain_timeout) / 1000 + readyWithinMs / 1000} s`,
        hint: 'See: todo logs; todo daemon status',
      });
    step(isNext ? 'the daemon looks whether all is there' : 'waiting for the daemon to answer');
    await world.clock.sleep(lookEveryMs);
  }
}

export async function resumeCommand(call: Call): Promise<number> {
  await using opened = await call.open({ readOnly: true });
  const reply = await opened.ask({ op: 'resume' });
  if (reply === null) throw new OperationalError('NO_DAEMON', { operation: 'resuming', subject: 'the daemon', why: 'none runs' });
  if (!reply.ok)
    throw new OperationalError('REFUSED', {
      operation: 'resuming',
      subject: 'the daemon',
      why: reply.message,
      hint: 'See: todo daemon status',
    });
  tell(await hello(opened), call, opened);
  call.out.line('The daemon takes todos again.');
  return exit.yes;
}

const heldLine = (why: string): string =>
  `It takes nothing new, because the restart was not validated: ${plain(why)}. When that is mended, or nevertheless: todo daemon resume`;

function programLines(daemon: Pick<Hello, 'program'> | null): readonly string[] {
  const program = daemon?.program;
  if (program?.kind === 'last-good')
    return [
      `It runs the last good copy: ${plain(program.why)}. Once another build is installed: todo daemon restart; the same again: --force`,
    ];
  const failed = program?.failedStarts ?? 0;
  if (failed === 0) return [];
  return [`This build was started ${failed === 1 ? 'once' : `${failed} times`} before and ended before it had worked. See: todo logs`];
}

type Hello = Extract<ControlReply, { kind: 'hello' }>;

function tell(daemon: Hello | null, { out }: Call, { world }: Opened): void {
  out.json('daemon', {
    running: daemon !== null,
    pid: daemon?.pid ?? null,
    startedAtMs: daemon?.startedAtMs ?? null,
    version: daemon?.version ?? null,
    home: world.home.root,
    drained: daemon?.drained ?? null,
    generation: daemon?.generation ?? null,
    intake: daemon?.intake ?? null,
    server: daemon?.server ?? null,
    program: daemon?.program ?? null,
    silentPid: daemon === null ? (silentHolder({ world })?.pid ?? null) : null,
  });
}

async function hello({ ask }: Opened, timeoutMs = 2000): Promise<Hello | null> {
  try {
    const reply = await ask({ op: 'hello' }, timeoutMs);
    return reply?.ok && reply.kind === 'hello' ? reply : null;
  } catch (error) {
    // It is there and does not answer: that is told apart by the lock's holder.
    if (error instanceof OperationalError && error.code === 'NO_DAEMON') return null;
    throw error;
  }
}

/** The process that wrote itself into the lock, if it lives. */
export function silentHolder({ world }: Pick<Opened, 'world'>): ProcessId | null {
  const holder = readHolder(world.home.lock);
  return holder !== null && world.processes.alive(holder) === 'yes' ? holder : null;
}

/** A daemon must not look like a part of the run that somebody started it from: the run's end would end it. */
const noRun = {
  TODO_ID: null,
  TODO_NUMBER: null,
  TODO_RUN: null,
  TODO_RUN_DIR: null,
  TODO_TOKEN: null,
  TODO_SPOOL: null,
  TODO_MARKER: null,
  TODO_ROUND: null,
  TODO_FEEDBACK: null,
  TODO_CHECKS: null,
};

const maxMemory = ({ maxMemory: bytes }: Call['options']): readonly string[] =>
  typeof bytes === 'number' ? ['--max-memory', `${bytes / 1024 ** 2}M`] : [];

/** Starts one in the background and waits until it answers. What it said before it failed is in the error. */
export async function startDaemon({ options }: Pick<Call, 'options'>, opened: Opened, step: (text: string) => void): Promise<Hello> {
  const { world } = opened;
  const { home, clock, processes, files } = world;
  const outputPath = join(home.logs, 'daemon.out');
  files.unlink(outputPath);
  const started = processes.start({
    argv: [...todoCommand, 'daemon', 'run', '--home', home.root, ...maxMemory(options)],
    cwd: home.root,
    env: { ...noRun, ...world.host.configEnv },
    outputPath,
  });
  const deadlineMs = clock.monotonicMs() + readyWithinMs;
  for (;;) {
    const answer = await hello(opened);
    if (answer !== null) return answer;
    const ended = processes.alive(started) === 'no';
    const late = clock.monotonicMs() > deadlineMs;
    if (ended || late) {
      const said = (files.readText(outputPath) ?? '').trimEnd().split('\n').slice(-shownLines).map(plain).join('\n  ');
      throw new OperationalError('NO_DAEMON', {
        operation: 'starting',
        subject: 'the daemon',
        why: `${ended ? 'it ended at once' : `it did not answer within ${readyWithinMs / 1000} s`}. Its last words:\n  ${said || '(none)'}`,
        hint: `What keeps it from working: todo doctor. Its output is in ${outputPath}; in the foreground it shows more: todo daemon run`,
      });
    }
    step('waiting for the daemon to answer');
    await clock.sleep(lookEveryMs);
  }
}

/** Asks it to drain and waits for its end; a force ends it now. Null: none ran. Only ever the process that holds this home's lock. */
export async function stopDaemon(opened: Opened, force: boolean): Promise<number | null> {
  const { world } = opened;
  const holder = silentHolder(opened);
  const asked = await opened.ask({ op: 'stop', force }, 5000).catch(() => null);
  if (holder === null) return asked === null ? null : ((await hello(opened))?.pid ?? null);
  if (asked === null && !force) {
    throw new OperationalError('NO_DAEMON', {
      operation: 'stopping',
      subject: `the daemon (pid ${holder.pid})`,
      why: 'it does not answer',
      hint: 'End it with: todo daemon stop --force',
    });
  }
  const stopWithinMs = inMs(opened.config.behavior.drain_timeout) + endWithinMs;
  if (await gone(holder, force ? forceWithinMs : stopWithinMs, opened)) return holder.pid;
  if (force) {
    process.kill(holder.pid, 'SIGKILL');
    if (await gone(holder, forceWithinMs, opened)) return holder.pid;
  }
  throw new OperationalError('REFUSED', {
    operation: 'stopping',
    subject: `the daemon (pid ${holder.pid})`,
    why: `it still finishes what it began after ${stopWithinMs / 1000} s`,
    hint: `See: todo status. End it now with: todo daemon stop --force (home ${world.home.root})`,
  });
}

async function gone(holder: ProcessId, withinMs: number, { world: { processes, clock } }: Opened): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + withinMs;
  while (processes.alive(holder) !== 'no') {
    if (clock.monotonicMs() > deadlineMs) return false;
    await clock.sleep(lookEveryMs);
  }
  return true;
}
