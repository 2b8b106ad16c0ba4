import type { Family, HistogramSeries, Labels } from './metric.ts';

export type Format = 'text' | 'openmetrics';

export const contentTypes: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** What the asker likes better; a scraper names both with weights, a browser neither. */
export function formatFor(accept: string | undefined): Format {
  const weights = (accept ?? '').split(',').map((part) => {
    const [type = '', ...parameters] = part.split(';').map((it) => it.trim().toLowerCase());
    const q = parameters.find((it) => it.startsWith('q='));
    return { type, weight: q === undefined ? 1 : Number(q.slice(2)) };
  });
  const weightOf = (type: string): number => weights.find((it) => it.type === type)?.weight ?? 0;
  return weightOf('application/openmetrics-text') > weightOf('text/plain') ? 'openmetrics' : 'text';
}

/** Prometheus text 0.0.4 or OpenMetrics 1.0.0: they differ in the name of a counter's family, in numbers, and in the last line. */
export function exposition(families: readonly Family[], format: Format): string {
  const lines: string[] = [];
  for (const family of families) {
    if (family.series.length === 0) continue;
    const { name, help, type } = family;
    const sampleName = type === 'counter' ? `${name}_total` : name;
    const familyName = format === 'text' ? sampleName : name;
    lines.push(`# HELP ${familyName} ${escapedHelp(help, format)}`, `# TYPE ${familyName} ${type}`);
    if (family.type === 'histogram') for (const series of family.series) lines.push(...histogramLines(name, series));
    else for (const { labels, value } of family.series) lines.push(`${sampleName}${shownLabels(labels)} ${shownNumber(value)}`);
  }
  if (format === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function histogramLines(name: string, { labels, buckets, sum, count }: HistogramSeries): string[] {
  return [
    ...buckets.map((bucket) => `${name}_bucket${shownLabels({ ...labels, le: shownBound(bucket.le) })} ${bucket.count}`),
    `${name}_bucket${shownLabels({ ...labels, le: '+Inf' })} ${count}`,
    `${name}_sum${shownLabels(labels)} ${shownNumber(sum)}`,
    `${name}_count${shownLabels(labels)} ${count}`,
  ];
}

function shownLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (char: string): string => (char === '\n' ? '\\n' : `\\${char}`);
/** In help texts quotes are escaped by the newer format only. */
const escapedHelp = (text: string, format: Format): string => text.replace(format === 'text' ? /[\\\n]/g : /[\\"\n]/g, escaped);

/** Both formats agree on `1.0` for a whole bound, so a series keeps its name whichever is asked for. */
const shownBound = (bound: number): string => (Number.isInteger(bound) ? bound.toFixed(1) : String(bound));
const shownNumber = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
