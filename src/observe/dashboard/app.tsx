import { useEffect, useRef } from 'preact/hooks';
import { opened } from './act.tsx';
import { announced, spoken } from './announce.tsx';
import { session } from './ask.ts';
import { Banner } from './banner.tsx';
import { Header } from './header.tsx';
import { say } from './language.ts';
import { lazily } from './lazily.tsx';
import { live, overview } from './live.ts';
import { bigState } from './liveness.ts';
import { isUnreachable, Login } from './login.tsx';
import { wordOfHealth } from './mark.tsx';
import { route } from './navigate.ts';
import { Overview } from './overview/overview.tsx';
import { oneLine } from './plain.ts';

const Todos = lazily(async () => (await import('./todos/todos.tsx')).Todos);
const Todo = lazily(async () => (await import('./todo/todo.tsx')).Todo);
const ActDialog = lazily(async () => (await import('./act-dialog.tsx')).ActDialog);

export function App() {
  const main = useRef<HTMLElement>(null);
  const { view } = route.value;
  const place = view === 'todo' ? `todo ${route.value.id}` : view;
  const before = useRef(place);
  useEffect(() => {
    // Another place begins at its top, and who listens hears that it is another.
    if (before.current === place) return;
    before.current = place;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [place]);
  useTitle();
  const who = session.value;
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        {say('skip')}
      </button>
      <Header />
      <main ref={main} tabIndex={-1} class={live.value ? '' : 'stale'}>
        {who && <Banner />}
        {who === null && <Login />}
        {who === undefined && (isUnreachable.value ? <Unreachable /> : <Loading />)}
        {who && <View />}
      </main>
      <div class="toast" role="status">
        {announced.value !== null && (
          <p class={`outcome ${announced.value.tone}`}>
            <span>{oneLine(announced.value.text, 600)}</span>
            <button type="button" class="small" onClick={() => (announced.value = null)}>
              {say('close')}
            </button>
          </p>
        )}
      </div>
      <p class="only-heard" aria-live="polite">
        {spoken.value}
      </p>
      {opened.value !== null && <ActDialog it={opened.value} />}
    </>
  );
}

function View() {
  const to = route.value;
  switch (to.view) {
    case 'overview':
      return overview.value === null ? <Loading /> : <Overview overview={overview.value} />;
    case 'todos':
      return <Todos filter={to.filter} />;
    case 'todo':
      return <Todo id={to.id} />;
    default:
      return to satisfies never;
  }
}

const Loading = () => <p class="note loading">{say('loading')}</p>;

const Unreachable = () => (
  <p class="outcome bad" role="alert" id="dead">
    <span>
      <strong>{say('neverLive')}</strong>. {say('neverLiveNote', { command: 'todo daemon status' })}
    </span>
  </p>
);

/** The state is in the name of the tab, too: that is seen from other tabs. */
function useTitle(): void {
  const state = overview.value === null ? null : live.value ? bigState(overview.value.health).status : 'unknown';
  const host = overview.value?.host ?? null;
  useEffect(() => {
    document.title = [state === null ? null : wordOfHealth(state), host, 'Signoff'].filter((it) => it !== null).join(' · ');
  });
}
