/** How long ago, for people: "12 s ago", "73 min ago", "5 h ago", "3 days ago". */
export function ago(atMs: number, nowMs: number): string {
  return `${span(Math.max(0, nowMs - atMs))} ago`;
}

/** A duration in the unit that reads best. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 2 * 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
