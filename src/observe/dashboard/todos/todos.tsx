import { ActButton } from '../act.tsx';
import { say } from '../language.ts';
import { Said } from '../parts.tsx';
import type { Filter } from '../route.ts';
import { Stale } from '../stale.tsx';
import { actOnAll } from '../todo-acts.ts';
import { Filters } from './filters.tsx';
import { Lines } from './lines.tsx';
import { isAskingOlder, listed, loadOlder, problem, reload } from './list.ts';

/** All todos that fit, newest first. */
export function Todos({ filter }: { readonly filter: Filter }) {
  const shown = listed.value;
  return (
    <>
      <h1>{say('todos')}</h1>
      <Filters filter={filter} />
      {problem.value !== null && (
        <p class="outcome bad" role="alert">
          <Said text={problem.value} most={500} />
          <button type="button" class="small" onClick={reload}>
            {say('tryAgain')}
          </button>
        </p>
      )}
      {shown?.stale && <Stale asOf={shown.stale.asOf} why={shown.stale.why} />}
      {shown === null && problem.value === null && <p class="note loading">{say('loading')}</p>}
      {shown !== null && (
        <>
          <div class="listhead">
            <p class="note" role="status">
              {shown.todos.length === 0
                ? say('nothingFound')
                : say(shown.next === null ? 'listed' : 'listedMore', { n: shown.todos.length })}
            </p>
            {shown.todos.length > 0 && (
              <ActButton act={() => actOnAll(filter)} small>
                {say('bulk')}
              </ActButton>
            )}
          </div>
          <Lines todos={shown.todos} />
          {shown.next !== null && (
            <p class="older">
              <button type="button" onClick={loadOlder} aria-disabled={isAskingOlder.value}>
                {say('older')}
              </button>
            </p>
          )}
        </>
      )}
    </>
  );
}
