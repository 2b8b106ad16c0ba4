import type { Evidence, SystemState } from '../../../core/evidence.ts';
import { bytesInWords, dollars, durationInWords, grouped, isoTime, localTime, utcTime } from '../format.ts';
import { type Html, html } from '../html.ts';
import { folded, section } from './section.ts';

/** What the run cost, as far as the agent told. */
export function costSection({ usage }: Evidence): Html {
  if (usage === null) return section('Cost and tokens', '', html`<p class="note">The agent reported none.</p>`);
  return section(
    'Cost and tokens',
    'as the agent reported them',
    facts([
      ['Model', usage.model ?? 'not named'],
      ['Cost', usage.costUsd === null ? 'not reported' : `${dollars(usage.costUsd)}, the agent's own estimate`],
      [
        'Tokens in',
        `${grouped(usage.inputTokens)}, and ${grouped(usage.cacheReadTokens)} read from cache, ${grouped(usage.cacheWriteTokens)} written to it`,
      ],
      ['Tokens out', grouped(usage.outputTokens)],
      ['Turns', usage.turns === null ? 'not reported' : grouped(usage.turns)],
    ]),
  );
}

/** The machine when an emergency was declared: was it the agent, or was everything slow? */
export function systemSection({ system }: Evidence): Html | null {
  if (system === null) return null;
  return section('System state', 'when the emergency began', [
    facts([
      ['At', utcTime(system.atMs)],
      ['Load', `${system.load.map((load) => load.toFixed(2)).join(', ')} on ${system.cpus} ${system.cpus === 1 ? 'CPU' : 'CPUs'}`],
      ['Memory free', `${bytesInWords(system.memoryFreeBytes)} of ${bytesInWords(system.memoryTotalBytes)}`],
      ['Disk free', `${bytesInWords(system.diskFreeBytes)} of ${bytesInWords(system.diskTotalBytes)}`],
    ]),
    processTable(system.processes),
  ]);
}

function processTable(processes: SystemState['processes']): Html {
  if (processes.length === 0) return html`<p class="note">No process of the run was found.</p>`;
  return html`<h3>Processes of the run</h3><div class="scroll"><table><thead><tr><th class="num">PID</th><th>State</th><th class="num">CPU</th><th class="num">Memory</th><th>Command</th></tr></thead><tbody>${processes.map(
    ({ pid, state, cpuMs, rssBytes, command }) =>
      html`<tr><td class="num">${pid}</td><td>${state}</td><td class="num">${durationInWords(cpuMs)}</td><td class="num">${bytesInWords(rssBytes)}</td><td><code>${command}</code></td></tr>`,
  )}</tbody></table></div>`;
}

/** Times to the millisecond from the run's record, and what is needed to find all this again. */
export function identitySection({ todo, run, result, utcOffsetMinutes }: Evidence): Html {
  return section(
    'Times and identity',
    '',
    facts([
      ['Started', time(run.startedAtMs, utcOffsetMinutes)],
      ['Ended', time(run.endedAtMs, utcOffsetMinutes)],
      ['Duration', `${durationInWords(run.endedAtMs - run.startedAtMs)} (${grouped(run.endedAtMs - run.startedAtMs)} ms)`],
      ['Todo created', time(todo.createdAtMs, utcOffsetMinutes)],
      ['Working directory', html`<code>${todo.cwd}</code>`],
      ['Agent', `${todo.agent}, ${run.kind} session on ${run.host}`],
      ['Priority', `${todo.priority} (0 is first)`],
      ['Status, proof', `${result.status}, ${result.proof ?? 'no proof'}; outcome ${result.outcome}`],
      ['Todo', html`<code>${todo.id}</code>`],
      ['Run', html`<code>${run.id}</code>, fence ${run.fence}, round ${run.round}`],
    ]),
  );
}

/** What was asked. Long prompts are folded: whoever wrote them knows them. */
export function descriptionSection({ todo }: Evidence): Html {
  const text = todo.prompt.trim();
  if (text === '') return section('Description', '', html`<p class="note">The title is all there is.</p>`);
  const whole = html`<p class="prose">${text}</p>`;
  return section(
    'Description',
    'what was asked',
    text.length <= promptCharsShown
      ? whole
      : html`<p class="prose">${text.slice(0, promptCharsShown).toWellFormed()}…</p>${folded('The whole description', whole)}`,
  );
}

const promptCharsShown = 1_200;

export function digestsSection({ digests, output }: Evidence): Html {
  const rows = [
    ...digests.map(({ name, sha256, sizeBytes }) => ({ name, sha256, sizeBytes })),
    { name: 'raw output of the run', sha256: output.sha256, sizeBytes: output.totalBytes },
  ];
  return section(
    'Digests',
    'SHA-256',
    facts(
      rows.map(({ name, sha256, sizeBytes }) => [name, html`<code>${sha256}</code> <span class="note">${bytesInWords(sizeBytes)}</span>`]),
    ),
  );
}

const time = (atMs: number, offsetMinutes: number): Html =>
  html`<time datetime="${isoTime(atMs)}">${utcTime(atMs)}</time> <span class="note">${localTime(atMs, offsetMinutes)}</span>`;

const facts = (rows: readonly (readonly [string, Html | string])[]): Html =>
  html`<dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
