import type { ShownBounds } from '../core/control.ts';
import type { ScreenEmulator } from '../core/screen.ts';
import { budgets, RetryBudget } from '../resilience/budget.ts';
import { Bulkhead } from '../resilience/bulkhead.ts';
import { newGuard } from '../resilience/guard.ts';
import { Timeouts } from '../resilience/timeouts.ts';
import type { World } from '../world.ts';

/** Screens drawn at the same time: each holds up to 8 MiB of output and 5 MB of rows, and one takes a core by itself. */
const screensMax = 2;

/** What bounds many calls together: retries against one that is in trouble, and work that is dear. */
export type Bounds = {
  readonly budgets: { readonly store: RetryBudget; readonly webhook: RetryBudget };
  readonly bulkheads: { readonly screen: Bulkhead };
};

/** The line is as long as completions can be; nobody is turned away from it. */
export const newBounds = (completionsMax: number): Bounds => ({
  budgets: { store: new RetryBudget(budgets.tokens), webhook: new RetryBudget(budgets.tokens) },
  bulkheads: { screen: new Bulkhead({ limit: screensMax, queue: completionsMax, maxWaitMs: Number.POSITIVE_INFINITY }) },
});

export function behindBulkhead(
  emulate: ScreenEmulator,
  { bulkheads }: Bounds,
  { clock, random }: Pick<World, 'clock' | 'random'>,
): ScreenEmulator {
  const guard = newGuard({ name: 'screen', bulkhead: bulkheads.screen }, { clock, random: random.next, timeouts: new Timeouts(clock) });
  return (input, size) => guard.run(() => emulate(input, size));
}

const retriesOfAll = Math.floor(budgets.tokens.capacity / budgets.tokens.unitCost);

export const shownBounds = ({ budgets: paying, bulkheads }: Bounds): ShownBounds => ({
  budgets: Object.entries(paying).map(([name, budget]) => ({ name, retries: Math.floor(budget.retries), of: retriesOfAll })),
  bulkheads: Object.entries(bulkheads).map(([name, { rule, active, queued, mostActive, waited }]) => ({
    name,
    limit: rule.limit,
    active,
    queued,
    mostActive,
    waited,
  })),
});
