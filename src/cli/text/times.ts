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
  const time = at.toLocaleTimeString('en-GB');
  return at.toDateString() === new Date(nowMs).toDateString() ? time : `${dayText(at)} ${time}`;
}

export const momentText = (atMs: number): string => `${dayText(new Date(atMs))} ${new Date(atMs).toLocaleTimeString('en-GB')}`;

const dayText = (at: Date): string => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const two = (value: number): string => String(value).padStart(2, '0');
