// What a completion takes: alone beside the flushes that it needs, and many at once.
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../e2e/harness.ts';
import { figure, markers, median, pairs, rounds } from './figures.ts';
import { allClosed, atMs, base, closedIn, daemon, logged, newHome, prepare } from './home.ts';
import { type Prepared, writeMarker } from './prepared.ts';

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

export async function one(): Promise<void> {
  const { taken, flushesEach } = await alone('one', pairs);
  const bareMs = median(taken.map((it) => it.bareMs));
  const besideBare = (what: 'confirmedMs' | 'closedMs'): { ratio: number; text: string } => {
    const ratio = median(taken.map((it) => it[what] / it.bareMs));
    return { ratio, text: `${ratio.toFixed(1)} × (${median(taken.map((it) => it[what]))} ms beside ${bareMs.toFixed(1)} ms)` };
  };
  figure('from a durable marker to the record that was read back, beside 12 bare write+fsync', besideBare('confirmedMs').text);
  const closed = besideBare('closedMs');
  const what = 'from a durable marker to `closed` (16 KB of output, report, archive, confirm) beside 12 bare write+fsync';
  figure(what, closed.text, '≤ 3 ×', closed.ratio <= 3);
  figure('fsyncs a completion, alone', flushesEach.toFixed(1), '≤ 12', flushesEach <= 12);
}

/** Runs by hand, whose markers come one after the other to a daemon that waits for them: what each takes, and then, of as many others, how often they flush. */
export async function alone(name: string, count: number): Promise<{ readonly taken: readonly Taken[]; readonly flushesEach: number }> {
  const home = newHome(name);
  const runs = prepare(home, 2 * count, 'external');
  const first = await daemon(home);
  const taken = await oneByOne(home, runs.slice(0, count));
  await first.stop();
  const trace = join(base, `${name}.strace`);
  const fromMs = Date.now();
  const second = await daemon(home, trace);
  await oneByOne(home, runs.slice(count));
  await second.stop();
  return { taken, flushesEach: flushesIn(trace, home, fromMs) / count };
}

/** `confirmed`: the store has shown the record that was sent. */
export type Taken = { readonly confirmedMs: number; readonly closedMs: number; readonly bareMs: number };

async function oneByOne(home: string, runs: readonly Prepared[]): Promise<readonly Taken[]> {
  const folder = (name: string) => join(home, 'spool', name);
  const spool = { tmp: folder('tmp'), new: folder('new'), cur: folder('cur'), bad: folder('bad') };
  const taken: Taken[] = [];
  for (const run of runs) {
    const bareMs = bareFlushes();
    writeMarker({ spool }, run);
    const writtenAtMs = Date.now();
    const end = await until('it is closed', [join(home, 'logs')], () => closedIn(home).find((line) => line.run === run.runId));
    const confirmed = logged(home, 'completion').find((line) => line.run === run.runId && line.event === 'confirmed') ?? end;
    taken.push({ confirmedMs: atMs(confirmed) - writtenAtMs, closedMs: atMs(end) - writtenAtMs, bareMs });
  }
  return taken;
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

/**
 * Daemons come back to runs whose agents have all said their word and ended: one daemon a home, the runs shared out between the homes.
 * Completions a second, from the first signal of any to the last end of all.
 */
export async function atOnce(name: string, { mysqlUrl, homes = 1 }: { mysqlUrl?: string; homes?: number } = {}): Promise<number> {
  const places = Array.from({ length: homes }, (_, each) => {
    const home = newHome(`${name}-${each}`, mysqlUrl === undefined ? {} : { store: { url: mysqlUrl } });
    const count = Math.floor((markers + each) / homes);
    prepare(home, count, 'child', mysqlUrl);
    return { home, count };
  });
  const daemons = await Promise.all(places.map(({ home }) => daemon(home)));
  await Promise.all(places.map(({ home, count }) => allClosed(home, count)));
  await Promise.all(daemons.map((each) => each.stop()));
  const signals = places.flatMap(({ home }) => logged(home, 'completion').filter(({ event }) => event === 'signal'));
  const ends = places.flatMap(({ home }) => closedIn(home));
  return (markers * 1000) / (Math.max(...ends.map(atMs)) - Math.min(...signals.map(atMs)));
}

export async function many(): Promise<void> {
  const rates: number[] = [];
  const alones: number[] = [];
  for (let round = 0; round < rounds; round++) {
    rates.push(await atOnce(`many-${round}`));
    alones.push(await rateAlone(`alone-${round}`));
  }
  const [rate, factor] = [median(rates), median(rates.map((it, index) => it / (alones[index] ?? Number.NaN)))];
  const what = `completions a second, ${markers} markers at once, SQLite`;
  figure(what, `${rate.toFixed(0)} (${factor.toFixed(1)} × one at a time)`, '≥ 300 and ≥ 2 ×', rate >= 300 && factor >= 2);
}

async function rateAlone(name: string): Promise<number> {
  const home = newHome(name);
  const runs = prepare(home, pairs, 'external');
  const it = await daemon(home);
  const taken = await oneByOne(home, runs);
  await it.stop();
  return 1000 / median(taken.map(({ closedMs }) => closedMs));
}

export async function flushes(): Promise<void> {
  const home = newHome('flushes');
  prepare(home, markers, 'child');
  const trace = join(base, 'flushes.strace');
  const it = await daemon(home, trace);
  await allClosed(home, markers);
  await it.stop();
  const each = flushesIn(trace, home, 0) / markers;
  figure(`fsyncs a completion, ${markers} at once`, each.toFixed(2), '≤ 6', each <= 6);
}
