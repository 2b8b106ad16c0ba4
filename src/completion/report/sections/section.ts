import { type Html, html } from '../html.ts';

/** One part of the page: its name in the margin, its content beside it. */
export const section = (title: string, small: string, content: Html | readonly Html[]): Html =>
  html`<section><h2>${title}${small === '' ? null : html` <small>${small}</small>`}</h2><div>${content}</div></section>
`;

/** A part that needs the page's whole width. */
export const wideSection = (title: string, small: string, content: Html | readonly Html[]): Html =>
  html`<section class="wide"><h2>${title}${small === '' ? null : html` <small>${small}</small>`}</h2><div>${content}</div></section>
`;

export const list = (items: readonly (Html | string)[]): Html =>
  html`<ul class="dots">${items.map((item) => html`<li><span>${item}</span></li>`)}</ul>`;

/** Our own sentences name commands between backticks. */
export const withCode = (text: string): readonly Html[] =>
  text.split(/`([^`]+)`/).map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : html`${part}`));

/** What is long stands folded; the line to open it says how much there is. */
export const folded = (label: string, content: Html, kind: 'part' | 'round' | 'whole' = 'part'): Html =>
  html`<details class="${kind}"><summary>${label}</summary>${content}</details>`;

/** A list whose rest is folded when it is long. */
export function listWithRest<Item>(items: readonly Item[], shown: number, noun: string, draw: (items: readonly Item[]) => Html): Html {
  if (items.length <= shown * 1.25) return draw(items);
  return html`${draw(items.slice(0, shown))}${folded(`${items.length - shown} more ${noun}`, draw(items.slice(shown)))}`;
}
