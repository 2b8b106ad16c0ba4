import type { Evidence } from '../../../core/evidence.ts';
import { counted, grouped } from '../format.ts';
import { type Html, html } from '../html.ts';
import { diffBar } from '../marks.ts';
import { list, listWithRest, section } from './section.ts';

/** What changed in the working directory, as git saw it; else what the agent's own record names. */
export function filesSection({ diffStat, structured }: Evidence): Html {
  if (diffStat === null) return section('Files changed', '', filesByAgent(structured));
  const { files, more } = diffStat;
  if (files.length === 0)
    return section('Files changed', '', html`<p class="note">None: the working directory is as it was before the run.</p>`);
  const largest = files.reduce((most, file) => Math.max(most, file.added + file.removed), 0);
  return section('Files changed', counted(files.length + more, 'file'), [
    listWithRest(files, filesShown, 'files', (some) => html`<ul class="files">${some.map((file) => fileItem(file, largest))}</ul>`),
    more === 0 ? html`` : html`<p class="note">${counted(more, 'file')} more, not listed.</p>`,
  ]);
}

const filesShown = 20;

type ChangedFile = NonNullable<Evidence['diffStat']>['files'][number];

function fileItem(file: ChangedFile, largest: number): Html {
  const slash = file.path.lastIndexOf('/') + 1;
  const tag = file.untracked ? html`<span class="tag">new</span>` : null;
  const name = html`<code><i>${file.path.slice(0, slash)}</i>${file.path.slice(slash)}${tag}</code>`;
  if (file.binary) return html`<li>${name}<span></span><span class="note">binary</span><span></span></li>`;
  return html`<li>${name}<span class="plus">${file.added === 0 ? null : `+${grouped(file.added)}`}</span><span class="minus">${file.removed === 0 ? null : `−${grouped(file.removed)}`}</span>${diffBar({ ...file, largest })}</li>`;
}

function filesByAgent(structured: Evidence['structured']): Html {
  const created = structured?.filesCreated ?? [];
  const changed = structured?.filesChanged ?? [];
  if (created.length + changed.length === 0)
    return html`<p class="note">Not known: git could tell nothing about the working directory, and no other source named any.</p>`;
  return html`<p class="note">Named by the agent's own record. Git could tell nothing about the working directory, so lines are not counted.</p>${list(
    [...created.map((path) => html`<code>${path}</code> created`), ...changed.map((path) => html`<code>${path}</code> changed`)],
  )}`;
}
