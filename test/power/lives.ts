// Lives of the real daemon on a disk whose power is cut: it dies with all that it has started, the disk forgets what was not flushed.
import { type ChildProcess, spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { childEnvironment, program } from '../crash/program.ts';
import { hasEnded } from '../crash/scene.ts';
import type { Disk } from './disk.ts';

/** A life takes a second or two on a busy machine; this says that it hangs. */
const patienceMs = 40_000;
/** A daemon that says nothing more, and has not ended, waits for something: its power goes too. */
const silenceMaxMs = 3000;

export type Life = {
  /** Lines that the daemon had said, before the cut. */
  readonly log: readonly string[];
  /** Null: the power was cut. */
  readonly code: number | null;
};

/** Until everything has ended. */
export async function liveOn(home: string): Promise<Life> {
  const { child, log } = start(home);
  let asked = false;
  const late = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  log.heard = (line) => {
    if (asked || !/ (recovered|closed|dead-lettered) /.test(line) || !hasEnded(home)) return;
    asked = true;
    child.kill('SIGTERM');
  };
  const code = await ended(child);
  clearTimeout(late);
  await endAll(home);
  return { log: log.lines, code };
}

/** Until so many lines were said and a moment more has passed, or until everything has ended, or nothing is said any more: then the power is cut. */
export async function liveUntilCut(home: string, disk: Disk, when: { readonly lines: number; readonly moreMs: number }): Promise<Life> {
  const { child, log } = start(home);
  const said = await new Promise<readonly string[]>((resolve) => {
    const cut = (): void => {
      const lines = [...log.lines];
      disk.cut();
      resolve(lines);
    };
    const silence = setTimeout(cut, silenceMaxMs);
    log.heard = (line) => {
      silence.refresh();
      if (log.lines.length < when.lines && !(/ (closed|dead-lettered) /.test(line) && hasEnded(home))) return;
      log.heard = () => {};
      clearTimeout(silence);
      setTimeout(cut, when.moreMs);
    };
  });
  child.kill('SIGKILL');
  await ended(child);
  await endAll(home);
  await disk.restore();
  return { log: said, code: null };
}

type Log = { readonly lines: string[]; heard: (line: string) => void };

function start(home: string): { readonly child: ChildProcess; readonly log: Log } {
  const child = spawn(process.execPath, [program, 'daemon', 'run'], {
    env: childEnvironment(home),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const log: Log = { lines: [], heard: () => {} };
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      log.lines.push(line);
      log.heard(line);
    }
  });
  return { child, log };
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code));
  });

/** Agents, their shells and checks: what was started from this home has its name in the environment. */
async function endAll(home: string): Promise<void> {
  for (let left = processesOf(home); left.length > 0; left = processesOf(home)) {
    for (const pid of left) endOne(pid);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function endOne(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const processesOf = (home: string): readonly number[] =>
  globSync('/proc/[0-9]*/environ').flatMap((path) => {
    try {
      return readFileSync(path, 'latin1').split('\0').includes(`TODO_HOME=${home}`) ? [Number(path.split('/')[2])] : [];
    } catch {
      // It has ended while we looked.
      return [];
    }
  });
