import type { Evidence } from '../../../core/evidence.ts';
import { isoTime, utcTime } from '../format.ts';
import { type Html, html } from '../html.ts';
import { list, withCode } from './section.ts';

/** On top of an emergency report: why it came to this, what was done, and what a person should do now. */
export function emergencySection({ emergency }: Evidence): Html | null {
  if (emergency === null) return null;
  return html`<section class="call"><h2>Emergency <small><time datetime="${isoTime(emergency.atMs)}">${utcTime(emergency.atMs)}</time></small></h2><div>
<h3>Reason</h3><p>${emergency.reason}</p>
<h3>Actions taken</h3>${emergency.actions.length === 0 ? html`<p>None.</p>` : list(emergency.actions)}
<h3>What to do now</h3><ol class="steps">${emergency.whatToDo.map((step) => html`<li><span>${withCode(step)}</span></li>`)}</ol>
</div></section>
`;
}
