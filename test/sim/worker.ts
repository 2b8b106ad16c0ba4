import { parentPort } from 'node:worker_threads';
import { storyOf } from './many-hosts.ts';
import { tell } from './story.ts';
import { Crashed } from './world.ts';

/** What one seed came to. */
export type Told = {
  readonly seed: number;
  readonly twice: boolean;
  readonly steps: number;
  readonly virtualMs: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly crashPoints: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
};

/** Of a seed that told no story. */
export const nothing: Told = { seed: 0, twice: false, steps: 0, virtualMs: 0, counts: {}, crashPoints: {}, violations: [] };

/** One in so many seeds is told twice. */
const twiceEvery = 50;

// Stacks are for people who look at one seed; here they would cost a tenth of the time.
Error.stackTraceLimit = 0;

let stray: { readonly error: unknown } | null = null;
process.on('unhandledRejection', (error) => {
  if (!(error instanceof Crashed)) stray ??= { error };
});

parentPort?.on('message', (seed: number) => {
  tellOne(seed).then(
    (told) => parentPort?.postMessage(told),
    (error: unknown) =>
      parentPort?.postMessage({ ...nothing, seed, violations: [`BROKEN: the simulation itself failed: ${textOf(error)}`] }),
  );
});

async function tellOne(seed: number): Promise<Told> {
  stray = null;
  const { steps, virtualMs, counts, crashPoints, violations, digest, events } = await tell(storyOf(seed));
  const all = [...violations];
  const twice = seed % twiceEvery === 0;
  if (twice) {
    const again = await tell(storyOf(seed));
    if (again.digest !== digest || again.events !== events)
      all.push(`DETERMINISM: told twice it is two stories (${events} and ${again.events} events)`);
  }
  // Rejections that nobody hears are told when the event loop gets its turn.
  await new Promise((resolve) => setImmediate(resolve));
  if (stray !== null) all.push(`DEFECT: a promise was rejected and nobody heard: ${textOf((stray as { error: unknown }).error)}`);
  return { seed, twice, steps, virtualMs, counts, crashPoints, violations: all };
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
