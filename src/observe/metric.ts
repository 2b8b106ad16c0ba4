export type Labels = Readonly<Record<string, string>>;

/** One metric with all its series, as it is now. A counter's name is without `_total`. */
export type Family =
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'counter' | 'gauge';
      readonly series: readonly { readonly labels: Labels; readonly value: number }[];
    }
  | { readonly name: string; readonly help: string; readonly type: 'histogram'; readonly series: readonly HistogramSeries[] };

export type HistogramSeries = {
  readonly labels: Labels;
  /** Upper bounds, ascending, without +Inf, and how many were at most that. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
  readonly sum: number;
  readonly count: number;
};

export const gauge = (name: string, help: string, value: number | null): Family => ({
  name,
  help,
  type: 'gauge',
  series: value === null ? [] : [{ labels: {}, value }],
});

export const counter = (name: string, help: string, value: number | null): Family =>
  ({ ...gauge(name, help, value), type: 'counter' }) as Family;
