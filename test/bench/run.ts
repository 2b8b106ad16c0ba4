// The figures of the README, measured side by side in one run: `npm run bench`. Ratios hold on other machines, milliseconds do not.
// With --write the table goes into README.md. The whole takes about two minutes and ends by itself.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../e2e/harness.ts';
import { startMariadb } from '../fixtures/mariadb.ts';
import { programs } from '../programs.ts';
import { type Prepared, writeMarker } from './prepared.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const todo = join(root, 'bin', 'todo');
const base = mkdtempSync(join(tmpdir(), 'todo-bench-'));
const started: ChildProcess[] = [];
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const say = (text: string): void => void process.stderr.write(`${text}\n`);

type Figure = { readonly what: string; readonly measured: string; readonly aim: string; readonly met: boolean | null };
const figures: Figure[] = [];
const figure = (what: string, measured: string, aim: string, met: boolean | null): void => {
  figures.push({ what, measured, aim, met });
  say(`${met === false ? '✖' : '✔'} ${what}: ${measured} (${aim})`);
};

const environment = (home: string, more: Record<string, string> = {}): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: base,
  XDG_CACHE_HOME: join(base, 'cache'),
  TODO_HOME: home,
  ...more,
});

function newHome(name: string, config: object = {}): string {
  const home = join(base, name);
  mkdirSync(join(home, 'hooks'), { recursive: true });
  writeFileSync(join(home, 'hooks', 'config.json'), JSON.stringify(config));
  return home;
}

const prepare = (home: string, count: number, kind: 'child' | 'external', mysqlUrl?: string): Prepared[] =>
  JSON.parse(
    execFileSync(process.execPath, [join(root, 'test/bench/prepared.ts'), home, String(count), kind, ...(mysqlUrl ? [mysqlUrl] : [])], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    }),
  );

function timed(command: string, args: readonly string[], env: Record<string, string>, input = ''): number {
  const from = performance.now();
  const { status, stderr } = spawnSync(command, args, { env, input, cwd: base, maxBuffer: 1 << 26 });
  const tookMs = performance.now() - from;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} exited ${status}: ${stderr}`);
  return tookMs;
}

/** A, B, A, B …: the machine's moods hit both. Answers with the median of A, of B, and of the ratio pair by pair. */
function beside(pairs: number, a: () => number, b: () => number): { a: number; b: number; ratio: number } {
  a();
  b();
  const seen = Array.from({ length: pairs }, () => ({ a: a(), b: b() }));
  return { a: median(seen.map((it) => it.a)), b: median(seen.map((it) => it.b)), ratio: median(seen.map((it) => it.a / it.b)) };
}

function coldStart(): void {
  const home = newHome('cold');
  prepare(home, 1000, 'external');
  const bare = () => timed(process.execPath, ['-e', '0'], environment(home));
  const list = beside(15, () => timed(todo, ['list', '--json'], environment(home)), bare);
  figure(
    '`todo list --json` of 1,000 todos beside `node -e 0`',
    `${list.ratio.toFixed(2)} × (${list.a.toFixed(0)} ms beside ${list.b.toFixed(0)} ms)`,
    '≤ 1.8 ×',
    list.ratio <= 1.8,
  );

  const [run] = prepare(newHome('hook'), 1, 'external') as [Prepared];
  const inRun = environment(join(base, 'hook'), { TODO_ID: run.todoId, TODO_RUN: run.runId, TODO_TOKEN: run.token, TODO_CHECKS: '0' });
  const event = JSON.stringify({
    hook_event_name: 'Stop',
    session_id: 'x',
    stop_hook_active: false,
    background_tasks: [],
    session_crons: [],
  });
  const hook = beside(15, () => timed(todo, ['hook', 'claude', 'stop'], inRun, event), bare);
  figure(
    '`todo hook claude stop`, whole process, its signal durable, beside `node -e 0`',
    `${hook.ratio.toFixed(2)} × (${hook.a.toFixed(0)} ms)`,
    '≤ 1.8 ×',
    hook.ratio <= 1.8,
  );
}

type Daemon = { readonly pid: number; lines(): Line[]; stop(): Promise<void> };
type Line = { readonly time: string; readonly event: string; readonly run?: string };

async function daemon(home: string, strace: string | null = null): Promise<Daemon> {
  const args =
    strace === null
      ? [todo, 'daemon', 'run']
      : [programs().strace, '-f', '-ttt', '-e', 'trace=fsync,fdatasync', '-o', strace, todo, 'daemon', 'run'];
  const lines = (): Line[] => {
    try {
      return readFileSync(join(home, 'logs', 'completion.log'), 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  };
  const before = lines().filter((line) => line.event === 'recovered').length;
  const child = spawn(args[0] ?? '', args.slice(1), { env: environment(home), stdio: 'ignore', cwd: base });
  started.push(child);
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  await until('the daemon has recovered', [home], () => lines().filter((line) => line.event === 'recovered').length > before);
  // The socket is there before the recovery is.
  const pid = Number(JSON.parse(execFileSync(todo, ['daemon', 'status', '--json'], { env: environment(home), encoding: 'utf8' })).pid);
  return {
    pid,
    lines,
    async stop() {
      process.kill(pid, 'SIGTERM');
      await ended;
    },
  };
}

const closed = (daemonSeen: Daemon): Line[] => daemonSeen.lines().filter((line) => line.event === 'closed');

/** 12 times: a file of a kilobyte written and flushed. What a disk takes for durability, with nothing around it. */
function bareFlushes(folder: string): number {
  const from = performance.now();
  for (let i = 0; i < 12; i++) {
    const fd = openSync(join(folder, `bare-${from}-${i}`), 'w');
    writeSync(fd, 'x'.repeat(1024));
    fsyncSync(fd);
    closeSync(fd);
  }
  return performance.now() - from;
}

async function oneAtATime(): Promise<number> {
  const home = newHome('single');
  const runs = prepare(home, 24, 'external');
  const trace = join(base, 'single.strace');
  const measure = async (strace: string | null, part: readonly Prepared[]): Promise<{ tookMs: number[]; bareMs: number[] }> => {
    const it = await daemon(home, strace);
    const spool = {
      tmp: join(home, 'spool/tmp'),
      new: join(home, 'spool/new'),
      cur: join(home, 'spool/cur'),
      bad: join(home, 'spool/bad'),
    };
    const tookMs: number[] = [];
    const bareMs: number[] = [];
    await until(
      'all are taken over',
      [home],
      () => it.lines().filter((line) => line.event === 'adopted').length >= runs.length - closed(it).length,
    );
    for (const run of part) {
      bareMs.push(bareFlushes(base));
      writeMarker({ spool }, run);
      const writtenAtMs = Date.now();
      const end = await until('closed', [home], () => closed(it).find((line) => line.run === run.runId));
      tookMs.push(Date.parse(end.time) - writtenAtMs);
    }
    await it.stop();
    return { tookMs, bareMs };
  };
  const { tookMs, bareMs } = await measure(null, runs.slice(0, 16));
  const ratio = median(tookMs) / median(bareMs);
  figure(
    'from a durable marker to `closed` (16 KB of output, report, archive, confirm) beside 12 bare write+fsync',
    `${ratio.toFixed(1)} × (${median(tookMs)} ms beside ${median(bareMs).toFixed(1)} ms)`,
    '≤ 3 ×',
    ratio <= 3,
  );
  const part = runs.slice(16);
  const fromS = Date.now() / 1000;
  await measure(trace, part);
  figure(
    'fsyncs a completion, alone',
    perCompletion(trace, home, part.length, fromS).toFixed(1),
    '≤ 12',
    perCompletion(trace, home, part.length, fromS) <= 12,
  );
  return median(tookMs);
}

/** Flushes between the first signal and the last end, a completion. */
function perCompletion(trace: string, home: string, count: number, fromS: number): number {
  const lines = readFileSync(join(home, 'logs', 'completion.log'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
  const times = lines
    .filter((line) => (line.event === 'signal' || line.event === 'closed') && Date.parse(line.time) / 1000 >= fromS)
    .map((line) => Date.parse(line.time) / 1000);
  const [from, to] = [Math.min(...times) - 0.05, Math.max(...times) + 0.05];
  const flushes = readFileSync(trace, 'utf8')
    .split('\n')
    .filter((line) => /\b(fsync|fdatasync)\(/.test(line))
    .map((line) => Number(/(\d+\.\d+) /.exec(line)?.[1]));
  return flushes.filter((at) => at >= from && at <= to).length / count;
}

async function manyAtOnce(name: string, count: number, oneMs: number | null, mysqlUrl: string | null): Promise<void> {
  const home = newHome(name, mysqlUrl === null ? {} : { store: { url: mysqlUrl } });
  prepare(home, count, 'child', mysqlUrl ?? undefined);
  const it = await daemon(home);
  await until('all are closed', [home], () => closed(it).length >= count);
  const rate = rateOf(it.lines());
  await it.stop();
  if (oneMs === null) {
    figure(`completions a second, ${count} markers at once, MariaDB`, rate.toFixed(0), 'reported', null);
    return;
  }
  const factor = (rate * oneMs) / 1000;
  figure(
    `completions a second, ${count} markers at once, SQLite`,
    `${rate.toFixed(0)} (${factor.toFixed(1)} × one at a time)`,
    '≥ 300 and ≥ 2 ×',
    rate >= 300 && factor >= 2,
  );
}

function rateOf(lines: readonly Line[]): number {
  const from = Math.min(...lines.filter((line) => line.event === 'signal').map((line) => Date.parse(line.time)));
  const ends = lines.filter((line) => line.event === 'closed').map((line) => Date.parse(line.time));
  return ends.length / ((Math.max(...ends) - from) / 1000);
}

async function flushesOfMany(count: number): Promise<void> {
  const home = newHome('traced');
  prepare(home, count, 'child');
  const trace = join(base, 'many.strace');
  const it = await daemon(home, trace);
  await until('all are closed', [home], () => closed(it).length >= count);
  await it.stop();
  const each = perCompletion(trace, home, count, 0);
  figure(`fsyncs a completion, ${count} at once`, each.toFixed(2), '≤ 6', each <= 6);
}

async function atRest(): Promise<void> {
  const it = await daemon(newHome('rest'));
  const cpu = () => {
    const fields = readFileSync(`/proc/${it.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const [fromMs, fromCpu] = [performance.now(), cpu()];
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  const share = ((cpu() - fromCpu) / (performance.now() - fromMs)) * 100;
  const memory = readFileSync(`/proc/${it.pid}/smaps_rollup`, 'utf8');
  const mb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1]) / 1024;
  figure('daemon at rest: memory', `${mb('Anonymous').toFixed(0)} MB anonymous, ${mb('Rss').toFixed(0)} MB RSS`, 'reported', null);
  figure('daemon at rest: CPU', `${share.toFixed(2)} % of a core`, 'reported', null);
  await it.stop();
}

function table(): string {
  const rows = figures.map(({ what, measured, aim, met }) => `| ${what} | ${measured} | ${aim}${met === false ? ', **missed**' : ''} |`);
  return ['| what | measured | aim |', '|---|---|---|', ...rows].join('\n');
}

try {
  execFileSync(process.execPath, ['bin/build.ts'], { cwd: root, stdio: 'ignore' });
  coldStart();
  const oneMs = await oneAtATime();
  await manyAtOnce('many', 500, oneMs, null);
  await flushesOfMany(500);
  const server = await startMariadb();
  await manyAtOnce('maria', 500, null, server.url()).finally(() => server.stop());
  await atRest();
  process.stdout.write(`${table()}\n`);
  if (process.argv.includes('--write')) {
    const path = join(root, 'README.md');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(/<!-- figures -->[\s\S]*<!-- \/figures -->/, `<!-- figures -->\n${table()}\n<!-- /figures -->`));
  }
} finally {
  for (const child of started) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  rmSync(base, { recursive: true, force: true, maxRetries: 5 });
}
