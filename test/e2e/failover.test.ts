// What stands in for something else, all of it in one run: Redis, the database, the first runner and the daemon fail one on top of the other, and come back.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../fixtures/free-port.ts';
import { startMariadb } from '../fixtures/mariadb.ts';
import { startRedis } from '../fixtures/redis.ts';
import { asking, login, session } from './browser.ts';
import { type Json, type TestHome, testHome } from './harness.ts';
import { served } from './http-get.ts';
import { commandAgent, runnerPrograms } from './runner-programs.ts';

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const completed = (home: TestHome, number: number): Promise<Json> =>
  home.untilTodo(number, 'completed', ({ status }) => status === 'completed');
const workers = ({ runs }: Json): readonly string[] => runs.map(({ agent }: Json) => agent);

test('[P-55] Redis, the first runner, the database and the daemon fail on top of one another: who is logged in stays so, the list answers, work goes on; and all comes back', async (t) => {
  const [redis, database, port] = await Promise.all([startRedis(), startMariadb(), freePort()]);
  t.after(() => Promise.all([redis.stop(), database.stop()]));
  const home = await testHome(t, {
    server: { port, redis_url: redis.url },
    store: { url: database.url() },
    behavior: { database_timeout: 2, quiet_after: 0.1 },
    monitoring: { rescan: 0.2 },
    resource: { probe_interval: 0.2 },
    slots: { total: 9, agent: 9, project: 9 },
    agents: { alpha: commandAgent('alpha'), beta: commandAgent('beta') },
    runners: [{ agent: 'alpha' }, { agent: 'beta' }],
  });
  const { env, be } = runnerPrograms(home, 'alpha', 'beta');
  const add = async (title: string): Promise<number> => (await home.json(['add', title, '--cwd', home.work])).todo.number;
  const starter = home.start(['start'], { env });
  await starter.says('Ready after');
  const { url } = await served(home);
  const ann = await login(home, url);
  await home.until('sessions are in Redis', async () => (await session(url, ann)).json.keptIn === 'redis');
  const long = await home.add('echo begun; while ! test -e go; do sleep 0.05; done; echo ended', '--session', 'child');
  await home.until('its agent works', async () => /begun/.test((await home.todo(['logs', String(long.number)])).stdout));
  assert.deepEqual(workers(await completed(home, await add('all is well'))), ['alpha']);

  await redis.kill();
  const kept = [await session(url, ann), await session(url, ann), await session(url, ann)];
  assert.deepEqual([...new Set(kept.map(({ status, json }) => `${status} ${json.keptIn}`))], ['200 sqlite']);
  for (const { tookMs } of kept) assert.ok(tookMs < 1000, `${tookMs} ms`);

  be('alpha', 'ill');
  await home.until('the first runner is not used', () => home.log('monitor').some((line) => line.event === 'runner is not used'));
  assert.deepEqual(workers(await completed(home, await add('without the first runner'))), ['beta']);

  const snapshot = join(home.folder, 'snapshot.json');
  await home.until('the snapshot has them', () => existsSync(snapshot) && readFileSync(snapshot, 'utf8').includes('"number":3'));
  await database.kill9();
  const list = () => asking('GET', `${url}/api/todos?limit=2`, ann);
  await home.until('the list is that of the snapshot', async () => (await list()).headers['x-cache'] === 'stale');
  const took: number[] = [];
  for (let turn = 0; turn < 15; turn++) {
    const { status, headers, json, tookMs } = await list();
    assert.deepEqual([status, headers['x-cache'], json.todos.map((it: Json) => it.number)], [200, 'stale', [3, 2]]);
    took.push(tookMs);
  }
  assert.ok(median(took) < 100, `half of the lists took more than ${median(took)} ms`);

  const { pid } = await home.json(['daemon', 'status']);
  process.kill(pid, 'SIGKILL');
  await home.until('its watchdog starts another daemon', async () => {
    const { stdout } = await home.todo(['--json', 'daemon', 'status']);
    const now = JSON.parse(stdout);
    return now.running === true && now.pid !== pid;
  });
  const after = await home.until('it serves', () => session(url, ann).catch(() => null));
  assert.deepEqual([after.status, after.json.keptIn], [200, 'sqlite'], 'still logged in, though daemon and Redis died');
  const again = await list();
  assert.deepEqual([again.status, again.headers['x-cache'], again.json.todos.map((it: Json) => it.number)], [200, 'stale', [3, 2]]);
  writeFileSync(join(home.work, 'go'), '');

  await database.restart();
  const ended = await completed(home, long.number);
  assert.deepEqual(
    [ended.runs.length, ended.runs[0].outcome, ended.proof],
    [1, 'done', 'unverified'],
    'one run, through the death of daemon and database',
  );
  assert.deepEqual(workers(await completed(home, await add('the first runner is still ill'))), ['beta']);
  be('alpha', 'well');
  await home.until('it is well again', () => home.log('monitor').some((line) => line.event === 'runner is well again'));
  assert.deepEqual(workers(await completed(home, await add('all is well again'))), ['alpha']);
  await redis.restart();
  await home.until('sessions are in Redis again', async () => (await session(url, ann)).json.keptIn === 'redis');
  assert.equal((await list()).headers['x-cache'], 'miss');
  const { components } = await home.json(['health']);
  const trouble = components.filter(
    ({ name, status }: Json) => ['daemon', 'store', 'sessions', 'runners'].includes(name) && status !== 'healthy',
  );
  assert.deepEqual(trouble, []);
});
