import { type Html, html } from './html.ts';
import type { Tone } from './outcome.ts';

/**
 * Small drawings. They are SVG, so that they print, need no font and no inline style; each stands beside a word that says the same,
 * and each tone has a shape of its own for those who do not see its colour.
 */
export const toneMark = (tone: Tone): Html => html`<svg class="mark" viewBox="0 0 20 20" aria-hidden="true">${shapes[tone]}</svg>`;

const shapes: Readonly<Record<Tone, Html>> = {
  // A seal with a tick, a circle, a triangle with a stroke, an octagon with a cross, a square.
  good: html`<path class="fill" d="M10 0l2.6 1.9 3.2-.1 1 3.1 2.6 1.9-1 3.2 1 3.2-2.6 1.9-1 3.1-3.2-.1L10 20l-2.6-1.9-3.2.1-1-3.1L.6 13.2l1-3.2-1-3.2 2.6-1.9 1-3.1 3.2.1z"/><path class="line" d="M5.8 10.2l3 3 5.5-6"/>`,
  plain: html`<circle class="fill" cx="10" cy="10" r="9"/><path class="line" d="M5.8 10.2l3 3 5.5-6"/>`,
  warn: html`<path class="fill" d="M10 .8c.6 0 1.1.3 1.4.8l8.1 14.9c.6 1.1-.2 2.5-1.4 2.5H1.9C.7 19-.1 17.6.5 16.5L8.6 1.6C8.9 1.1 9.4.8 10 .8z"/><path class="line" d="M10 6.5v5.8M10 15.3v.4"/>`,
  bad: html`<path class="fill" d="M6.1.6h7.8l5.5 5.5v7.8l-5.5 5.5H6.1L.6 13.9V6.1z"/><path class="line" d="M6.7 6.7l6.6 6.6M13.3 6.7l-6.6 6.6"/>`,
  quiet: html`<rect class="fill" x="1.5" y="1.5" width="17" height="17" rx="3"/><path class="line" d="M6 10h8"/>`,
};

/** Lines added and removed, drawn against the largest change of the list. */
export function diffBar({ added, removed, largest }: { readonly added: number; readonly removed: number; readonly largest: number }): Html {
  // The root keeps a change of three lines visible beside one of three thousand.
  const total = largest === 0 ? 0 : Math.max(3, 100 * Math.sqrt((added + removed) / largest));
  const green = added + removed === 0 ? 0 : (total * added) / (added + removed);
  return html`<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="add" width="${round(green)}" height="8"/><rect class="del" x="${round(green)}" width="${round(Math.max(0, total - green))}" height="8"/></svg>`;
}

/** When something ran within a span, both from 0 to 1. */
export function spanBar({ from, to, layer }: { readonly from: number; readonly to: number; readonly layer: number | null }): Html {
  const x = Math.min(199, 200 * from);
  return html`<svg class="span" viewBox="0 0 200 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" y="3.5" width="200" height="1"/><rect class="l${layer ?? 0}" x="${round(x)}" width="${round(Math.max(1.5, 200 * (to - from)))}" height="8"/></svg>`;
}

const round = (value: number): string => value.toFixed(1).replace(/\.0$/, '');
