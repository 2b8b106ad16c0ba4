// Codes, logins and what ends them, without a socket and by a clock that a test moves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Role } from '../../src/core/dashboard.ts';
import type { HttpRequest } from '../../src/core/http.ts';
import type { Door } from '../../src/observe/door.ts';
import { limitsIn } from '../../src/observe/limits.ts';
import type { Page } from '../../src/observe/page.ts';
import { respond } from '../../src/observe/respond.ts';
import { serve } from '../../src/observe/serve.ts';
import { sessionPages } from '../../src/observe/session-pages.ts';
import { sessionPrefix, sessionsIn } from '../../src/observe/sessions.ts';
import type { Shown } from '../../src/observe/shown.ts';
import { digest } from '../../src/platform/digest.ts';
import { random } from '../../src/platform/random.ts';
import { keepIn } from '../../src/resilience/kept.ts';
import { keptInMemory } from '../../src/resilience/kept-in-memory.ts';
import { FakeClock } from '../resilience/fake-clock.ts';

const token = 'a'.repeat(43);
const hour = 3_600_000;

test('a code lets in once, within a minute, with the role it was given for; what lets in is kept as digest only', async () => {
  const { ask, code, login, place, clock } = server();
  const { cookie, answer } = await login('operator');
  assert.match(answer.headers['set-cookie'] ?? '', /^todo-8420-1234abcd=[\w-]{43}; Path=\/api; Max-Age=604800; HttpOnly; SameSite=Strict$/);
  const info = (await ask('GET', '/api/session', { cookie })).json;
  assert.deepEqual(info, { role: 'operator', actor: 'ann', expiresAtMs: clock.nowMs() + 8 * hour, via: 'cookie', keptIn: 'memory' });
  assert.equal((await ask('GET', '/api/session', { authorization: `Bearer ${token}` })).json.expiresAtMs, null);
  const kept = JSON.stringify(place.all(''));
  assert.ok(kept.includes('ann'));
  assert.ok(!kept.includes(cookie.split('=')[1]!), 'the secret itself is nowhere');

  const once = await code('viewer');
  const both = await Promise.all([ask('POST', '/api/login', {}, { code: once }), ask('POST', '/api/login', {}, { code: once })]);
  assert.deepEqual(both.map(({ status }) => status).toSorted(), [200, 401], 'of two at once one gets in');
  const late = await code('viewer');
  await clock.pass(60_000);
  const { status, json } = await ask('POST', '/api/login', {}, { code: late });
  assert.deepEqual([status, json.error.code], [401, 'CODE_INVALID']);
  for (const body of [undefined, {}, { code: 7 }, { code: 'x'.repeat(300) }])
    assert.equal((await ask('POST', '/api/login', {}, body)).status, 401);
});

test('a code is given for the token only, for a role that there is, and no crowd of them waits', async () => {
  const { ask, login } = server();
  const { cookie } = await login('admin');
  const byCookie = await ask('POST', '/api/login-codes', { cookie }, { role: 'admin' });
  assert.equal(byCookie.status, 403, 'a login cannot make another one that outlives it');
  const known = { authorization: `Bearer ${token}` };
  assert.equal((await ask('POST', '/api/login-codes', known, { role: 'root' })).status, 400);
  assert.equal((await ask('POST', '/api/login-codes', known, { actor: 'a\nb' })).status, 400);
  const made = await ask('POST', '/api/login-codes', known);
  assert.deepEqual([made.status, made.json.role, made.json.actor], [201, 'viewer', 'person']);
  for (let more = 0; more < 19; more++) assert.equal((await ask('POST', '/api/login-codes', known)).status, 201);
  assert.equal((await ask('POST', '/api/login-codes', known)).status, 429);
});

test('a login that is not used ends, one that is used goes on, and none is longer than the most', async () => {
  const { ask, login, clock } = server();
  const { cookie } = await login('viewer');
  const idle = await login('viewer');
  const isIn = async (who: string): Promise<boolean> => (await ask('GET', '/api/session', { cookie: who })).status === 200;
  for (let hours = 0; hours < 7; hours++) {
    await clock.pass(hour);
    assert.ok(await isIn(cookie));
  }
  await clock.pass(hour);
  assert.deepEqual([await isIn(cookie), await isIn(idle.cookie)], [true, false]);
  for (let hours = 8; hours < 7 * 24 - 4; hours += 4) {
    await clock.pass(4 * hour);
    assert.ok(await isIn(cookie), `${hours} h`);
  }
  await clock.pass(4 * hour);
  assert.equal(await isIn(cookie), false, 'a week, whatever is done with it');
});

test('a logout and a revocation end it at once, also what is still being told; everybody sees his own, an admin all', async () => {
  const { ask, login } = server();
  const [ann, bob, boss] = [await login('viewer'), await login('operator'), await login('admin')];
  const ids = async (cookie: string): Promise<string[]> =>
    (await ask('GET', '/api/sessions', { cookie })).json.sessions.map((it: { id: string }) => it.id);
  assert.deepEqual([(await ids(ann.cookie)).length, (await ids(boss.cookie)).length], [1, 3]);
  const [annId] = await ids(ann.cookie);
  const [bobId] = await ids(bob.cookie);
  assert.equal((await ask('DELETE', `/api/sessions/${bobId}`, { cookie: ann.cookie })).status, 403);
  const stream = await ask('GET', '/api/ticks', { cookie: bob.cookie }, undefined, {
    async between() {
      assert.equal((await ask('DELETE', `/api/sessions/${bobId}`, { cookie: boss.cookie })).status, 200);
    },
  });
  assert.equal(stream.text, 'before ', 'nothing more after the revocation');
  assert.equal((await ask('GET', '/api/ticks', { cookie: boss.cookie })).text, 'before after ');
  assert.equal((await ask('GET', '/api/session', { cookie: bob.cookie })).status, 401);
  assert.equal((await ask('DELETE', `/api/sessions/${bobId}`, { cookie: boss.cookie })).status, 404);
  const out = await ask('POST', '/api/logout', { cookie: ann.cookie });
  assert.match(out.headers['set-cookie'] ?? '', /^todo-8420-1234abcd=; Path=\/api; Max-Age=0; HttpOnly/);
  assert.deepEqual([out.json.ended, (await ask('GET', '/api/session', { cookie: ann.cookie })).status], [annId, 401]);
  assert.equal((await ask('POST', '/api/logout', { authorization: `Bearer ${token}` })).status, 400);
});

test('who guesses is held up: ten a minute of one address, fifty of all; then nothing is even looked at until the minute is over', async () => {
  const { ask, clock, place } = server();
  const guess = (from: string) => ask('POST', '/api/login', {}, { code: 'guess' }, { from });
  for (let tries = 0; tries < 10; tries++) assert.equal((await guess('10.0.0.1')).status, 401);
  const refused = await guess('10.0.0.1');
  assert.deepEqual([refused.status, refused.json.error.code, refused.headers['retry-after']], [429, 'TOO_MANY', '60']);
  const before = JSON.stringify(place.all('tries:'));
  await guess('10.0.0.1');
  assert.equal(JSON.stringify(place.all('tries:')), before);
  const crowd = [];
  for (let other = 0; other < 45; other++) crowd.push((await guess(`10.0.1.${other}`)).status);
  assert.deepEqual([crowd.indexOf(429), crowd.filter((status) => status === 401).length], [40, 40]);
  await clock.pass(60_000);
  assert.equal((await guess('10.0.0.1')).status, 401);
});

/** A server with its own clock, and a browser that knows how to ask it. */
function server() {
  const clock = new FakeClock();
  const place = keptInMemory(clock);
  const keep = keepIn({ near: [place], far: null, lasting: sessionPrefix, onChange() {} }, { clock, random });
  const door: Door = {
    isOpen: false,
    hosts: new Set(['127.0.0.1:8420']),
    tokenSha256: digest.sha256(token),
    cookie: { name: 'todo-8420-1234abcd' },
    sessions: sessionsIn(keep, { idleMs: 8 * hour, maxMs: 7 * 24 * hour }, { clock, random, digest }),
    limits: limitsIn(keep, clock),
    settings: { loginsPerMinute: 10, freshPerMinute: 6, statusCacheMs: 15_000 },
    served() {},
    onDefect: (error) => assert.fail(String(error)),
  };
  type More = { readonly from?: string; readonly between?: () => Promise<void> };

  async function ask(method: string, path: string, headers: HttpRequest['headers'], body?: unknown, more: More = {}) {
    async function* ticks(): AsyncGenerator<string> {
      yield 'before ';
      await more.between?.();
      await clock.pass(1_500);
      yield 'after ';
    }
    const stream: Page = { paths: ['/api/ticks'], needs: 'viewer', answer: () => respond(200, 'text/plain', ticks()) };
    const handler = serve({} as Shown, door, { clock, random, digest }, [...sessionPages, stream]);
    const response = await handler(
      {
        method,
        path,
        query: new URLSearchParams(),
        headers: { host: '127.0.0.1:8420', 'x-todo-request': '1', 'sec-fetch-site': 'same-origin', ...headers },
        body: body === undefined ? null : JSON.stringify(body),
        flaw: null,
        from: more.from ?? '127.0.0.1',
      },
      new AbortController().signal,
    );
    const text =
      typeof response.body === 'string' ? response.body : (await Array.fromAsync(response.body as AsyncIterable<string>)).join('');
    return { ...response, text, json: text.startsWith('{') ? JSON.parse(text) : null };
  }

  const code = async (role: Role): Promise<string> =>
    (await ask('POST', '/api/login-codes', { authorization: `Bearer ${token}` }, { role, actor: 'ann' })).json.code;

  async function login(role: Role) {
    const answer = await ask('POST', '/api/login', {}, { code: await code(role) });
    assert.equal(answer.status, 200);
    return { answer, cookie: (answer.headers['set-cookie'] ?? '').split(';')[0] ?? '' };
  }
  return { ask, code, login, clock, place };
}
