import type { Family, Labels } from './metric.ts';

/** What is counted as it happens: a fixed table, so that no name and no label can come from outside. */
export type Tallied = {
  readonly help: string;
  /** The values that a label may have; any other is counted as `other`. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  /** Upper bounds; absent: a counter. */
  readonly buckets?: readonly number[];
};
export type Tally<Name extends string = string> = {
  count(name: Name, labels: Labels): void;
  observe(name: Name, labels: Labels, value: number): void;
  families(): readonly Family[];
  /** Series that would have been one too many. */
  dropped(): number;
};

type Series = { readonly labels: Labels; value: number; readonly counts: number[]; count: number };

/** Of all metrics together. The closed sets keep them far below; whoever opens one by mistake loses series, not the memory of the daemon. */
export const seriesMax = 2000;
const zeroedMax = 64;

export function newTally<Name extends string>(table: Readonly<Record<Name, Tallied>>, max: number = seriesMax): Tally<Name> {
  const all = new Map<Name, Map<string, Series>>();
  let size = 0;
  let dropped = 0;

  const seriesOf = (name: Name, labels: Labels): Series | null => {
    const { labels: known, buckets = [] } = table[name];
    const closed = Object.fromEntries(Object.entries(known).map(([label, values]) => [label, closedValue(values, labels[label])]));
    const series = all.get(name) ?? new Map<string, Series>();
    all.set(name, series);
    const key = Object.values(closed).join('\0');
    const found = series.get(key);
    if (found !== undefined) return found;
    if (size >= max) {
      dropped += 1;
      return null;
    }
    size += 1;
    const made: Series = { labels: closed, value: 0, counts: buckets.map(() => 0), count: 0 };
    series.set(key, made);
    return made;
  };

  for (const name of Object.keys(table) as Name[]) {
    const { labels, buckets } = table[name];
    const known = combinations(labels);
    if (buckets === undefined && known.length <= zeroedMax) for (const each of known) seriesOf(name, each);
  }
  return {
    count(name, labels) {
      const series = seriesOf(name, labels);
      if (series !== null) series.value += 1;
    },
    observe(name, labels, value) {
      const series = seriesOf(name, labels);
      if (series === null) return;
      series.value += value;
      series.count += 1;
      for (const [at, bound] of (table[name].buckets ?? []).entries()) if (value <= bound) series.counts[at] = (series.counts[at] ?? 0) + 1;
    },
    families: () => (Object.keys(table) as Name[]).map((name) => familyOf(name, table[name], [...(all.get(name)?.values() ?? [])])),
    dropped: () => dropped,
  };
}

const closedValue = (values: readonly string[], value: string | undefined): string =>
  value !== undefined && values.includes(value) ? value : 'other';

function familyOf(name: string, { help, buckets }: Tallied, series: readonly Series[]): Family {
  if (buckets !== undefined)
    return {
      name,
      help,
      type: 'histogram',
      series: series.map(({ labels: of, value, counts, count }) => ({
        labels: of,
        sum: value,
        count,
        buckets: buckets.map((le, at) => ({ le, count: counts[at] ?? 0 })),
      })),
    };
  return { name, help, type: 'counter', series: series.map(({ labels: of, value }) => ({ labels: of, value })) };
}

/** Every combination of what the labels may be, so that a counter is there before its first event and the increase from nought is seen. */
const combinations = (labels: Tallied['labels']): Labels[] =>
  Object.entries(labels).reduce<Labels[]>(
    (before, [label, values]) => before.flatMap((it) => values.map((value) => ({ ...it, [label]: value }))),
    [{}],
  );
