import type { Entry } from '../core/entry.ts';
import { hasEnded } from '../core/entry.ts';
import { boundsOf, type Gauge, type Level, type MachineFigures, memoryLimit, next, type Reading } from '../core/resources.ts';
import { inMs } from '../core/seconds.ts';
import type { Context } from './context.ts';

/** Missing for longer than so many looks is not known any more. */
const staleLooks = 2.5;

export type GaugeKey = Parameters<typeof boundsOf>[0];
export const gaugeOf = (key: string): GaugeKey => key.split(' ')[0] as GaugeKey;
export const runOf = (key: string): string | null => key.split(' ')[1] ?? null;

/** Told when its level changes, not at each look. The first look of a rate has nothing to compare with: that is no news. */
export function measure({ watch, world, config }: Context, key: string, reading: Reading): Gauge {
  const before = watch.gauges.get(key) ?? null;
  if (before === null && reading.value === null) {
    const waiting: Gauge = { level: 'ok', value: null, seenAtMs: reading.atMs, above: { warning: null, critical: null } };
    watch.gauges.set(key, waiting);
    return waiting;
  }
  const gauge = next(before, reading, boundsOf(gaugeOf(key), config), inMs(config.resource.interval) * staleLooks);
  watch.gauges.set(key, gauge);
  const was = before?.level ?? 'ok';
  if (gauge.level !== was) tellLevel(world.log, key, was, gauge);
  return gauge;
}

function tellLevel(log: Context['world']['log'], key: string, was: Level, { level, value }: Gauge): void {
  const fields = {
    resource: gaugeOf(key),
    run: runOf(key),
    was,
    now: level,
    value: value === null ? null : Math.round(value * 1000) / 1000,
  };
  if (level === 'ok') log.info('monitor', 'resource is well again', fields);
  else if (level === 'critical') log.error('monitor', 'resource is critical', fields);
  else log.warn('monitor', level === 'unknown' ? 'resource could not be measured' : 'resource warning', fields);
}

/** Runs that have processes of ours. */
export const watchedRuns = ({ ledger }: Pick<Context, 'ledger'>): readonly Entry[] =>
  ledger.all().filter((entry) => entry.session !== null && entry.exit === null && !hasEnded(entry.fact));

export const tagOf = ({ ref, session }: Entry) => ({ name: 'TODO_RUN', value: ref.runId, session: session?.process ?? null });

export const limitOf = ({ config }: Pick<Context, 'config'>, machine: MachineFigures) =>
  memoryLimit(machine, config.resource.max_memory_mb);
