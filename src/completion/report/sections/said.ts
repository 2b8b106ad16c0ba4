import type { Evidence } from '../../../core/evidence.ts';
import type { SaidBy } from '../../../core/words.ts';
import { isoTime, utcTime } from '../format.ts';
import { type Html, html } from '../html.ts';
import { folded, section } from './section.ts';

/** The agent's own words, named as such: they are a claim, and the checks below are the evidence. */
export function saidSection({ said, laterSignals, structured }: Evidence): Html {
  const words = said?.summary?.trim() || null;
  const last = structured?.finalText?.trim() || null;
  return section('What the agent said', '', [
    words === null && last === null
      ? html`<p class="note">Nothing was said about the work.</p>`
      : html`<blockquote class="said">${words ?? last}</blockquote>`,
    said === null ? html`<p class="note">No word about the end was received.</p>` : html`<p class="by">${wordInWords(said)}</p>`,
    words !== null && last !== null && last !== words ? folded('Its last message in full', html`<p class="prose">${last}</p>`) : html``,
    laterSignals.length === 0
      ? html``
      : folded(
          `${laterSignals.length} later ${laterSignals.length === 1 ? 'word' : 'words'}, which changed nothing`,
          html`<ul class="dots">${laterSignals.map((signal) => html`<li><span>${wordInWords(signal)}${signal.summary === null ? null : html`: ${signal.summary}`}</span></li>`)}</ul>`,
        ),
  ]);
}

const wordInWords = ({ says, saidBy, atMs }: NonNullable<Evidence['said']>): Html =>
  html`${says === null ? 'No word, only a sign' : html`The word was <b>${says}</b>`}, ${sayers[saidBy]}, <time datetime="${isoTime(atMs)}">${utcTime(atMs)}</time>`;

const sayers: Readonly<Record<SaidBy, string>> = {
  marker: 'by marker file',
  hook: "by the agent's hook",
  verb: 'by a todo command inside the run',
  'process-end': 'by the end of its process',
  deadline: 'by a deadline',
  person: 'by a person',
};
