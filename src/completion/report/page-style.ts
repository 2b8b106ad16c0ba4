import type { PackedStyle } from './sgr.ts';
import { darkPanel, hex, lightPanel, paletteRules } from './style-classes.ts';

/**
 * The one style element of the page; its digest stands in the page's policy, so nothing else can style it. Apart from the colours that
 * the terminal output uses it is the same in every report.
 */
export function pageStyle(styles: Iterable<PackedStyle>): string {
  const palette = paletteRules(styles);
  const darkPalette = palette.dark === '' ? '' : `@media screen and (prefers-color-scheme:dark){${palette.dark}}`;
  same ??= { before: squeeze(base), dark: squeeze(darkTheme), after: squeeze(narrow) + squeeze(print) };
  return same.before + palette.light + same.dark + squeeze(darkPalette) + same.after;
}

let same: { readonly before: string; readonly dark: string; readonly after: string } | null = null;

/**
 * A rule needs no line breaks, and the page is kept a million times. Nothing here goes beyond Latin-1, and what the page says by itself neither:
 * a string of one byte a character takes half the memory, and is encoded, hashed and stored several times as fast.
 */
const squeeze = (css: string): string =>
  css
    .replace(/\/\*.*?\*\//gs, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{}:;,>]) ?/g, '$1')
    .replace(/;}/g, '}')
    .trim();

const base = `
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --ink: #23211e; --soft: #6b665e; --line: #e5e0d8; --panel: ${hex(lightPanel)};
  --good: #17704a; --plain: #2b62a0; --warn: #925d00; --bad: #ad3029; --quiet: #6b665e;
  --good-wash: #e9f4ee; --plain-wash: #eaf1f9; --warn-wash: #fbf1dd; --bad-wash: #faeae8; --quiet-wash: #f2f0ec;
  --add: #3f9a6b; --del: #cc5b52; --l0: #b9b3a8; --l1: #5b8fc9; --l2: #8a7cc0; --l3: #c28a3d; --l4: #4fa07a;
  --sans: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Source Serif 4", "Noto Serif", Georgia, "Liberation Serif", serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100% }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 var(--sans); overflow-wrap: break-word }
main { max-width: 70rem; margin: 0 auto; padding: 2.25rem 2rem 3rem }
h1, h2, h3, p, ul, ol, dl, dd, figure, pre, blockquote { margin: 0; padding: 0 }
ul, ol { list-style: none }
code, pre, .mono { font-family: var(--mono); font-size: .86em; font-variant-ligatures: none }
a { color: inherit; text-decoration: underline; text-underline-offset: .15em }
:focus-visible { outline: 2px solid var(--plain); outline-offset: 2px }

.mark { width: 1.15em; height: 1.15em; flex: none; overflow: visible }
.mark .fill { fill: currentColor }
.mark .line { fill: none; stroke: var(--paper); stroke-width: 2.1; stroke-linecap: round; stroke-linejoin: round }
.good { color: var(--good) } .plain { color: var(--plain) } .warn { color: var(--warn) } .bad { color: var(--bad) } .quiet { color: var(--quiet) }

.outcome { display: flex; align-items: flex-start; gap: .6em; padding: .7rem 1rem; border-radius: .5rem; font-size: 1.0625rem; line-height: 1.45 }
.outcome .mark { margin-top: .17em }
.outcome strong { font-weight: 650 }
.outcome span { color: var(--ink) }
.outcome.good { background: var(--good-wash) } .outcome.plain { background: var(--plain-wash) } .outcome.warn { background: var(--warn-wash) }
.outcome.bad { background: var(--bad-wash) } .outcome.quiet { background: var(--quiet-wash) }
h1 { font: 600 2.1rem/1.2 var(--serif); letter-spacing: -.01em; margin: 1.5rem 0 .5rem; text-wrap: balance }
.where { color: var(--soft) }
.where > * + *::before { content: "·"; margin: 0 .55em; color: var(--soft) }
.glance { display: flex; flex-wrap: wrap; gap: .9rem 2.75rem; margin: 1.5rem 0 0; padding: 0 }
.glance div { min-width: 6rem }
.glance dt { color: var(--soft); font-size: .8125rem }
.glance dd { font-size: 1.125rem; font-variant-numeric: tabular-nums; line-height: 1.35 }
.glance small { font-size: .8125rem; color: var(--soft) }

section { display: grid; grid-template-columns: 11rem minmax(0, 1fr); gap: .75rem 2rem; margin-top: 1.75rem; padding-top: 1.25rem; border-top: 1px solid var(--line) }
section.wide { grid-template-columns: minmax(0, 1fr) }
section > :not(h2) { grid-column: -2 }
h2 { font: 600 1rem/1.4 var(--sans) }
h2 small { display: block; font-weight: 400; font-size: .8125rem; color: var(--soft) }
section.wide h2 small { display: inline; margin-left: .75em }
h3 { font: 600 .8125rem/1.4 var(--sans); color: var(--soft); margin: 1.1rem 0 .3rem }
h3:first-child { margin-top: 0 }
.note { color: var(--soft); font-size: .875rem }
.prose { white-space: pre-wrap; max-width: 44rem }
.said { font: 1.125rem/1.55 var(--serif); white-space: pre-wrap; max-width: 44rem; padding-left: 1.1rem; border-left: 3px solid var(--line) }
.by { margin-top: .45rem; padding-left: 1.25rem; color: var(--soft); font-size: .875rem }
.call { border-radius: .5rem; background: var(--warn-wash); border-top: 0; padding: 1.1rem 1rem 1.2rem }
.steps { display: grid; gap: .3rem; counter-reset: step }
.steps li { display: grid; grid-template-columns: 1.6rem minmax(0, 1fr); counter-increment: step }
.steps li::before { content: counter(step) "."; color: var(--soft); font-variant-numeric: tabular-nums }
.dots { display: grid; gap: .2rem }
.dots li { display: grid; grid-template-columns: 1.1rem minmax(0, 1fr) }
.dots li::before { content: "\\2013"; color: var(--soft) }

.checks > li + li { margin-top: .7rem; padding-top: .7rem; border-top: 1px solid var(--line) }
.check { display: flex; gap: .65rem; align-items: baseline }
.check .mark { display: block; position: relative; top: .16em }
.check code { flex: 1; min-width: 0; font-size: .93em; white-space: pre-wrap }
.how { color: var(--soft); font-size: .875rem; white-space: nowrap; font-variant-numeric: tabular-nums }
.how b { font-weight: 600 }
details { margin-top: .5rem }
details.round { margin-top: .9rem; padding-top: .7rem; border-top: 1px solid var(--line) } details.round .checks { margin: .7rem 0 0 1.1rem }
summary { cursor: pointer; color: var(--soft); font-size: .875rem; width: fit-content; list-style-position: inside }
summary:hover { color: var(--ink) }
summary::marker { color: var(--soft) }

.term { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; margin-top: .5rem; padding: .7rem .9rem; overflow: auto; max-height: 36rem; font-size: .8125rem; line-height: 1.42; white-space: pre; tab-size: 8; overflow-wrap: normal }
.term.short { max-height: 22rem }
.term a { text-decoration-style: dotted }
.w { display: inline-block; width: 2ch; white-space: pre; overflow: visible }
.b { font-weight: 700 } .d { opacity: .68 } .i { font-style: italic } .u { text-decoration: underline } .k { text-decoration: line-through } .u.k { text-decoration: underline line-through }
.gi { background: var(--ink) } .ci { color: var(--panel) }
.x { font-size: .85em; color: var(--bad); background: var(--bad-wash); border-radius: .2em }
.n { color: var(--soft); font-style: italic }

.files { display: grid; grid-template-columns: minmax(0, 1fr) auto auto 6.5rem; gap: .28rem .9rem; align-items: center }
.files li { display: contents }
.files code { overflow-wrap: anywhere }
.files i { font-style: normal; color: var(--soft) }
.tag { font: 600 .6875rem/1 var(--sans); color: var(--plain); border: 1px solid currentColor; border-radius: .3rem; padding: .12em .4em; margin-left: .5em; vertical-align: .08em }
.plus, .minus { text-align: right; font: .8125rem var(--mono); font-variant-numeric: tabular-nums }
.plus { color: var(--good) } .minus { color: var(--bad) }
.bar { width: 6.5rem; height: .5rem; display: block } .bar .add { fill: var(--add) } .bar .del { fill: var(--del) }
.line { display: grid; grid-template-columns: 6.2rem 4.9rem minmax(0, 1fr) 5rem 9rem; gap: 0 .9rem; align-items: baseline; padding: .22rem 0; font-variant-numeric: tabular-nums }
.line time { color: var(--soft); font: .8125rem var(--mono); white-space: nowrap }
.line .took { text-align: right; color: var(--soft); font-size: .875rem }
.line .why { color: var(--soft); font-size: .875rem }
.wait { color: var(--soft); font-size: .875rem; padding: .1rem 0 .1rem 7.1rem }
.wait + .note, .line + .note { margin-top: .6rem }
.span { width: 100%; height: .5rem; align-self: center; display: block }
.span .track { fill: var(--line) }
.layer { font-size: .8125rem; white-space: nowrap } .layer::before { content: ""; display: inline-block; width: .55em; height: .55em; border-radius: 50%; margin-right: .45em; background: var(--l0) }
.l0 { fill: var(--l0) } .l1 { fill: var(--l1) } .l2 { fill: var(--l2) } .l3 { fill: var(--l3) } .l4 { fill: var(--l4) }
.layer.l1::before { background: var(--l1) } .layer.l2::before { background: var(--l2) } .layer.l3::before { background: var(--l3) } .layer.l4::before { background: var(--l4) }

.sources { display: grid; gap: .55rem }
.sources li { display: grid; grid-template-columns: 13.5rem 7.5rem minmax(0, 1fr); gap: 0 .9rem }
.sources .used { font-weight: 600; white-space: nowrap }
.facts { display: grid; grid-template-columns: 10.5rem minmax(0, 1fr); gap: .3rem .9rem }
.facts dt { color: var(--soft) }
.facts dd { min-width: 0; font-variant-numeric: tabular-nums }
.facts code, .digest { overflow-wrap: anywhere }
.facts dd + dd { grid-column: 2 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; margin-top: .4rem }
th { font-weight: 400; color: var(--soft); text-align: left } th, td { padding: .15rem 1rem .15rem 0; vertical-align: top; white-space: nowrap } td.num, th.num { text-align: right }
footer { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .8125rem }
`;

const darkTheme = `
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #1a1b1e; --ink: #e4e1db; --soft: #a09b92; --line: #34353a; --panel: ${hex(darkPanel)};
    --good: #62c595; --plain: #7fb0e8; --warn: #e3b45c; --bad: #f08e85; --quiet: #a09b92;
    --good-wash: #1c2f27; --plain-wash: #1d2937; --warn-wash: #332a19; --bad-wash: #3a2322; --quiet-wash: #26272b;
    --add: #4f9f76; --del: #cf6a61; --l0: #6d6a64; --l1: #6fa3dc; --l2: #9f92d4; --l3: #d19d55; --l4: #63b38d;
  }
}
`;

const narrow = `
@media screen and (max-width: 46rem) {
  main { padding: 1.1rem 1rem 2rem }
  h1 { font-size: 1.6rem; margin-top: 1.1rem }
  .glance { gap: .7rem 1.75rem }
  section, section.wide { grid-template-columns: minmax(0, 1fr); margin-top: 1.25rem; padding-top: 1rem }
  h2 small, section.wide h2 small { display: inline; margin-left: .6em }
  .check { flex-wrap: wrap } .check code { flex-basis: calc(100% - 2rem) } .how { margin-left: 1.8rem; white-space: normal }
  .files { grid-template-columns: minmax(0, 1fr) auto auto 3rem } .bar { width: 3rem }
  .line { grid-template-columns: 5.8rem minmax(0, 1fr) auto } .line time { grid-area: 1 / 1 } .line .what { grid-area: 1 / 2 / span 2 } .line .layer { grid-area: 1 / 3 } .line .took { grid-area: 2 / 3 } .line .span, .line .took:empty { display: none }
  .wait { padding-left: 6.7rem }
  .sources li { grid-template-columns: minmax(0, 1fr) auto } .sources .note { grid-column: 1 / -1 }
  .facts { grid-template-columns: minmax(0, 1fr); gap: 0 } .facts dd { margin-bottom: .45rem } .facts dd + dd { grid-column: 1; margin-top: -.4rem }
  .term { font-size: .75rem; padding: .6rem .7rem }
}
`;

const print = `
@media print {
  .term span { -webkit-print-color-adjust: exact; print-color-adjust: exact }
  body { font-size: 10pt; background: #fff } main { max-width: none; padding: 0 }
  .outcome, .call { border: 1px solid currentColor }
  section { grid-template-columns: 8.5rem minmax(0, 1fr); margin-top: 1rem; padding-top: .75rem } h2, h3 { break-after: avoid }
  .check, .line, .sources li, .facts dd { break-inside: avoid }
  .term, .term.short { max-height: none; overflow: visible; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 7.5pt }
  .line { grid-template-columns: 5.6rem 4.6rem minmax(0, 1fr) 4rem 6rem } .sources li { grid-template-columns: 11rem 6.5rem minmax(0, 1fr) } .facts { grid-template-columns: 8.5rem minmax(0, 1fr) }
  .scroll { overflow: visible } details:not(.whole)::details-content { content-visibility: visible; block-size: auto } details.whole:not([open]) { display: none }
  a[href^="http"]::after { content: " (" attr(href) ")" }
}
`;
