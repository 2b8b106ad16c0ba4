import { type Asker, mayAct, type Role, roles, type SessionInfo, type SessionList } from '../core/dashboard.ts';
import type { HttpResponse } from '../core/http.ts';
import { actorPattern, expiresAtMs, type Session } from '../core/session.ts';
import { isObject } from '../core/shape.ts';
import type { Door } from './door.ts';
import type { Asked, Page } from './page.ts';
import { json, type Problem } from './respond.ts';

/** Who may come in, who is in, and out again. */
export const sessionPages: readonly Page[] = [
  { method: 'POST', paths: ['/api/login-codes'], needs: 'admin', answer: (_, asked) => newCode(asked) },
  { method: 'POST', paths: ['/api/login'], needs: 'nobody', answer: (_, asked) => login(asked) },
  { method: 'POST', paths: ['/api/logout'], needs: 'viewer', answer: (_, asked) => logout(asked) },
  { paths: ['/api/session'], needs: 'viewer', answer: (_, { by, door }) => json(200, infoOf(by, door)) },
  { paths: ['/api/sessions'], needs: 'viewer', answer: (_, asked) => json(200, listFor(asked)) },
  { method: 'DELETE', paths: ['/api/sessions/:id'], needs: 'viewer', answer: (_, asked) => revoke(asked) },
];

/** Only by the secret of the home: a session cannot make another one, so that to end it ends all that came of it. */
function newCode({ by, body, door }: Asked): HttpResponse | Problem {
  if (by.via !== 'token') return { status: 403, code: 'FORBIDDEN', message: 'a code is given for the token of the home only' };
  const { role = 'viewer', actor = 'person' } = isObject(body) ? body : {};
  if (!roles.includes(role as Role)) return { status: 400, code: 'BAD_DATA', message: `role must be one of ${roles.join(', ')}` };
  if (typeof actor !== 'string' || !actorPattern.test(actor))
    return { status: 400, code: 'BAD_DATA', message: 'actor is a name of at most 64 letters, digits and . @ _ -' };
  const made = door.sessions.newCode({ role: role as Role, actor });
  if (made === null) return { status: 429, code: 'TOO_MANY', message: 'too many codes wait to be used', headers: { 'retry-after': '60' } };
  return json(201, { schemaVersion: 1, kind: 'login-code', role, actor, ...made });
}

/** All addresses together may try so many times as often as one. */
const crowd = 5;

async function login({ request, body, door }: Asked): Promise<HttpResponse | Problem> {
  const { loginsPerMinute } = door.settings;
  const no = await door.limits([
    { what: 'login', who: request.from, perMinute: loginsPerMinute },
    { what: 'login', who: 'all', perMinute: loginsPerMinute * crowd },
  ]);
  if (no !== null) return no;
  const code = isObject(body) ? body['code'] : undefined;
  const wrong: Problem = {
    status: 401,
    code: 'CODE_INVALID',
    message: 'that code was used, is older than a minute, or was never given. Another one: todo dashboard',
  };
  if (typeof code !== 'string' || code.length > 200) return wrong;
  const found = await door.sessions.login(code, request.from);
  if (found === null) return wrong;
  const { secret, session } = found;
  const leftS = Math.floor((session.endsAtMs - session.createdAtMs) / 1000);
  return json(200, infoOf(askerOf(session, door), door), { 'set-cookie': cookie(door, secret, leftS) });
}

async function logout({ by, door }: Asked): Promise<HttpResponse | Problem> {
  if (by.session === null) return { status: 400, code: 'BAD_DATA', message: 'nobody is logged in with the token; there is nothing to end' };
  await door.sessions.end(by.session);
  return json(200, { schemaVersion: 1, kind: 'logout', ended: by.session }, { 'set-cookie': cookie(door, '', 0) });
}

function listFor({ by, door }: Asked): SessionList {
  const seen = door.sessions.all().filter(({ id }) => mayAct(by.role, 'admin') || id === by.session);
  const sessions = seen
    .toSorted((a, b) => b.seenAtMs - a.seenAtMs)
    .map((session) => {
      const { id, role, actor, from, createdAtMs, seenAtMs } = session;
      return {
        id,
        role,
        actor,
        from,
        createdAtMs,
        seenAtMs,
        expiresAtMs: expiresAtMs(session, door.sessions.rules),
        own: id === by.session,
      };
    });
  return { schemaVersion: 1, kind: 'sessions', sessions };
}

async function revoke({ params: { id = '' }, by, door }: Asked): Promise<HttpResponse | Problem> {
  if (!mayAct(by.role, 'admin') && id !== by.session)
    return { status: 403, code: 'FORBIDDEN', message: 'only an admin ends the login of somebody else' };
  if (!(await door.sessions.end(id))) return { status: 404, code: 'NOT_FOUND', message: 'there is no such session' };
  return json(200, { schemaVersion: 1, kind: 'revoked', ended: id });
}

/** Only below /api: what is shown to everybody, and reports of agents, are asked for without it. */
const cookie = ({ cookie: { name } }: Door, value: string, maxAgeS: number): string =>
  `${name}=${value}; Path=/api; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict`;

export const askerOf = (session: Session, { sessions }: Door): Asker => ({
  role: session.role,
  actor: session.actor,
  via: 'cookie',
  session: session.id,
  expiresAtMs: expiresAtMs(session, sessions.rules),
});

function infoOf({ role, actor, via, expiresAtMs: ends }: Asker, { sessions }: Door): SessionInfo {
  if (role === null || via === 'nothing') throw new Error('a page that needs a role was asked by nobody');
  return { role, actor, expiresAtMs: ends, via, keptIn: sessions.keep.state().in };
}
