// `todo watchdog` beside PM2, supervisord and monit, on the same programs at the same time. What each was told stands in supervisors.ts.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { httpProbe } from '../../src/platform/http-probe.ts';
import { freePort } from '../fixtures/free-port.ts';
import { taggedBy } from '../fixtures/process-figures.ts';
import { asked } from './figures.ts';
import { root } from './home.ts';
import { type App, folderOf, outputOf, type Supervisor, supervisors } from './supervisors.ts';

type Row = { readonly what: string; readonly of: Readonly<Record<string, string>>; readonly aim: string; readonly met: boolean | null };
const rows: Row[] = [];

const backend = (port: number, ...words: string[]): string[] => [
  process.execPath,
  join(root, 'test/fixtures/backend.ts'),
  String(port),
  ...words,
];
const busyS = asked.quick ? 30 : 120;
/** Who has not noticed by then never does: three times what the slowest of those who do takes. */
const neverS = 40;

export async function watchdogs(): Promise<void> {
  await crashes();
  await hangs('mute', 'answers nothing any more');
  await hangs('spin', 'its event loop turns without end');
  await forks();
  await givesUp();
  await killed();
  await busy();
  await loaded();
}

/** Each supervisor with an app of its own, side by side; all are ended. */
async function sideBySide(
  name: string,
  appOf: (port: number) => Omit<App, 'name' | 'port'>,
  look: (supervisor: Supervisor, app: App) => Promise<string>,
  wanted: (supervisor: Supervisor) => boolean = () => true,
  hasPort = true,
): Promise<Record<string, string>> {
  const seen = await Promise.all(
    supervisors()
      .filter(wanted)
      .map(async (supervisor) => {
        const port = await freePort();
        const app: App = { name, port: hasPort ? port : null, ...appOf(port) };
        try {
          await supervisor.start(app);
          return [supervisor.name, await look(supervisor, app)] as const;
        } finally {
          await supervisor.end(app);
          // What some leave behind is what is measured; it must not outlive the bench.
          for (const pid of taggedBy(`TODO_HOME=${folderOf(supervisor.name, app)}`)) process.kill(pid, 'SIGKILL');
        }
      }),
  );
  return Object.fromEntries(seen);
}

function tell(what: string, of: Readonly<Record<string, string>>, aim: string, met: boolean | null): void {
  rows.push({ what, of, aim, met });
  const others = Object.entries(of).map(([name, value]) => `${name} ${value}`);
  process.stderr.write(`${met === false ? '✖' : '✔'} ${what}: ${others.join(' · ')} (${aim})\n`);
}

async function crashes(): Promise<void> {
  const argv = ['sh', '-c', 'echo started; sleep 1.2; exit 1'];
  const starts = (supervisor: Supervisor, app: App): number => output(supervisor, app).split('started').length - 1;
  const of = await sideBySide(
    'crasher',
    () => ({ argv, intervalS: 2, timeoutS: 2 }),
    async (supervisor, app) => {
      await pass(45_000);
      const count = starts(supervisor, app);
      return `${count}, “${await supervisor.state(app)}”`;
    },
    () => true,
    false,
  );
  tell(
    'starts in 45 s of a program that dies after 1.2 s, and what it is called then',
    of,
    '≤ 8, crash-loop',
    Number.parseInt(of['Signoff']!, 10) <= 8 && /crash-loop/.test(of['Signoff']!),
  );
}

async function hangs(how: 'mute' | 'spin', words: string): Promise<void> {
  const of = await sideBySide(
    how,
    (port) => ({ argv: backend(port), intervalS: 2, timeoutS: 2 }),
    async (_supervisor, app) => {
      await answers(app, 30_000);
      // Past what is made of a start.
      await pass(10_000);
      void httpProbe(`http://127.0.0.1:${app.port}/${how}`, 100);
      await pass(100);
      const fromMs = performance.now();
      const tookMs = (await answers(app, neverS * 1000)) ? performance.now() - fromMs : null;
      return tookMs === null ? 'never' : `${(tookMs / 1000).toFixed(1)} s`;
    },
  );
  const ours = Number.parseFloat(of['Signoff']!);
  tell(`from the moment it hangs (${words}) to its next good answer; asked every 2 s, 2 s of patience`, of, '≤ 8 s', ours <= 8);
}

async function forks(): Promise<void> {
  const of = await sideBySide(
    'forks',
    (port) => ({ argv: backend(port, '--forks'), intervalS: 2, timeoutS: 20 }),
    async (supervisor, app) => {
      const pids = (): number[] =>
        [...output(supervisor, app).matchAll(/^(?:child|daemon|stubborn) (\d+)$/gm)].map(([, pid]) => Number(pid)).slice(0, 3);
      await reaches(() => pids().length === 3 && answers(app, 1000), 30_000);
      // Past what is made of a start.
      await pass(3000);
      const before = pids();
      const starts = (): number => output(supervisor, app).split('listening').length;
      const seen = starts();
      await supervisor.restart(app);
      await reaches(() => starts() > seen, 30_000);
      return String(before.filter(lives).length);
    },
  );
  tell(
    'of three children (in the background, forked twice with a session of its own, deaf to TERM) alive after a restart',
    of,
    '0',
    of['Signoff'] === '0',
  );
}

async function givesUp(): Promise<void> {
  const of = await sideBySide(
    'gives-up',
    (port) => ({ argv: backend(port, '--mute-after', '5'), intervalS: 2, timeoutS: 2, ours: ['--max-restarts', '2'] }),
    async (supervisor, app) => {
      // Who asks has seen it well by then, and who never asks is asked by us, so that it hangs there, too.
      await answers(app, 30_000);
      await pass(10_000);
      for (let times = 0; times < 5; times++) await httpProbe(`http://127.0.0.1:${app.port}/health`, 500);
      await pass(100_000);
      const left = processesOf(supervisor, app).length;
      return `${left === 0 ? 'none' : left}, “${await supervisor.state(app)}”`;
    },
  );
  tell(
    'hung processes 100 s after it hangs for the first of many times, and what that is called',
    of,
    'none',
    of['Signoff']!.startsWith('none'),
  );
}

async function killed(): Promise<void> {
  const of = await sideBySide(
    'killed',
    (port) => ({ argv: backend(port), intervalS: 2, timeoutS: 20 }),
    async (supervisor, app) => {
      await answers(app, 30_000);
      await pass(3000);
      await supervisor.killAndStart(app);
      await pass(8000);
      const clashes = output(supervisor, app).split('EADDRINUSE').length - 1;
      const copies = output(supervisor, app).split('listening').length - 1;
      return `${clashes > 0 ? 'clashes of ports' : copies > 1 ? `${copies} starts` : 'goes on with it'}, “${await supervisor.state(app)}”`;
    },
  );
  tell(
    'the supervisor is killed and started again while its program lives on',
    of,
    'no second copy, no clash',
    of['Signoff']!.startsWith('goes on'),
  );
}

const restartsOf = (supervisor: Supervisor, app: App): number => output(supervisor, app).split('listening').length - 2;

async function busy(): Promise<void> {
  const of = await sideBySide(
    'busy',
    // Ours with all that it has by itself but the interval; monit with its own default of 5 s.
    (port) => ({ argv: backend(port, '--busy', '--answers-in', '5000'), intervalS: 2, timeoutS: 5, ours: ['--timeout', '45s'] }),
    async (supervisor, app) => {
      await answers(app, 30_000);
      await pass(busyS * 1000);
      return String(restartsOf(supervisor, app));
    },
    ({ asks }) => asks,
  );
  tell(`restarts in ${busyS} s of a backend that is busy (a whole core, answers in 5 s)`, of, '0', of['Signoff'] === '0');
}

async function loaded(): Promise<void> {
  const hogs = Array.from({ length: 4 * cpus().length }, () => spawn('sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' }));
  try {
    const of = await sideBySide(
      'loaded',
      (port) => ({ argv: backend(port), intervalS: 2, timeoutS: 2 }),
      async (supervisor, app) => {
        await answers(app, 60_000);
        await pass(busyS * 1000);
        return String(restartsOf(supervisor, app));
      },
      ({ asks }) => asks,
    );
    tell(
      `restarts in ${busyS} s of a healthy backend on a machine with four busy loops a core; 2 s of patience`,
      of,
      '0',
      of['Signoff'] === '0',
    );
  } finally {
    for (const hog of hogs) hog.kill('SIGKILL');
  }
}

async function reaches(look: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
  for (const endsMs = performance.now() + withinMs; performance.now() < endsMs; await pass(50)) if (await look()) return true;
  return false;
}

const answers = (app: App, withinMs: number): Promise<boolean> =>
  reaches(async () => (await httpProbe(`http://127.0.0.1:${app.port}/health`, 500)).kind === 'answered', withinMs);

function output(supervisor: Supervisor, app: App): string {
  const path = outputOf(supervisor.name, app);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** By what only they have in their arguments: the port, or the folder. */
function processesOf(supervisor: Supervisor, app: App): number[] {
  const own = app.port === null ? outputOf(supervisor.name, app) : `backend.ts\0${app.port}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && textOf(`/proc/${pid}/cmdline`).includes(own) && lives(pid));
}

const lives = (pid: number): boolean => {
  const state = /^State:\s+(\S)/m.exec(textOf(`/proc/${pid}/status`))?.[1];
  return state !== undefined && state !== 'Z' && state !== 'X';
};

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}

/** Empty where this part did not run. */
export function watchdogTable(): string {
  if (rows.length === 0) return '';
  const names = ['Signoff', 'PM2', 'supervisord', 'monit'];
  const lines = rows.map(
    ({ what, of, aim, met }) =>
      `| ${what} | ${names.map((name) => of[name] ?? '–').join(' | ')} | ${aim}${met === false ? ', **missed**' : ''} |`,
  );
  return [`| what | ${names.join(' | ')} | aim |`, `|---|${'---|'.repeat(names.length)}---|`, ...lines].join('\n');
}
