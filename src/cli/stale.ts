import { isOperational } from '../core/errors.ts';
import type { Opened, Stale } from './command.ts';
import { plain } from './text/plain.ts';
import { momentText, spanText } from './text/times.ts';

/** What a snapshot may lack; any error of a store that answers is an error. */
export async function inSnapshot<T, U>({ stale }: Pick<Opened, 'stale'>, otherwise: U, look: () => Promise<T>): Promise<T | U> {
  try {
    return await look();
  } catch (error) {
    if (stale() === null || !isOperational(error)) throw error;
    return otherwise;
  }
}

type ShownStale = { stale: true; asOfMs: number; storeError: string; answeredBy: 'snapshot'; tried: Stale['tried'] };

/** Beside every answer: that it is old, how old, and why. */
export const staleJson = ({ stale }: Pick<Opened, 'stale'>): Partial<ShownStale> => {
  const now = stale();
  return now === null ? {} : { stale: true, asOfMs: now.asOfMs, storeError: now.why, answeredBy: 'snapshot', tried: now.tried };
};

export const staleLine = ({ asOfMs, why }: Stale): string =>
  `Stale: as of ${momentText(asOfMs)} (${spanText(Date.now() - asOfMs)} ago), because the store is away: ${plain(why)}`;
