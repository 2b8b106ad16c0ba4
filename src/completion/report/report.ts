import type { Evidence } from '../../core/evidence.ts';
import type { ScreenEmulator } from '../../core/screen.ts';
import { Html, html } from './html.ts';
import { outcomeInWords } from './outcome.ts';
import { pageStyle } from './page-style.ts';
import { actionsSection } from './sections/actions.ts';
import { type CheckTails, checksSection, renderTails } from './sections/checks.ts';
import { emergencySection } from './sections/emergency.ts';
import { costSection, descriptionSection, digestsSection, identitySection, systemSection } from './sections/figures.ts';
import { filesSection } from './sections/files.ts';
import { head } from './sections/head.ts';
import { saidSection } from './sections/said.ts';
import { problemsSection, sourcesSection } from './sections/sources.ts';
import { terminalSection } from './sections/terminal.ts';
import { timelineSection } from './sections/timeline.ts';
import { type RenderedTerminal, renderTerminal } from './terminal-html.ts';

export type ReportNeeds = {
  readonly emulate: ScreenEmulator;
  readonly sha256Base64: (content: string) => string;
  /** The terminal that the run had; else one of the usual size. */
  readonly size?: { readonly cols: number; readonly rows: number };
  /** Lets other work run while megabytes are rendered. */
  readonly breathe?: () => Promise<void>;
};

/**
 * One run's end as one page: self-contained, without active content whatever the output holds, the same for an emergency.
 * Evidence and output must be redacted already: the page leaves the run's folder.
 */
export async function renderReport(evidence: Evidence, output: string, needs: ReportNeeds): Promise<string> {
  const terminal = await renderTerminal(output, needs);
  return reportPage(evidence, terminal, needs.sha256Base64);
}

/** The page from what is rendered already. Pure. */
export function reportPage(evidence: Evidence, terminal: RenderedTerminal, sha256Base64: (content: string) => string): string {
  const tails = renderTails(evidence);
  const style = pageStyle(stylesOf(terminal, tails));
  const policy = `default-src 'none'; style-src 'sha256-${sha256Base64(style)}'; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${titleOf(evidence)}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${head(evidence)}
${emergencySection(evidence)}${saidSection(evidence)}${checksSection(evidence, tails)}${filesSection(evidence)}${timelineSection(evidence)}${actionsSection(evidence)}${terminalSection(evidence, terminal)}${sourcesSection(evidence)}${problemsSection(evidence)}${costSection(evidence)}${systemSection(evidence)}${identitySection(evidence)}${descriptionSection(evidence)}${digestsSection(evidence)}<footer>Written by Signoff from <code>evidence.json</code>, which stands beside this page with the raw output and a manifest of digests.</footer>
</main>
</body>
</html>
`.markup;
}

/** A tab shows the beginning only, so the outcome stands first. */
const titleOf = (evidence: Evidence): string => `${outcomeInWords(evidence).word}: ${evidence.todo.title} (#${evidence.todo.number})`;

const stylesOf = (terminal: RenderedTerminal, tails: CheckTails): ReadonlySet<number> =>
  new Set([...terminal.styles, ...[...tails.values()].flatMap((tail) => [...tail.styles])]);
