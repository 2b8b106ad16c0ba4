// The places where logins are kept, each for itself: a private file, and a real Redis that hangs, refuses and forgets.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOperational } from '../../src/core/errors.ts';
import { keptInFile } from '../../src/platform/kept-in-file.ts';
import { connectRedis } from '../../src/platform/kept-in-redis.ts';
import { keptInMemory } from '../../src/resilience/kept-in-memory.ts';
import { redisPassword, startRedis } from '../fixtures/redis.ts';
import { FakeClock } from '../resilience/fake-clock.ts';

test('file and memory: kept until its time, counted, gone for good; a file that is broken says so and is opened anew', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'signoff-kept-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'sessions.db');
  const clock = new FakeClock();
  const file = keptInFile(path, clock);
  for (const place of [file, keptInMemory(clock)]) {
    const untilMs = clock.nowMs() + 1000;
    place.put({ key: 's:1', value: 'one', untilMs });
    place.put({ key: 's:2', value: 'two', untilMs: untilMs + 1 });
    place.put({ key: 't:1', value: 'other', untilMs });
    assert.deepEqual([place.count('n', untilMs), place.count('n', untilMs + 500)], [1, 2], place.name);
    place.put({ key: 's:1', value: null, untilMs });
    place.put({ key: 's:1', value: 'late', untilMs: untilMs + 5000 });
    assert.deepEqual(place.get('s:1'), { key: 's:1', value: null, untilMs });
    assert.deepEqual(
      place.all('s:').map(({ key, value }) => [key, value]),
      [
        ['s:1', null],
        ['s:2', 'two'],
      ],
    );
    await clock.pass(1000);
    assert.deepEqual([place.get('s:1'), place.get('t:1'), place.count('n', clock.nowMs() + 1)], [null, null, 1]);
    assert.equal(place.get('s:2')?.value, 'two');
    await clock.pass(1);
    assert.deepEqual(place.all('s:'), []);
  }
  assert.equal(statSync(path).mode & 0o777, 0o600);
  file.put({ key: 's:3', value: 'kept', untilMs: clock.nowMs() + 1000 });
  file.close();
  assert.equal(file.get('s:3')?.value, 'kept', 'opened again');
  file.close();
  writeFileSync(path, 'no database at all, but long enough to be looked at as one'.repeat(20));
  assert.throws(() => file.get('s:3'), isOperational);
  for (const name of ['', '-wal', '-shm']) rmSync(`${path}${name}`, { force: true });
  assert.equal(file.get('s:3'), null, 'a new one');
  file.close();
});

test('Redis: nothing brings back what is gone; homes do not meet; who hangs, refuses or is not there is left within a quarter of a second, and no password is told', async (t) => {
  const redis = await startRedis();
  t.after(() => redis.stop());
  const ours = await connectRedis(redis.url, 'todo:a:');
  const theirs = await connectRedis(redis.url, 'todo:b:');
  t.after(() => theirs.close());
  const untilMs = Date.now() + 60_000;
  await ours.put([
    { key: 's:1', value: 'one\nline "and" ü', untilMs },
    { key: 's:2', value: 'two', untilMs },
  ]);
  assert.deepEqual(await ours.get('s:1'), { key: 's:1', value: 'one\nline "and" ü', untilMs });
  assert.equal(await theirs.get('s:1'), null);
  await ours.put([{ key: 's:1', value: null, untilMs }]);
  await ours.put([{ key: 's:1', value: 'late', untilMs: untilMs + 1000 }]);
  assert.deepEqual(await ours.get('s:1'), { key: 's:1', value: null, untilMs });
  assert.deepEqual([await ours.count('n', untilMs), await ours.count('n', untilMs), await theirs.count('n', untilMs)], [1, 2, 1]);
  // By its clock it may be over already: that is no failure.
  await ours.put([{ key: 's:3', value: 'over', untilMs: Date.now() - 1 }]);
  assert.equal(await ours.get('s:3'), null);

  await assert.rejects(connectRedis(`${redis.url}/first`, 'todo:a:'), (error: Error) => {
    assert.match(error.message, /^CONFIG_INVALID .*redis at 127\.0\.0\.1:\d+: it must be/);
    return true;
  });
  redis.freeze();
  const refusals: { message: string; tookMs: number }[] = [];
  const refused = async (work: Promise<unknown>): Promise<void> => {
    const fromMs = performance.now();
    const error = await work.then(
      () => assert.fail('it was answered'),
      (it: unknown) => it,
    );
    assert.ok(isOperational(error), String(error));
    refusals.push({ message: error.message, tookMs: performance.now() - fromMs });
  };
  await refused(ours.get('s:2'));
  await refused(connectRedis(redis.url, 'todo:a:'));
  redis.thaw();
  ours.close();
  await refused(ours.get('s:2'));
  await refused(connectRedis(redis.url.replace(redisPassword, `not-${redisPassword}`), 'todo:a:'));
  await redis.kill();
  await refused(connectRedis(redis.url, 'todo:a:'));
  for (const { message, tookMs } of refusals) {
    assert.match(message, /^NETWORK_FAILED .*redis at 127\.0\.0\.1:\d+/);
    assert.doesNotMatch(message, new RegExp(redisPassword));
    assert.ok(tookMs < 1000, `${message} after ${tookMs} ms`);
  }
});
