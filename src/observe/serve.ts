import { type Asker, mayAct, type Role, requestHeader } from '../core/dashboard.ts';
import { isOperational } from '../core/errors.ts';
import { type BodyFlaw, bodyBytesMax, type HttpHandler, type HttpRequest, type HttpResponse } from '../core/http.ts';
import type { World } from '../world.ts';
import { countsIn } from './counted.ts';
import type { Door } from './door.ts';
import { type Access, type Asked, type Method, methodOf, type Page } from './page.ts';
import { pages } from './pages.ts';
import { type Problem, problem } from './respond.ts';
import { type Route, routesOf } from './routes.ts';
import { askerOf } from './session-pages.ts';
import type { Shown } from './shown.ts';

type Needs = Pick<World, 'clock' | 'random' | 'digest'>;

/** All that is served, as one function from request to response. */
export function serve(shown: Shown, door: Door, world: Needs, table: readonly Page[] = pages): HttpHandler {
  const routeTo = routesOf(table);
  const { clock } = world;
  const { sessions, settings, onDefect } = door;
  const counts = countsIn({ shown, keep: sessions.keep, maxAgeMs: settings.statusCacheMs, clock, onDefect });
  return async (request, gone) => {
    const fromMs = world.clock.monotonicMs();
    const route = routeTo(request.path);
    const answer = await answerTo(request, route, gone);
    const response = 'body' in answer ? answer : refused(answer, request);
    door.served(route?.name ?? 'other', response.status, world.clock.monotonicMs() - fromMs);
    return request.method === 'HEAD' && isStream(response.body) ? { ...response, body: '' } : response;
  };

  async function answerTo(request: HttpRequest, route: Route | null, gone: AbortSignal): Promise<HttpResponse | Problem> {
    const page = route?.pages.get(request.method === 'HEAD' ? 'GET' : (request.method as Method));
    const misled = misdirected(request, door) ?? crossSite(request, page);
    if (misled !== null) return misled;
    if (route === null) return { status: 404, code: 'NOT_FOUND', message: `there is no ${request.path} here` };
    if (page === undefined) return notAllowed(request, route);
    const by = await asker(request, door, world);
    const no = notFor(by, page.needs, door) ?? (methodOf(page) === 'GET' ? null : forged(request, door));
    if (no !== null) return no;
    const body = parsed(request);
    if ('problem' in body) return body.problem;
    const asked: Asked = { request, params: route.params, body: body.value, by, door, counts, clock, nowMs: world.clock.nowMs(), gone };
    try {
      return endsWith(by, await page.answer(shown, asked));
    } catch (error) {
      // The store is away, say: no defect of ours.
      if (isOperational(error)) return { status: 503, code: error.code, message: error.message };
      door.onDefect(error);
      return { status: 500, code: 'INTERNAL', message: 'this should not have happened; the log has it' };
    }
  }

  /** Whoever is logged out is told nothing more, however long the answer is. */
  function endsWith({ session }: Asker, answer: HttpResponse | Problem): HttpResponse | Problem {
    if (session === null || !('body' in answer) || !isStream(answer.body)) return answer;
    return { ...answer, body: whileKnown(session, answer.body) };
  }

  async function* whileKnown(session: string, pieces: AsyncIterable<string>): AsyncGenerator<string> {
    let lookedMs = world.clock.monotonicMs();
    for await (const piece of pieces) {
      const nowMs = world.clock.monotonicMs();
      if (nowMs - lookedMs >= knownForMs) {
        if (!door.sessions.all().some(({ id }) => id === session)) return;
        lookedMs = nowMs;
      }
      yield piece;
    }
  }

  function refused(what: Problem, request: HttpRequest): HttpResponse {
    return problem(what, { request, requestId: world.random.uuidv7(), nowMs: world.clock.nowMs() });
  }
}

const isStream = (body: HttpResponse['body']): body is AsyncIterable<string> => typeof body !== 'string' && !(body instanceof Uint8Array);

/** Between two looks whether who follows a stream is still logged in. */
const knownForMs = 1_000;

/** The name it was asked under comes before everything, on all pages alike. */
function misdirected({ headers }: HttpRequest, { hosts }: Door): Problem | null {
  const host = headers['host']?.toLowerCase() ?? '';
  if (hosts.has(host)) return null;
  return {
    status: 421,
    code: 'MISDIRECTED',
    message: `this server is not "${host.slice(0, 100)}"; other names belong into server.names`,
  };
}

/** No page of another origin may read or trigger anything; a page of our own, or no browser at all, says so or says nothing. */
function crossSite({ headers }: HttpRequest, page: Page | undefined): Problem | null {
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return null;
  const isLink = headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
  if (page?.byLink === true && isLink) return null;
  return { status: 403, code: 'CROSS_SITE', message: 'asked by a page of another site' };
}

function notAllowed({ method, path }: HttpRequest, { pages: at }: Route): Problem {
  const allow = [...at.keys()].flatMap((it) => (it === 'GET' ? ['GET', 'HEAD'] : [it])).join(', ');
  return { status: 405, code: 'METHOD_NOT_ALLOWED', message: `${method} is not served at ${path}`, headers: { allow } };
}

const nobody: Asker = { role: null, actor: 'nobody', via: 'nothing', session: null, expiresAtMs: null };
const owner: Asker = { role: 'admin', actor: 'token', via: 'token', session: null, expiresAtMs: null };
const secret = /^[\w-]{20,200}$/;

/** Who has the secret of the home may do all that can be done here: it lies in a file that only its owner may read. */
async function asker({ headers }: HttpRequest, door: Door, { digest }: Needs): Promise<Asker> {
  const { authorization, cookie } = headers;
  if (authorization !== undefined) {
    const given = /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? '';
    // Digests are compared: how long that takes says nothing about the secret.
    return secret.test(given) && digest.sha256(given) === door.tokenSha256 ? owner : nobody;
  }
  const given = cookieOf(cookie, door.cookie.name);
  if (given === null || !secret.test(given)) return nobody;
  const session = await door.sessions.find(given);
  return session === null ? nobody : askerOf(session, door);
}

function cookieOf(header: string | undefined, name: string): string | null {
  const found = (header ?? '').split(/; */).find((it) => it.startsWith(`${name}=`));
  return found === undefined ? null : found.slice(name.length + 1);
}

function notFor({ role }: Asker, needs: Access, { isOpen }: Door): Problem | null {
  const wanted: Role | null = needs === 'nobody' ? null : needs === 'local' ? (isOpen ? 'viewer' : null) : needs;
  if (wanted === null || mayAct(role, wanted)) return null;
  if (role !== null) return { status: 403, code: 'FORBIDDEN', message: `this needs the role ${wanted}, and yours is ${role}` };
  return {
    status: 401,
    code: 'UNAUTHORIZED',
    message: 'needs a login (todo dashboard), or "Authorization: Bearer TOKEN"; the token is in the file http.token of the home',
    headers: { 'www-authenticate': 'Bearer' },
  };
}

/** Whether a page of somebody else could have made a browser send it: forms cannot set headers, and scripts elsewhere would have to be let. */
function forged({ headers }: HttpRequest, { hosts }: Door): Problem | null {
  const no = (message: string): Problem => ({ status: 403, code: 'CROSS_SITE', message });
  if (headers[requestHeader.name] !== requestHeader.value) return no(`needs the header ${requestHeader.name}: ${requestHeader.value}`);
  const origin = headers['origin'];
  if (origin !== undefined && !(/^https?:\/\//.test(origin) && hosts.has(origin.replace(/^https?:\/\//, '').toLowerCase())))
    return no('asked by a page of another origin');
  // Each browser says at least one of them with what changes something.
  if (origin === undefined && headers['sec-fetch-site'] === undefined && headers['cookie'] !== undefined)
    return no('a browser says where its page is from, and this request does not');
  return null;
}

const flaws: Readonly<Record<BodyFlaw, Problem>> = {
  'too-large': { status: 413, code: 'TOO_LARGE', message: `a request has at most ${bodyBytesMax} bytes` },
  'not-json': { status: 415, code: 'NOT_JSON', message: 'what is sent must be JSON: content-type: application/json, not packed' },
  'not-text': { status: 400, code: 'BAD_DATA', message: 'what was sent is no UTF-8' },
};

function parsed({ body, flaw }: HttpRequest): { readonly value: unknown } | { readonly problem: Problem } {
  if (flaw !== null) return { problem: flaws[flaw] };
  if (body === null) return { value: undefined };
  try {
    return { value: JSON.parse(body) as unknown };
  } catch {
    return { problem: { status: 400, code: 'BAD_DATA', message: 'what was sent is no JSON' } };
  }
}
