import type { TodoDetail } from '../../../core/dashboard.ts';
import { ActButton, mayAct, whyNotNow } from '../act.tsx';
import { say } from '../language.ts';
import { Mark, toneOf, wordOfProof, wordOfStatus } from '../mark.tsx';
import { Notes } from '../overview/around.tsx';
import { Ago, Copy, Plain, Said, Section } from '../parts.tsx';
import { oneLine } from '../plain.ts';
import { hashOf, noFilter } from '../route.ts';
import { Stale } from '../stale.tsx';
import { actOn, labelOf } from '../todo-acts.ts';
import { detail, load } from './detail.ts';
import { ReportButton } from './report.tsx';
import { Runs } from './runs.tsx';
import { Timeline } from './timeline.tsx';

/** One todo, from what was asked for to what came of it. */
export function Todo({ id }: { readonly id: string }) {
  const shown = detail.value?.id === id ? detail.value.answer : null;
  if (shown === null) return <p class="note loading">{say('loading')}</p>;
  if (!shown.ok)
    return (
      <>
        <p class="outcome bad" role="alert">
          <Mark tone="bad" />
          <Said text={shown.status === 404 ? say('notFound') : say('couldNotAsk', { why: shown.message })} most={500} />
        </p>
        <p class="buttons">
          <button type="button" onClick={() => load(id)}>
            {say('tryAgain')}
          </button>
          <AllTodos />
        </p>
      </>
    );
  return <Whole detail={shown.value} />;
}

const AllTodos = () => <a href={hashOf({ view: 'todos', filter: noFilter })}>{say('backToList')}</a>;

function Whole({ detail: { todo, events, output, actions, notes, asOf, storeError } }: { readonly detail: TodoDetail }) {
  const no = whyNotNow();
  return (
    <>
      <p class="back">
        <AllTodos />
      </p>
      {storeError !== undefined && <Stale asOf={asOf ?? null} why={storeError} />}
      <div class={`outcome ${toneOf(todo.status, todo.proof)}`} data-status={todo.status}>
        <Mark tone={toneOf(todo.status, todo.proof)} />
        <p>
          <strong>{wordOfStatus(todo.status)}</strong>
          {todo.proof !== null && ` · ${wordOfProof(todo.proof)}`}
          {todo.held && ` · ${say('held')}`}
          {todo.reason !== null && todo.reason !== '' && (
            <>
              {': '}
              <Said text={todo.reason} most={600} />
            </>
          )}
        </p>
      </div>
      <h1>
        <span class="number">#{todo.number}</span> <Said text={todo.title} most={500} />
      </h1>
      <p class="where">
        <span>{oneLine(todo.agent, 60)}</span>
        <span>{say('priority', { n: String(todo.priority) })}</span>
        <span>
          {say('created')} <Ago atMs={todo.createdAtMs} />
        </span>
        {todo.endedAtMs !== null && (
          <span>
            {say('ended')} <Ago atMs={todo.endedAtMs} />
          </span>
        )}
        {todo.notBeforeMs !== null && (
          <span>
            {say('startsAt')} <Ago atMs={todo.notBeforeMs} />
          </span>
        )}
      </p>
      <div class="buttons">
        <ReportButton id={todo.id} isThere={todo.report !== null} />
        {actions.map((action) => (
          <ActButton key={action} act={() => actOn(todo, action)}>
            {labelOf(action)} …
          </ActButton>
        ))}
      </div>
      {mayAct() && actions.length > 0 && no !== null && <p class="note">{no}</p>}
      {todo.summary !== null && todo.summary !== '' && (
        <Section title={say('summary')} id="summary">
          <p class="said" dir="auto">
            <Said text={todo.summary} most={4000} />
          </p>
        </Section>
      )}
      {output !== null && (
        <Section title={say('output')} id="output" note={say('outputTail')}>
          {output.text === '' ? <p class="note">{say('emptyOutput')}</p> : <Plain text={output.text} label={say('output')} />}
        </Section>
      )}
      <Section title={say('happened')} id="happened">
        <Timeline events={events} runs={todo.runs} />
      </Section>
      <Section title={say('runsOf')} id="runs-of">
        <Runs runs={todo.runs} />
      </Section>
      <Section title={say('checks')} id="checks">
        {todo.checks.length === 0 && <p class="note">{say('noChecks')}</p>}
        <ul class="copies">
          {todo.checks.map((check, index) => (
            <li key={`${index}${check}`}>
              <code dir="auto">
                <Said text={check} most={2000} />
              </code>
            </li>
          ))}
        </ul>
      </Section>
      <Section title={say('prompt')} id="prompt">
        <Plain text={todo.prompt} label={say('prompt')} />
      </Section>
      <Section title={say('where')} id="where">
        <dl class="facts">
          <dt>ID</dt>
          <dd>
            <Copy text={todo.id} />
          </dd>
          <dt>{say('project')}</dt>
          <dd>
            <a href={hashOf({ view: 'todos', filter: { ...noFilter, project: todo.project } })}>
              <Said text={todo.project} />
            </a>
          </dd>
          <dt>cwd</dt>
          <dd>
            <Said text={todo.cwd} most={1000} />
          </dd>
          <dt>{say('commands')}</dt>
          <dd class="copies">
            {[`todo show ${todo.number}`, `todo why ${todo.number}`, `todo logs ${todo.number}`].map((command) => (
              <Copy key={command} text={command} />
            ))}
          </dd>
        </dl>
      </Section>
      <Section title={say('notes')} id="notes">
        {notes === null ? <p class="note warn">{say('notSeen', { why: storeError ?? '' })}</p> : <Notes notes={notes} />}
      </Section>
    </>
  );
}
