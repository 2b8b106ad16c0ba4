import type { Evidence } from '../../../core/evidence.ts';
import { counted, dollars, durationInWords, grouped, isoTime, localTime } from '../format.ts';
import { type Html, html } from '../html.ts';
import { toneMark } from '../marks.ts';
import { lastRound, outcomeInWords } from '../outcome.ts';

/** What a reader wants first: how it ended and what proved it, which todo this was, and its size at a glance. */
export function head(evidence: Evidence): Html {
  const { word, tone, because } = outcomeInWords(evidence);
  const { todo, run, utcOffsetMinutes } = evidence;
  const joint = evidence.result.proof === 'forced' ? html`: ` : html` &mdash; `;
  return html`<header>
<p class="outcome ${tone}">${toneMark(tone)}<span><strong class="${tone}">${word}</strong>${because === '' ? null : html`${joint}${because}`}</span></p>
<h1>${todo.title}</h1>
<p class="where"><span>Todo #${todo.number}</span><span>${todo.agent}</span><time datetime="${isoTime(run.endedAtMs)}">${localTime(run.endedAtMs, utcOffsetMinutes).replace(/:\d\d\.\d{3}/, '')}</time><span class="mono">${todo.cwd}</span></p>
<dl class="glance">${glance(evidence).map(({ name, value, small }) => html`<div><dt>${name}</dt><dd>${value}${small === '' ? null : html` <small>${small}</small>`}</dd></div>`)}</dl>
</header>`;
}

type Glance = { readonly name: string; readonly value: Html | string; readonly small: string };

function glance(evidence: Evidence): readonly Glance[] {
  const { run, diffStat, usage } = evidence;
  const shown: Glance[] = [
    { name: 'Took', value: durationInWords(run.endedAtMs - run.startedAtMs), small: run.round > 1 ? counted(run.round, 'round') : '' },
  ];
  const checks = lastRound(evidence);
  if (checks.length > 0)
    shown.push({ name: 'Checks', value: `${checks.filter((check) => check.passed).length} of ${checks.length}`, small: 'passed' });
  if (diffStat !== null && diffStat.files.length > 0)
    shown.push({ name: 'Files changed', value: grouped(diffStat.files.length + diffStat.more), small: linesOf(diffStat) });
  if (usage !== null)
    shown.push(
      usage.costUsd === null
        ? { name: 'Tokens out', value: grouped(usage.outputTokens), small: '' }
        : { name: 'Cost', value: dollars(usage.costUsd), small: usage.model ?? '' },
    );
  if (evidence.problems.length > 0) shown.push({ name: 'Problems', value: grouped(evidence.problems.length), small: 'met in collection' });
  return shown;
}

function linesOf({ files }: NonNullable<Evidence['diffStat']>): string {
  const added = files.reduce((sum, file) => sum + file.added, 0);
  const removed = files.reduce((sum, file) => sum + file.removed, 0);
  return `+${grouped(added)} −${grouped(removed)}`;
}
