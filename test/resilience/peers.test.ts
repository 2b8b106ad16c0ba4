// Fourteen weaknesses that were found in cockatiel 4 and opossum 10, each as one scenario, run against all three. Ours must be sound in each. For
// theirs the test says what they really do, weak or sound, so that a version that mends one is noticed. Where a library has no such part (opossum
// has no retry and no queue) there is nothing to run. Some of these are documented choices of theirs; they only do not fit what we promise.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import * as cockatiel from 'cockatiel';
import Opossum from 'opossum';
import { noJitter } from '../../src/core/backoff.ts';
import type { BreakerProfile } from '../../src/resilience/breaker.ts';
import { Breaker, parseSavedBreaker } from '../../src/resilience/breaker.ts';
import { Bulkhead } from '../../src/resilience/bulkhead.ts';
import type { ErrorClass } from '../../src/resilience/error-class.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { policyOf } from '../../src/resilience/policy.ts';
import { profiles } from '../../src/resilience/profiles.ts';
import { Timeouts } from '../../src/resilience/timeouts.ts';
import { FakeClock, settle, watched } from './fake-clock.ts';

type Work = (stop: AbortSignal | undefined) => Promise<unknown>;
type Run = (work: Work, stop?: AbortSignal) => Promise<unknown>;
type State = 'closed' | 'open' | 'half-open';
type Rules = {
  /** In a row; or, in a window of ten seconds, the fewest that are judged. */
  readonly failures: number;
  readonly window?: boolean;
  readonly successes?: number;
};
type OneBreaker = { readonly run: Run; readonly state: () => State; readonly saved: () => unknown };

/** The same things of each library, over time that the test moves. Absent: it has no such part. */
type Kit = {
  readonly pass: (ms: number) => Promise<void>;
  /** The clock on the wall, by hand. */
  readonly setWall: (byMs: number) => void;
  /** Opens for 30 s. Errors named `wrong` are answers, not failures. */
  readonly breaker: (rules: Rules, saved?: unknown) => OneBreaker;
  /** As it comes, with nothing set. */
  readonly defaultBreaker?: () => OneBreaker;
  readonly retry?: (backoff: { readonly firstMs: number; readonly factor: number }) => Run;
  readonly bulkhead?: (limit: number, queue: number) => { readonly run: Run; readonly inLine: () => number };
  readonly timeout: (ms: number) => Run;
};

const failing: Work = () => Promise.reject(new Error('down'));
const answering: Work = () => Promise.resolve('well');
const wrongly: Work = () => Promise.reject(Object.assign(new Error('bad request'), { name: 'wrong' }));
const quiet = (): undefined => undefined;
const openMs = 30_000;

/** Opens it by failures and waits until it would probe. */
async function untilHalfOpen(kit: Kit, it: OneBreaker, failures: number): Promise<void> {
  for (let i = 0; i < failures; i++) await it.run(failing).catch(quiet);
  assert.equal(it.state(), 'open');
  await kit.pass(openMs + 1);
}

type Verdict = 'sound' | 'weak';
type Scenario = {
  readonly name: string;
  readonly run: (kit: Kit) => Promise<boolean>;
  /** Absent: it has no such part. */
  readonly cockatiel?: Verdict;
  readonly opossum?: Verdict;
};

const scenarios: readonly Scenario[] = [
  {
    name: 'a stop 50 ms into a wait of 500 ms settles at once, and nothing is called again',
    cockatiel: 'weak',
    async run(kit) {
      const controller = new AbortController();
      let calls = 0;
      const work = () => {
        calls++;
        return failing(undefined);
      };
      const seen = watched(kit.retry!({ firstMs: 500, factor: 2 })(work, controller.signal));
      await kit.pass(50);
      controller.abort();
      await settle();
      const settledAtOnce = seen.state === 'rejected';
      await kit.pass(10_000);
      return settledAtOnce && calls === 1;
    },
  },
  {
    name: 'a factor of 1.5 makes waits of 1000, 1500, 2250 ms',
    cockatiel: 'weak',
    async run(kit) {
      const calledAfterMs: number[] = [];
      let passedMs = 0;
      const work = () => {
        calledAfterMs.push(passedMs);
        return failing(undefined);
      };
      kit.retry!({ firstMs: 1000, factor: 1.5 })(work).catch(quiet);
      for (; passedMs < 6000; passedMs += 250) await kit.pass(250);
      // Seen at the end of the step in which it happened.
      return JSON.stringify(calledAfterMs.slice(0, 4)) === '[0,750,2250,4500]';
    },
  },
  {
    name: 'twenty failures, an hour of nothing, one failure: the window of ten seconds does not open',
    cockatiel: 'weak',
    opossum: 'sound',
    async run(kit) {
      const it = kit.breaker({ failures: 21, window: true });
      for (let i = 0; i < 20; i++) await it.run(failing).catch(quiet);
      assert.equal(it.state(), 'closed');
      await kit.pass(3_600_000);
      await it.run(failing).catch(quiet);
      return it.state() === 'closed';
    },
  },
  {
    name: 'a failure of a call that began before the outage does not open it again, and the probe closes it',
    cockatiel: 'weak',
    opossum: 'weak',
    async run(kit) {
      const it = kit.breaker({ failures: 3 });
      const early = Promise.withResolvers<never>();
      it.run(() => early.promise).catch(quiet);
      await untilHalfOpen(kit, it, 3);
      const probe = Promise.withResolvers<string>();
      const seen = watched(it.run(() => probe.promise));
      await settle();
      early.reject(new Error('down'));
      await settle();
      probe.resolve('well');
      await settle();
      return seen.value === 'well' && it.state() === 'closed';
    },
  },
  {
    name: 'while a probe runs, a second caller is refused at once',
    cockatiel: 'weak',
    opossum: 'sound',
    async run(kit) {
      const it = kit.breaker({ failures: 3 });
      await untilHalfOpen(kit, it, 3);
      it.run(() => new Promise(() => {})).catch(quiet);
      const controller = new AbortController();
      const second = watched(it.run(answering, controller.signal));
      await settle();
      controller.abort();
      await settle();
      return second.state === 'rejected';
    },
  },
  {
    name: 'the clock on the wall set back by an hour does not prolong the wait',
    cockatiel: 'weak',
    opossum: 'sound',
    async run(kit) {
      const it = kit.breaker({ failures: 3 });
      for (let i = 0; i < 3; i++) await it.run(failing).catch(quiet);
      kit.setWall(-3_600_000);
      await kit.pass(openMs + 1);
      return (await it.run(answering).catch(quiet)) === 'well';
    },
  },
  {
    name: 'an error that is an answer, as that of a probe, does not close it',
    cockatiel: 'weak',
    opossum: 'weak',
    async run(kit) {
      const it = kit.breaker({ failures: 3 });
      await untilHalfOpen(kit, it, 3);
      await it.run(wrongly).catch(quiet);
      return it.state() !== 'closed';
    },
  },
  {
    name: 'a stop while in line for a place settles at once, and the place in line is free',
    cockatiel: 'weak',
    async run(kit) {
      const it = kit.bulkhead!(1, 1);
      it.run(() => new Promise(() => {})).catch(quiet);
      const controller = new AbortController();
      const seen = watched(it.run(answering, controller.signal));
      await settle();
      controller.abort();
      await settle();
      return seen.state === 'rejected' && it.inLine() === 0;
    },
  },
  {
    name: 'restored while open, it keeps what is left of its wait',
    cockatiel: 'sound',
    opossum: 'weak',
    async run(kit) {
      const first = kit.breaker({ failures: 3 });
      await kit.pass(3_600_000);
      for (let i = 0; i < 3; i++) await first.run(failing).catch(quiet);
      await kit.pass(10_000);
      const second = kit.breaker({ failures: 3 }, JSON.parse(JSON.stringify(first.saved())));
      await kit.pass(19_000);
      const early = await second.run(answering).catch(quiet);
      await kit.pass(1001);
      return early !== 'well' && (await second.run(answering).catch(quiet)) === 'well';
    },
  },
  {
    name: 'where two successes are asked for, one does not close it, and two do',
    cockatiel: 'sound',
    opossum: 'weak',
    async run(kit) {
      const it = kit.breaker({ failures: 3, successes: 2 });
      await untilHalfOpen(kit, it, 3);
      await it.run(answering);
      const afterOne = it.state();
      await it.run(answering);
      return afterOne === 'half-open' && it.state() === 'closed';
    },
  },
  {
    name: 'as it comes, one failure does not open it',
    opossum: 'weak',
    async run(kit) {
      const it = kit.defaultBreaker!();
      await it.run(failing).catch(quiet);
      return it.state() === 'closed';
    },
  },
  {
    name: 'a success of a call that began before the outage does not close it',
    cockatiel: 'sound',
    opossum: 'weak',
    async run(kit) {
      const it = kit.breaker({ failures: 3 });
      const early = Promise.withResolvers<string>();
      it.run(() => early.promise).catch(quiet);
      await untilHalfOpen(kit, it, 3);
      it.run(() => new Promise(() => {})).catch(quiet);
      await settle();
      early.resolve('well');
      await settle();
      return it.state() === 'half-open';
    },
  },
  {
    name: 'a probe that never answers does not keep all others out for ever',
    cockatiel: 'weak',
    opossum: 'weak',
    async run(kit) {
      const it = kit.breaker({ failures: 3 });
      await untilHalfOpen(kit, it, 3);
      it.run(() => new Promise(() => {})).catch(quiet);
      await kit.pass(3_600_000);
      const seen = watched(it.run(answering));
      await settle();
      return seen.value === 'well';
    },
  },
  {
    name: 'a call whose time is over hears of it, without its caller having prepared anything',
    cockatiel: 'sound',
    opossum: 'weak',
    async run(kit) {
      let heard = false;
      const seen = watched(
        kit.timeout(100)((stop) => {
          stop?.addEventListener('abort', () => {
            heard = true;
          });
          return new Promise(() => {});
        }),
      );
      await kit.pass(101);
      assert.equal(seen.state, 'rejected');
      return heard;
    },
  },
];

function ours(): Kit {
  const clock = new FakeClock();
  const needs = { clock, random: () => 0, timeouts: new Timeouts(clock) };
  const classify = (error: unknown): ErrorClass => (error instanceof Error && error.name === 'wrong' ? 'invalid' : 'temporary');
  const breakerBy = (profile: BreakerProfile, saved?: unknown): OneBreaker => {
    const breaker = new Breaker(profile, clock.monotonicMs(), () => 0);
    const before = parseSavedBreaker(saved);
    if (before !== null) breaker.restore(before, clock.monotonicMs(), clock.nowMs());
    const guard = newGuard({ name: 's', breaker, classify }, needs);
    return {
      run: (work, stop) => guard.run((call) => work(call.stop), { stop }),
      state: () => breaker.state as State,
      saved: () => breaker.save(clock.monotonicMs(), clock.nowMs()),
    };
  };
  return {
    pass: (ms) => clock.pass(ms),
    setWall: (byMs) => clock.setUtc(clock.nowMs() + byMs),
    breaker: ({ failures, window, successes = 1 }, saved) =>
      breakerBy(
        {
          window: window ? { kind: 'timed', windowMs: 10_000, minCalls: failures, failureRate: 0.5 } : { kind: 'consecutive', failures },
          slow: null,
          openMs,
          openFactor: 1,
          openMaxMs: openMs,
          openSpread: 0,
          successes,
          probeLeaseMs: openMs,
        },
        saved,
      ),
    defaultBreaker: () => breakerBy(profiles.default),
    retry: ({ firstMs, factor }) => {
      const policy = policyOf('p', { attempts: 4, backoff: { firstMs, factor, maxMs: 60_000, jitter: noJitter } });
      const guard = newGuard({ name: 's', policy, classify }, needs);
      return (work, stop) => guard.run((call) => work(call.stop), { stop });
    },
    bulkhead: (limit, queue) => {
      const bulkhead = new Bulkhead({ limit, queue, maxWaitMs: 60_000 });
      const guard = newGuard({ name: 's', bulkhead }, needs);
      return { run: (work, stop) => guard.run((call) => work(call.stop), { stop }), inLine: () => bulkhead.queued };
    },
    timeout: (timeoutMs) => (work) => newGuard({ name: 's', timeoutMs }, needs).run((call) => work(call.stop)),
  };
}

/** Theirs take time from Date and timers, so those are what the test moves. */
function mockedTime(t: TestContext): Pick<Kit, 'pass' | 'setWall'> {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  // Apart from the timers, which no clock on the wall moves.
  let utcMs = Date.UTC(2026, 0, 1);
  t.mock.method(Date, 'now', () => utcMs);
  return {
    async pass(ms) {
      await settle();
      // A timer that is set by what another one set free belongs to the time after it.
      const steps = ms > 100_000 ? [ms] : Array.from({ length: Math.ceil(ms / 250) }, (_, index) => Math.min(250, ms - index * 250));
      for (const step of steps) {
        utcMs += step;
        t.mock.timers.tick(step);
        await settle();
      }
    },
    setWall(byMs) {
      utcMs += byMs;
    },
  };
}

function cockatiels(t: TestContext): Kit {
  const counted = cockatiel.handleWhen((error) => (error as Error).name !== 'wrong');
  const states: Record<cockatiel.CircuitState, State> = {
    [cockatiel.CircuitState.Closed]: 'closed',
    [cockatiel.CircuitState.Open]: 'open',
    [cockatiel.CircuitState.HalfOpen]: 'half-open',
    [cockatiel.CircuitState.Isolated]: 'open',
  };
  const runner =
    (policy: cockatiel.IPolicy): Run =>
    (work, stop) =>
      policy.execute(({ signal }) => work(signal), stop);
  return {
    ...mockedTime(t),
    breaker: ({ failures, window, successes = 1 }, saved) => {
      const policy = cockatiel.circuitBreaker(counted, {
        halfOpenAfter: openMs,
        breaker: window
          ? new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: (failures - 0.5) / 10 })
          : new cockatiel.ConsecutiveBreaker(failures),
        halfOpenSampling: { calls: successes, threshold: 0 },
        ...(saved === undefined ? {} : { initialState: saved }),
      });
      return { run: runner(policy), state: () => states[policy.state], saved: () => policy.toJSON() };
    },
    retry: ({ firstMs, factor }) =>
      runner(
        cockatiel.retry(counted, {
          maxAttempts: 3,
          backoff: new cockatiel.ExponentialBackoff({
            initialDelay: firstMs,
            exponent: factor,
            maxDelay: 60_000,
            generator: cockatiel.noJitterGenerator,
          }),
        }),
      ),
    bulkhead: (limit, queue) => {
      const policy = cockatiel.bulkhead(limit, queue);
      return { run: runner(policy), inLine: () => queue - policy.queueSlots };
    },
    timeout: (ms) => runner(cockatiel.timeout(ms, cockatiel.TimeoutStrategy.Aggressive)),
  };
}

function opossums(t: TestContext): Kit {
  const time = mockedTime(t);
  const make = (options: Opossum.Options): OneBreaker => {
    const circuit = new Opossum((work: Work, stop?: AbortSignal) => work(stop), options);
    t.after(() => circuit.shutdown());
    return {
      run: (work, stop) => circuit.fire(work, stop),
      state: () => (circuit.closed ? 'closed' : circuit.halfOpen ? 'half-open' : 'open'),
      saved: () => circuit.toJSON(),
    };
  };
  return {
    ...time,
    breaker: ({ failures, window }, saved) =>
      make({
        timeout: false,
        resetTimeout: openMs,
        // It counts in a window only; this one is as long as a scenario, so that it is a row.
        rollingCountTimeout: window ? 10_000 : 8_000_000,
        volumeThreshold: failures,
        errorThresholdPercentage: 50,
        errorFilter: (error: Error) => error.name === 'wrong',
        ...(saved as Opossum.Options | undefined),
      }),
    defaultBreaker: () => make({}),
    timeout: (ms) => make({ timeout: ms }).run,
  };
}

assert.equal(scenarios.length, 14);
for (const [index, { name, run, cockatiel: theirs, opossum }] of scenarios.entries()) {
  const title = (who: string, verdict: Verdict) => `${index + 1} ${name} (${who}: ${verdict})`;
  const verdictOf = async (kit: Kit): Promise<Verdict> => ((await run(kit)) ? 'sound' : 'weak');
  test(title('ours', 'sound'), async () => assert.equal(await verdictOf(ours()), 'sound'));
  if (theirs !== undefined) test(title('cockatiel', theirs), async (t) => assert.equal(await verdictOf(cockatiels(t)), theirs));
  if (opossum !== undefined) test(title('opossum', opossum), async (t) => assert.equal(await verdictOf(opossums(t)), opossum));
}
