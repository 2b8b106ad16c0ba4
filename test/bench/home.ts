// What the measurements share: homes of their own, commands and daemons that run in them, and waiting for what a daemon logs.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../e2e/harness.ts';
import { programs } from '../programs.ts';
import type { Kind, Prepared } from './prepared.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const todo = join(root, 'bin', 'todo');
/** A fresh folder each time: files that were just deleted make ext4 slow. */
export const base = mkdtempSync(join(tmpdir(), 'todo-bench-'));
const started: ChildProcess[] = [];

export function endAll(): void {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  rmSync(base, { recursive: true, force: true, maxRetries: 5 });
}

export const environment = (home: string, more: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: base,
  XDG_CACHE_HOME: join(base, 'cache'),
  TODO_HOME: home,
  ...more,
});

export function newHome(name: string, config: object = {}): string {
  const home = join(base, name);
  mkdirSync(join(home, 'hooks'), { recursive: true });
  writeFileSync(join(home, 'hooks', 'config.json'), JSON.stringify(config));
  return home;
}

export function prepare(home: string, count: number, kind: Kind, mysqlUrl = '', prompt = 'true'): Prepared[] {
  const args = [join(root, 'test/bench/prepared.ts'), home, String(count), kind, mysqlUrl, prompt];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 }));
}

/** How long a command takes from its start to its end. */
export function timed(command: string, args: readonly string[], env: Record<string, string>, input = ''): number {
  const from = performance.now();
  const { status, stderr } = spawnSync(command, args, { env, input, cwd: base, maxBuffer: 1 << 26 });
  const tookMs = performance.now() - from;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited ${status}: ${stderr}`);
  return tookMs;
}

export type Line = { readonly time: string; readonly event: string; readonly run?: string };
export const atMs = (line: Line): number => Date.parse(line.time);

export function logged(home: string, room: 'completion' | 'monitor'): Line[] {
  try {
    return readFileSync(join(home, 'logs', `${room}.log`), 'utf8')
      .split('\n')
      .slice(0, -1)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

export const closedIn = (home: string): Line[] => logged(home, 'completion').filter(({ event }) => event === 'closed');

export type Daemon = { readonly pid: number; stop(): Promise<void> };

/** Running when this resolves. With `strace` its flushes are written to that file, with the time of each. */
export async function daemon(home: string, strace: string | null = null): Promise<Daemon> {
  const recovered = (): number => logged(home, 'completion').filter(({ event }) => event === 'recovered').length;
  const before = recovered();
  const run = [todo, 'daemon', 'run'];
  const [command = '', ...args] =
    strace === null ? run : [programs().strace, '-f', '--seccomp-bpf', '-ttt', '-e', 'trace=fsync,fdatasync', '-o', strace, ...run];
  const child = spawn(command, args, { env: environment(home), stdio: 'ignore', cwd: base });
  started.push(child);
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await until('the daemon has recovered', [home], () => recovered() > before);
  const pid = Number(JSON.parse(readFileSync(join(home, 'lock.db.holder'), 'utf8')).pid);
  return {
    pid,
    async stop() {
      process.kill(pid, 'SIGTERM');
      await ended;
    },
  };
}

/** Counts words instead of reading them: who measures must not keep the machine busy. */
export const allClosed = (home: string, count: number): Promise<unknown> =>
  until(
    `${count} are closed`,
    [join(home, 'logs')],
    () => readFileSync(join(home, 'logs', 'completion.log'), 'utf8').split('"event":"closed"').length > count,
  );
