import { isObject, parsedJson } from '../../core/shape.ts';
import type { Actions } from '../../observe/shown.ts';
import type { World } from '../../world.ts';

const prefix = 'api.once:';
const keptMs = 86_400_000;
/** The oldest go first. */
const keysMax = 1_000;

type Kept = { readonly atMs: number; readonly digest: string; readonly answer?: unknown };

/**
 * The same request twice is once, for a day: first is noted that it was begun, then it is done, then its answer is kept, all in the journal. So also a
 * request whose answer was lost with the process is not done again by who sends it again; and where nobody knows what became of it, that is said.
 */
export function onceIn({ journal, clock, digest: { sha256 } }: Pick<World, 'journal' | 'clock' | 'digest'>): Actions['once'] {
  const underWay = new Map<string, { readonly digest: string; readonly answer: Promise<unknown> }>();
  return async <T>(key: string | null, digest: string, act: () => Promise<T>) => {
    if (key === null) return act();
    const name = `${prefix}${sha256(key)}`;
    const now = underWay.get(name);
    if (now !== undefined) return now.digest === digest ? (now.answer as Promise<T>) : { keyTaken: 'other' };
    const kept = keptIn(journal.getNote(name));
    if (kept !== null && kept.atMs > clock.nowMs() - keptMs) {
      if (kept.digest !== digest) return { keyTaken: 'other' };
      return 'answer' in kept ? (kept.answer as T) : { keyTaken: 'cut-short' };
    }
    const answer = begun(name, digest, act).finally(() => underWay.delete(name));
    underWay.set(name, { digest, answer });
    return answer;
  };

  async function begun<T>(name: string, digest: string, act: () => Promise<T>): Promise<T> {
    const atMs = clock.nowMs();
    await forgetOld(atMs);
    await journal.setNote(name, JSON.stringify({ atMs, digest } satisfies Kept));
    try {
      const answer = await act();
      // Nothing was done: it may be asked for again.
      if (isObject(answer) && 'retryAfterMs' in answer) await journal.dropNotes([name]);
      else await journal.setNote(name, JSON.stringify({ atMs, digest, answer } satisfies Kept));
      return answer;
    } catch (error) {
      // Refused: it may be asked for again.
      await journal.dropNotes([name]);
      throw error;
    }
  }

  async function forgetOld(nowMs: number): Promise<void> {
    const all = journal.notes(prefix).map(({ key, value }) => ({ key, atMs: keptIn(value)?.atMs ?? 0 }));
    const newest = all.toSorted((a, b) => b.atMs - a.atMs);
    const old = newest.filter(({ atMs }, at) => atMs <= nowMs - keptMs || at >= keysMax - 1);
    if (old.length > 0) await journal.dropNotes(old.map(({ key }) => key));
  }
}

function keptIn(text: string | null): Kept | null {
  const kept = parsedJson(text ?? '');
  return isObject(kept) && typeof kept['atMs'] === 'number' && typeof kept['digest'] === 'string' ? (kept as Kept) : null;
}
