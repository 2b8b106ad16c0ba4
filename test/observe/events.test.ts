// The stream of overviews as a function: what comes when, without a socket.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Overview } from '../../src/core/dashboard.ts';
import { events } from '../../src/observe/events.ts';
import type { Shown } from '../../src/observe/shown.ts';
import { FakeClock } from '../resilience/fake-clock.ts';
import { anOverview } from './an-overview.ts';

function streams(clock: FakeClock) {
  let now: Partial<Overview> = {};
  let made = 0;
  const shown = {
    overview: () => {
      made += 1;
      return anOverview({ ...now, atMs: clock.monotonicMs() });
    },
    changed: (withinMs: number) => clock.sleep(withinMs),
  } as unknown as Shown;
  return {
    made: () => made,
    set: (changes: Partial<Overview>) => {
      now = { ...now, ...changes };
    },
    open() {
      const gone = new AbortController();
      const pieces = (events(shown, gone.signal).body as AsyncIterable<string>)[Symbol.asyncIterator]();
      return { gone, next: () => pieces.next().then(({ value }) => value as string | undefined) };
    },
  };
}

const dataOf = (event: string | undefined) => JSON.parse(/^data: (.*)$/m.exec(event ?? '')?.[1] ?? 'null');

test('at first, after a change, and after 15 s of silence; a clock that moves is no change, and a storm of changes is one event', async () => {
  const clock = new FakeClock();
  const them = streams(clock);
  const profile = { failureThreshold: 5, successThreshold: 3, timeoutMs: 30_000 };
  const counts = { failures: 5, successes: 0, reopenings: 0, refused: 0, late: 0 };
  const breaker = { name: 'store', state: 'open', why: 'it is away', sinceMs: 4_000, retryAfterMs: 30_000, ...counts, profile } as const;
  them.set({ breakers: [breaker] });
  const one = them.open();
  assert.equal(await one.next(), 'retry: 2000\n\n');
  assert.match((await one.next()) ?? '', /^id: 1\nevent: overview\ndata: .*\n\n$/);
  let told = 0;
  const second = one.next().then((event) => {
    told += 1;
    return event;
  });
  const parts = { value: { open: 1 }, asOfMs: 5, problem: null };
  them.set({
    health: { status: 'healthy', components: [], lookedAtMs: 7 },
    breakers: [{ ...breaker, sinceMs: 4_001, retryAfterMs: 21_000 }],
  });
  await clock.pass(9_000);
  assert.equal(told, 0, 'nothing that matters has changed');
  for (let version = 2; version < 50; version++) them.set({ todosVersion: version, todos: parts });
  await clock.pass(1_000);
  assert.equal(dataOf(await second).todosVersion, 49);
  const third = one.next().then((event) => {
    told += 1;
    return event;
  });
  them.set({ todos: { ...parts, asOfMs: 6 } });
  await clock.pass(14_000);
  assert.equal(told, 1);
  await clock.pass(2_000);
  assert.match((await third) ?? '', /^id: 3\n/);
  one.gone.abort();
});

test('fifty who listen get the same text, made once; one who does not read holds up nobody and gets the newest; without any nothing is made', async () => {
  const clock = new FakeClock();
  const them = streams(clock);
  const all = Array.from({ length: 50 }, () => them.open());
  for (const { next } of all) await next();
  const first = await Promise.all(all.map(({ next }) => next()));
  assert.equal(new Set(first).size, 1);
  assert.equal(them.made(), 1);
  const slow = all[0]!;
  for (let version = 2; version < 12; version++) {
    them.set({ todosVersion: version });
    const others = Promise.all(all.slice(1).map(({ next }) => next()));
    await clock.pass(1_000);
    assert.deepEqual(new Set((await others).map((event) => dataOf(event).todosVersion)), new Set([version]));
  }
  assert.equal(dataOf(await slow.next()).todosVersion, 11, 'what was missed is past');
  for (const { gone } of all) gone.abort();
  await Promise.all(all.map(({ next }) => next()));
  await clock.pass(1_000);
  const made = them.made();
  await clock.pass(60_000);
  assert.equal(them.made(), made);
  assert.equal(clock.sleeping, 0, 'no timer holds the process');
});

test('a defect while it is made ends the stream, and does not hang it', async () => {
  const gone = new AbortController();
  const shown = {
    overview() {
      throw new Error('broken');
    },
  } as unknown as Shown;
  const pieces = (events(shown, gone.signal).body as AsyncIterable<string>)[Symbol.asyncIterator]();
  await pieces.next();
  await assert.rejects(pieces.next(), /broken/);
});
