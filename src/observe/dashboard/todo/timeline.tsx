import type { TodoDetail } from '../../../core/dashboard.ts';
import { durationInWords } from '../duration.ts';
import { language, say } from '../language.ts';
import { clockTime, dayAndTime, Said, Time } from '../parts.tsx';
import { spansOf, type TimelineEvent } from './spans.ts';

type Props = Pick<TodoDetail, 'events'> & Pick<TodoDetail['todo'], 'runs'>;

/** Facts in the order they became true: the layer, the attempt, what each took, and the time between them. A list, so each bar has its words. */
export function Timeline({ events, runs }: Props) {
  if (events.length === 0) return <p class="note">{say('noEvents')}</p>;
  const decimal = language.value === 'de' ? ',' : '.';
  const first = events[0]!;
  return (
    <>
      <p class="note">{dayAndTime(first.atMs)}</p>
      <ol class="timeline">
        {spansOf(events).map(({ event, waitedMs, from, to }, index) => (
          <li key={`${event.atMs}${event.fact}${index}`}>
            {waitedMs >= 1_000 && <p class="wait">{say('waited', { time: durationInWords(waitedMs, decimal) })}</p>}
            <div class="step">
              <Time atMs={event.atMs}>{clockTime(event.atMs)}</Time>
              <span class={`layer l${event.layer ?? 0}`}>{say(`layer${event.layer ?? 0}`)}</span>
              <span class="what">
                {event.fact.replaceAll('-', ' ')}
                <span class="note">
                  {events[index - 1]?.run !== event.run && <Of event={event} runs={runs} />}
                  {event.attempt > 1 && ` · ${say('attempt', { n: event.attempt })}`}
                  {event.reason !== null && (
                    <>
                      {' · '}
                      <Said text={event.reason} most={400} />
                    </>
                  )}
                </span>
              </span>
              <span class="took">{event.durationMs !== null && durationInWords(Math.max(0, event.durationMs), decimal)}</span>
              <svg class="span" viewBox="0 0 200 8" preserveAspectRatio="none" aria-hidden="true">
                <rect class="track" y="3.5" width="200" height="1" />
                <rect class={`l${event.layer ?? 0}`} x={Math.min(197, 200 * from)} width={Math.max(3, 200 * (to - from))} height="8" />
              </svg>
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}

/** Which of several runs begins here. */
function Of({ event, runs }: { readonly event: TimelineEvent } & Pick<Props, 'runs'>) {
  const run = runs.length > 1 ? runs.find(({ id }) => id === event.run) : undefined;
  return run === undefined ? null : <span>{` · ${say('run')} ${run.fence}`}</span>;
}
