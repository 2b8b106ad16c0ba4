import { parsedJson } from './shape.ts';

/** A build that has not worked here yet, after one that has: how often it was started and ended before it had worked. */
export type Trial = {
  readonly v: 1;
  /** Which build: path, time and size of its first file. */
  readonly image: string;
  /** Starts since it was put there; one that was ended on purpose, and one that lived for restart.good_after, begin anew. */
  readonly starts: number;
  /** Of the first of them. */
  readonly sinceMs: number;
  /** People were told that the last good copy goes on instead. */
  readonly isTold: boolean;
};

/** Which program a daemon runs: what is installed, or the copy of the last build that worked here. */
export type ShownProgram =
  /** `failedStarts`: so many starts of this build ended before it had worked. */
  { readonly kind: 'installed'; readonly failedStarts: number } | { readonly kind: 'last-good'; readonly why: string };

/** Note of the journal. */
export const trialNote = 'build:trial';

export function parseTrial(note: string | null): Trial | null {
  const kept = parsedJson(note ?? '') as Trial | null;
  return kept?.v === 1 ? kept : null;
}

/** One may be bad luck: a machine that lost its power, a person who ended it hard. */
export const failedStartsMax = 2;

export type Starting = {
  /** Of what is about to start; null: no build, or the copy itself. */
  readonly image: string | null;
  /** Of what the copy was made; null: there is none. */
  readonly lastGood: string | null;
  /** Somebody starts it again when it ends. Where nobody does, a person decides what is run. */
  readonly isSupervised: boolean;
};

/** What a start is: of a build that is known to work (or of which no better one is known), of one on trial, counted in; or it gives way. */
export type Start =
  | { readonly kind: 'known' }
  | { readonly kind: 'tried'; readonly trial: Trial }
  | { readonly kind: 'gives-way'; readonly trial: Trial };

export function startOf(kept: Trial | null, { image, lastGood, isSupervised }: Starting, nowMs: number): Start {
  if (image === null || lastGood === null || image === lastGood) return { kind: 'known' };
  const trial: Trial = kept?.image === image ? kept : { v: 1, image, starts: 0, sinceMs: nowMs, isTold: false };
  if (hasFailed(trial) && isSupervised) return { kind: 'gives-way', trial };
  return { kind: 'tried', trial: { ...trial, starts: trial.starts + 1 } };
}

/** Nobody starts it by himself any more. */
export const hasFailed = ({ starts }: Pick<Trial, 'starts'>): boolean => starts >= failedStartsMax;
