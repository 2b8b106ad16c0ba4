import { isOperational } from '../core/errors.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../core/http.ts';
import type { World } from '../world.ts';
import { type Access, type Page, pages } from './pages.ts';
import { type Problem, problem } from './respond.ts';
import type { Shown } from './shown.ts';

export type Door = {
  /** Whether it can be reached from other machines: then whoever asks must have the token, but for the question whether it lives. */
  readonly isOpen: boolean;
  /** Values of the Host header that mean us. Any other is a browser that was led here under another name (DNS rebinding). */
  readonly hosts: ReadonlySet<string>;
  /** SHA-256 of the secret, hex. */
  readonly tokenSha256: string;
  /** Of each answer: the page's name, or `other`. */
  served(page: string, status: number, tookMs: number): void;
  /** An error without a code: a defect of ours. */
  onDefect(error: unknown): void;
};

type Needs = Pick<World, 'clock' | 'random' | 'digest'>;

/** All that is served, as one function from request to response. */
export function serve(shown: Shown, door: Door, world: Needs): HttpHandler {
  const byPath = new Map(pages.flatMap((page) => page.paths.map((path) => [path, page] as const)));
  return async (request, gone) => {
    const fromMs = world.clock.monotonicMs();
    const page = byPath.get(request.path);
    const answer = await answerTo(request, page);
    const response = 'body' in answer ? answer : refused(answer, request);
    door.served(page?.paths[0] ?? 'other', response.status, world.clock.monotonicMs() - fromMs);
    return request.method === 'HEAD' && typeof response.body !== 'string' ? { ...response, body: '' } : response;

    async function answerTo({ method }: HttpRequest, asked: Page | undefined): Promise<HttpResponse | Problem> {
      const no = guard(request, asked?.needs ?? 'nobody', door, world);
      if (no !== null) return no;
      if (asked === undefined) return { status: 404, code: 'NOT_FOUND', message: `there is no ${request.path} here` };
      if (method !== 'GET' && method !== 'HEAD')
        return {
          status: 405,
          code: 'METHOD_NOT_ALLOWED',
          message: `${method} is not served at ${request.path}`,
          headers: { allow: 'GET, HEAD' },
        };
      try {
        return await asked.answer(shown, request, gone, world.clock.nowMs());
      } catch (error) {
        // The store is away, say: no defect of ours.
        if (isOperational(error)) return { status: 503, code: error.code, message: error.message };
        door.onDefect(error);
        return { status: 500, code: 'INTERNAL', message: 'this should not have happened; the log has it' };
      }
    }
  };

  function refused(what: Problem, request: HttpRequest): HttpResponse {
    return problem(what, { request, requestId: world.random.uuidv7(), nowMs: world.clock.nowMs() });
  }
}

/** Null: let in. The name it was asked under comes before everything, on all pages alike. */
function guard({ headers }: HttpRequest, needs: Access, door: Door, { digest }: Needs): Problem | null {
  const host = headers['host']?.toLowerCase() ?? '';
  if (!door.hosts.has(host))
    return {
      status: 421,
      code: 'MISDIRECTED',
      message: `this server is not "${host.slice(0, 100)}"; other names belong into server.names`,
    };
  // No page of another origin may read or trigger anything; a page of our own, or no browser at all, says so or says nothing.
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return { status: 403, code: 'CROSS_SITE', message: 'asked by a page of another site' };
  const wanted = needs === 'token' || (needs === 'local' && door.isOpen);
  if (!wanted || knows(headers['authorization'], door.tokenSha256, digest)) return null;
  return {
    status: 401,
    code: 'UNAUTHORIZED',
    message: 'needs "Authorization: Bearer TOKEN"; the token is in the file http.token of the home',
    headers: { 'www-authenticate': 'Bearer' },
  };
}

/** Digests are compared: how long that takes says nothing about the secret. */
function knows(authorization: string | undefined, tokenSha256: string, { sha256 }: Needs['digest']): boolean {
  const given = /^Bearer +([\w-]{20,200})$/i.exec(authorization ?? '')?.[1];
  return given !== undefined && sha256(given) === tokenSha256;
}
