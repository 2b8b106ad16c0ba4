// A daemon under its watchdog in a home of its own, as the soak uses it.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { setTimeout as pass } from 'node:timers/promises';
import { type Json, todoProgram } from '../e2e/harness.ts';

/** Without a good answer for so long the watchdog restarts the daemon. */
export const patienceMs = 5000;

export type SoakHome = {
  readonly folder: string;
  readonly work: string;
  /** Null while there is none. */
  daemonPid(): number | null;
  /** What of its heap is in use after a collection, as it was when it was last asked, in MB; asks anew. Null: it was not asked before. */
  liveHeapOf(pid: number): number | null;
  watchdog(): ChildProcess;
  startWatchdog(): void;
  run(args: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  rows(sql: string, ...values: SQLInputValue[]): readonly Json[];
  log(path: string): readonly Json[];
  text(path: string): string;
};

export function soakHome(): SoakHome {
  const base = mkdtempSync(join(tmpdir(), 'todo-soak-'));
  const folder = join(base, 'home');
  const work = join(base, 'work');
  for (const path of [join(folder, 'hooks'), work, join(base, 'user')]) mkdirSync(path, { recursive: true });
  const config = {
    behavior: { completion_timeout: 3, emergency_timeout: 6, quiet_after: 0.1, term_grace: 1, exponential_backoff: false, lease: 10 },
    slots: { total: 4, agent: 4, project: 4 },
    run: { retry_delay: 0.2, attempts: 20 },
    monitoring: { rescan: 0.5 },
    restart: { cooldown: 0, per_hour: 1000, per_day: 10_000 },
  };
  writeFileSync(join(folder, 'hooks', 'config.json'), JSON.stringify(config));
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TODO_') && name !== 'CI'));
  const env = { ...clean, TODO_HOME: folder, HOME: join(base, 'user') };
  const start = (args: readonly string[], more: NodeJS.ProcessEnv = {}): ChildProcess =>
    spawn(todoProgram, args, { cwd: base, env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'pipe'] });
  const heaps = join(base, 'heaps');
  mkdirSync(heaps);
  let watchdog: ChildProcess;
  const home: SoakHome = {
    folder,
    work,
    daemonPid() {
      const path = join(folder, 'lock.db.holder');
      const pid = existsSync(path) ? Number((JSON.parse(readFileSync(path, 'utf8') || '{}') as Json).pid) : Number.NaN;
      return pid > 0 && existsSync(`/proc/${pid}`) ? pid : null;
    },
    liveHeapOf(pid) {
      const path = join(heaps, String(pid));
      if (!existsSync(path) || !signal(pid, 'SIGUSR2')) return null;
      return Number(readFileSync(path, 'utf8')) || null;
    },
    watchdog: () => watchdog,
    startWatchdog() {
      const times = [
        '--check-interval',
        '1s',
        '--timeout',
        `${patienceMs}ms`,
        '--grace',
        '1s',
        '--steady',
        '500ms',
        '--startup-grace',
        '60s',
      ];
      const asked = { NODE_OPTIONS: `--require ${join(import.meta.dirname, '..', 'fixtures', 'tell-heap.cjs')}`, TELL_HEAP: heaps };
      watchdog = start(['watchdog', ...times, '--max-restarts', '1000', '--max-restarts-day', '10000'], asked);
      watchdog.stdout?.resume();
      watchdog.stderr?.resume();
    },
    run(args) {
      const child = start(args);
      let stdout = '';
      let stderr = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
      child.stderr?.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
      return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
    },
    rows(sql, ...values) {
      using database = new DatabaseSync(join(folder, 'todo.db'), { readOnly: true, timeout: 10_000 });
      return database.prepare(sql).all(...values);
    },
    text: (path) => (existsSync(join(folder, path)) ? readFileSync(join(folder, path), 'utf8') : ''),
    log: (path) =>
      home
        .text(path)
        .split('\n')
        .slice(0, -1)
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
  };
  return home;
}

/** Looks again and again, in a time that the machine is given anyway. Throws with `what` when it took longer than that. */
export async function until<T>(what: string, withinMs: number, look: () => T | null | undefined | false): Promise<T> {
  const endsMs = performance.now() + withinMs;
  for (;;) {
    const found = look();
    if (found) return found;
    if (performance.now() > endsMs) throw new Error(`waited ${withinMs / 1000} s in vain: ${what}`);
    await pass(50);
  }
}

export const countOf = (folder: string): number => (existsSync(folder) ? readdirSync(folder).length : 0);

export function signal(pid: number | null | undefined, name: NodeJS.Signals): boolean {
  try {
    return pid !== null && pid !== undefined && process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
    return false;
  }
}
