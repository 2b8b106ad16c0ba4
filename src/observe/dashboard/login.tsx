import { signal } from '@preact/signals';
import type { SessionInfo } from '../../core/dashboard.ts';
import { get, post, session } from './ask.ts';
import { say } from './language.ts';
import { tellLoggedOut } from './live.ts';
import { Mark } from './mark.tsx';
import { Copy, Said } from './parts.tsx';

const refused = signal<string | null>(null);
/** Nobody answers: whether we are logged in is not known. */
export const isUnreachable = signal(false);
const againMs = 3_000;

export const codeIn = (hash: string): string | undefined => /^#login=([\w-]+)$/.exec(hash)?.[1];

/** Exchanges the code of the address, if there is one, and asks who we are. The code is out of the address before anything else is done with it. */
export async function logIn(): Promise<void> {
  const code = codeIn(location.hash);
  if (code !== undefined) {
    history.replaceState(null, '', '#/');
    const answer = await post<unknown>('/api/login', { code });
    if (!answer.ok)
      refused.value =
        answer.status === 429 ? say('loginLater', { seconds: answer.retryAfterS ?? 60 }) : say('loginRefused', { why: answer.message });
  }
  await who();
}

async function who(): Promise<void> {
  const answer = await get<SessionInfo>('/api/session');
  isUnreachable.value = !answer.ok && answer.status !== 401;
  if (answer.ok) {
    refused.value = null;
    session.value = answer.value;
  } else if (answer.status === 401) session.value = null;
  else setTimeout(who, againMs);
}

export async function logOut(): Promise<void> {
  const answer = await post<unknown>('/api/logout', {});
  if (!answer.ok && answer.status !== 401) return;
  tellLoggedOut();
  session.value = null;
}

/** For who has no session. */
export const Login = () => (
  <div class="login">
    <h1>{say('loginTitle')}</h1>
    {refused.value !== null && (
      <p class="outcome bad" role="alert">
        <Mark tone="bad" />
        <Said text={refused.value} most={400} />
      </p>
    )}
    <p>{say('loginHow')}</p>
    <p>
      <Copy text="todo dashboard" />
    </p>
  </div>
);
