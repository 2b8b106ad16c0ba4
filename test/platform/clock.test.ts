import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clock } from '../../src/platform/clock.ts';

test('a sleep is never too short, and ends at once when it is stopped', async () => {
  for (const ms of [1, 5, 20]) {
    const before = clock.monotonicMs();
    await clock.sleep(ms);
    assert.ok(clock.monotonicMs() - before >= ms);
  }
  const stop = new AbortController();
  const sleeping = clock.sleep(60_000, stop.signal);
  stop.abort();
  await sleeping;
  await clock.sleep(60_000, stop.signal);
  await clock.sleep(-1);
});

test('a sleep longer than a timer can count goes on until it is stopped', async () => {
  const stop = new AbortController();
  let over = false;
  const sleeping = clock.sleep(2 ** 40, stop.signal).then(() => {
    over = true;
  });
  await clock.sleep(5);
  assert.equal(over, false);
  stop.abort();
  await sleeping;
});

test('a sleep leaves no listener behind', async () => {
  const stop = new AbortController();
  const warned: unknown[] = [];
  const onWarning = (warning: Error) => warned.push(warning);
  process.on('warning', onWarning);
  for (let n = 0; n < 20; n++) await clock.sleep(0.1, stop.signal);
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  assert.deepEqual(warned, []);
});
