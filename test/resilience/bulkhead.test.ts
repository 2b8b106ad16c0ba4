import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breaker } from '../../src/resilience/breaker.ts';
import { Bulkhead } from '../../src/resilience/bulkhead.ts';
import { Refused } from '../../src/resilience/errors.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { policies } from '../../src/resilience/policy.ts';
import { profiles } from '../../src/resilience/profiles.ts';
import { offline, settle, watched, world } from './fake-clock.ts';

/** A guard of so many places; each call waits until the test answers it. */
function rig(rule = { limit: 2, queue: 2, maxWaitMs: 1000 }, more: { timeoutMs?: number } = {}) {
  const needs = world();
  const bulkhead = new Bulkhead(rule);
  const guard = newGuard({ name: 'service', bulkhead, ...more }, needs);
  const started: string[] = [];
  const answers = new Map<string, PromiseWithResolvers<string>>();
  const call = (name: string, stop?: AbortSignal) => {
    const answer = Promise.withResolvers<string>();
    answers.set(name, answer);
    return watched(
      guard.run(
        () => {
          started.push(name);
          return answer.promise;
        },
        { stop },
      ),
    );
  };
  const answer = async (name: string) => {
    answers.get(name)?.resolve(name);
    await settle();
  };
  const because = (seen: { error: unknown }) => (seen.error instanceof Refused ? seen.error.because : seen.error);
  return { needs, bulkhead, started, call, answer, answers, because };
}

test('so many calls run, so many wait in line, the next is refused at once', async () => {
  const it = rig();
  const [, , , , fifth] = ['a', 'b', 'c', 'd', 'e'].map((name) => it.call(name));
  await settle();
  assert.deepEqual(it.started, ['a', 'b']);
  assert.deepEqual([it.bulkhead.active, it.bulkhead.queued], [2, 2]);
  assert.equal(it.because(fifth!), 'full');
});

test('who waits gets the first free place, in the order of coming', async () => {
  const it = rig();
  const seen = ['a', 'b', 'c', 'd'].map((name) => it.call(name));
  await it.answer('b');
  assert.deepEqual(it.started, ['a', 'b', 'c']);
  await it.answer('a');
  assert.deepEqual(it.started, ['a', 'b', 'c', 'd']);
  await it.answer('c');
  await it.answer('d');
  assert.deepEqual(
    seen.map((each) => each.value),
    ['a', 'b', 'c', 'd'],
  );
  assert.deepEqual([it.bulkhead.active, it.bulkhead.queued], [0, 0]);
});

test('who comes while others wait does not overtake them', async () => {
  const it = rig({ limit: 1, queue: 5, maxWaitMs: 1000 });
  it.call('a');
  it.call('b');
  it.answers.get('a')?.resolve('a');
  it.call('c');
  await settle();
  assert.deepEqual(it.started, ['a', 'b']);
  await it.answer('b');
  assert.deepEqual(it.started, ['a', 'b', 'c']);
});

test('stopped in line: it settles without any time passing, is never called, and its place in line is free', async () => {
  const it = rig({ limit: 1, queue: 1, maxWaitMs: 1000 });
  const controller = new AbortController();
  it.call('a');
  const waiting = it.call('b', controller.signal);
  await settle();
  controller.abort('enough');
  await settle();
  assert.deepEqual([waiting.state, waiting.error], ['rejected', 'enough']);
  assert.equal(it.bulkhead.queued, 0);
  const next = it.call('c');
  await it.answer('a');
  assert.deepEqual(it.started, ['a', 'c']);
  assert.equal(next.state, 'pending');
  assert.equal(it.needs.timeouts.armed, 0);
});

test('stopped in the middle of the line, those before and behind keep their turn', async () => {
  const it = rig({ limit: 1, queue: 3, maxWaitMs: 1000 });
  const controller = new AbortController();
  it.call('a');
  it.call('b');
  it.call('c', controller.signal);
  it.call('d');
  controller.abort();
  await it.answer('a');
  await it.answer('b');
  await it.answer('d');
  assert.deepEqual(it.started, ['a', 'b', 'd']);
});

test('who waits longer than allowed is refused then, and only then', async () => {
  const it = rig({ limit: 1, queue: 1, maxWaitMs: 1000 });
  it.call('a');
  const waiting = it.call('b');
  await it.needs.clock.pass(999);
  assert.equal(waiting.state, 'pending');
  await it.needs.clock.pass(1);
  assert.equal(it.because(waiting), 'waited');
  await it.answer('a');
  assert.deepEqual(it.started, ['a']);
});

test('the time in line is not the time of the call', async () => {
  const it = rig({ limit: 1, queue: 1, maxWaitMs: 1000 }, { timeoutMs: 100 });
  const first = it.call('a');
  const second = it.call('b');
  await it.needs.clock.pass(100);
  assert.equal(first.state, 'rejected', 'its time is over, its place is free');
  assert.deepEqual(it.started, ['a', 'b']);
  await it.needs.clock.pass(99);
  assert.equal(second.state, 'pending');
  await it.needs.clock.pass(1);
  assert.equal(second.state, 'rejected');
});

test('who is called from within the end of another call gets in line like all', async () => {
  const needs = world();
  const bulkhead = new Bulkhead({ limit: 1, queue: 5, maxWaitMs: 1000 });
  const started: string[] = [];
  // Told while the line is served: the place is free for a moment, and it is that of the next in line.
  const on = () => watched(guard.run(() => void started.push('from within')));
  const guard = newGuard({ name: 's', bulkhead, policy: policies.default, on }, needs);
  const first = Promise.withResolvers<void>();
  watched(guard.run(() => first.promise));
  watched(
    guard.run(() => {
      started.push('second');
      throw Object.assign(new Error('bad request'), { status: 400 });
    }),
  );
  watched(guard.run(() => void started.push('third')));
  first.resolve();
  await settle();
  assert.deepEqual(started, ['second', 'third', 'from within']);
});

test('a call that fails or throws at once gives its place back', async () => {
  const needs = world();
  const bulkhead = new Bulkhead({ limit: 1, queue: 0, maxWaitMs: 1 });
  const guard = newGuard({ name: 's', bulkhead }, needs);
  await assert.rejects(guard.run(() => Promise.reject(offline())));
  await assert.rejects(
    guard.run(() => {
      throw offline();
    }),
  );
  assert.equal(bulkhead.active, 0);
  assert.equal(await guard.run(() => 7), 7);
});

test('who waits for its next attempt holds no place', async () => {
  const needs = world();
  const bulkhead = new Bulkhead({ limit: 1, queue: 0, maxWaitMs: 1 });
  const guard = newGuard({ name: 's', bulkhead, policy: policies.default }, needs);
  let calls = 0;
  const retried = watched(guard.run(() => (++calls === 1 ? Promise.reject(offline()) : 'at last')));
  await settle();
  assert.equal(bulkhead.active, 0);
  assert.equal(await guard.run(() => 'meanwhile'), 'meanwhile');
  await needs.clock.pass(1000);
  assert.equal(retried.value, 'at last');
});

test('a long line that is refused all at once does not nest: ten thousand waiters, no stack overflow', async () => {
  const needs = world();
  const breaker = new Breaker(profiles.smtp, needs.clock.monotonicMs(), () => 0);
  const bulkhead = new Bulkhead({ limit: 1, queue: 10_000, maxWaitMs: 60_000 });
  const guard = newGuard({ name: 's', bulkhead, breaker }, needs);
  const first = Promise.withResolvers<void>();
  watched(guard.run(() => first.promise));
  const waiting = Array.from({ length: 10_000 }, () => watched(guard.run(() => 'x')));
  breaker.isolate(needs.clock.monotonicMs(), 'by hand');
  first.resolve();
  await settle();
  assert.ok(waiting.every((it) => it.error instanceof Refused && it.error.because === 'isolated'));
  assert.deepEqual([bulkhead.active, bulkhead.queued], [0, 0]);
});

test('never do more run than allowed, whatever fails, waits too long or is stopped', async () => {
  const needs = world();
  const bulkhead = new Bulkhead({ limit: 3, queue: 10, maxWaitMs: 50 });
  const guard = newGuard({ name: 's', bulkhead, timeoutMs: 80 }, needs);
  let state = 7;
  const draw = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let running = 0;
  let most = 0;
  const all = [];
  for (let i = 0; i < 300; i++) {
    const controller = new AbortController();
    all.push(
      watched(
        guard.run(
          async (call) => {
            most = Math.max(most, ++running);
            call.stop.addEventListener('abort', () => running--, { once: true });
            await needs.clock.sleep(draw(120), call.stop);
            if (!call.stop.aborted) running--;
            if (draw(4) === 0) throw offline();
          },
          { stop: controller.signal },
        ),
      ),
    );
    const fate = draw(5);
    if (fate === 0) controller.abort();
    if (fate === 1) void needs.clock.sleep(1 + draw(100)).then(() => controller.abort());
    if (draw(3) === 0) await needs.clock.pass(draw(30));
  }
  await needs.clock.pass(10_000);
  assert.equal(most, 3);
  assert.equal(running, 0);
  assert.ok(all.every((it) => it.state !== 'pending'));
  assert.deepEqual([bulkhead.active, bulkhead.queued, needs.timeouts.armed, needs.clock.sleeping], [0, 0, 0, 0]);
});
