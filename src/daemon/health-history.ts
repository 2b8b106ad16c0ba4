import { rollupsAt } from '../core/health-history.ts';
import { inMs } from '../core/seconds.ts';
import type { Context } from './context.ts';
import { chore } from './store-chores.ts';

/** Samples wait for each other: one transaction a minute, also where looks come more often. */
const tellEveryMs = 60_000;
const rollEveryMs = 3_600_000;
/** Of rows that one transaction takes; the rest comes with the next minute. */
const tellAtOnce = 500;
/** Parts of a roll-up in one go: a daemon that was off for weeks catches up by and by. */
const rollsAtOnce = 100;

/** What was measured goes to the store beside everything else, and becomes coarser as it ages. */
export function keepHistory(context: Context): void {
  const { watch, world, config } = context;
  if (watch.rows.length > 0)
    chore(context, 'keep measurements', Math.min(tellEveryMs, inMs(config.resource.interval)), async () => {
      const some = watch.rows.slice(0, tellAtOnce);
      await world.store.keepMetrics(some);
      watch.rows = watch.rows.filter((row) => !some.includes(row));
    });
  chore(context, 'roll up measurements', rollEveryMs, async () => {
    for (const rollup of rollupsAt(world.clock.nowMs()))
      for (let rolls = 0; rolls < rollsAtOnce && (await world.store.rollMetrics(world.host.id, rollup)) > 0; rolls++);
  });
}
