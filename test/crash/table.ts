import type { Point } from './sweep.ts';

/** Points by call, and what they took. */
export function tableOf(points: readonly Point[], durationMs: number): string {
  const struck = points.filter((point) => point.struck !== null);
  const rows = [...new Set(points.map(({ call }) => call))].map((call) => {
    const count = struck.filter((point) => point.call === call).length;
    return `  ${call.padEnd(10)} ${String(count).padStart(4)}\n`;
  });
  const failed = points.filter(({ problems }) => problems.length > 0).length;
  const kinds = new Set(struck.map((point) => point.struck)).size;
  const each = Math.round(durationMs / Math.max(1, points.length));
  return `${rows.join('')}  ${struck.length} points of ${kinds} kinds in ${(durationMs / 1000).toFixed(0)} s (${each} ms each), ${failed} failed\n`;
}
