import type { Evidence, SourceTried } from '../../../core/evidence.ts';
import { bytesInWords } from '../format.ts';
import { type Html, html } from '../html.ts';
import { toneMark } from '../marks.ts';
import type { Tone } from '../outcome.ts';
import { list, section } from './section.ts';

/** Where output was looked for, in order: what each source had, which one was used, and why the others were not. */
export const sourcesSection = ({ sources }: Evidence): Html =>
  section(
    'Sources tried',
    'in this order',
    sources.length === 0 ? html`<p class="note">None was asked.</p>` : html`<ul class="sources">${sources.map(sourceItem)}</ul>`,
  );

/** Always there, so that "none" is a statement and not a silence. */
export const problemsSection = ({ problems }: Evidence): Html =>
  section('Problems met', 'while collecting', problems.length === 0 ? html`<p>None.</p>` : list(problems));

const sourceItem = (source: SourceTried): Html =>
  html`<li><span class="${source.used ? 'used' : ''}">${source.name}${source.used ? html` <span class="tag">used</span>` : null}</span><span class="check ${tones[source.verdict]}">${toneMark(tones[source.verdict])}${source.verdict}</span><span class="note">${source.reason}${source.sizeBytes === 0 ? null : `, ${bytesInWords(source.sizeBytes)}`}</span></li>`;

const tones: Readonly<Record<SourceTried['verdict'], Tone>> = { structured: 'good', raw: 'plain', empty: 'quiet', unavailable: 'quiet' };
