import type { Evidence } from '../../../core/evidence.ts';
import { counted } from '../format.ts';
import { type Html, html } from '../html.ts';
import { list, listWithRest, section } from './section.ts';

/** What a structured source says the agent did. Left out when no source told anything. */
export function actionsSection({ structured }: Evidence): Html | null {
  if (structured === null) return null;
  const { keyActions, commands, errors } = structured;
  if (keyActions.length + commands.length + errors.length === 0) return null;
  return section('What the agent did', 'from its own record', [
    part('Key actions', keyActions, 'actions', (action) => action),
    part(
      'Commands',
      commands,
      'commands',
      ({ command, exitCode }) =>
        html`<code>${command}</code>${exitCode === null || exitCode === 0 ? null : html` <span class="bad">exit code ${exitCode}</span>`}`,
    ),
    part('Errors', errors, 'errors', (error) => html`<span class="prose">${error}</span>`),
  ]);
}

const shown = 12;

function part<Item>(title: string, items: readonly Item[], noun: string, draw: (item: Item) => Html | string): Html {
  if (items.length === 0) return html``;
  return html`<h3>${title}${items.length > shown ? html` <span class="note">${counted(items.length, noun, noun)}</span>` : null}</h3>${listWithRest(items, shown, noun, (some) => list(some.map(draw)))}`;
}
