import type { Span } from './spans.ts';
import { lengthMin, type Variant } from './variants.ts';

export type NeedleFinder = { find(text: string, from: number): Span[]; readonly lengthMax: number };

/**
 * Finds any of many strings in one pass (Wu and Manber, 1994): three characters tell how far the next needle is away at least, so most
 * of the text is never looked at. Asking `includes` for each of twelve spellings of twenty secrets would read the text 240 times.
 */
export function needleFinder(needles: readonly Variant[]): NeedleFinder {
  const lengthMax = needles.reduce((max, { text }) => Math.max(max, text.length), 0);
  if (needles.length === 0) return { find: () => [], lengthMax };
  // A run's own token has few spellings, and hundreds of runs may live: their tables are small.
  const mask = (1 << (needles.length <= fewNeedles ? 11 : 16)) - 1;
  const { shifts, buckets } = tablesOf(needles, mask);

  const find = (text: string, start: number): Span[] => {
    const spans: Span[] = [];
    for (let end = start + lengthMin - 1; end < text.length; ) {
      const block = blockAt(text, end) & mask;
      const shift = shifts[block]!;
      if (shift > 0) {
        end += shift;
        continue;
      }
      const from = end - lengthMin + 1;
      const found = longestAt(text, from, buckets.get(block) ?? []);
      if (found !== null) spans.push({ from, to: from + found.text.length, needsFrom: from, kind: 'secret', secret: found.secret });
      end += 1;
    }
    return spans;
  };
  return { find, lengthMax };
}

const fewNeedles = 64;

/** Three characters ending at `end`, as an index. Collisions only cost a look. */
const blockAt = (text: string, end: number): number =>
  (text.charCodeAt(end - 2) << 10) ^ (text.charCodeAt(end - 1) << 5) ^ text.charCodeAt(end);

function tablesOf(
  needles: readonly Variant[],
  mask: number,
): { readonly shifts: Uint8Array; readonly buckets: ReadonlyMap<number, readonly Variant[]> } {
  const shifts = new Uint8Array(mask + 1).fill(lengthMin - 2);
  const buckets = new Map<number, Variant[]>();
  for (const needle of needles) {
    for (let end = 2; end < lengthMin; end += 1) {
      const block = blockAt(needle.text, end) & mask;
      shifts[block] = Math.min(shifts[block]!, lengthMin - 1 - end);
    }
    const last = blockAt(needle.text, lengthMin - 1) & mask;
    buckets.set(last, [...(buckets.get(last) ?? []), needle]);
  }
  return { shifts, buckets };
}

function longestAt(text: string, from: number, candidates: readonly Variant[]): Variant | null {
  let longest: Variant | null = null;
  for (const candidate of candidates) {
    if ((longest === null || candidate.text.length > longest.text.length) && text.startsWith(candidate.text, from)) longest = candidate;
  }
  return longest;
}
