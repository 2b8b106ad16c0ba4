import type { Evidence } from '../../../core/evidence.ts';
import { bytesInWords, counted } from '../format.ts';
import { Html, html } from '../html.ts';
import type { RenderedTerminal } from '../terminal-html.ts';
import { folded, wideSection } from './section.ts';

/** The run's output as the screen showed it: all of it when short, else its end, with the whole folded below. */
export function terminalSection({ output }: Evidence, terminal: RenderedTerminal): Html {
  const { rows, notes } = terminal;
  if (rows.every((row) => row === '')) return wideSection('Terminal output', '', html`<p class="note">The run printed nothing.</p>`);
  const sizes =
    output.gapBytes > 0
      ? `${bytesInWords(output.totalBytes)}: the first ${bytesInWords(output.headBytes)} and the last ${bytesInWords(output.tailBytes)} were kept, ${bytesInWords(output.gapBytes)} between them were not`
      : bytesInWords(output.totalBytes);
  return wideSection('Terminal output', `${counted(rows.length, 'line')}, ${sizes}`, [
    ...notes.map((note) => html`<p class="note">${note}</p>`),
    rows.length <= rowsShownWhole
      ? screen(rows, 'Terminal output')
      : html`<p class="note">The last ${endRows} lines:</p>${screen(rows.slice(-endRows), 'End of the terminal output')}${folded(`All ${counted(rows.length, 'line')}`, screen(rows, 'Whole terminal output'), 'whole')}`,
  ]);
}

const rowsShownWhole = 40;
const endRows = 24;

// It can be scrolled, so the keyboard must reach it.
const screen = (rows: readonly string[], label: string): Html =>
  html`<pre class="term" tabindex="0" role="region" aria-label="${label}">${new Html(rows.join('\n'))}</pre>`;
