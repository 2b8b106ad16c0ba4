/** Milliseconds as a person says them: `340 ms`, `4.2 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationInWords(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${trimZero((ms / 1_000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return pair(Math.floor(seconds / 60), 'min', seconds % 60, 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 48 * 60) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  return pair(Math.floor(minutes / 1_440), 'd', Math.floor((minutes % 1_440) / 60), 'h');
}

/** Bytes in powers of 1,024: `812 B`, `1.5 KiB`, `7 MiB`. */
export function bytesInWords(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const power = Math.min(byteUnits.length, Math.floor(Math.log2(bytes) / 10));
  return `${trimZero((bytes / 1_024 ** power).toFixed(1))} ${byteUnits[power - 1]}`;
}

/** `2025-11-22 02:07:31.123 UTC`: to the millisecond, sortable, the same everywhere. */
export const utcTime = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 23).replace('T', ' ')} UTC`;

/** `2025-11-22 03:07:31.123 UTC+01:00`: the same moment on the clock of the host that ran it. */
export function localTime(atMs: number, offsetMinutes: number): string {
  const wall = new Date(atMs + offsetMinutes * 60_000).toISOString().slice(0, 23).replace('T', ' ');
  const minutes = Math.abs(offsetMinutes);
  return `${wall} UTC${offsetMinutes < 0 ? '−' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

export const isoTime = (atMs: number): string => new Date(atMs).toISOString();

/** `02:07:31.123`, for lists whose day is known. */
export const clockTime = (atMs: number): string => new Date(atMs).toISOString().slice(11, 23);

export const counted = (count: number, noun: string, plural = `${noun}s`): string => `${grouped(count)} ${count === 1 ? noun : plural}`;

/** 1234567 → `1,234,567`. */
export const grouped = (count: number): string => String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');

/** Cents count, but a run of a tenth of a cent should not read as free. */
export const dollars = (usd: number): string => `$${usd.toFixed(usd < 0.1 ? 4 : 2)}`;

const byteUnits = ['KiB', 'MiB', 'GiB', 'TiB'];
const trimZero = (number: string): string => number.replace(/\.0$/, '');
const two = (number: number): string => String(number).padStart(2, '0');
const pair = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${big} ${bigUnit}` : `${big} ${bigUnit} ${small} ${smallUnit}`;
