import { useState } from 'preact/hooks';
import type { Role } from '../../core/dashboard.ts';
import { announce } from './announce.tsx';
import { session } from './ask.ts';
import { language, say, switchLanguage } from './language.ts';
import { lastHeardMs, live, overview, refresh, way } from './live.ts';
import { logOut } from './login.tsx';
import { route } from './navigate.ts';
import { Ago } from './parts.tsx';
import { oneLine } from './plain.ts';
import { hashOf, noFilter } from './route.ts';

export function Header() {
  const shown = overview.value;
  const { view } = route.value;
  const who = session.value;
  return (
    <header>
      <div class="brand">
        <a href={hashOf({ view: 'overview' })} class="word">
          Signoff
        </a>
        {shown !== null && (
          <span class="note">
            {oneLine(shown.host, 60)} · {oneLine(shown.version, 30)}
          </span>
        )}
      </div>
      {who && (
        <nav aria-label="Signoff">
          <a href={hashOf({ view: 'overview' })} aria-current={view === 'overview' ? 'page' : undefined}>
            {say('overview')}
          </a>
          <a
            href={hashOf({ view: 'todos', filter: noFilter })}
            aria-current={view === 'overview' ? undefined : view === 'todos' ? 'page' : 'true'}
          >
            {say('todos')}
          </a>
        </nav>
      )}
      <div class="tools">
        {who && <Link />}
        {who && <Refresh />}
        <button type="button" class="small" onClick={switchLanguage} lang={language.value === 'en' ? 'de' : 'en'}>
          {say('otherLanguage')}
        </button>
        {who && (
          <>
            <span class="note who" title={oneLine(who.actor)}>
              {say(roleText[who.role])}
            </span>
            {who.via === 'cookie' && (
              <button type="button" class="small" onClick={logOut}>
                {say('logout')}
              </button>
            )}
          </>
        )}
      </div>
    </header>
  );
}

const roleText = { viewer: 'viewer', operator: 'operator', admin: 'admin' } as const satisfies Record<Role, Role>;

/** Whether changes come by themselves, and how old what is shown is. */
function Link() {
  const state = !live.value ? 'dead' : way.value === 'none' ? 'connecting' : way.value;
  return (
    <span class={`link ${state}`} data-link={state}>
      <svg viewBox="0 0 10 10" aria-hidden="true">
        <circle cx="5" cy="5" r="4" />
      </svg>
      {state === 'stream' ? say('live') : state === 'poll' ? say('polling') : state === 'connecting' ? say('connecting') : say('unknown')}
      {overview.value !== null && (
        <span class="note">
          {' '}
          · {say('asOf')} <Ago atMs={state === 'stream' ? lastHeardMs.value : overview.value.atMs} />
        </span>
      )}
    </span>
  );
}

function Refresh() {
  const [isAsking, setAsking] = useState(false);
  const press = async (): Promise<void> => {
    if (isAsking) return;
    setAsking(true);
    const { isHeard, againInS } = await refresh();
    setAsking(false);
    if (!isHeard) announce(say('neverLive'), 'bad');
    else if (againInS !== null) announce(say('refreshedOften', { seconds: againInS }));
    else announce(say('refreshed'), 'good');
  };
  return (
    <button type="button" class="small" onClick={press} aria-disabled={isAsking}>
      {say('refresh')}
    </button>
  );
}
