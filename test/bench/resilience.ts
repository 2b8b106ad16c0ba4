// What a guarded call costs beside cockatiel and opossum, in one run: `node test/bench/resilience.ts [--quick] [--json]`. Nanoseconds a call, awaited, one
// after the other; the median of rounds that take turns, so that the machine's moods hit all. Ratios hold on other machines, nanoseconds do not.
import { parseArgs } from 'node:util';
import * as cockatiel from 'cockatiel';
import Opossum from 'opossum';
import { clock } from '../../src/platform/clock.ts';
import type { BreakerProfile } from '../../src/resilience/breaker.ts';
import { Breaker } from '../../src/resilience/breaker.ts';
import { Bulkhead } from '../../src/resilience/bulkhead.ts';
import type { GuardParts } from '../../src/resilience/guard.ts';
import { newGuard } from '../../src/resilience/guard.ts';
import { policies } from '../../src/resilience/policy.ts';
import { Timeouts } from '../../src/resilience/timeouts.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean' }, json: { type: 'boolean' } } });
const rounds = values.quick ? 3 : 7;
/** Of the cheap subjects; the costly ones run a tenth of it, which takes as long. */
const callsMax = values.quick ? 50_000 : 200_000;

type Subject = { readonly name: string; readonly call: () => Promise<unknown>; readonly share?: number };

const work = async (): Promise<number> => 42;
const broken = async (): Promise<never> => {
  throw new Error('down');
};
const quiet = (): undefined => undefined;

const needs = { clock, random: Math.random, timeouts: new Timeouts(clock) };
const consecutive: BreakerProfile = {
  window: { kind: 'consecutive', failures: 5 },
  slow: null,
  openMs: 60_000,
  openFactor: 2,
  openMaxMs: 300_000,
  openSpread: 0.1,
  successes: 2,
  probeLeaseMs: 30_000,
};
const sampling: BreakerProfile = { ...consecutive, window: { kind: 'timed', windowMs: 10_000, minCalls: 20, failureRate: 0.5 } };
const breaker = (profile: BreakerProfile) => new Breaker(profile, clock.monotonicMs(), Math.random);
const ours = (name: string, parts: Omit<GuardParts, 'name'>): Subject => {
  const guard = newGuard({ name, ...parts }, needs);
  return { name, call: () => guard.run(work) };
};

const bulkhead = () => new Bulkhead({ limit: 10, queue: 100, maxWaitMs: 30_000 });
const four = () => ({ policy: policies.api, breaker: breaker(sampling), timeoutMs: 30_000, bulkhead: bulkhead() });
const withSignal = newGuard({ name: 'signal', ...four() }, needs);

const theirRetry = cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3, backoff: new cockatiel.ExponentialBackoff() });
const theirs = (window: cockatiel.IBreaker) => cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: 60_000, breaker: window });
const theirSampling = () => new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 10_000, minimumRps: 2 });
const theirConsecutive = theirs(new cockatiel.ConsecutiveBreaker(5));
const theirTimed = theirs(theirSampling());
const theirTimeout = cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive);
const theirBulkhead = cockatiel.bulkhead(10, 100);
const theirFour = cockatiel.wrap(
  cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3, backoff: new cockatiel.ExponentialBackoff() }),
  theirs(theirSampling()),
  cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive),
  cockatiel.bulkhead(10, 100),
);
const plainOpossum = new Opossum(work, { timeout: false });
const timedOpossum = new Opossum(work, { timeout: 30_000 });

/** Opened by failures, as they would be. */
const ourOpen = newGuard({ name: 'open', breaker: breaker(consecutive) }, needs);
const theirOpen = theirs(new cockatiel.ConsecutiveBreaker(5));
const opossumOpen = new Opossum(broken, { timeout: false, resetTimeout: 600_000 });
for (let i = 0; i < 5; i++) {
  await ourOpen.run(broken).catch(quiet);
  await theirOpen.execute(broken).catch(quiet);
  await opossumOpen.fire().catch(quiet);
}
// A defect does not open ours, so it is opened by what does.
for (let i = 0; i < 5; i++)
  await ourOpen.run(() => Promise.reject(Object.assign(new Error('down'), { code: 'ECONNREFUSED' }))).catch(quiet);

const subjects = {
  bare: { name: 'bare await', call: work },
  retry: ours('retry', { policy: policies.api }),
  consecutive: ours('breaker (consecutive)', { breaker: breaker(consecutive) }),
  timed: ours('breaker (timed window)', { breaker: breaker(sampling) }),
  bulkhead: ours('bulkhead', { bulkhead: bulkhead() }),
  timeout: ours('timeout', { timeoutMs: 30_000 }),
  four: ours('retry + timed breaker + timeout + bulkhead', four()),
  signal: { name: 'the same, its signal used', call: () => withSignal.run((call) => work().then((it) => (call.stop.aborted ? 0 : it))) },
  open: { name: 'refused by an open breaker', call: () => ourOpen.run(work).catch(quiet) },
  cockatielRetry: { name: 'cockatiel retry', call: () => theirRetry.execute(work) },
  cockatielConsecutive: { name: 'cockatiel breaker (consecutive)', call: () => theirConsecutive.execute(work) },
  cockatielTimed: { name: 'cockatiel breaker (sampling)', call: () => theirTimed.execute(work) },
  cockatielBulkhead: { name: 'cockatiel bulkhead', call: () => theirBulkhead.execute(work) },
  cockatielTimeout: { name: 'cockatiel timeout', call: () => theirTimeout.execute(work), share: 0.1 },
  cockatielFour: { name: 'cockatiel wrap of the four', call: () => theirFour.execute(work), share: 0.1 },
  cockatielOpen: { name: 'cockatiel, open', call: () => theirOpen.execute(work).catch(quiet), share: 0.3 },
  opossum: { name: 'opossum', call: () => plainOpossum.fire() },
  opossumTimeout: { name: 'opossum with timeout', call: () => timedOpossum.fire(), share: 0.5 },
  opossumOpen: { name: 'opossum, open', call: () => opossumOpen.fire().catch(quiet), share: 0.3 },
} satisfies Record<string, Subject>;

const seen = new Map<Subject, number[]>();
for (let round = 0; round <= rounds; round++) {
  for (const subject of Object.values<Subject>(subjects)) {
    const calls = Math.round(callsMax * (subject.share ?? 1));
    const fromMs = performance.now();
    for (let i = 0; i < calls; i++) await subject.call();
    const nanoseconds = ((performance.now() - fromMs) * 1e6) / calls;
    // The first round warms up.
    if (round > 0) seen.set(subject, [...(seen.get(subject) ?? []), nanoseconds]);
  }
}

const median = (of: readonly number[]): number => [...of].sort((a, b) => a - b)[Math.floor(of.length / 2)] ?? Number.NaN;
const ns = (subject: Subject): number => median(seen.get(subject) ?? []);
const {
  four: guarded,
  cockatielFour,
  timed,
  cockatielTimed,
  consecutive: inARow,
  cockatielConsecutive,
  timeout,
  cockatielTimeout,
} = subjects;
const compared: readonly (readonly [what: string, a: Subject, b: Subject, aim: number | null])[] = [
  ['guarded call beside cockatiel’s wrap of the four', guarded, cockatielFour, 0.15],
  ['the same with its signal used', subjects.signal, cockatielFour, 0.15],
  ['timeout beside cockatiel’s', timeout, cockatielTimeout, 0.15],
  ['breaker (consecutive) beside cockatiel’s', inARow, cockatielConsecutive, 0.75],
  ['breaker (timed window) beside cockatiel’s', timed, cockatielTimed, 0.75],
  ['refused by an open breaker beside cockatiel', subjects.open, subjects.cockatielOpen, 0.3],
  ['refused by an open breaker beside opossum', subjects.open, subjects.opossumOpen, 0.3],
  ['guarded call beside opossum with its timeout', guarded, subjects.opossumTimeout, null],
];
export type Ratio = { readonly what: string; readonly ratio: number; readonly aim: number | null };
const ratios: readonly Ratio[] = compared.map(([what, a, b, aim]) => ({ what, ratio: ns(a) / ns(b), aim }));
process.stdout.write(values.json ? `${JSON.stringify(ratios)}\n` : inWords());

function inWords(): string {
  const each = Object.values<Subject>(subjects).map((subject) => `${ns(subject).toFixed(0).padStart(8)} ns  ${subject.name}\n`);
  const lines = ratios.map(({ what, ratio, aim }) => {
    const mark = aim === null ? ' ' : ratio <= aim ? '✔' : '✖';
    return `${mark} ${what}: ${ratio.toFixed(3)} × (${aim === null ? 'reported' : `≤ ${aim}`})\n`;
  });
  return [...each, '\n', ...lines].join('');
}

// Timers of theirs would hold the process.
plainOpossum.shutdown();
timedOpossum.shutdown();
opossumOpen.shutdown();
