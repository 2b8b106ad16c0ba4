import type { HealthStatus } from './words.ts';

/** How fine a row is: one sample, or all samples of a minute or an hour in one. */
export type Resolution = 'raw' | '1m' | '1h';

/** Of one figure over the time that a row stands for; of a sample all three are the same. */
export type Spread = { readonly avg: number; readonly min: number; readonly max: number };

/** What one component was measured at: `daemon`, `machine`, or `run:<run id>` for the tree of an agent. */
export type MetricRow = {
  readonly id: string;
  /** `<host name>/<home id>` */
  readonly host: string;
  readonly component: string;
  readonly status: HealthStatus;
  readonly reason: string;
  /** Beginning of the time it stands for. */
  readonly atMs: number;
  readonly resolution: Resolution;
  /** How many samples are in it. */
  readonly samples: number;
  readonly figures: Readonly<Record<string, Spread>>;
};

export type MetricsQuestion = {
  readonly sinceMs: number;
  /** Before that time; null or left out: until now. */
  readonly untilMs?: number | null;
  readonly component: string | null;
  /** The newest so many, oldest first. */
  readonly limit: number;
};

/** Rows of one resolution that are older become rows of the next; after the last they are gone. */
export type Rollup = {
  readonly from: Resolution;
  /** Null: they are dropped. */
  readonly to: Resolution | null;
  readonly bucketMs: number;
  readonly beforeMs: number;
};

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Samples for a day, minutes for a week, hours for a year. The bound is whole buckets, so that none is made twice. */
export const rollupsAt = (nowMs: number): readonly Rollup[] => [
  { from: 'raw', to: '1m', bucketMs: minuteMs, beforeMs: floorTo(nowMs - dayMs, minuteMs) },
  { from: '1m', to: '1h', bucketMs: hourMs, beforeMs: floorTo(nowMs - 7 * dayMs, hourMs) },
  { from: '1h', to: null, bucketMs: dayMs, beforeMs: floorTo(nowMs - 365 * dayMs, dayMs) },
];

const floorTo = (ms: number, step: number): number => Math.floor(ms / step) * step;

/**
 * One row for each component and bucket. `whole` = no rows of these times are missing; else the newest bucket may lack some and is left for the next time,
 * unless it is the only one.
 */
export function rollUp(
  rows: readonly MetricRow[],
  { to, bucketMs }: Pick<Rollup, 'to' | 'bucketMs'>,
  { whole, newId }: { readonly whole: boolean; readonly newId: () => string },
): { readonly made: readonly MetricRow[]; readonly used: readonly MetricRow[] } {
  const bucketOf = ({ atMs }: MetricRow): number => floorTo(atMs, bucketMs);
  const newest = Math.max(...rows.map(bucketOf));
  const complete = whole ? rows : rows.filter((row) => bucketOf(row) < newest);
  const used = complete.length > 0 ? complete : rows;
  if (to === null) return { made: [], used };
  const groups = Map.groupBy(used, (row) => `${bucketOf(row)} ${row.component}`);
  const made = [...groups.values()].map((group) => ({ ...together(group), id: newId(), atMs: bucketOf(group[0]!), resolution: to }));
  return { made, used };
}

const worstFirst: readonly HealthStatus[] = ['unhealthy', 'unknown', 'degraded', 'healthy'];

/** The worst status that was, with its reason; each figure weighted by the samples that had it. */
function together(group: readonly MetricRow[]): Omit<MetricRow, 'id' | 'atMs' | 'resolution'> {
  const status = worstFirst.find((it) => group.some((row) => row.status === it)) ?? 'unknown';
  const { host, component, reason } = group.findLast((row) => row.status === status) ?? group[0]!;
  const names = [...new Set(group.flatMap(({ figures }) => Object.keys(figures)))];
  const figures = Object.fromEntries(names.map((name) => [name, spreadOf(group, name)]));
  return { host, component, status, reason, samples: group.reduce((sum, { samples }) => sum + samples, 0), figures };
}

function spreadOf(group: readonly MetricRow[], name: string): Spread {
  const having = group.filter(({ figures }) => figures[name] !== undefined);
  const weight = having.reduce((sum, { samples }) => sum + samples, 0);
  return {
    avg: having.reduce((sum, { figures, samples }) => sum + figures[name]!.avg * samples, 0) / weight,
    min: Math.min(...having.map(({ figures }) => figures[name]!.min)),
    max: Math.max(...having.map(({ figures }) => figures[name]!.max)),
  };
}

/** As a column holds it: a sample is a number, what was rolled up is [average, least, most]. */
export const figuresText = (figures: MetricRow['figures']): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(figures).map(([name, { avg, min, max }]) => [name, min === max ? short(avg) : [short(avg), short(min), short(max)]]),
    ),
  );

/** Four decimals say more than any of the figures is worth. */
const short = (value: number): number => Math.round(value * 10_000) / 10_000;

export function figuresOf(text: string): MetricRow['figures'] {
  const parsed = JSON.parse(text) as Readonly<Record<string, number | readonly [number, number, number]>>;
  return Object.fromEntries(
    Object.entries(parsed).map(([name, value]) => {
      const [avg, min, max] = typeof value === 'number' ? [value, value, value] : value;
      return [name, { avg, min, max }];
    }),
  );
}

/** A sample as a row. */
export const sampled = (
  of: Omit<MetricRow, 'resolution' | 'samples' | 'figures'>,
  figures: Readonly<Record<string, number | null>>,
): MetricRow => ({
  ...of,
  resolution: 'raw',
  samples: 1,
  figures: Object.fromEntries(
    Object.entries(figures).flatMap(([name, value]) => (value === null ? [] : [[name, { avg: value, min: value, max: value }]])),
  ),
});
