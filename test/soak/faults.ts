// What happens to a home while it soaks. Each fault is bounded, and over when its promise resolves.
import { randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pass } from 'node:timers/promises';
import { taggedBy } from '../fixtures/process-figures.ts';
import { countOf, patienceMs, type SoakHome, signal, until } from './home.ts';

export type Fault = {
  readonly name: string;
  /** Daemon or watchdog begin anew: what grows with time cannot be seen of them. */
  readonly isDeadly: boolean;
  act(home: SoakHome, random: () => number): Promise<void>;
};

export const stormSize = 100;
/** The watchdog waits for up to a minute, and a fifth of one, when it has started often. */
const backWithinMs = 150_000;

const healthyAgain = (home: SoakHome, before: number | null): Promise<unknown> =>
  until('the daemon is back', backWithinMs, () => {
    const pid = home.daemonPid();
    const state = JSON.parse(home.text('watchdogs/daemon.json') || '{}') as { phase?: string; child?: { process: { pid: number } } };
    return pid !== null && pid !== before && state.phase === 'healthy' && state.child?.process.pid === pid;
  });

export const faults: readonly Fault[] = [
  {
    name: 'daemon killed',
    isDeadly: true,
    async act(home) {
      const pid = home.daemonPid();
      signal(pid, 'SIGKILL');
      await healthyAgain(home, pid);
    },
  },
  {
    name: 'daemon frozen for good',
    isDeadly: true,
    async act(home) {
      const pid = home.daemonPid();
      signal(pid, 'SIGSTOP');
      await healthyAgain(home, pid);
    },
  },
  {
    name: 'daemon asked to begin anew',
    isDeadly: true,
    async act(home) {
      const { code, stderr } = await home.run(['daemon', 'restart']);
      if (code !== 0) throw new Error(`todo daemon restart exited ${code}: ${stderr}`);
    },
  },
  {
    name: 'watchdog killed',
    isDeadly: true,
    async act(home) {
      const pid = home.daemonPid();
      const watchdog = home.watchdog();
      const ended = new Promise((resolve) => watchdog.once('exit', resolve));
      watchdog.kill('SIGKILL');
      await ended;
      home.startWatchdog();
      await until('the next one has adopted the daemon', backWithinMs, () => {
        const state = JSON.parse(home.text('watchdogs/daemon.json') || '{}') as { phase?: string; watchdog?: { pid: number } };
        return state.phase === 'healthy' && state.watchdog?.pid === home.watchdog().pid;
      });
      if (home.daemonPid() !== pid) throw new Error('the next watchdog started a second daemon instead of adopting the first');
    },
  },
  {
    name: 'daemon stands still for a moment',
    isDeadly: false,
    async act(home, random) {
      const pid = home.daemonPid();
      signal(pid, 'SIGSTOP');
      await pass(500 + random() * 1500);
      signal(pid, 'SIGCONT');
    },
  },
  {
    name: 'watchdog stands still for longer than its patience',
    isDeadly: false,
    async act(home) {
      home.watchdog().kill('SIGSTOP');
      await pass(patienceMs + 1000);
      home.watchdog().kill('SIGCONT');
    },
  },
  {
    name: 'marker storm',
    isDeadly: false,
    async act(home) {
      for (let index = 0; index < stormSize; index++) {
        const name = `${randomUUID()}.${randomUUID()}`;
        const draft = join(home.folder, 'spool', 'tmp', name);
        writeFileSync(draft, `{"v":1,"todo":"${randomUUID()}","run":"${randomUUID()}","token":"x","says":"done"}\nsha256 0 0\n`);
        renameSync(draft, join(home.folder, 'spool', 'new', name));
      }
      await until('the storm is over', backWithinMs, () => countOf(join(home.folder, 'spool', 'new')) === 0);
    },
  },
  {
    name: 'store locked',
    isDeadly: false,
    async act(home, random) {
      using database = new DatabaseSync(join(home.folder, 'todo.db'), { timeout: 10_000 });
      database.exec('BEGIN IMMEDIATE');
      await pass(300 + random() * 1500);
      database.exec('ROLLBACK');
    },
  },
  {
    name: 'agent killed',
    isDeadly: false,
    async act(home, random) {
      const agents = taggedBy(`TODO_HOME=${home.folder}`).filter((pid) => taggedBy('TODO_RUN=').includes(pid));
      signal(agents[Math.floor(random() * agents.length)], 'SIGKILL');
    },
  },
];
