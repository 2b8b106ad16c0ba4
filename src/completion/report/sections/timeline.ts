import type { Evidence, TimelineEntry } from '../../../core/evidence.ts';
import { clockTime, durationInWords, isoTime } from '../format.ts';
import { type Html, html } from '../html.ts';
import { spanBar } from '../marks.ts';
import { section } from './section.ts';

/** Facts in the order they became true, with the layer, the attempt, what each took, and the waits between them. */
export function timelineSection({ timeline, run, todo }: Evidence): Html {
  const later = html`<p class="note">Recording, confirming and cleaning came after this page was written: <code>todo why ${todo.number}</code> has the whole story.</p>`;
  if (timeline.length === 0) return section('What happened', '', html`<p class="note">No facts were kept.</p>`);
  const fromMs = Math.min(run.startedAtMs, ...timeline.map(startOf));
  const toMs = Math.max(run.endedAtMs, ...timeline.map((entry) => entry.atMs));
  return section('What happened', `${isoTime(fromMs).slice(0, 10)}, times in UTC`, [
    ...timeline.map((entry, index) => html`${waitBefore(timeline, index)}${line(entry, { fromMs, spanMs: Math.max(1, toMs - fromMs) })}`),
    later,
  ]);
}

/** Shorter gaps are the program at work. */
const waitMsMin = 1_000;

const startOf = ({ atMs, durationMs }: TimelineEntry): number => atMs - (durationMs ?? 0);

/** A completion waits for its agent, a quiet session or a store; the reader should see where the time went. */
function waitBefore(timeline: readonly TimelineEntry[], index: number): Html | null {
  const before = timeline[index - 1];
  const entry = timeline[index]!;
  const waitedMs = before === undefined ? 0 : startOf(entry) - before.atMs;
  if (waitedMs < waitMsMin) return null;
  // While the run lives, time passes; nobody here knows whether the agent worked. Later it is the completion that waits.
  const isRun = before?.layer === null || before?.fact === 'sent-back';
  return html`<p class="wait">${isRun ? `${durationInWords(waitedMs)} passed` : `waited ${durationInWords(waitedMs)}`}</p>`;
}

function line(entry: TimelineEntry, { fromMs, spanMs }: { readonly fromMs: number; readonly spanMs: number }): Html {
  const bar = spanBar({ from: (startOf(entry) - fromMs) / spanMs, to: (entry.atMs - fromMs) / spanMs, layer: entry.layer });
  const layer =
    entry.layer === null
      ? html`<span class="layer l0">run</span>`
      : html`<span class="layer l${entry.layer}">${layers[entry.layer]}</span>`;
  const attempt = entry.attempt > 1 ? html` <span class="note">attempt ${entry.attempt}</span>` : null;
  const why = entry.reason === null ? null : html` <span class="why">${entry.reason}</span>`;
  return html`<div class="line"><time datetime="${isoTime(entry.atMs)}">${clockTime(entry.atMs)}</time>${layer}<span class="what">${entry.fact.replaceAll('-', ' ')}${attempt}${why}</span><span class="took">${entry.durationMs === null ? null : durationInWords(entry.durationMs)}</span>${bar}</div>`;
}

const layers = { 1: '1 collect', 2: '2 report', 3: '3 record', 4: '4 confirm' } as const;
