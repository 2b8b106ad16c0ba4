import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimedOut } from '../../src/resilience/errors.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import type { Call } from '../../src/resilience/run.ts';
import type { List, Timed } from '../../src/resilience/timeouts.ts';
import { Timeouts } from '../../src/resilience/timeouts.ts';
import { FakeClock, settle, watched, world } from './fake-clock.ts';

class Item implements Timed {
  deadlineAtMs = 0;
  inList: List | null = null;
  before: Timed | null = null;
  after: Timed | null = null;
  readonly endedAtMs: number[] = [];
  readonly also: () => void;
  constructor(also: () => void = () => {}) {
    this.also = also;
  }
  onTimeout(nowMs: number): void {
    this.endedAtMs.push(nowMs);
    this.also();
  }
}

function wheel() {
  const clock = new FakeClock(0);
  const timeouts = new Timeouts(clock);
  const arm = (ms: number, item = new Item()) => {
    timeouts.arm(item, ms, clock.monotonicMs());
    return item;
  };
  return { clock, timeouts, arm };
}

test('each ends at its time, whatever the order in which they came', async () => {
  const { clock, arm } = wheel();
  const items = [300, 100, 200, 100].map((ms) => arm(ms));
  await clock.pass(1000);
  assert.deepEqual(
    items.map((it) => it.endedAtMs),
    [[300], [100], [200], [100]],
  );
});

test('what is disarmed never ends: first, middle, last, and twice', async () => {
  const { clock, timeouts, arm } = wheel();
  const items = [100, 100, 100, 100].map((ms) => arm(ms));
  for (const at of [1, 0, 3, 3]) timeouts.disarm(items[at]!);
  assert.equal(timeouts.armed, 1);
  await clock.pass(1000);
  assert.deepEqual(
    items.map((it) => it.endedAtMs.length),
    [0, 0, 1, 0],
  );
});

test('one timer serves all', async () => {
  const { clock, arm } = wheel();
  for (let i = 0; i < 100; i++) arm(1000 + i);
  await settle();
  assert.equal(clock.sleeping, 1);
});

test('a shorter one that comes later wakes it in time', async () => {
  const { clock, arm } = wheel();
  const long = arm(30_000);
  await clock.pass(10);
  const short = arm(5);
  await clock.pass(5);
  assert.deepEqual([short.endedAtMs, long.endedAtMs], [[15], []]);
  await clock.pass(30_000);
  assert.deepEqual(long.endedAtMs, [30_000]);
});

test('when nothing is armed any more, no timer holds the process', async () => {
  const { clock, timeouts, arm } = wheel();
  const item = arm(30_000);
  await settle();
  assert.equal(clock.sleeping, 1);
  timeouts.disarm(item);
  await settle();
  assert.equal(clock.sleeping, 0);
  const again = arm(50);
  await clock.pass(50);
  assert.deepEqual(again.endedAtMs, [30_000 - 29_950]);
});

test('calls that follow each other within a turn share one nap', async () => {
  const { clock, timeouts, arm } = wheel();
  let naps = 0;
  const sleep = clock.sleep.bind(clock);
  clock.sleep = (ms, stop) => {
    if (ms > 0) naps++;
    return sleep(ms, stop);
  };
  for (let i = 0; i < 1000; i++) {
    timeouts.disarm(arm(30_000));
    await Promise.resolve();
  }
  assert.equal(naps, 1);
  await settle();
  assert.equal(clock.sleeping, 0);
});

test('one that is armed while another ends, ends in its turn', async () => {
  const { clock, timeouts } = wheel();
  const second = new Item();
  const first = new Item(() => timeouts.arm(second, 20, clock.monotonicMs()));
  timeouts.arm(first, 10, 0);
  await clock.pass(100);
  assert.deepEqual([first.endedAtMs, second.endedAtMs], [[10], [30]]);
});

test('one that disarms another which is due at the same moment spares it', async () => {
  const { clock, timeouts } = wheel();
  const second = new Item();
  const first = new Item(() => timeouts.disarm(second));
  timeouts.arm(first, 10, 0);
  timeouts.arm(second, 10, 0);
  await clock.pass(100);
  assert.deepEqual(second.endedAtMs, []);
});

test('whatever is armed and disarmed when, all that stays ends exactly at its time and nothing else does', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ passMs: fc.nat(40), durationMs: fc.integer({ min: 1, max: 100 }), disarm: fc.option(fc.nat(20)) }), {
        maxLength: 25,
      }),
      async (steps) => {
        const { clock, timeouts, arm } = wheel();
        const all: { item: Item; dueMs: number; disarmedAtMs: number }[] = [];
        for (const { passMs, durationMs, disarm } of steps) {
          await clock.pass(passMs);
          all.push({ item: arm(durationMs), dueMs: clock.monotonicMs() + durationMs, disarmedAtMs: Number.POSITIVE_INFINITY });
          const picked = disarm === null ? undefined : all[disarm];
          if (picked !== undefined) {
            timeouts.disarm(picked.item);
            picked.disarmedAtMs = Math.min(picked.disarmedAtMs, clock.monotonicMs());
          }
        }
        await clock.pass(200);
        for (const { item, dueMs, disarmedAtMs } of all) assert.deepEqual(item.endedAtMs, disarmedAtMs < dueMs ? [] : [dueMs]);
        assert.equal(timeouts.armed, 0);
        assert.equal(clock.sleeping, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test('a call that is not answered in time ends then, by its code, and its signal is aborted with that error', async () => {
  const needs = world();
  let stop: AbortSignal | null = null;
  const guard = newGuard({ name: 'store', timeoutMs: 30_000, codes: { refused: 'STORE_UNREACHABLE', timedOut: 'STORE_TIMEOUT' } }, needs);
  const seen = watched(
    guard.run((call) => {
      stop = call.stop;
      return new Promise(() => {});
    }),
  );
  await needs.clock.pass(29_999);
  assert.equal(seen.state, 'pending');
  await needs.clock.pass(1);
  assert.ok(seen.error instanceof TimedOut);
  assert.equal(seen.error.code, 'STORE_TIMEOUT');
  assert.match(seen.error.message, /STORE_TIMEOUT while calling store: no answer within 30000 ms/);
  assert.equal((stop as AbortSignal | null)?.reason, seen.error);
});

test('a signal that is first asked for after the time is over is aborted already', async () => {
  const needs = world();
  const guard = newGuard({ name: 's', timeoutMs: 10 }, needs);
  let call: Call | null = null;
  watched(
    guard.run((it) => {
      call = it;
      return new Promise(() => {});
    }),
  );
  await needs.clock.pass(10);
  assert.equal((call as Call | null)?.stop.aborted, true);
});

test('an answer in time leaves the signal alone and nothing behind', async () => {
  const needs = world();
  let stop: AbortSignal | null = null;
  await newGuard({ name: 's', timeoutMs: 10 }, needs).run(async (call) => {
    stop = call.stop;
  });
  assert.equal(needs.timeouts.armed, 0);
  await needs.clock.pass(1000);
  assert.equal((stop as AbortSignal | null)?.aborted, false);
  assert.equal(needs.clock.sleeping, 0);
});

test('an answer after the time is nobody’s', async () => {
  const needs = world();
  const answer = Promise.withResolvers<string>();
  const seen = watched(newGuard({ name: 's', timeoutMs: 10 }, needs).run(() => answer.promise));
  await needs.clock.pass(10);
  answer.resolve('late');
  await settle();
  assert.equal(seen.state, 'rejected');
});
