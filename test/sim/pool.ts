import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Told } from './worker.ts';

/** What many seeds came to. */
export type Tally = {
  seeds: number;
  /** Seeds that were told twice, to see that a seed is one story. */
  twice: number;
  steps: number;
  virtualMs: number;
  elapsedMs: number;
  readonly counts: Record<string, number>;
  readonly crashPoints: Record<string, number>;
  readonly failed: { readonly seed: number; readonly violations: readonly string[] }[];
};

/** A story takes milliseconds. One that takes this long hangs in a loop that virtual time cannot see. */
const hangMs = 60_000;

/**
 * Tells the stories of many seeds on all cores. Ends when the seeds are through, when `until` says so, or when enough have failed
 * that more would say nothing new.
 */
export async function tellMany(
  seeds: { readonly from: number; readonly to: number },
  options: {
    readonly workers?: number;
    readonly until?: () => boolean;
    readonly failuresMax?: number;
    readonly heard?: (tally: Tally) => void;
  } = {},
): Promise<Tally> {
  const startedMs = performance.now();
  const tally: Tally = { seeds: 0, twice: 0, steps: 0, virtualMs: 0, elapsedMs: 0, counts: {}, crashPoints: {}, failed: [] };
  let next = seeds.from;
  const take = (): number | null =>
    next > seeds.to || options.until?.() === true || tally.failed.length >= (options.failuresMax ?? 20) ? null : next++;
  const add = (told: Told): void => {
    tally.seeds++;
    tally.twice += told.twice ? 1 : 0;
    tally.steps += told.steps;
    tally.virtualMs += told.virtualMs;
    sumUp(tally.counts, told.counts);
    sumUp(tally.crashPoints, told.crashPoints);
    if (told.violations.length > 0) tally.failed.push({ seed: told.seed, violations: told.violations });
    tally.elapsedMs = performance.now() - startedMs;
    options.heard?.(tally);
  };
  const work = async (): Promise<void> => {
    for (let worker: Worker | null = null; ; ) {
      const seed = take();
      if (seed === null) {
        await worker?.terminate();
        return;
      }
      worker ??= new Worker(new URL('./worker.ts', import.meta.url));
      const told = await ask(worker, seed);
      add(told ?? { ...nothing, seed, violations: [`HANG: still busy after ${hangMs / 1000} s`] });
      if (told === null) {
        await worker.terminate();
        worker = null;
      }
    }
  };
  await Promise.all(Array.from({ length: options.workers ?? availableParallelism() }, work));
  tally.failed.sort((a, b) => a.seed - b.seed);
  return tally;
}

const nothing: Told = { seed: 0, twice: false, steps: 0, virtualMs: 0, counts: {}, crashPoints: {}, violations: [] };

/** Null when it does not answer in time. */
function ask(worker: Worker, seed: number): Promise<Told | null> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(null), hangMs);
    const end = (told: Told | null): void => {
      clearTimeout(timer);
      worker.off('message', end);
      worker.off('error', reject);
      resolve(told);
    };
    worker.on('message', end);
    worker.on('error', reject);
    worker.postMessage(seed);
  });
}

function sumUp(all: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [what, times] of Object.entries(more)) all[what] = (all[what] ?? 0) + times;
}

/** The line that tells a seed again. */
export const replayLine = (seed: number): string => `npm run sim -- --seed ${seed} --trace`;
