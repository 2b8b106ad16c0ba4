import type { TodoPage } from '../core/dashboard.ts';
import type { HttpResponse } from '../core/http.ts';
import { type ShownStatus, todoStatuses } from '../core/words.ts';
import { limitIn } from './limit-in.ts';
import { json, type Problem } from './respond.ts';
import type { Shown, TodosAsked } from './shown.ts';

const limits = { usual: 100, most: 1000 };
const textCharsMax = 200;
const known: readonly ShownStatus[] = [...todoStatuses, 'finishing'];

/** GET /api/todos. */
export async function todoPage(shown: Shown, query: URLSearchParams): Promise<HttpResponse | Problem> {
  const asked = askedIn(query);
  if (typeof asked === 'string') return { status: 400, code: 'BAD_DATA', message: asked };
  const { todos, truncated, next, stale } = await shown.todos(asked);
  const page: TodoPage = {
    schemaVersion: 1,
    kind: 'todos',
    todos,
    truncated,
    next: next === null ? null : String(next),
    ...(stale !== null && { stale: true, asOf: new Date(stale.asOfMs).toISOString(), storeError: stale.why }),
  };
  return json(200, page, { 'x-cache': stale === null ? 'miss' : 'stale' });
}

/** A text says what is wrong with it. */
function askedIn(query: URLSearchParams): TodosAsked | string {
  const limit = limitIn(query, limits);
  if (typeof limit === 'string') return limit;
  const statuses = query.getAll('status').flatMap((it) => it.split(',')) as ShownStatus[];
  const unknown = statuses.filter((it) => !known.includes(it));
  if (unknown.length > 0) return `no status ${unknown.join(', ')}; known: ${known.join(', ')}`;
  const before = query.get('before');
  if (before !== null && !/^[0-9]{1,15}$/.test(before)) return `before must be what "next" of the page before it says, got ${before}`;
  const text = query.get('q') || null;
  if (text !== null && text.length > textCharsMax) return `q must have at most ${textCharsMax} characters, it has ${text.length}`;
  return {
    limit,
    statuses: statuses.length === 0 ? null : statuses,
    before: before === null ? null : Number(before),
    text,
    agent: query.get('agent'),
    project: query.get('project'),
  };
}
