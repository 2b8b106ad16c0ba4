import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SavedBreaker } from '../../src/resilience/breaker.ts';
import type { NamedBreakerChange } from '../../src/resilience/breakers.ts';
import { Breakers } from '../../src/resilience/breakers.ts';
import { profiles } from '../../src/resilience/profiles.ts';
import { FakeClock } from './fake-clock.ts';

const fail = (breakers: Breakers, clock: FakeClock, times: number, name = 'smtp') => {
  const breaker = breakers.of(name, profiles.smtp);
  for (let i = 0; i < times; i++) breaker.settle(breaker.admit(clock.monotonicMs()), 'failure', 1, clock.monotonicMs());
};

test('one name is one breaker, and a name cannot have two profiles', () => {
  const breakers = new Breakers({ clock: new FakeClock(), random: () => 0 });
  assert.equal(breakers.of('smtp', profiles.smtp), breakers.of('smtp', profiles.smtp));
  assert.throws(() => breakers.of('smtp', profiles.store), /breaker smtp has another profile/);
});

test('all are listed with their names and looks', async () => {
  const clock = new FakeClock();
  const breakers = new Breakers({ clock, random: () => 0 });
  breakers.of('store', profiles.store);
  fail(breakers, clock, 2);
  await clock.pass(1000);
  assert.deepEqual(
    breakers.list().map(({ name, state, retryAfterMs }) => [name, state, retryAfterMs]),
    [
      ['store', 'closed', 0],
      ['smtp', 'open', 119_000],
    ],
  );
});

test('isolate and reset go by name, and say where there is no such breaker', () => {
  const breakers = new Breakers({ clock: new FakeClock(), random: () => 0 });
  breakers.of('smtp', profiles.smtp);
  assert.equal(breakers.isolate('smtp', 'by hand'), true);
  assert.equal(breakers.of('smtp', profiles.smtp).state, 'isolated');
  assert.equal(breakers.reset('smtp', 'by hand'), true);
  assert.equal(breakers.of('smtp', profiles.smtp).state, 'closed');
  assert.equal(breakers.isolate('stmp', 'typo'), false);
  assert.equal(breakers.reset('stmp', 'typo'), false);
});

test('each change is told with its name and what is to be written down', () => {
  const clock = new FakeClock();
  const seen: NamedBreakerChange[] = [];
  const breakers = new Breakers({ clock, random: () => 0, on: (event) => seen.push(event) });
  fail(breakers, clock, 2);
  assert.equal(seen.length, 1);
  const [{ name, from, to, saved }] = seen as [NamedBreakerChange];
  assert.deepEqual({ name, from, to }, { name: 'smtp', from: 'closed', to: 'open' });
  assert.deepEqual(saved, { v: 1, state: 'open', leftMs: 120_000, reopenings: 0, why: 'too many calls failed', atMs: clock.nowMs() });
});

test('killed while open with 20 s left, the next process goes on with 20 s, from what was written at the change', async () => {
  const written = new Map<string, string>();
  const clock = new FakeClock();
  const first = new Breakers({ clock, random: () => 0, on: ({ name, saved }) => written.set(name, JSON.stringify(saved)) });
  fail(first, clock, 2);
  await clock.pass(100_000);
  // The next process has a monotonic clock of its own, and the same UTC.
  const later = new FakeClock(17, clock.nowMs());
  const told: NamedBreakerChange[] = [];
  const saved = (name: string): unknown => JSON.parse(written.get(name) ?? 'null');
  const second = new Breakers({ clock: later, random: () => 0, saved, on: (event) => told.push(event) });
  const breaker = second.of('smtp', profiles.smtp);
  assert.equal(breaker.state, 'open');
  assert.equal(breaker.retryAfterMs(later.monotonicMs()), 20_000);
  assert.equal(second.list()[0]?.inStateForMs, 100_000);
  assert.deepEqual(told, [], 'nothing happened, so nobody is told');
});

test('what was written by somebody else starts closed', () => {
  for (const wrong of [undefined, null, 'open', { v: 9 }, { v: 1, state: 'open', leftMs: 'x' }]) {
    const breakers = new Breakers({ clock: new FakeClock(), random: () => 0, saved: () => wrong });
    assert.equal(breakers.of('smtp', profiles.smtp).state, 'closed');
  }
});

test('a breaker that closed again is written as closed: no later process finds it open', () => {
  const clock = new FakeClock();
  const seen: SavedBreaker[] = [];
  const breakers = new Breakers({ clock, random: () => 0, on: ({ saved }) => seen.push(saved) });
  fail(breakers, clock, 2);
  breakers.reset('smtp', 'by hand');
  assert.equal(seen.at(-1)?.state, 'closed');
});
