// The figures of the README, measured side by side in one run: `npm run bench [-- --only start,one,many,flushes,mariadb,rest] [--quick] [--write]`.
// Ratios hold on other machines, milliseconds do not, and nothing else should run meanwhile. It takes about three minutes (--quick: one) and ends
// by itself. The table is printed, kept in .todo-test/figures.json and, with --write, put between the `figures` marks of README.md.
import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { until } from '../e2e/harness.ts';
import { startMariadb } from '../fixtures/mariadb.ts';
import { allClosed, atMs, base, closedIn, daemon, endAll, environment, logged, newHome, prepare, root, timed, todo } from './home.ts';
import { type Prepared, writeMarker } from './prepared.ts';

const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean' }, write: { type: 'boolean' } } });
const pairs = values.quick ? 9 : 21;
const rounds = values.quick ? 1 : 3;
const markers = 500;

type Figure = { readonly what: string; readonly measured: string; readonly aim: string; readonly met: boolean | null };
const figures: Figure[] = [];
const figure = (what: string, measured: string, aim = 'reported', met: boolean | null = null): void => {
  figures.push({ what, measured, aim, met });
  process.stderr.write(`${met === false ? '✖' : '✔'} ${what}: ${measured} (${aim})\n`);
};
const median = (seen: readonly number[]): number => [...seen].sort((a, b) => a - b)[Math.floor(seen.length / 2)] ?? Number.NaN;

/** A, B, A, B …: the machine's moods hit both. */
function beside(a: () => number, b: () => number): { readonly a: number; readonly b: number; readonly ratio: number } {
  a();
  b();
  const seen = Array.from({ length: pairs }, () => ({ a: a(), b: b() }));
  return { a: median(seen.map((it) => it.a)), b: median(seen.map((it) => it.b)), ratio: median(seen.map((it) => it.a / it.b)) };
}

async function start(): Promise<void> {
  const home = newHome('cold');
  prepare(home, 1000, 'external');
  // As in any home that was used once: the configuration is known to be valid.
  timed(todo, ['add', 'one more', '--hold'], environment(home));
  const bare = () => timed(process.execPath, ['-e', '0'], environment(home));
  const list = beside(() => timed(todo, ['list', '--json'], environment(home)), bare);
  const figureOf = (it: typeof list) => `${it.ratio.toFixed(2)} × (${it.a.toFixed(0)} ms beside ${it.b.toFixed(0)} ms)`;
  figure('`todo list --json` of 1,000 todos beside `node -e 0`', figureOf(list), '≤ 1.8 ×', list.ratio <= 1.8);

  const inRun = newHome('hook');
  const [run] = prepare(inRun, 1, 'external') as [Prepared];
  const env = environment(inRun, { TODO_ID: run.todoId, TODO_RUN: run.runId, TODO_TOKEN: run.token, TODO_CHECKS: '0' });
  const event = { hook_event_name: 'Stop', session_id: 'x', stop_hook_active: false, background_tasks: [], session_crons: [] };
  const hook = beside(() => timed(todo, ['hook', 'claude', 'stop'], env, JSON.stringify(event)), bare);
  const what = '`todo hook claude stop` until its signal is durable and it has ended, beside `node -e 0`';
  figure(what, figureOf(hook), '≤ 1.8 ×', hook.ratio <= 1.8);
}

/** 12 times: a file of a kilobyte written and flushed. What a disk takes for durability, with nothing around it. */
function bareFlushes(): number {
  const from = performance.now();
  for (let i = 0; i < 12; i++) {
    const fd = openSync(join(base, `bare-${from}-${i}`), 'w');
    writeSync(fd, 'x'.repeat(1024));
    fsyncSync(fd);
    closeSync(fd);
  }
  return performance.now() - from;
}

/** Runs by hand, whose markers come one after the other to a daemon that waits for them. The median of what one takes. */
async function one(): Promise<number> {
  const home = newHome('one');
  const runs = prepare(home, 2 * pairs, 'external');
  const half = runs.slice(0, pairs);
  const first = await daemon(home);
  const { tookMs, bareMs } = await oneByOne(home, half);
  await first.stop();
  const ratio = median(tookMs.map((it, index) => it / (bareMs[index] ?? Number.NaN)));
  const what = 'from a durable marker to `closed` (16 KB of output, report, archive, confirm) beside 12 bare write+fsync';
  figure(what, `${ratio.toFixed(1)} × (${median(tookMs)} ms beside ${median(bareMs).toFixed(1)} ms)`, '≤ 3 ×', ratio <= 3);

  const trace = join(base, 'one.strace');
  const fromMs = Date.now();
  const second = await daemon(home, trace);
  await oneByOne(home, runs.slice(pairs));
  await second.stop();
  const each = flushesIn(trace, home, fromMs) / pairs;
  figure('fsyncs a completion, alone', each.toFixed(1), '≤ 12', each <= 12);
  return median(tookMs);
}

async function oneByOne(home: string, runs: readonly Prepared[]): Promise<{ tookMs: number[]; bareMs: number[] }> {
  const folder = (name: string) => join(home, 'spool', name);
  const spool = { tmp: folder('tmp'), new: folder('new'), cur: folder('cur'), bad: folder('bad') };
  const tookMs: number[] = [];
  const bareMs: number[] = [];
  for (const run of runs) {
    bareMs.push(bareFlushes());
    writeMarker({ spool }, run);
    const writtenAtMs = Date.now();
    const end = await until('it is closed', [join(home, 'logs')], () => closedIn(home).find((line) => line.run === run.runId));
    tookMs.push(atMs(end) - writtenAtMs);
  }
  return { tookMs, bareMs };
}

/** Between the first signal and the last end that were logged since then. */
function flushesIn(trace: string, home: string, sinceMs: number): number {
  const lines = logged(home, 'completion').filter((line) => atMs(line) >= sinceMs);
  const times = lines.filter(({ event }) => event === 'signal' || event === 'closed').map(atMs);
  const [fromMs, toMs] = [Math.min(...times) - slackMs, Math.max(...times) + slackMs];
  const flushes = readFileSync(trace, 'utf8').matchAll(/^\d+ +(\d+\.\d+) +(?:fsync|fdatasync)\(/gm);
  return [...flushes].map(([, at]) => Number(at) * 1000).filter((at) => at >= fromMs && at <= toMs).length;
}

/** The commit of the first signal comes before its line, and the log counts whole milliseconds. */
const slackMs = 20;

/** A daemon comes back to runs whose agents have all said their word and ended. Completions a second, from the first signal to the last end. */
async function atOnce(name: string, mysqlUrl?: string): Promise<number> {
  const home = newHome(name, mysqlUrl === undefined ? {} : { store: { url: mysqlUrl } });
  prepare(home, markers, 'child', mysqlUrl);
  const it = await daemon(home);
  await allClosed(home, markers);
  await it.stop();
  const lines = logged(home, 'completion');
  const fromMs = Math.min(...lines.filter(({ event }) => event === 'signal').map(atMs));
  return (markers * 1000) / (Math.max(...closedIn(home).map(atMs)) - fromMs);
}

async function many(): Promise<void> {
  const rates: number[] = [];
  const alone: number[] = [];
  for (let round = 0; round < rounds; round++) {
    rates.push(await atOnce(`many-${round}`));
    alone.push(await rateAlone(`alone-${round}`));
  }
  const [rate, factor] = [median(rates), median(rates.map((it, index) => it / (alone[index] ?? Number.NaN)))];
  const what = `completions a second, ${markers} markers at once, SQLite`;
  figure(what, `${rate.toFixed(0)} (${factor.toFixed(1)} × one at a time)`, '≥ 300 and ≥ 2 ×', rate >= 300 && factor >= 2);
}

async function rateAlone(name: string): Promise<number> {
  const home = newHome(name);
  const runs = prepare(home, pairs, 'external');
  const it = await daemon(home);
  const { tookMs } = await oneByOne(home, runs);
  await it.stop();
  return 1000 / median(tookMs);
}

async function flushes(): Promise<void> {
  const home = newHome('flushes');
  prepare(home, markers, 'child');
  const trace = join(base, 'flushes.strace');
  const it = await daemon(home, trace);
  await allClosed(home, markers);
  await it.stop();
  const each = flushesIn(trace, home, 0) / markers;
  figure(`fsyncs a completion, ${markers} at once`, each.toFixed(2), '≤ 6', each <= 6);
}

async function mariadb(): Promise<void> {
  const server = await startMariadb();
  try {
    const rates: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const database = `bench${round}`;
      const connection = await server.connect();
      await connection.query(`CREATE DATABASE ${database}`);
      await connection.end();
      rates.push(await atOnce(`mariadb-${round}`, server.url().replace(/\/[^/]*$/, `/${database}`)));
    }
    figure(`completions a second, ${markers} markers at once, MariaDB`, median(rates).toFixed(0));
  } finally {
    await server.stop();
  }
}

async function rest(): Promise<void> {
  const home = newHome('rest');
  const it = await daemon(home);
  const between = (from: RegExp, to: RegExp): number => {
    const at = (event: RegExp) => atMs(logged(home, 'monitor').find((line) => event.test(line.event)) ?? { time: '', event: '' });
    return at(to) - at(from);
  };
  await until('a sweep', [join(home, 'logs')], () => logged(home, 'monitor').some(({ event }) => event === 'swept'));
  const initMs = between(/^store schema check starting/, /^store ready/);
  figure('database made and ready (P-18)', `${initMs} ms`, '< 2 s', initMs < 2000);
  const cpuMs = (): number => {
    const fields = readFileSync(`/proc/${it.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  const [fromMs, fromCpuMs] = [performance.now(), cpuMs()];
  // What is measured is a time in which nothing happens.
  await new Promise((resolve) => setTimeout(resolve, values.quick ? 10_000 : 60_000));
  const share = ((cpuMs() - fromCpuMs) / (performance.now() - fromMs)) * 100;
  const memory = readFileSync(`/proc/${it.pid}/smaps_rollup`, 'utf8');
  const mb = (name: string) => (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(memory)?.[1]) / 1024).toFixed(0);
  figure('daemon at rest: memory', `${mb('Anonymous')} MB anonymous, ${mb('Rss')} MB RSS`);
  figure('daemon at rest: CPU', `${share.toFixed(2)} % of a core`);
  await it.stop();
}

function table(): string {
  const rows = figures.map(({ what, measured, aim, met }) => `| ${what} | ${measured} | ${aim}${met === false ? ', **missed**' : ''} |`);
  return ['| what | measured | aim |', '|---|---|---|', ...rows].join('\n');
}

const parts: Readonly<Record<string, () => Promise<unknown>>> = { start, one, many, flushes, mariadb, rest };
try {
  execFileSync(process.execPath, ['bin/build.ts'], { cwd: root, stdio: 'ignore' });
  for (const name of values.only?.split(',') ?? Object.keys(parts)) {
    const part = parts[name];
    if (part === undefined) throw new Error(`no part ${name}; known: ${Object.keys(parts).join(', ')}`);
    await part();
  }
  process.stdout.write(`${table()}\n`);
  mkdirSync(join(root, '.todo-test'), { recursive: true });
  writeFileSync(join(root, '.todo-test', 'figures.json'), `${JSON.stringify(figures, null, 2)}\n`);
  if (values.write) {
    const path = join(root, 'README.md');
    const block = /<!-- figures -->[\s\S]*<!-- \/figures -->/;
    const text = readFileSync(path, 'utf8');
    if (!block.test(text)) throw new Error('README.md has no `<!-- figures -->` … `<!-- /figures -->`');
    writeFileSync(path, text.replace(block, `<!-- figures -->\n${table()}\n<!-- /figures -->`));
  }
} finally {
  endAll();
}
