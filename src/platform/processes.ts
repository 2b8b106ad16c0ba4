import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, freemem, loadavg, totalmem } from 'node:os';
import type { Owner } from '../core/entry.ts';
import { OperationalError } from '../core/errors.ts';
import type { SystemState } from '../core/evidence.ts';
import { untoldName } from '../core/run-folder.ts';
import type { ProcessEnd, Processes, StartPlan } from '../world.ts';
import { childEnvironment } from './child-environment.ts';
import { endTagged, type Tag } from './end-processes.ts';
import { forgetLook, hasEnded, type ProcessStat, processStat, taggedWith, withEnvironment } from './proc.ts';
import { runToEnd } from './run-to-end.ts';
import { searchPath, whereIs } from './search-path.ts';
import { whyNotStarted } from './why-not-started.ts';

/**
 * Processes by /proc and Node's spawn. A process is known by pid, start time and boot, so a number that is used again is nobody's.
 * `onExit` is a wake-up: one of the started ones has ended.
 */
export function createProcesses({ onExit }: { readonly onExit: (end: ProcessEnd) => void }): Processes {
  return {
    self,
    start: (plan) => start(plan, onExit),
    run: (plan, stop) => runToEnd(plan, stop),
    alive(id) {
      if (id.bootId !== self().bootId) return 'no';
      try {
        const stat = processStat(id.pid);
        return stat !== null && stat.startTicks === id.startTicks && !hasEnded(stat) ? 'yes' : 'no';
      } catch {
        return 'unknown';
      }
    },
    ofHome: (root) =>
      taggedWith('TODO_HOME', root, 'TODO_RUN')
        .filter(({ pid }) => pid !== process.pid)
        .map(({ pid, startTicks, bootId, value }) => ({ process: { pid, startTicks, bootId }, runId: value })),
    tagged: (name, value) => taggedOthers({ name, value }).map(({ pid, startTicks, bootId }) => ({ pid, startTicks, bootId })),
    cpuMs(name, value) {
      try {
        return taggedOthers({ name, value }).reduce((sum, { cpuMs }) => sum + cpuMs, 0);
      } catch {
        return null;
      }
    },
    endTagged: (name, value, graceMs, whom) => endTagged({ name, value }, graceMs, [], whom),
    untoldEnd(runId, runFolder) {
      try {
        for (const { pid } of taggedOthers({ name: 'TODO_RUN', value: runId })) {
          const [end, folder, name] = wordsOf(pid).toReversed();
          if (name === untoldName && folder === runFolder && end !== undefined) return end;
        }
      } catch {
        // It is told as soon as it can be written.
      }
      return null;
    },
    program: (name, path) => whereIs(name, path ?? searchPath(process.env))[0] ?? null,
    system: (diskPath, tag) => systemState(diskPath, tag ? taggedOthers(tag) : []),
  };
}

let knownSelf: Owner | null = null;
function self(): Owner {
  if (knownSelf === null) {
    const stat = processStat(process.pid);
    if (stat === null) throw new Error('/proc does not show this process: is it mounted?');
    knownSelf = { pid: stat.pid, startTicks: stat.startTicks, bootId: stat.bootId };
  }
  return knownSelf;
}

function start({ argv, cwd, env, outputPath }: StartPlan, onExit: (end: ProcessEnd) => void): Owner {
  const [program = '', ...args] = argv;
  const refuse = (cause: unknown, why?: string): OperationalError =>
    new OperationalError('SPAWN_FAILED', { operation: 'starting', subject: program, cause, ...(why === undefined ? {} : { why }) });
  let output: number;
  try {
    output = openSync(outputPath, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (cause) {
    throw refuse(cause);
  }
  let child: ChildProcess;
  try {
    const { spawn } = process.getBuiltinModule('node:child_process');
    child = spawn(program, args, { cwd, env: childEnvironment(env), detached: true, stdio: ['ignore', output, output] });
    forgetLook();
  } catch (cause) {
    throw refuse(cause);
  } finally {
    closeSync(output);
  }
  // Told again as an event; without a listener it would end the daemon.
  child.on('error', () => {});
  const { pid } = child;
  if (pid === undefined) throw refuse(undefined, whyNotStarted(program, cwd));
  child.once('exit', (exitCode, osSignal) => onExit({ pid, exitCode, osSignal }));
  child.unref();
  const stat = processStat(pid);
  if (stat === null) throw refuse(undefined, `process ${pid} is not to be seen in /proc`);
  return { pid, startTicks: stat.startTicks, bootId: stat.bootId };
}

/** A daemon that was started from within a run carries that run's tag itself. */
const taggedOthers = ({ name, value }: Tag): ProcessStat[] => withEnvironment(name, value).filter(({ pid }) => pid !== process.pid);

/** As many as a reader takes in. */
const processesShownMax = 50;
const commandCharsMax = 200;

function systemState(diskPath: string, processes: readonly ProcessStat[]): SystemState {
  const disk = statfsSync(diskPath);
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  return {
    atMs: Date.now(),
    load: [one, five, fifteen],
    cpus: availableParallelism(),
    memoryTotalBytes: totalmem(),
    memoryFreeBytes: freemem(),
    diskTotalBytes: disk.blocks * disk.bsize,
    diskFreeBytes: disk.bavail * disk.bsize,
    processes: [...processes]
      .sort((a, b) => b.cpuMs - a.cpuMs)
      .slice(0, processesShownMax)
      .map((it) => ({ pid: it.pid, command: commandOf(it), cpuMs: it.cpuMs, rssBytes: it.rssBytes, state: it.state })),
  };
}

const wordsOf = (pid: number): readonly string[] => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0$/, '').split('\0');

function commandOf({ pid, command }: ProcessStat): string {
  try {
    const words = wordsOf(pid).join(' ').trim();
    return (words || command).slice(0, commandCharsMax);
  } catch {
    return command;
  }
}
