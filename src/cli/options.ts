import { InvalidArgumentError } from 'commander';

/** Readers of option values for commander. What they refuse becomes USAGE, with the bound in it. */

export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`A whole number from ${min} to ${max} is needed.`);
    return value;
  };

export const seconds =
  (max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !(value > 0) || value > max)
      throw new InvalidArgumentError(`Seconds, more than 0 and at most ${max}, are needed.`);
    return value;
  };

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `60s`, `5m`, `2h`, `1d`, `90` (seconds) → milliseconds. */
export function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  const ms = match ? Number(match[1]) * (unitMs[match[2] ?? 's'] ?? 0) : Number.NaN;
  if (!(ms > 0) || ms > 366 * 86_400_000) throw new InvalidArgumentError('A time like 60s, 5m, 2h or 1d is needed.');
  return Math.round(ms);
}

const unitBytes: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** `200M`, `1.5G`, `200MiB` → bytes. */
export function size(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMGT])(?:i?B)?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * (unitBytes[(match[2] ?? '').toUpperCase()] ?? 0) : Number.NaN;
  if (!(bytes >= 1024 ** 2)) throw new InvalidArgumentError('A size like 200M or 1.5G is needed, at least 1M.');
  return bytes;
}

/** A moment as milliseconds: `2026-05-01T08:00`, or a time back or ahead as a duration. */
export const moment =
  (direction: 'back' | 'ahead') =>
  (text: string): number => {
    if (/^\d+(\.\d+)?(ms|s|m|h|d)?$/.test(text.trim())) return Date.now() + (direction === 'ahead' ? duration(text) : -duration(text));
    const atMs = Date.parse(text);
    if (Number.isNaN(atMs)) throw new InvalidArgumentError('A time like 2030-01-31T08:00, or 5m, 2h, 1d is needed.');
    return atMs;
  };

export const oneOf =
  <T extends string>(...allowed: readonly T[]) =>
  (text: string): T => {
    if (!(allowed as readonly string[]).includes(text)) throw new InvalidArgumentError(`One of ${allowed.join(', ')} is needed.`);
    return text as T;
  };

/** For options that may be given again. */
export const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];
