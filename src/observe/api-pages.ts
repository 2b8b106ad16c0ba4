import type { ReportLink } from '../core/dashboard.ts';
import { type ErrorCode, isOperational, retryOf } from '../core/errors.ts';
import type { HttpResponse } from '../core/http.ts';
import type { parseBody } from './action-bodies.ts';
import { events } from './events.ts';
import type { Asked, Page } from './page.ts';
import { json, type Problem, respond } from './respond.ts';
import type { Actions, KeyTaken, Shown, TooOften } from './shown.ts';
import { todoPage } from './todo-page.ts';

/** What the dashboard is made of, and what it does (core/dashboard.ts). */
export const apiPages: readonly Page[] = [
  { paths: ['/events', '/api/events'], needs: 'viewer', answer: (shown, { gone }) => events(shown, gone) },
  { paths: ['/api/status.html'], needs: 'viewer', byLink: true, answer: (shown) => page(shown.statusPage()) },
  { paths: ['/api/todos'], needs: 'viewer', answer: (shown, { request }) => todoPage(shown, request.query) },
  { paths: ['/api/todos/:id'], needs: 'viewer', answer: todo },
  { paths: ['/api/todos/:id/report'], needs: 'viewer', answer: reportLink },
  // Who has the key may see it: no cookie of ours is sent here, and none is asked for.
  { paths: ['/r/:key/report.html'], needs: 'nobody', byLink: true, answer: report },
  {
    paths: ['/api/todos/actions'],
    method: 'POST',
    needs: 'operator',
    answer: acted('todos', ({ onTodos }, body, { by }) => onTodos(body, by)),
  },
  {
    paths: ['/api/dead-letters/:id/requeue', '/retry-manager/requeue/:id'],
    method: 'POST',
    needs: 'operator',
    answer: acted('requeue', ({ requeue }, body, { by, params }) => requeue(params['id'] ?? '', body, by)),
  },
  {
    paths: ['/api/breakers/:name'],
    method: 'POST',
    needs: 'operator',
    answer: acted('breaker', ({ breaker }, body, { by, params }) => breaker(params['name'] ?? '', body, by)),
  },
  {
    paths: ['/api/heal', '/health/trigger-healing', '/self-healing/trigger-check'],
    method: 'POST',
    needs: 'operator',
    answer: acted('heal', ({ heal }, body, { by }) => heal(body, by)),
  },
];

const page = ({ html, policy }: { readonly html: string; readonly policy: string }): HttpResponse =>
  respond(200, 'text/html; charset=utf-8', html, { 'content-security-policy': policy });

async function todo(shown: Shown, { params }: Asked): Promise<HttpResponse | Problem> {
  const ref = params['id'] ?? '';
  const found = await refusable(() => shown.todo(ref));
  if (found === null) return { status: 404, code: 'NOT_FOUND', message: `there is no todo ${ref}` };
  if ('status' in found) return found;
  return json(200, found, { 'x-cache': found.stale ? 'stale' : 'miss' });
}

async function reportLink(shown: Shown, { params }: Asked): Promise<HttpResponse | Problem> {
  const ref = params['id'] ?? '';
  const found = await refusable(() => shown.linkReport(ref));
  if (found === null) return { status: 404, code: 'NOT_FOUND', message: `todo ${ref} has no report that could be shown here` };
  if ('status' in found) return found;
  const url = `/r/${found.key}/report.html`;
  return json(200, { schemaVersion: 1, kind: 'report-link', url, expiresAtMs: found.expiresAtMs } satisfies ReportLink);
}

async function report(shown: Shown, { params }: Asked): Promise<HttpResponse | Problem> {
  const found = await shown.linkedReport(params['key'] ?? '');
  return found === null ? { status: 404, code: 'NOT_FOUND', message: 'this address is over; ask for the report again' } : page(found);
}

type Bodies = Parameters<typeof parseBody>[0];
type BodyOf<Name extends Bodies> = Extract<ReturnType<typeof parseBody<Name>>, { readonly value: unknown }>['value'];

/** Checked, then done once for each idempotency key. */
export function acted<Name extends Bodies>(
  name: Name,
  work: (actions: Actions, body: BodyOf<Name>, asked: Asked) => Promise<object>,
): Page['answer'] {
  return async ({ actions }, asked) => {
    if (actions === null) return nobodyActs;
    const { parseBody } = await import('./action-bodies.ts');
    const parsed = parseBody(name, asked.body);
    if ('mistakes' in parsed)
      return {
        status: 422,
        code: 'BAD_DATA',
        message: parsed.mistakes.map(({ at, message }) => `${at}: ${message}`).join('; '),
        details: parsed.mistakes,
      };
    const key = asked.request.headers['idempotency-key'] ?? null;
    if (key !== null && !/^[\w-]{8,100}$/.test(key))
      return { status: 422, code: 'BAD_DATA', message: 'idempotency-key must be 8-100 of A-Z a-z 0-9 _ -' };
    // The same person, path and words, or it is another request.
    const same = JSON.stringify([asked.by.actor, asked.request.path, parsed.value]);
    const answer = await refusable(() => actions.once(key, same, () => work(actions, parsed.value as BodyOf<Name>, asked)));
    return answer !== null && 'status' in answer && 'code' in answer ? (answer as Problem) : answered(answer ?? {});
  };
}

function answered(answer: object | KeyTaken | TooOften): HttpResponse | Problem {
  if ('keyTaken' in answer)
    return answer.keyTaken === 'other'
      ? { status: 422, code: 'KEY_REUSED', message: 'this idempotency-key was used for another request' }
      : {
          status: 409,
          code: 'IN_DOUBT',
          message: 'this was begun before and cut short: look what became of it, then ask again with another idempotency-key',
        };
  if ('retryAfterMs' in answer && typeof answer.retryAfterMs === 'number')
    return {
      status: 429,
      code: 'TOO_MANY',
      message: 'message' in answer ? String(answer.message) : 'too often',
      headers: { 'retry-after': String(Math.max(1, Math.ceil(answer.retryAfterMs / 1000))) },
    };
  return json(200, answer);
}

const nobodyActs: Problem = {
  status: 409,
  code: 'NO_DAEMON',
  message: 'this only looks, and changes nothing; ask the daemon of this home (todo daemon start), or use the command: todo --help',
};

/** What a person may mend is no failure of ours: its status says so. What passes by itself stays an error of the server. */
async function refusable<T>(work: () => Promise<T>): Promise<T | Problem> {
  try {
    return await work();
  } catch (error) {
    if (!isOperational(error) || retryOf(error.code) !== 'never') throw error;
    return { status: statusOf[error.code] ?? 409, code: error.code, message: error.message, details: { hint: error.hint } };
  }
}

const statusOf: Partial<Record<ErrorCode, number>> = { NOT_FOUND: 404, AMBIGUOUS: 409, USAGE: 422, BAD_DATA: 422, STORE_SCHEMA: 503 };
