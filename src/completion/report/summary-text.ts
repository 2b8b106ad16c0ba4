import type { Evidence } from '../../core/evidence.ts';
import { counted } from './format.ts';
import { showInvisible } from './html.ts';
import { lastRound, outcomeInWords } from './outcome.ts';

/** Fits a column of 150 characters, a notification, a line of `todo list`. Counted in UTF-16 units, so it fits however it is counted. */
export const summaryCharsMax = 150;

/** One honest line: how it ended and what proved it, then what the agent said, in the agent's name. */
export const summaryText = (evidence: Evidence): string =>
  cutAtCharacter(oneLine(`${lead(evidence)}${wordsOfAgent(evidence)}`), summaryCharsMax);

function lead(evidence: Evidence): string {
  if (evidence.result.status !== 'completed' || evidence.result.proof === 'forced') return outcomeInWords(evidence).line;
  if (evidence.result.proof === 'verified') return `Completed, verified by ${counted(lastRound(evidence).length, 'check')}`;
  return `Completed, ${evidence.result.proof ?? 'unverified'}`;
}

/** A forced end says nothing in the agent's name, and what failed has its reason in the lead. */
function wordsOfAgent({ result, said, structured }: Evidence): string {
  if (result.status !== 'completed' || result.proof === 'forced') return '';
  const words = said?.summary?.trim() || structured?.finalText?.trim() || '';
  if (words === '') return '';
  return result.proof === 'verified' ? `: ${words}` : `; ${said?.saidBy === 'person' ? 'a person' : 'the agent'} says: ${words}`;
}

const oneLine = (text: string): string => showInvisible(text.replace(/\s+/g, ' ').trim());

/** Cuts between characters as people see them, so that no accent or flag is torn, and shows that something is missing. */
export function cutAtCharacter(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  let cut = 0;
  // A character longer than the bound cannot be shown at all, so no more than that is looked at.
  for (const { index, segment } of new Intl.Segmenter('en').segment(text.slice(0, charsMax * 2))) {
    if (index + segment.length > charsMax - 1) break;
    cut = index + segment.length;
  }
  return `${text.slice(0, cut).trimEnd()}…`;
}
