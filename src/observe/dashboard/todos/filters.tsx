import { type ShownStatus, todoStatuses } from '../../../core/words.ts';
import { number, say } from '../language.ts';
import { overview } from '../live.ts';
import { Mark, toneOfStatus, wordOfStatus } from '../mark.tsx';
import { become, goTo } from '../navigate.ts';
import { type Filter, isFiltered, noFilter } from '../route.ts';

const statuses: readonly ShownStatus[] = todoStatuses.flatMap((status) =>
  status === 'running' ? [status, 'finishing' as const] : [status],
);
/** While somebody types. */
const pauseMs = 250;
let typing: ReturnType<typeof setTimeout> | undefined;

/** Which todos: in the address, so that it can be linked to. */
export function Filters({ filter }: { readonly filter: Filter }) {
  const typed = (name: 'q' | 'agent' | 'project') => (event: { readonly currentTarget: HTMLInputElement }) => {
    const { value } = event.currentTarget;
    clearTimeout(typing);
    typing = setTimeout(() => become({ view: 'todos', filter: { ...filter, [name]: value } }), pauseMs);
  };
  const toggled = (status: string): readonly string[] =>
    filter.status.includes(status) ? filter.status.filter((it) => it !== status) : [...filter.status, status];
  const counts = overview.value?.todos.value ?? null;
  return (
    <search>
      <form class="filters" aria-label={say('filters')} onSubmit={(event) => event.preventDefault()}>
        <fieldset class="chips">
          <legend>{say('status')}</legend>
          {statuses.map((status) => (
            <button
              key={status}
              type="button"
              class="chip"
              aria-pressed={filter.status.includes(status)}
              onClick={() => goTo({ view: 'todos', filter: { ...filter, status: toggled(status) } })}
            >
              <Mark tone={toneOfStatus[status]} />
              {wordOfStatus(status)}
              {counts !== null && <span class="figure">{number(counts[status] ?? 0)}</span>}
            </button>
          ))}
        </fieldset>
        <div class="fields">
          <label class="wide">
            <span>{say('search')}</span>
            <input type="search" value={filter.q} onInput={typed('q')} maxLength={200} autocomplete="off" spellcheck={false} />
          </label>
          <label>
            <span>{say('agent')}</span>
            <input type="text" value={filter.agent} onInput={typed('agent')} autocomplete="off" spellcheck={false} />
          </label>
          <label>
            <span>{say('project')}</span>
            <input type="text" value={filter.project} onInput={typed('project')} autocomplete="off" spellcheck={false} />
          </label>
          <button type="button" disabled={!isFiltered(filter)} onClick={() => goTo({ view: 'todos', filter: noFilter })}>
            {say('clear')}
          </button>
        </div>
      </form>
    </search>
  );
}
