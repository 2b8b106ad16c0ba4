import type { Overview } from '../../../core/dashboard.ts';
import { type ShownStatus, todoStatuses } from '../../../core/words.ts';
import { number, say } from '../language.ts';
import { Status, toneOfStatus } from '../mark.tsx';
import { OfPart } from '../parts.tsx';
import { hashOf, noFilter } from '../route.ts';

const order: readonly ShownStatus[] = todoStatuses.flatMap((status) => (status === 'running' ? [status, 'finishing' as const] : [status]));
/** Shown although there is none: the way of a todo that all goes well with. */
const always: readonly ShownStatus[] = ['open', 'running', 'completed', 'failed'];

/** How many todos stand where; each leads to those. */
export const Funnel = ({ todos }: Pick<Overview, 'todos'>) => (
  <OfPart title={say('funnel')} id="funnel" part={todos}>
    {(counts) => {
      const most = Math.max(1, ...Object.values(counts));
      if (Object.values(counts).every((count) => count === 0))
        return (
          <p class="note">
            {say('noTodos', { command: '' })} <code>todo add "…"</code>
          </p>
        );
      return (
        <ul class="funnel">
          {order
            .filter((status) => always.includes(status) || (counts[status] ?? 0) > 0)
            .map((status) => (
              <li key={status}>
                <a href={hashOf({ view: 'todos', filter: { ...noFilter, status: [status] } })}>
                  <Status status={status} />
                  <Bar share={(counts[status] ?? 0) / most} tone={toneOfStatus[status]} />
                  <span class="figure">{number(counts[status] ?? 0)}</span>
                </a>
              </li>
            ))}
        </ul>
      );
    }}
  </OfPart>
);

/** The root keeps three visible beside three thousand. */
const Bar = ({ share, tone }: { readonly share: number; readonly tone: string }) => (
  <svg class={`bar ${tone}`} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    <rect class="track" width="100" height="8" rx="1" />
    {share > 0 && <rect class="fill" width={Math.max(2, 100 * Math.sqrt(share))} height="8" rx="1" />}
  </svg>
);
