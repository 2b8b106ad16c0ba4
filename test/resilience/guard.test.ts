import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { clock as realClock } from '../../src/platform/clock.ts';
import { Breaker } from '../../src/resilience/breaker.ts';
import { Bulkhead } from '../../src/resilience/bulkhead.ts';
import { Refused } from '../../src/resilience/errors.ts';
import { givenUpOf } from '../../src/resilience/given-up.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { policies } from '../../src/resilience/policy.ts';
import { profiles } from '../../src/resilience/profiles.ts';
import { Timeouts } from '../../src/resilience/timeouts.ts';
import { offline, settle, watched, world, wrong } from './fake-clock.ts';

const breakerOf = (needs: ReturnType<typeof world>, profile = profiles.runner) => new Breaker(profile, needs.clock.monotonicMs(), () => 0);
const because = (error: unknown) => (error instanceof Refused ? error.because : error);

async function opened(needs: ReturnType<typeof world>, breaker: Breaker) {
  const guard = newGuard({ name: 'service', breaker }, needs);
  while (breaker.state === 'closed') await guard.run(() => Promise.reject(offline())).catch(() => {});
  return guard;
}

test('[H-18] (U) of 100 parallel calls at a half-open breaker exactly one goes through; 99 are refused at once with the time to wait', async () => {
  const needs = world();
  const guard = await opened(needs, breakerOf(needs));
  await needs.clock.pass(30_000);
  let calls = 0;
  const probe = Promise.withResolvers<string>();
  const all = Array.from({ length: 100 }, () =>
    watched(
      guard.run(() => {
        calls++;
        return probe.promise;
      }),
    ),
  );
  await settle();
  assert.equal(calls, 1);
  const refused = all.filter((it) => it.state === 'rejected');
  assert.equal(refused.length, 99);
  for (const { error } of refused) {
    assert.ok(error instanceof Refused);
    assert.deepEqual([error.because, error.retryAfterMs], ['probing', 30_000]);
  }
  probe.resolve('well');
  await settle();
  assert.equal(all.filter((it) => it.value === 'well').length, 1);
  // One success is not three: the next hundred are one probe again.
  for (let i = 0; i < 100; i++) watched(guard.run(() => Promise.resolve(void calls++)));
  await settle();
  assert.equal(guard.breaker?.state, 'half-open');
  assert.equal(calls, 2);
});

test('an open breaker refuses without calling, says for how long, and lets through when that is over', async () => {
  const needs = world();
  const guard = await opened(needs, breakerOf(needs));
  await needs.clock.pass(12_000);
  await assert.rejects(
    guard.run(() => assert.fail('it was called')),
    (error) => error instanceof Refused && error.because === 'open' && error.retryAfterMs === 18_000 && error.code === 'NETWORK_FAILED',
  );
  await needs.clock.pass(18_000);
  assert.equal(await guard.run(() => 'well'), 'well');
});

test('an error that is an answer does not open the breaker, and as a probe’s gives the place back', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  const guard = newGuard({ name: 's', breaker }, needs);
  for (let i = 0; i < 50; i++) await assert.rejects(guard.run(() => Promise.reject(wrong())));
  assert.equal(breaker.state, 'closed');
  await opened(needs, breaker);
  await needs.clock.pass(120_000);
  await assert.rejects(guard.run(() => Promise.reject(wrong())));
  assert.equal(breaker.state, 'half-open');
  assert.equal(await guard.run(() => 'well'), 'well');
  assert.equal(breaker.state, 'closed');
});

test('a probe that is stopped gives the place back', async () => {
  const needs = world();
  const guard = await opened(needs, breakerOf(needs, profiles.smtp));
  await needs.clock.pass(120_000);
  const controller = new AbortController();
  watched(guard.run(() => new Promise(() => {}), { stop: controller.signal }));
  await assert.rejects(
    guard.run(() => 1),
    (error) => because(error) === 'probing',
  );
  controller.abort();
  assert.equal(await guard.run(() => 'well'), 'well');
});

test('a probe that hangs without a timeout does not keep all others out for ever', async () => {
  const needs = world();
  const guard = await opened(needs, breakerOf(needs, profiles.smtp));
  await needs.clock.pass(120_000);
  watched(guard.run(() => new Promise(() => {})));
  await needs.clock.pass(30_000);
  assert.equal(await guard.run(() => 'well'), 'well');
  assert.equal(guard.breaker?.state, 'closed');
});

test('timeouts open the breaker; the answers that come afterwards change nothing', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  const guard = newGuard({ name: 's', breaker, timeoutMs: 100 }, needs);
  const late = Promise.withResolvers<string>();
  const seen = [watched(guard.run(() => late.promise)), watched(guard.run(() => late.promise))];
  await needs.clock.pass(100);
  assert.equal(breaker.state, 'open');
  late.resolve('late');
  await settle();
  assert.equal(breaker.state, 'open');
  assert.ok(seen.every((it) => it.state === 'rejected'));
});

test('an answer of an attempt whose time was over is not taken for that of the next one', async () => {
  const needs = world();
  const breaker = breakerOf(needs);
  const answers = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  const guard = newGuard({ name: 's', breaker, timeoutMs: 100, policy: policies.api }, needs);
  const seen = watched(guard.run((call) => answers[call.attempt - 1]!.promise));
  await needs.clock.pass(650);
  answers[0]?.resolve('late');
  await settle();
  assert.equal(seen.state, 'pending');
  answers[1]?.resolve('in time');
  await settle();
  assert.equal(seen.value, 'in time');
});

test('a stopped call says nothing about the other side', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  for (let i = 0; i < 10; i++) {
    const controller = new AbortController();
    watched(newGuard({ name: 's', breaker }, needs).run(() => new Promise(() => {}), { stop: controller.signal }));
    controller.abort();
  }
  assert.equal(breaker.state, 'closed');
});

test('a place is given back once, also where the next attempt is refused before it has one', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  const bulkhead = new Bulkhead({ limit: 3, queue: 0, maxWaitMs: 1 });
  const guard = newGuard({ name: 's', breaker, bulkhead, policy: policies.default }, needs);
  const seen = watched(guard.run(() => Promise.reject(offline())));
  await needs.clock.pass(10_000);
  assert.equal(because(seen.error), 'open');
  assert.equal(bulkhead.active, 0);
});

test('an open breaker ends the retrying at once: no wait for what is refused anyway', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  let calls = 0;
  const guard = newGuard({ name: 's', breaker, policy: policies.default }, needs);
  const seen = watched(
    guard.run(() => {
      calls++;
      return Promise.reject(offline());
    }),
  );
  await needs.clock.pass(1000);
  assert.equal(breaker.state, 'open');
  await needs.clock.pass(2000);
  assert.equal(calls, 2);
  assert.equal(because(seen.error), 'open');
  assert.equal(givenUpOf(seen.error)?.attempts, 3);
  assert.equal(needs.clock.sleeping, 0);
});

test('each attempt is a result of its own for the breaker', async () => {
  const needs = world();
  const breaker = breakerOf(needs);
  watched(newGuard({ name: 's', breaker, policy: policies.default }, needs).run(() => Promise.reject(offline())));
  await needs.clock.pass(3000);
  assert.equal(breaker.look(needs.clock.monotonicMs()).failures, 3);
});

test('nobody gets in line for what an open breaker refuses, even when all places are taken', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  const bulkhead = new Bulkhead({ limit: 1, queue: 10, maxWaitMs: 60_000 });
  const guard = newGuard({ name: 's', breaker, bulkhead }, needs);
  watched(guard.run(() => new Promise(() => {})));
  await opened(needs, breaker);
  const seen = watched(guard.run(() => 1));
  await settle();
  assert.equal(because(seen.error), 'open');
  assert.equal(bulkhead.queued, 0);
});

test('who waits in line holds no probe, and is refused when the breaker has opened meanwhile', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  const bulkhead = new Bulkhead({ limit: 1, queue: 10, maxWaitMs: 60_000 });
  const guard = newGuard({ name: 's', breaker, bulkhead }, needs);
  const first = Promise.withResolvers<never>();
  watched(guard.run(() => first.promise));
  let calls = 0;
  const waiting = [1, 2, 3].map(() =>
    watched(
      guard.run(() => {
        calls++;
        return Promise.reject(offline());
      }),
    ),
  );
  first.reject(offline());
  await settle();
  assert.equal(calls, 1, 'its failure is the second, which opens');
  assert.deepEqual(
    waiting.map((it) => (it.error instanceof Refused ? it.error.because : 'called')),
    ['called', 'open', 'open'],
  );
  assert.deepEqual([bulkhead.active, bulkhead.queued], [0, 0]);
});

test('slow is measured from the call, not from the line', async () => {
  const needs = world();
  const breaker = new Breaker({ ...profiles.smtp, slow: { overMs: 100, rate: 1 } }, needs.clock.monotonicMs(), () => 0);
  const guard = newGuard({ name: 's', breaker, bulkhead: new Bulkhead({ limit: 1, queue: 9, maxWaitMs: 9999 }) }, needs);
  const all = [1, 2, 3, 4].map(() => watched(guard.run(() => needs.clock.sleep(90))));
  await needs.clock.pass(360);
  assert.ok(all.every((it) => it.state === 'resolved'));
  assert.equal(breaker.state, 'closed');
  watched(guard.run(() => needs.clock.sleep(101)));
  watched(guard.run(() => needs.clock.sleep(101)));
  await needs.clock.pass(300);
  assert.equal(breaker.state, 'open');
});

test('all parts together: a flaky service behind all of them answers, and nothing is left behind', async () => {
  const needs = world();
  const breaker = breakerOf(needs);
  const bulkhead = new Bulkhead({ limit: 2, queue: 8, maxWaitMs: 60_000 });
  const guard = newGuard({ name: 's', breaker, bulkhead, policy: policies.default, timeoutMs: 5000 }, needs);
  let calls = 0;
  const all = Array.from({ length: 10 }, () =>
    watched(
      guard.run(async () => {
        if (++calls % 3 === 0) throw offline();
        await needs.clock.sleep(10);
        return 'answer';
      }),
    ),
  );
  await needs.clock.pass(60_000);
  assert.ok(all.every((it) => it.value === 'answer'));
  assert.deepEqual([bulkhead.active, bulkhead.queued, needs.timeouts.armed, needs.clock.sleeping], [0, 0, 0, 0]);
});

test('whatever a guard has, the value and the failure of a call come out as they went in', async () => {
  const needs = world();
  const guards = [
    newGuard({ name: 's' }, needs),
    newGuard({ name: 's', timeoutMs: 10, breaker: breakerOf(needs), bulkhead: new Bulkhead({ limit: 9, queue: 0, maxWaitMs: 1 }) }, needs),
    newGuard({ name: 's', policy: policies.api, hedge: { afterMs: 5, legs: 2 } }, needs),
  ];
  for (const guard of guards) {
    for (const value of [undefined, null, 0, '', thenIsNoFunction]) assert.equal(await guard.run(() => value, { idempotent: true }), value);
    assert.equal(await guard.run(() => thenable), 'thenable');
    const error = wrong();
    await assert.rejects(
      guard.run(() => Promise.reject(error), { idempotent: true }),
      (it) => it === error,
    );
  }
});

/** Not a promise, though it can be awaited; and what cannot. */
const thenable = Object.fromEntries([['then', (resolve: (it: string) => void) => resolve('thenable')]]) as unknown as PromiseLike<string>;
const thenIsNoFunction = Object.fromEntries([['then', 7]]);

test('an own table of classes is asked in place of ours', async () => {
  const needs = world();
  const breaker = breakerOf(needs, profiles.smtp);
  const guard = newGuard({ name: 's', breaker, classify: (error) => (error === 'busy' ? 'temporary' : 'defect') }, needs);
  await assert.rejects(guard.run(() => Promise.reject('busy')));
  await assert.rejects(guard.run(() => Promise.reject('busy')));
  assert.equal(breaker.state, 'open');
});

test('a listener that throws is a defect of its own: the call has its result, and the program hears of it', () => {
  const script = `
    import { clock } from './src/platform/clock.ts';
    import { newGuard } from './src/resilience/guard.ts';
    import { policies } from './src/resilience/policy.ts';
    import { Timeouts } from './src/resilience/timeouts.ts';
    process.on('uncaughtException', (error) => console.log('defect: ' + error.message));
    const on = () => { throw new Error('of the listener'); };
    const guard = newGuard({ name: 's', policy: policies.api, on }, { clock, random: Math.random, timeouts: new Timeouts(clock) });
    await guard.run(() => Promise.reject(new Error('of the call'))).catch((error) => console.log('result: ' + error.message));
  `;
  const output = execFileSync(process.execPath, ['--input-type=module-typescript', '--no-warnings', '-e', script], { encoding: 'utf8' });
  assert.deepEqual(output.trim().split('\n').sort(), ['defect: of the listener', 'result: of the call']);
});

test('on the real clock a stop during call, wait and line settles within 5 ms and leaves no timer', async () => {
  const needs = { clock: realClock, random: Math.random, timeouts: new Timeouts(realClock) };
  const hang = () => new Promise<never>(() => {});
  const timersBefore = process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length;
  const situations: Record<string, (stop: AbortSignal) => Promise<unknown>> = {
    call: (stop) => newGuard({ name: 's', policy: policies.default, timeoutMs: 60_000 }, needs).run(hang, { stop }),
    wait: (stop) => newGuard({ name: 's', policy: policies.default }, needs).run(() => Promise.reject(offline()), { stop }),
    line: (stop) => {
      const guard = newGuard({ name: 's', bulkhead: new Bulkhead({ limit: 0, queue: 1, maxWaitMs: 60_000 }) }, needs);
      return guard.run(hang, { stop });
    },
    hedge: (stop) => newGuard({ name: 's', hedge: { afterMs: 60_000, legs: 2 } }, needs).run(hang, { stop, idempotent: true }),
  };
  for (const [name, run] of Object.entries(situations)) {
    const took: number[] = [];
    for (let i = 0; i < 15; i++) {
      const controller = new AbortController();
      const seen = run(controller.signal).catch(() => performance.now());
      await settle();
      const abortedAtMs = performance.now();
      controller.abort();
      took.push(((await seen) as number) - abortedAtMs);
    }
    // The median, because the machine may do something else for a moment.
    const medianMs = took.sort((a, b) => a - b)[7] ?? Number.NaN;
    assert.ok(medianMs <= 5, `${name}: ${medianMs} ms`);
  }
  await settle();
  assert.equal(process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length, timersBefore);
});
