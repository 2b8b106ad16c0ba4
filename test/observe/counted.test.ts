// How many todos there are, kept for a while: what is asked again when, and that a store that hangs holds up nobody.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig } from '../../src/core/config.ts';
import { OperationalError } from '../../src/core/errors.ts';
import { countsIn } from '../../src/observe/counted.ts';
import { random } from '../../src/platform/random.ts';
import { keepIn } from '../../src/resilience/kept.ts';
import { keptInMemory } from '../../src/resilience/kept-in-memory.ts';
import { FakeClock, watched } from '../resilience/fake-clock.ts';

test('kept for fifteen seconds, then asked again; whoever asks for it anew gets it anew', async () => {
  assert.deepEqual([defaultConfig().server.status_cache, defaultConfig().server.fresh_per_minute], [15, 6]);
  const { counts, clock, store } = counting();
  assert.deepEqual(await looked(counts.get(false)), [1, false]);
  await clock.pass(14_999);
  assert.deepEqual(await looked(counts.get(false)), [1, true]);
  assert.deepEqual(await looked(counts.get(true)), [2, false]);
  await clock.pass(14_999);
  assert.deepEqual(await looked(counts.get(false)), [2, true]);
  await clock.pass(1);
  assert.deepEqual(await looked(counts.get(false)), [3, false]);
  await counts.forget();
  assert.deepEqual(await looked(counts.get(false)), [4, false]);
  assert.equal(store.asked, 4);
});

test('a store that hangs: one waits a moment, the others not at all, and all get the old answer with its age; then the new one', async () => {
  const { counts, clock, store } = counting();
  await counts.get(false);
  await clock.pass(15_000);
  store.hangs = true;
  const first = watched(counts.get(false));
  await clock.pass(0);
  const second = watched(counts.get(false));
  await clock.pass(1);
  assert.deepEqual([first.state, second.state], ['pending', 'resolved']);
  await clock.pass(49);
  assert.deepEqual([first.value?.isKept, first.value?.value], [true, { open: 1 }]);
  assert.equal(store.asked, 2, 'asked once, not by each');
  const byHand = watched(counts.get(true));
  await clock.pass(1_999);
  assert.equal(byHand.state, 'pending');
  await clock.pass(1);
  assert.equal(byHand.value?.isKept, true);
  store.answer();
  await clock.pass(0);
  assert.deepEqual(await looked(counts.get(false)), [2, true]);
});

test('a store that is away: the old answer, why there is no new one, and no question for a while', async () => {
  const { counts, clock, store } = counting();
  store.isAway = true;
  const nothing = await counts.get(false);
  assert.deepEqual([nothing.value, nothing.asOfMs], [null, null]);
  assert.match(nothing.problem ?? '', /^STORE_UNREACHABLE/);
  store.isAway = false;
  await clock.pass(15_000);
  const { asOfMs } = await counts.get(false);
  store.isAway = true;
  await clock.pass(15_000);
  const away = await counts.get(false);
  assert.deepEqual([away.value, away.asOfMs, away.problem === null], [{ open: 2 }, asOfMs, false]);
  await counts.get(false);
  assert.equal(store.asked, 3);
});

async function looked(answer: ReturnType<ReturnType<typeof countsIn>['get']>): Promise<unknown[]> {
  const { value, isKept } = await answer;
  return [value?.['open'], isKept];
}

function counting() {
  const clock = new FakeClock();
  const keep = keepIn({ near: [keptInMemory(clock)], far: null, lasting: 's:', onChange() {} }, { clock, random });
  const answers: (() => void)[] = [];
  const store = { asked: 0, hangs: false, isAway: false, answer: () => answers.shift()?.() };
  const shown = {
    async counts() {
      const open = ++store.asked;
      if (store.isAway) throw new OperationalError('STORE_UNREACHABLE', { operation: 'counting', subject: 'todos' });
      if (store.hangs) await new Promise<void>((resolve) => answers.push(resolve));
      return { open };
    },
  };
  return { counts: countsIn({ shown, keep, maxAgeMs: 15_000, clock, onDefect: (error) => assert.fail(String(error)) }), clock, store };
}
