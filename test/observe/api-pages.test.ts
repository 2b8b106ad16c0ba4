// What changes something, as functions from request to answer: who is refused, and how often the same is done.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../src/core/errors.ts';
import { apiPages } from '../../src/observe/api-pages.ts';
import type { Asked, Method } from '../../src/observe/page.ts';
import { methodOf } from '../../src/observe/page.ts';
import type { Actions, Shown } from '../../src/observe/shown.ts';

const by = { role: 'operator', actor: 'ann', via: 'cookie', session: null, expiresAtMs: null } as const;

async function ask(method: Method, path: string, asked: Partial<Asked>, shown: Partial<Shown>) {
  const page = apiPages.find((it) => methodOf(it) === method && it.paths.includes(path))!;
  const request = { method, path, query: new URLSearchParams(), headers: {}, body: null, flaw: null, from: '' };
  const gone = new AbortController().signal;
  const answer = await page.answer(shown as Shown, {
    ...{
      params: {},
      body: undefined,
      by,
      nowMs: 0,
      gone,
      request,
      door: undefined as never,
      counts: undefined as never,
      clock: undefined as never,
    },
    ...asked,
  });
  const text = 'body' in answer ? String(answer.body) : '';
  return { ...answer, json: text.startsWith('{') ? JSON.parse(text) : null };
}

const acting = (actions: Partial<Actions>): Partial<Shown> => ({
  actions: { once: (_key: unknown, _digest: unknown, act: () => Promise<unknown>) => act(), ...actions } as Actions,
});

test('each mistake of a body is named in one answer (422), and nothing is done', async () => {
  const never = acting({ onTodos: () => assert.fail('it was done') });
  const send = async (body: unknown) => {
    const answer = await ask('POST', '/api/todos/actions', { body }, never);
    assert.equal(answer.status, 422);
    return ('details' in answer ? (answer.details as { at: string }[]) : []).map(({ at }) => at);
  };
  const good = { action: 'hold', todos: { ids: ['1'] }, reason: 'why' };
  assert.deepEqual(await send(undefined), ['body']);
  assert.deepEqual(await send({ ...good, action: 'burn', reason: ' ', extra: 1 }), ['action', 'reason', 'body']);
  assert.deepEqual(await send({ ...good, reason: 'x'.repeat(501) }), ['reason']);
  assert.deepEqual(await send({ ...good, todos: { ids: [] } }), ['todos.ids']);
  assert.deepEqual(await send({ ...good, todos: { matching: { status: ['opne'] } } }), ['todos.matching.status.0']);
  assert.deepEqual(await send({ ...good, todos: { matching: { from: 'x' } } }), ['todos.matching']);
  assert.deepEqual(await send({ ...good, untilMs: 5 }), ['untilMs']);
  assert.deepEqual(await send({ ...good, emergency: 'reset' }), ['emergency']);
  assert.deepEqual(await send({ ...good, todos: { ids: Array.from({ length: 1001 }, (_, i) => String(i)) } }), ['todos.ids']);
  assert.equal((await ask('POST', '/api/todos/actions', { body: good, request: withKey('short') }, never)).status, 422);
});

const withKey = (key: string): Asked['request'] => ({
  ...{ method: 'POST', path: '/x', query: new URLSearchParams(), body: null, flaw: null, from: '' },
  headers: { 'idempotency-key': key },
});

test('what is refused says why by its status: not found, not now, too often, key taken; who only looks acts on nothing', async () => {
  const body = { action: 'reset', reason: 'mended' };
  const refused = (code: 'NOT_FOUND' | 'REFUSED' | 'AMBIGUOUS' | 'NO_DAEMON') =>
    acting({ breaker: () => Promise.reject(new OperationalError(code, { operation: 'resetting', subject: 'it', hint: 'do this' })) });
  for (const [code, status] of [
    ['NOT_FOUND', 404],
    ['REFUSED', 409],
    ['AMBIGUOUS', 409],
  ] as const) {
    const answer = await ask('POST', '/api/breakers/:name', { body, params: { name: 'store' } }, refused(code));
    assert.deepEqual([answer.status, 'details' in answer && answer.details], [status, { hint: 'do this' }], code);
  }
  const away = acting({
    breaker: () => Promise.reject(new OperationalError('STORE_UNREACHABLE', { operation: 'resetting', subject: 'it' })),
  });
  await assert.rejects(ask('POST', '/api/breakers/:name', { body }, away), { code: 'STORE_UNREACHABLE' }, 'serve.ts makes it a 503');
  const heal = { what: null, dryRun: false, reason: 'x' };
  const often = await ask(
    'POST',
    '/api/heal',
    { body: heal },
    acting({ heal: async () => ({ retryAfterMs: 1500, message: 'at most 6 a minute' }) }),
  );
  assert.deepEqual([often.status, often.headers?.['retry-after']], [429, '2']);
  for (const [keyTaken, status] of [
    ['other', 422],
    ['cut-short', 409],
  ] as const) {
    const answer = await ask('POST', '/api/heal', { body: heal }, acting({ once: async () => ({ keyTaken }) }));
    assert.equal(answer.status, status);
  }
  const looking = await ask('POST', '/api/heal', { body: heal }, { actions: null });
  assert.deepEqual([looking.status, 'code' in looking && looking.code], [409, 'NO_DAEMON']);
  assert.match('message' in looking ? looking.message : '', /todo daemon start/);
});

test('a todo, a report and an address that are not there are a 404, from the page itself', async () => {
  const none = { todo: async () => null, linkReport: async () => null, linkedReport: async () => null };
  for (const path of ['/api/todos/:id', '/api/todos/:id/report', '/r/:key/report.html'])
    assert.equal((await ask('GET', path, { params: { id: '7', key: 'x' } }, none)).status, 404, path);
});
