// npm run sim -- --seed N [--trace] | --seeds A..B | --count N | --minutes M
import { parseArgs } from 'node:util';
import { scenarioOf } from './scenario.ts';
import { tell } from './story.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    count: { type: 'string' },
    minutes: { type: 'string' },
    trace: { type: 'boolean' },
  },
});

process.on('unhandledRejection', (error) => {
  if ((error as Error).name !== 'Crashed') console.error('UNHANDLED', error);
});

const one = async (seed: number, trace: boolean) => tell(scenarioOf(seed, trace));

if (values.seed !== undefined) {
  const outcome = await one(Number(values.seed), values.trace === true);
  if (values.trace) console.log(outcome.lines.join('\n'));
  console.log(
    outcome.violations.join('\n') || 'no violation',
    `\nsteps ${outcome.steps} events ${outcome.events} virtual ${Math.round(outcome.virtualMs / 1000)} s`,
    outcome.counts,
  );
} else {
  const [from, to] = values.seeds !== undefined ? values.seeds.split('..').map(Number) : [1, Number(values.count ?? 100)];
  const started = performance.now();
  let failed = 0;
  let virtual = 0;
  let steps = 0;
  const kinds: Record<string, number[]> = {};
  for (let seed = from!; seed <= to!; seed++) {
    const t = performance.now();
    const outcome = await one(seed, false);
    virtual += outcome.virtualMs;
    steps += outcome.steps;
    const ms = performance.now() - t;
    if (ms > 1000)
      console.log(`slow seed ${seed} ${Math.round(ms)} ms, ${outcome.steps} steps, virtual ${Math.round(outcome.virtualMs / 1000)}`);
    if (outcome.violations.length > 0) {
      failed++;
      for (const violation of outcome.violations) {
        const kind = violation
          .replace(/^[\d.]+ /, '')
          .replace(/[0-9a-f]{8}-[0-9a-f-]+/g, 'ID')
          .replace(/\d+/g, 'N')
          .slice(0, 150);
        (kinds[kind] ??= []).push(seed);
      }
    }
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${to! - from! + 1} seeds, ${failed} failed, ${((to! - from! + 1) / seconds).toFixed(1)} seeds/s, virtual ${Math.round(virtual / 1000 / (to! - from! + 1))} s and ${Math.round(steps / (to! - from! + 1))} steps a seed`,
  );
  for (const [kind, seeds] of Object.entries(kinds).sort((a, b) => b[1].length - a[1].length))
    console.log(seeds.length, kind, [...new Set(seeds)].slice(0, 5).join(' '));
}
