/** What was in use at a time. */
export type UseAt = { readonly atMs: number; readonly bytes: number };

export type LeakVerdict =
  /** Not looked at for long enough. */
  | { readonly kind: 'too-early' }
  | { readonly kind: 'steady'; readonly bytesPerHour: number }
  | { readonly kind: 'growing'; readonly bytesPerHour: number };

/** Points kept of one series; more would only cost. */
export const leakPointsMax = 120;
/** Fewer say nothing about a slope. */
const pointsMin = 8;
/** Less than that in an hour is what caches and compiled code take. */
const bytesPerHourMin = 16 * 1024 * 1024;
/** And it must have come to something by now: a share of what was there at first. */
const growthMin = 0.1;
/** Of all pairs of points: what goes up and down again is no leak, whatever its slope. */
const risingPairsMin = 0.8;

/**
 * Theil–Sen: the median of the slopes of all pairs. A sample that caught a spike has no say in it.
 * https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator
 */
export function leakIn(points: readonly UseAt[], windowMs: number): LeakVerdict {
  const last = points.at(-1);
  // Where looks are rare the last few say what there is to say, however old they are.
  const isRecent = ({ atMs }: UseAt, at: number): boolean => last!.atMs - atMs <= windowMs * 2 || points.length - at <= pointsMin * 2;
  const inWindow = points.filter(isRecent);
  const first = inWindow[0];
  if (first === undefined || last === undefined || inWindow.length < pointsMin || last.atMs - first.atMs < windowMs)
    return { kind: 'too-early' };
  const slopes = slopesOf(inWindow);
  const perMs = median(slopes);
  const bytesPerHour = perMs * 3_600_000;
  const rising = slopes.filter((slope) => slope > 0).length / slopes.length;
  const grown = perMs * (last.atMs - first.atMs);
  const isLeak = bytesPerHour >= bytesPerHourMin && rising >= risingPairsMin && grown >= first.bytes * growthMin;
  return { kind: isLeak ? 'growing' : 'steady', bytesPerHour };
}

function slopesOf(points: readonly UseAt[]): number[] {
  const slopes: number[] = [];
  for (const [at, a] of points.entries())
    for (const b of points.slice(at + 1)) if (b.atMs > a.atMs) slopes.push((b.bytes - a.bytes) / (b.atMs - a.atMs));
  return slopes;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** With one more; of too many every second goes, so that they still reach as far back. */
export function withUse(points: readonly UseAt[], point: UseAt): readonly UseAt[] {
  const all = [...points, point];
  return all.length <= leakPointsMax ? all : all.filter((_, at) => (all.length - 1 - at) % 2 === 0);
}
