// Who is logged in to the dashboard, and stays so whatever becomes of Redis and of the daemon; on a real Redis.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { redisPassword, startRedis } from '../fixtures/redis.ts';
import { asking, login, session } from './browser.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { type Got, served } from './http-get.ts';

test('[P-06, P-07, P-33] Redis that is not there, comes, hangs, dies and comes back empty: who is logged in stays so, each request within a second, and a logout stays a logout', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.stop());
  await redis.kill();
  const home = await testHome(t, { server: { port: 0, status_cache: 3600 } });
  const daemon = await home.daemon({ REDIS_URL: redis.url });
  const { url } = await served(home);
  const events = (): string[] => home.log('monitor').map(({ event }) => event);
  await home.until('it says that Redis is not there', () => events().includes('Falling back to SQLite for sessions'));
  assert.ok(events().includes('Redis error'));
  const levels = home.log('monitor').filter(({ event }) => /^Redis error|^Falling back/.test(event));
  assert.deepEqual(
    levels.map(({ level }) => level),
    ['error', 'warn'],
  );
  assert.deepEqual(await component(home), ['degraded', 'kept in SQLite instead of Redis']);

  const [ann, bob, cid] = [await login(home, url), await login(home, url), await login(home, url, 'admin')];
  assert.deepEqual([(await session(url, ann)).json.keptIn, (await session(url, ann)).json.role], ['sqlite', 'operator']);
  await redis.restart();
  await home.until('it is kept in Redis', async () => (await session(url, ann)).json.keptIn === 'redis');
  assert.equal((await component(home))[0], 'healthy');
  const counted = async (): Promise<unknown[]> => {
    const { json } = await asking('GET', `${url}/api/status`, cid);
    return [json.from_cache, json.cached_at];
  };
  await asking('DELETE', `${url}/api/status/cache`, cid);
  const [wasKept, keptAt] = await counted();
  assert.equal(wasKept, false);

  // It hangs: the kernel takes connections, nothing answers.
  redis.freeze();
  const hung = await timed(url, [ann, bob, cid]);
  assert.deepEqual(
    hung.map(({ status, json }) => [status, json.keptIn]),
    [
      [200, 'sqlite'],
      [200, 'sqlite'],
      [200, 'sqlite'],
    ],
  );
  assert.deepEqual(await counted(), [true, keptAt], 'kept answers stay, too');
  const dan = await login(home, url);
  assert.equal((await asking('POST', `${url}/api/logout`, ann)).status, 200);
  assert.equal((await session(url, ann)).status, 401);
  redis.thaw();
  await home.until('it is back in Redis', async () => (await session(url, bob)).json.keptIn === 'redis');
  assert.equal((await session(url, ann)).status, 401, 'logged out while Redis was away, and still is');
  assert.equal((await session(url, dan)).status, 200, 'logged in while Redis was away, and still is');

  // It dies, and comes back with nothing.
  await redis.kill();
  const gone = await timed(url, [bob, cid, dan]);
  assert.deepEqual([...new Set(gone.map(({ status, json }) => `${status} ${json.keptIn}`))], ['200 sqlite']);
  const { sessions } = (await asking('GET', `${url}/api/sessions`, cid)).json;
  const other = sessions.find((it: Json) => it.role === 'operator' && !it.own);
  assert.equal((await asking('DELETE', `${url}/api/sessions/${other.id}`, cid)).status, 200);
  await redis.restart();
  await home.until('it is back once more', async () => (await session(url, cid)).json.keptIn === 'redis');
  const left = await Promise.all([ann, bob, cid, dan].map((who) => session(url, who)));
  assert.deepEqual(left.map(({ status }) => status).toSorted(), [200, 200, 401, 401], 'one logged out, one revoked');
  assert.deepEqual(await counted(), [true, keptAt]);
  const { text } = await asking('GET', `${url}/metrics`);
  assert.match(text, /^todo_sessions_kept\{place="redis"\} 1$/m);
  assert.match(text, /^todo_sessions_fallbacks_total 3$/m);
  assert.equal(events().filter((event) => event === 'Falling back to SQLite for sessions').length, 3, 'said once each time');
  assert.equal(events().filter((event) => event === 'Sessions are kept in Redis').length, 3);

  const everything = readdirSync(join(home.folder, 'logs'), { recursive: true, withFileTypes: true })
    .filter((it) => it.isFile())
    .map((it) => readFileSync(join(it.parentPath, it.name), 'utf8'));
  for (const word of [redisPassword, ...[ann, bob, cid, dan].map((it) => it.split('=')[1]!)])
    assert.equal(
      everything.some((log) => log.includes(word)),
      false,
      'no secret in any log',
    );
  const slowest = Math.max(...[...hung, ...gone].map(({ tookMs }) => tookMs));
  t.diagnostic(`slowest request of six around the two falls: ${Math.round(slowest)} ms`);
  daemon.process.kill('SIGTERM');
  assert.equal((await daemon.ended).code, 0);
});

test('[P-58, H-63] without Redis a login outlives the daemon, even one that is killed; roles bound what it may do, from elsewhere nothing is shown without one; todo dashboard lets in, shows who is in, and ends it', async (t) => {
  const home = await testHome(t, { server: { port: 0 } });
  const none = await home.json(['dashboard'], { code: 69 });
  assert.match(none.hint, /server\.port.*todo start --all.*todo start --dashboard-only/s);
  const first = await home.daemon();
  const before = await served(home);
  const who = await login(home, before.url, 'viewer');
  assert.deepEqual((await session(before.url, who)).json.keptIn, 'sqlite');
  assert.equal(statSync(join(home.folder, 'sessions.db')).mode & 0o777, 0o600);
  assert.ok(!readFileSync(join(home.folder, 'sessions.db')).includes(who.split('=')[1]!), 'no secret in the file');
  assert.equal((await asking('GET', `${before.url}/api/metrics`)).status, 200, 'at loopback, and there alone, figures are for everybody');
  first.process.kill('SIGKILL');
  await first.ended;
  const port = new URL(before.url).port;
  const second = await home.daemon({ TODO_SERVER_PORT: port, TODO_SERVER_HOST: '0.0.0.0', TODO_SERVER_ALLOW_REMOTE: 'true' });
  await home.until('it serves again', () => {
    const path = join(home.folder, 'http.json');
    return existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).pid === second.process.pid;
  });
  const { url } = before;
  const after = await session(url, who);
  assert.deepEqual([after.status, after.json.role], [200, 'viewer'], 'still logged in');

  // Now others could ask, too: without a login there is nothing for them.
  const [, worker, boss] = [who, await login(home, url, 'operator'), await login(home, url, 'admin')];
  const may = async (method: string, path: string): Promise<number[]> => {
    const statuses = [];
    for (const cookie of [null, who, worker, boss]) statuses.push((await asking(method, `${url}${path}`, cookie)).status);
    return statuses;
  };
  assert.deepEqual(await may('GET', '/api/metrics'), [401, 200, 200, 200]);
  assert.deepEqual(await may('GET', '/api/status'), [401, 200, 200, 200]);
  assert.deepEqual(await may('DELETE', '/api/status/cache'), [401, 403, 200, 200]);
  const theirs = (await asking('GET', `${url}/api/sessions`, worker)).json.sessions;
  assert.equal(theirs.length, 1, 'one sees his own login');
  assert.deepEqual(await may('DELETE', `/api/sessions/${theirs[0].id}`), [401, 403, 200, 404]);
  assert.equal((await asking('POST', `${url}/api/login-codes`, boss, {})).status, 403, 'a login makes no further ones');
  assert.equal((await asking('POST', `${url}/api/logout`, boss)).status, 200);
  const plain = await home.todo(['dashboard']);
  assert.match(plain.stdout, new RegExp(`^${url}/#login=[\\w-]{43}\n$`));
  // A desktop's browser is shown a private file: the arguments of a process are for everybody to read.
  const opener = join(home.work, 'xdg-open');
  writeFileSync(opener, `#!/bin/sh\necho "$@" > ${home.work}/opened.new; mv ${home.work}/opened.new ${home.work}/opened\n`, {
    mode: 0o755,
  });
  const shown = await home.json(['dashboard', '--open'], { env: { PATH: `${home.work}:${process.env['PATH']}` } });
  const argv = await home.until(
    'xdg-open was called',
    () => existsSync(join(home.work, 'opened')) && readFileSync(join(home.work, 'opened'), 'utf8'),
  );
  assert.equal(argv, `${join(home.folder, 'dashboard.html')}\n`);
  assert.equal(statSync(argv.trim()).mode & 0o777, 0o600);
  assert.ok(readFileSync(argv.trim(), 'utf8').includes(`content="0; url=${shown.url}"`));
  const listed = await home.json(['dashboard', 'sessions']);
  assert.deepEqual(
    listed.sessions.map(({ role, from, own }: Json) => [role, from, own]),
    [['viewer', '127.0.0.1', false]],
  );
  const { id } = listed.sessions[0];
  assert.equal((await home.todo(['dashboard', 'revoke', id])).stdout, `Ended: ${id}\n`);
  assert.equal((await session(url, who)).status, 401);
  assert.equal((await home.todo(['dashboard', 'revoke', id])).code, 1);
});

test('[W-12, H-62] what the status asks of the store is kept for fifteen seconds and says so; it can be thrown away, or asked anew six times a minute by each', async (t) => {
  const home = await testHome(t, { server: { port: 0 } });
  await home.daemon();
  const { url } = await served(home);
  const [ann, bob] = [await login(home, url), await login(home, url)];
  const status = (cookie: string, query = ''): Promise<Got> => asking('GET', `${url}/api/status${query}`, cookie);
  await home.add('true', '--hold');
  const first = (await status(ann)).json;
  assert.deepEqual([first.from_cache, first.todos.value.open], [false, 1]);
  await home.add('true', '--hold');
  const second = await status(bob);
  assert.deepEqual([second.json.from_cache, second.json.todos.value.open, second.json.cached_at], [true, 1, first.cached_at]);
  assert.ok(second.json.cache_age_seconds >= 0 && second.json.cache_age_seconds < 15);
  assert.equal(second.headers['x-cache'], 'hit');
  assert.equal((await asking('DELETE', `${url}/api/status/cache`, ann)).status, 200);
  assert.deepEqual([(await status(ann)).json.from_cache, (await status(ann)).json.todos.value.open], [false, 2]);

  // At the turn of a minute it begins anew: asked until one is too many, at most twice as often.
  const asked: Got[] = [];
  while (asked.at(-1)?.status !== 429 && asked.length < 13) asked.push(await status(ann, '?fresh=1'));
  assert.ok(asked.length > 6, 'six are let');
  assert.deepEqual([...new Set(asked.slice(0, -1).map(({ json }) => json.from_cache))], [false]);
  const refused = asked.at(-1)!;
  assert.deepEqual([refused.status, refused.json.error.code], [429, 'TOO_MANY']);
  assert.ok(Number(refused.headers['retry-after']) >= 1 && Number(refused.headers['retry-after']) <= 60);
  assert.equal((await status(bob, '?fresh=1')).status, 200, 'each has his own');
  assert.equal((await asking('GET', `${url}/api/overview?fresh=1`, bob)).status, 200);
});

/** One after the other; none may take a second. */
async function timed(url: string, cookies: readonly string[]): Promise<Got[]> {
  const answers: Got[] = [];
  for (const cookie of cookies) answers.push(await session(url, cookie));
  for (const { tookMs } of answers) assert.ok(tookMs < 1000, `${tookMs} ms`);
  return answers;
}

async function component(home: TestHome): Promise<[string, string]> {
  const { components } = await home.json(['health'], { code: 0 }).catch(() => home.json(['health'], { code: 1 }));
  const { status, reason } = components.find(({ name }: Json) => name === 'sessions');
  return [status, reason.split(':')[0]];
}
