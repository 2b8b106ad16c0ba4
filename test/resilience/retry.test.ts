import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noJitter } from '../../src/core/backoff.ts';
import { Refused } from '../../src/resilience/errors.ts';
import { givenUpOf } from '../../src/resilience/given-up.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { policies, policyOf } from '../../src/resilience/policy.ts';
import { retry } from '../../src/resilience/retry.ts';
import type { Call, GuardEvent } from '../../src/resilience/run.ts';
import { denied, offline, settle, watched, world, wrong } from './fake-clock.ts';

/** Fails so many times, then answers; remembers when it was called. */
function flaky(needs: ReturnType<typeof world>, failures: number, error: () => Error = offline) {
  const fromMs = needs.clock.monotonicMs();
  const calledAtMs: number[] = [];
  return {
    calledAtMs,
    work: (_call: Call): Promise<string> => {
      calledAtMs.push(needs.clock.monotonicMs() - fromMs);
      return calledAtMs.length <= failures ? Promise.reject(error()) : Promise.resolve('answer');
    },
  };
}
const about = { name: 'service', policy: policies.default };

test('a call that succeeds is made once and leaves no timer', async () => {
  const needs = world();
  const it = flaky(needs, 0);
  assert.equal(await retry(it.work, about, needs), 'answer');
  assert.deepEqual(it.calledAtMs, [0]);
  assert.equal(needs.clock.sleeping, 0);
});

test('a call that fails three times is made at 0, 1, 3, 7 s and then answers', async () => {
  const needs = world();
  const it = flaky(needs, 3);
  const seen = watched(retry(it.work, about, needs));
  await needs.clock.pass(6999);
  assert.equal(seen.state, 'pending');
  await needs.clock.pass(1);
  assert.deepEqual([seen.state, seen.value], ['resolved', 'answer']);
  assert.deepEqual(it.calledAtMs, [0, 1000, 3000, 7000]);
});

test('given up, it rejects with what the last attempt threw, itself and not a wrapper', async () => {
  const needs = world();
  const errors = [offline('1'), offline('2'), offline('3'), offline('4')];
  let at = 0;
  const seen = watched(retry(() => Promise.reject(errors[at++]), about, needs));
  await needs.clock.pass(60_000);
  assert.equal(seen.error, errors[3]);
});

test('what was given up has its history beside it: each attempt with time, class, message and wait', async () => {
  const needs = world();
  const seen = watched(retry(flaky(needs, 9, () => offline('down')).work, about, needs));
  const startedAtMs = needs.clock.nowMs();
  await needs.clock.pass(60_000);
  const history = givenUpOf(seen.error);
  assert.deepEqual(
    { ...history, failed: history?.failed.length },
    { policy: 'default', because: 'attempts', errorClass: 'network', deadLetter: false, alert: false, attempts: 4, failed: 4 },
  );
  assert.deepEqual(
    history?.failed.map(({ atMs, delayMs, message }) => [atMs - startedAtMs, delayMs, message]),
    [
      [0, 1000, 'down'],
      [1000, 2000, 'down'],
      [3000, 4000, 'down'],
      [7000, null, 'down'],
    ],
  );
});

test('the history of hundreds of attempts keeps how it began and how it stands', async () => {
  const needs = world();
  const often = policyOf('often', { attempts: 300, backoff: { firstMs: 1, factor: 1, maxMs: 1, jitter: noJitter } });
  let calls = 0;
  const seen = watched(retry(() => Promise.reject(offline(`failure ${++calls}`)), { name: 's', policy: often }, needs));
  await needs.clock.pass(400);
  const failed = givenUpOf(seen.error)?.failed ?? [];
  assert.equal(givenUpOf(seen.error)?.attempts, 300);
  assert.equal(failed.length, 50);
  assert.deepEqual(
    [failed[0]?.message, failed[9]?.message, failed[10]?.message, failed[49]?.message],
    ['failure 1', 'failure 10', 'failure 261', 'failure 300'],
  );
});

test('what no try helps is thrown at once', async () => {
  for (const error of [wrong, denied, () => new TypeError('x is not a function')]) {
    const needs = world();
    const it = flaky(needs, 9, error);
    await assert.rejects(retry(it.work, about, needs));
    assert.equal(it.calledAtMs.length, 1);
    assert.equal(needs.clock.sleeping, 0);
  }
});

test('a call that throws before it gives a promise is one that failed', async () => {
  const needs = world();
  let calls = 0;
  const seen = watched(
    retry(
      () => {
        if (++calls === 1) throw offline();
        return 'answer';
      },
      about,
      needs,
    ),
  );
  await needs.clock.pass(1000);
  assert.equal(seen.value, 'answer');
});

test('the first attempt fails otherwise than the second: each failure is judged by its own class', async () => {
  const needs = world();
  const errors = [offline(), wrong()];
  let at = 0;
  const seen = watched(retry(() => Promise.reject(errors[at++]), about, needs));
  await needs.clock.pass(1000);
  assert.equal(seen.error, errors[1]);
  assert.equal(givenUpOf(seen.error)?.because, 'class');
  assert.equal(givenUpOf(seen.error)?.deadLetter, true);
});

test('policy job: waits for a limit and for an open breaker take none of the five tries', async () => {
  const needs = world();
  const limit = () => Object.assign(new Error('limit'), { status: 429, retryAfterMs: 60_000 });
  const refused = () => new Refused('NETWORK_FAILED', { subject: 's', because: 'open', retryAfterMs: 60_000 });
  const errors = [limit(), refused(), limit(), refused(), limit(), refused(), ...Array.from({ length: 9 }, () => offline())];
  const calledAtMs: number[] = [];
  const fromMs = needs.clock.monotonicMs();
  const work = () => {
    calledAtMs.push(needs.clock.monotonicMs() - fromMs);
    return Promise.reject(errors[calledAtMs.length - 1]);
  };
  const seen = watched(retry(work, { name: 'job', policy: policies.job }, needs));
  await needs.clock.pass(50 * 3_600_000);
  assert.deepEqual([givenUpOf(seen.error)?.because, givenUpOf(seen.error)?.attempts], ['attempts', 11]);
  const waits = calledAtMs.slice(1).map((it, index) => it - calledAtMs[index]!);
  assert.deepEqual(waits, [60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 1000, 2000, 4000, 8000]);
});

test('Retry-After is waited for in full', async () => {
  const needs = world();
  const it = flaky(needs, 1, () => Object.assign(new Error('slow down'), { status: 503, retryAfterMs: 9000 }));
  const seen = watched(retry(it.work, about, needs));
  await needs.clock.pass(8999);
  assert.equal(it.calledAtMs.length, 1);
  await needs.clock.pass(1);
  assert.deepEqual([it.calledAtMs, seen.value], [[0, 9000], 'answer']);
});

test('the total deadline ends the retrying before a wait that would outlast it', async () => {
  const needs = world();
  const it = flaky(needs, 9);
  const seen = watched(retry(it.work, about, needs, { deadlineMs: 3000 }));
  await needs.clock.pass(1000);
  assert.equal(seen.state, 'rejected', 'at the second failure, whose wait of 2 s would end with the deadline');
  assert.equal(givenUpOf(seen.error)?.because, 'deadline');
  assert.deepEqual(it.calledAtMs, [0, 1000]);
});

test('the total deadline also ends an attempt that hangs, and its signal says so', async () => {
  const needs = world();
  let stop: AbortSignal | null = null;
  const work = (call: Call) => {
    stop = call.stop;
    return new Promise(() => {});
  };
  const seen = watched(retry(work, about, needs, { deadlineMs: 2500 }));
  await needs.clock.pass(2499);
  assert.equal(seen.state, 'pending');
  await needs.clock.pass(1);
  assert.match(String(seen.error), /no answer within 2500 ms/);
  assert.equal((stop as AbortSignal | null)?.aborted, true);
  assert.equal(needs.clock.sleeping, 0);
});

test('a policy’s own deadline holds beside the one of the call; the sooner one counts', async () => {
  const policy = policyOf('short', { attempts: 9, backoff: { firstMs: 400, factor: 1, maxMs: 400, jitter: noJitter }, deadlineMs: 1000 });
  for (const [deadlineMs, calls] of [
    [undefined, 3],
    [5000, 3],
    [500, 2],
  ] as const) {
    const needs = world();
    const it = flaky(needs, 99);
    const seen = watched(retry(it.work, { name: 's', policy }, needs, deadlineMs === undefined ? {} : { deadlineMs }));
    await needs.clock.pass(10_000);
    assert.equal(seen.state, 'rejected');
    assert.equal(it.calledAtMs.length, calls, String(deadlineMs));
  }
});

test('stopped before it began, nothing is called', async () => {
  const needs = world();
  const it = flaky(needs, 0);
  const reason = new Error('never mind');
  await assert.rejects(retry(it.work, about, needs, { stop: AbortSignal.abort(reason) }), reason);
  assert.deepEqual(it.calledAtMs, []);
});

test('stopped during the call it settles without any time passing, by the signal’s reason, though the call ignores it', async () => {
  const needs = world();
  const it = new AbortController();
  const reason = new Error('never mind');
  let calls = 0;
  const seen = watched(
    retry(
      () => {
        calls++;
        return new Promise(() => {});
      },
      about,
      needs,
      { stop: it.signal },
    ),
  );
  await needs.clock.pass(50);
  it.abort(reason);
  await settle();
  assert.deepEqual([seen.state, seen.error], ['rejected', reason]);
  await needs.clock.pass(600_000);
  assert.equal(calls, 1);
  assert.equal(needs.clock.sleeping, 0);
});

test('stopped during a wait it settles without any time passing, never calls again and leaves no timer', async () => {
  const needs = world();
  const it = flaky(needs, 9);
  const controller = new AbortController();
  const seen = watched(retry(it.work, about, needs, { stop: controller.signal }));
  await needs.clock.pass(500);
  assert.equal(needs.clock.sleeping, 1);
  controller.abort();
  await settle();
  assert.equal(seen.state, 'rejected');
  assert.equal((seen.error as Error).name, 'AbortError');
  assert.equal(needs.clock.sleeping, 0);
  await needs.clock.pass(600_000);
  assert.equal(it.calledAtMs.length, 1);
});

test('stopped at the very moment at which the wait ends, it is not called again', async () => {
  const needs = world();
  const it = flaky(needs, 9);
  const controller = new AbortController();
  void needs.clock.sleep(1000).then(() => controller.abort());
  const seen = watched(retry(it.work, about, needs, { stop: controller.signal }));
  await needs.clock.pass(1000);
  assert.equal(seen.state, 'rejected');
  assert.equal(it.calledAtMs.length, 1);
});

test('stopped by the call itself, its failure is not retried', async () => {
  const needs = world();
  const controller = new AbortController();
  let calls = 0;
  const seen = watched(
    retry(
      () => {
        calls++;
        controller.abort('enough');
        return Promise.reject(offline());
      },
      about,
      needs,
      { stop: controller.signal },
    ),
  );
  await needs.clock.pass(60_000);
  assert.deepEqual([calls, seen.error], [1, 'enough']);
});

test('after the end it no longer listens to the signal it was given', async () => {
  const needs = world();
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--;
    remove(...args);
  };
  await retry(() => 'answer', about, needs, { stop: signal });
  await assert.rejects(retry(() => Promise.reject(wrong()), about, needs, { stop: signal }));
  assert.equal(listeners, 0);
});

test('an answer that comes after the stop is nobody’s: no second settling, no unhandled rejection', async () => {
  const needs = world();
  for (const late of ['resolve', 'reject'] as const) {
    const controller = new AbortController();
    const answer = Promise.withResolvers<string>();
    const seen = watched(retry(() => answer.promise, about, needs, { stop: controller.signal }));
    controller.abort('enough');
    await settle();
    if (late === 'resolve') answer.resolve('late');
    else answer.reject(offline());
    await needs.clock.pass(60_000);
    assert.equal(seen.error, 'enough');
  }
});

test('inside an attempt of another retry, known by its signal, there is one attempt: the outer one decides', async () => {
  const needs = world();
  let calls = 0;
  const inner = (call: Call) =>
    retry(
      () => {
        calls++;
        return Promise.reject(offline());
      },
      { name: 'inner', policy: policies.job },
      needs,
      { stop: call.stop },
    );
  const seen = watched(retry(inner, about, needs));
  await needs.clock.pass(600_000);
  assert.equal(seen.state, 'rejected');
  assert.equal(calls, 4);
});

test('three retries inside one another, the signal handed on, are one', async () => {
  const needs = world();
  let calls = 0;
  const layer = (work: (call: Call) => Promise<never>) => (call?: Call) => retry(work, about, needs, { stop: call?.stop });
  const innermost = () => {
    calls++;
    return Promise.reject(offline());
  };
  const seen = watched(layer(layer(layer(innermost)))());
  await needs.clock.pass(600_000);
  assert.equal(seen.state, 'rejected');
  assert.equal(calls, 4);
});

test('where nobody hands the signal on, the outer retry sees that the error was given up within, and does not multiply', async () => {
  const needs = world();
  let calls = 0;
  const inner = () =>
    retry(
      () => {
        calls++;
        return Promise.reject(offline());
      },
      { name: 'inner', policy: policies.api },
      needs,
    );
  const events: GuardEvent[] = [];
  const seen = watched(retry(inner, { ...about, on: (event) => events.push(event) }, needs));
  await needs.clock.pass(600_000);
  assert.equal(calls, 3, 'those of the inner policy, once');
  const [event] = events;
  assert.equal(event?.kind === 'gave-up' && event.givenUp.because, 'nested');
  assert.equal(givenUpOf(seen.error)?.policy, 'api', 'the longer story stays with the error');
});

test('the same, where the error came as the cause of another', async () => {
  const needs = world();
  let calls = 0;
  const inner = () =>
    retry(
      () => {
        calls++;
        return Promise.reject(offline());
      },
      { name: 'inner', policy: policies.api },
      needs,
    ).catch((cause: unknown) => Promise.reject(Object.assign(new Error('wrapped', { cause }), { status: 503 })));
  watched(retry(inner, about, needs));
  await needs.clock.pass(600_000);
  assert.equal(calls, 3);
});

test('an error object that is thrown again and again is not taken for a nested one', async () => {
  const needs = world();
  const same = offline();
  for (let i = 0; i < 3; i++) {
    let calls = 0;
    const seen = watched(
      retry(
        () => {
          calls++;
          return Promise.reject(same);
        },
        about,
        needs,
      ),
    );
    await needs.clock.pass(60_000);
    assert.deepEqual([seen.error, calls], [same, 4]);
  }
});

test('nor is one that was given up long ago, when something else was given up just now', async () => {
  const needs = world();
  const same = offline();
  watched(retry(() => Promise.reject(same), about, needs));
  await needs.clock.pass(60_000);
  assert.notEqual(givenUpOf(same), null);
  let calls = 0;
  const work = async () => {
    calls++;
    await retry(() => Promise.reject(wrong()), about, needs).catch(() => {});
    throw same;
  };
  watched(retry(work, about, needs));
  await needs.clock.pass(60_000);
  assert.equal(calls, 4);
});

test('a chain of causes that bites its tail is looked along only so far', async () => {
  const needs = world();
  const ring = offline();
  ring.cause = ring;
  // Something must have been given up meanwhile, or nobody looks along the chain.
  const inner = async () => {
    await retry(() => Promise.reject(wrong()), about, needs).catch(() => {});
    throw ring;
  };
  const seen = watched(retry(inner, about, needs));
  await needs.clock.pass(60_000);
  assert.equal(seen.error, ring);
});

test('each retry and the end are told, with what a log and a dead letter need', async () => {
  const needs = world();
  const events: GuardEvent[] = [];
  watched(retry(flaky(needs, 99).work, { name: 'job 7', policy: policies.job, on: (event) => events.push(event) }, needs));
  await needs.clock.pass(60_000);
  assert.deepEqual(
    events.map((it) =>
      it.kind === 'retry' ? [it.name, it.attempt, it.delayMs, it.errorClass] : [it.name, it.givenUp.because, it.givenUp.deadLetter],
    ),
    [
      ['job 7', 1, 1000, 'network'],
      ['job 7', 2, 2000, 'network'],
      ['job 7', 3, 4000, 'network'],
      ['job 7', 4, 8000, 'network'],
      ['job 7', 'attempts', true],
    ],
  );
});

test('without a policy a failure is thrown as it is, without a history', async () => {
  const needs = world();
  const error = offline();
  await assert.rejects(
    newGuard({ name: 's' }, needs).run(() => Promise.reject(error)),
    error,
  );
  assert.equal(givenUpOf(error), null);
});

test('what is thrown need not be an object', async () => {
  const needs = world();
  const seen = watched(retry(() => Promise.reject('text'), about, needs));
  await settle();
  assert.equal(seen.error, 'text');
  assert.equal(givenUpOf('text'), null);
});

test('each attempt has its number and a signal of its own', async () => {
  const needs = world();
  const calls: Call[] = [];
  const signals: AbortSignal[] = [];
  watched(
    retry(
      (call) => {
        calls.push(call);
        signals.push(call.stop);
        return Promise.reject(offline());
      },
      about,
      needs,
    ),
  );
  await needs.clock.pass(60_000);
  assert.deepEqual(
    calls.map((it) => it.attempt),
    [1, 2, 3, 4],
  );
  assert.equal(new Set(signals).size, 4);
  assert.equal(calls[0]?.stop, signals[0]);
});
