import type { Overview, RequeueRequest, ShownDeadLetter, WaitingRetry } from '../../../core/dashboard.ts';
import { type Act, ActButton } from '../act.tsx';
import { post } from '../ask.ts';
import { say } from '../language.ts';
import { Mark } from '../mark.tsx';
import { Ago, Copy, OfPart, Said, TodoLink } from '../parts.tsx';
import { Due } from './runs.tsx';

/** What failed and comes again by itself. */
export const Retries = ({ retries }: Pick<Overview, 'retries'>) => (
  <OfPart title={say('retries')} id="retries" part={retries}>
    {({ count, items }) => (
      <>
        {count === 0 && <p class="note">{say('noRetries')}</p>}
        <ul class="rows">
          {items.map((retry) => (
            <li key={`${retry.kind}${retry.id}`} class="row">
              <Mark tone="warn" />
              <span class="grow">
                <Subject {...retry} /> <span class="note">{`${retry.kind} · ${retry.class} · ${attempts(retry)}`}</span>
                <p class="note">
                  <Said text={retry.lastError} />
                </p>
              </span>
              <span class="aside">
                <Due atMs={retry.nextAtMs} />
              </span>
            </li>
          ))}
        </ul>
        <Cut shown={items.length} of={count} />
      </>
    )}
  </OfPart>
);

const attempts = ({ attempt, attemptsMax }: WaitingRetry): string =>
  attemptsMax === null ? say('attempt', { n: attempt }) : say('attemptOf', { n: attempt, max: attemptsMax });

/** What was given up, kept whole, until a person hands it over again. */
export const DeadLetters = ({ deadLetters }: Pick<Overview, 'deadLetters'>) => (
  <OfPart title={say('deadLetters')} id="dead-letters" part={deadLetters}>
    {({ count, items }) => (
      <>
        {count === 0 && <p class="note">{say('noDeadLetters')}</p>}
        <ul class="rows">
          {items.map((letter) => (
            <li key={letter.id} class="row">
              <Mark tone="bad" />
              <span class="grow">
                <Subject {...letter} />{' '}
                <span class="note">{`${letter.kind} · ${letter.class} · ${say('attempts', { n: letter.attempts })}`}</span>
                <p class="note">
                  <Said text={letter.lastError} />
                </p>
                <Copy text={`todo dead-letter show ${letter.id}`} />
              </span>
              <span class="aside">
                <Ago atMs={letter.sinceMs} />
                <ActButton act={() => requeue(letter)} small>
                  {say('requeue')} …
                </ActButton>
              </span>
            </li>
          ))}
        </ul>
        <Cut shown={items.length} of={count} />
      </>
    )}
  </OfPart>
);

const Subject = ({ id, todoId, number }: Pick<WaitingRetry, 'id' | 'todoId' | 'number'>) =>
  todoId === null ? <code>{id}</code> : <TodoLink id={todoId} number={number} />;

const Cut = ({ shown, of }: { readonly shown: number; readonly of: number }) =>
  shown < of ? <p class="note">{say('ofCount', { shown, n: of })}</p> : null;

const requeue = (letter: ShownDeadLetter): Act => ({
  title: `${say('requeue')}: ${letter.number === null ? letter.id : `#${letter.number}`}`,
  subject: letter.lastError,
  choices: [{ action: 'requeue', label: 'requeue', will: 'requeueWill', fields: [] }],
  send: async ({ reason }, key) => {
    const request: RequeueRequest = { reason };
    const answer = await post<unknown>(`/api/dead-letters/${encodeURIComponent(letter.id)}/requeue`, request, key);
    return answer.ok ? { ...answer, value: { text: say('did', { action: say('requeue') }), tone: 'good' } } : answer;
  },
});
