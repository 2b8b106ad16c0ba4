import type { Evidence } from '../../core/evidence.ts';
import type { SaidBy } from '../../core/words.ts';
import { counted, durationInWords } from './format.ts';

/** How the end of a run is put into words. */
export type OutcomeInWords = {
  /** One or two words for the badge. */
  readonly word: string;
  readonly tone: Tone;
  /** What proves or explains it, as the rest of the sentence; '' when there is nothing to add. */
  readonly because: string;
  /** Both as one line: the first line of the report. */
  readonly line: string;
};

/** good: proven · plain: said, not proven · warn: ended without anybody's word, or waiting for one · bad: failed · quiet: goes on elsewhere. */
export type Tone = 'good' | 'plain' | 'warn' | 'bad' | 'quiet';

/** Says who reported the end and what proved it, and never claims a success that nobody reported (promise 3). */
export function outcomeInWords(evidence: Evidence): OutcomeInWords {
  const { word, tone, because } = wordsFor(evidence);
  if (evidence.result.proof === 'forced') return { word, tone, because, line: `${word}: ${because}` };
  return { word, tone, because, line: because === '' ? word : `${word} — ${because}` };
}

type Words = Omit<OutcomeInWords, 'line'>;

function wordsFor(evidence: Evidence): Words {
  const { status, proof, outcome, reason } = evidence.result;
  if (proof === 'forced') return { word: 'FORCE-COMPLETED', tone: 'warn', because: forcedBecause(evidence) };
  switch (outcome) {
    case 'done':
      return status === 'completed'
        ? completed(evidence)
        : { word: 'Not completed', tone: 'bad', because: reason ?? 'done was said, but not accepted' };
    case 'failed':
      return { word: 'Failed', tone: 'bad', because: reason ?? 'no reason was given' };
    case 'cancelled':
      return { word: 'Cancelled', tone: 'quiet', because: reason ?? '' };
    case 'blocked':
      return { word: 'Blocked', tone: 'warn', because: reason ?? 'it needs a person' };
    case 'parked':
      return { word: 'Parked', tone: 'quiet', because: reason ?? 'it comes back later' };
    case 'released':
      return { word: 'Released', tone: 'quiet', because: reason ?? 'given back; the todo is open again' };
    case 'reset':
      return { word: 'Reset', tone: 'warn', because: reason ?? 'the todo is open again' };
    case 'lost':
      return {
        word: status === 'failed' ? 'Failed' : 'Lost',
        tone: status === 'failed' ? 'bad' : 'warn',
        because: reason ?? 'the agent ended without an answer',
      };
    case 'superseded':
      return { word: 'Superseded', tone: 'quiet', because: reason ?? 'another run has this todo' };
    case 'forced':
      return { word: 'Ended by force', tone: 'warn', because: reason ?? forcedBecause(evidence) };
    default:
      return outcome satisfies never;
  }
}

function completed(evidence: Evidence): Words {
  const checks = lastRound(evidence);
  switch (evidence.result.proof) {
    case 'verified':
      return { word: 'Completed', tone: 'good', because: `verified by ${counted(checks.length, 'check')}` };
    case 'overridden':
      return { word: 'Completed', tone: 'plain', because: `overridden: a person said so${failedPart(evidence)}` };
    default:
      return { word: 'Completed', tone: 'plain', because: `unverified: ${sayerInWords(evidence.result.saidBy)}, and no check was asked` };
  }
}

function failedPart(evidence: Evidence): string {
  const checks = lastRound(evidence);
  const failed = checks.filter((check) => !check.passed).length;
  return failed === 0 ? '' : `, although ${failed} of ${counted(checks.length, 'check')} failed`;
}

function forcedBecause(evidence: Evidence): string {
  const after = durationInWords(Math.max(0, (evidence.emergency?.atMs ?? evidence.run.endedAtMs) - evidence.run.startedAtMs));
  const who = evidence.result.saidBy === 'person' ? 'a person ended this todo with todo emergency' : 'the daemon ended this todo';
  const word = evidence.said?.says === 'done' ? 'done was said, but nothing proved it' : 'nobody reported success';
  return `${word}; ${who} after ${after}`;
}

const sayerInWords = (saidBy: SaidBy): string => sayers[saidBy];

const sayers: Readonly<Record<SaidBy, string>> = {
  marker: "the agent's marker said so",
  hook: "the agent's hook said so",
  verb: 'the agent said so with todo done',
  'process-end': 'its process ended with exit code 0',
  deadline: 'a deadline passed',
  person: 'a person said so',
};

/** The checks that count: those of the last round. Earlier ones were sent back to the agent. */
export function lastRound({ checks }: Pick<Evidence, 'checks'>): Evidence['checks'] {
  const last = checks.reduce((round, check) => Math.max(round, check.round), 0);
  return checks.filter((check) => check.round === last);
}
