/** `4 s`, `12 min`, `3 h`, `5 d`: the one unit that matters. */
export function spanText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

/** `820 ms`, `1.4 s`, else as above. For how long something took. */
export const tookText = (ms: number): string =>
  ms < 1000 ? `${Math.round(ms)} ms` : ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : spanText(ms);

/** Local time of day, with the date where it is another day. */
export function clockText(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  return at.toDateString() === new Date(nowMs).toDateString() ? timeText(at) : `${dayText(at)} ${timeText(at)}`;
}

export const momentText = (atMs: number): string => `${dayText(new Date(atMs))} ${timeText(new Date(atMs))}`;

const dayText = (at: Date): string => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
// By hand: the first date that is formatted for a locale costs 15 ms.
const timeText = (at: Date): string => [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
const two = (value: number): string => String(value).padStart(2, '0');
