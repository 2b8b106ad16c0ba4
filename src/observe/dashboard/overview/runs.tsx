import type { Overview } from '../../../core/dashboard.ts';
import { say } from '../language.ts';
import { Mark } from '../mark.tsx';
import { serverNowMs } from '../now.ts';
import { Ago, Copy, Lasts, Said, Section, TodoLink } from '../parts.tsx';
import { firstOf, Rest } from './first.tsx';

/** Who works on what, for how long, and by when something will be done about it. */
export function Runs({ live }: Pick<Overview, 'live'>) {
  return (
    <Section title={say('runs')} id="runs" note={live.length > 0 ? String(live.length) : null}>
      {live.length === 0 && <p class="note">{say('noRuns')}</p>}
      <ul class="rows">
        {firstOf('runs', live).map((run) => (
          <li key={run.runId}>
            <details>
              <summary>
                <Mark tone={run.emergency === null ? 'work' : 'warn'} />
                <span class="grow">
                  <span class="name">#{run.number}</span> <Said text={run.title} most={160} />
                </span>
                <span class="aside">
                  {run.agent} · {run.fact.replaceAll('-', ' ')} · {say('runFor')} <Lasts sinceMs={run.startedAtMs} />
                </span>
              </summary>
              <dl class="facts">
                <dt>{say('openTodo')}</dt>
                <dd>
                  <TodoLink id={run.todoId} number={run.number} title={run.title} />
                </dd>
                <dt>{say('lastSign')}</dt>
                <dd>
                  <Ago atMs={run.lastSignAtMs} />
                </dd>
                <dt>{say('deadline')}</dt>
                <dd>{run.nextDeadlineAtMs === null ? say('none') : <Due atMs={run.nextDeadlineAtMs} />}</dd>
                {run.round > 1 && (
                  <>
                    <dt>{say('round', { n: '' })}</dt>
                    <dd>{run.round}</dd>
                  </>
                )}
                {run.emergency !== null && (
                  <>
                    <dt>{say('emergency')}</dt>
                    <dd>
                      <Said text={`${run.emergency.action}: ${run.emergency.reason}`} />
                    </dd>
                  </>
                )}
                <dt>{say('run')}</dt>
                <dd>
                  <Copy text={run.runId} />
                </dd>
                <dt>{say('commands')}</dt>
                <dd>
                  <Copy text={`todo logs ${run.number} -f`} />
                </dd>
              </dl>
            </details>
          </li>
        ))}
      </ul>
      <Rest of="runs" items={live} />
    </Section>
  );
}

/** In so long, or that it should have been. */
export const Due = ({ atMs }: { readonly atMs: number }) => (
  <>
    <Ago atMs={atMs} />
    {atMs < serverNowMs() - 5_000 && <span class="warn"> · {say('overdue')}</span>}
  </>
);
