// The simulation of the whole daemon by seed:
//   npm run sim -- --seed 42 [--trace]        one story, with --trace all that happened in it
//   npm run sim -- --seeds 1..5000            a range
//   npm run sim -- --count 1000 [--from 1]    so many seeds
//   npm run sim -- --minutes 30               as many as fit, from a seed of today on
// What failed is told with the line that tells it again. Exit code 1 when anything failed.
import { parseArgs } from 'node:util';
import { storyOf } from './many-hosts.ts';
import { replayLine, type Tally, tellMany } from './pool.ts';
import { tell } from './story.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    count: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    workers: { type: 'string' },
    keep: { type: 'string', default: '20' },
    trace: { type: 'boolean', default: false },
  },
});

if (values.seed !== undefined) await one(Number(values.seed));
else if (values.minutes !== undefined) {
  const endMs = performance.now() + Number(values.minutes) * 60_000;
  // A soak looks at what no run before has seen.
  await many(Number(values.from ?? Date.now() % 1_000_000_000), Number.MAX_SAFE_INTEGER, () => performance.now() > endMs);
} else if (values.seeds !== undefined) {
  const [from = 1, to = from] = values.seeds.split('..').map(Number);
  await many(from, to, () => false);
} else {
  const from = Number(values.from ?? 1);
  await many(from, from + Number(values.count ?? 1000) - 1, () => false);
}

async function one(seed: number): Promise<void> {
  const outcome = await tell(storyOf(seed, values.trace));
  if (values.trace) say(outcome.lines.join('\n'));
  say(`seed ${seed}: ${outcome.steps} steps, ${outcome.events} events, ${Math.round(outcome.virtualMs / 1000)} s of virtual time`);
  say(listed(outcome.counts));
  for (const violation of outcome.violations) say(`VIOLATION ${violation}`);
  say(outcome.violations.length === 0 ? 'every promise was kept' : replayLine(seed));
  process.exitCode = outcome.violations.length === 0 ? 0 : 1;
}

async function many(from: number, to: number, until: () => boolean): Promise<void> {
  let saidMs = performance.now();
  const heard = (tally: Tally): void => {
    if (performance.now() - saidMs < 10_000) return;
    saidMs = performance.now();
    process.stderr.write(`${tally.seeds} seeds, ${rate(tally)} seeds/s, ${tally.failed.length} failed\n`);
  };
  const workers = values.workers === undefined ? {} : { workers: Number(values.workers) };
  const tally = await tellMany({ from, to }, { ...workers, until, failuresMax: Number(values.keep), heard });
  for (const { seed, violations } of tally.failed) {
    for (const violation of violations.slice(0, 5)) say(`VIOLATION ${violation}`);
    say(`  ${replayLine(seed)}`);
  }
  say(
    `${tally.seeds} seeds in ${Math.round(tally.elapsedMs / 1000)} s: ${rate(tally)} seeds/s, ${tally.twice} told twice, ${tally.failed.length} failed`,
  );
  say(
    `a seed has ${Math.round(tally.steps / tally.seeds)} steps and ${Math.round(tally.virtualMs / tally.seeds / 1000)} s of virtual time`,
  );
  say(`faults: ${listed(tally.counts)}`);
  say(`crash points: ${Object.keys(tally.crashPoints).length} different, ${sum(tally.crashPoints)} crashes: ${listed(tally.crashPoints)}`);
  process.exitCode = tally.failed.length === 0 ? 0 : 1;
}

function rate({ seeds, elapsedMs }: Tally): string {
  return ((seeds / Math.max(1, elapsedMs)) * 1000).toFixed(1);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((all, times) => all + times, 0);
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .sort((a, b) => b[1] - a[1])
    .map(([what, times]) => `${what} ${times}`)
    .join(', ');
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
