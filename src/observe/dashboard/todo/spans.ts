import type { TodoDetail } from '../../../core/dashboard.ts';

export type TimelineEvent = TodoDetail['events'][number];
export type Span = {
  readonly event: TimelineEvent;
  /** Since the one before it ended; never less than nothing, whatever the clocks said. */
  readonly waitedMs: number;
  /** Where it lies in the whole, both from 0 to 1. */
  readonly from: number;
  readonly to: number;
};

const startOf = ({ atMs, durationMs }: TimelineEvent): number => atMs - Math.max(0, durationMs ?? 0);

export function spansOf(events: readonly TimelineEvent[]): readonly Span[] {
  const firstMs = Math.min(...events.map(startOf));
  const wholeMs = Math.max(1, Math.max(...events.map(({ atMs }) => atMs)) - firstMs);
  return events.map((event, index) => {
    const before = events[index - 1];
    return {
      event,
      waitedMs: before === undefined ? 0 : Math.max(0, startOf(event) - before.atMs),
      from: (startOf(event) - firstMs) / wholeMs,
      to: (event.atMs - firstMs) / wholeMs,
    };
  });
}
