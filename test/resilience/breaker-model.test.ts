// The breaker against a model so simple that it can be read at once, under every order of calls, results (in time, late, given twice, never),
// aborts, waits, commands and restarts that chance comes up with. Half-open is where breakers rot, so the waits are often exactly at its edges.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BreakerChange, BreakerProfile, CallOutcome, Permit } from '../../src/resilience/breaker.ts';
import { Breaker, noPermit, parseSavedBreaker } from '../../src/resilience/breaker.ts';

const profile: BreakerProfile = {
  window: { kind: 'consecutive', failures: 3 },
  slow: { overMs: 50, rate: 1 },
  openMs: 1000,
  openFactor: 2,
  openMaxMs: 3000,
  openSpread: 0,
  successes: 2,
  probeLeaseMs: 400,
};
const dayMs = 86_400_000;

type State =
  | { readonly kind: 'closed'; readonly failures: number }
  | { readonly kind: 'open'; readonly untilMs: number }
  | { readonly kind: 'half-open'; readonly successes: number; readonly probe: Ticket | null; readonly leaseEndsAtMs: number }
  | { readonly kind: 'isolated' };

/** A call that was let through. It counts while the era in which it was let through lasts, and, as a probe, while it is the probe. */
type Ticket = { readonly era: number; readonly isProbe: boolean; used: boolean };

class Model {
  nowMs = 0;
  utcMs = 1000 * dayMs;
  era = 0;
  reopenings = 0;
  state: State = { kind: 'closed', failures: 0 };
  tickets: Ticket[] = [];

  become(state: State): void {
    this.era++;
    this.state = state;
  }

  open(): void {
    this.become({ kind: 'open', untilMs: this.nowMs + Math.min(3000, 1000 * 2 ** this.reopenings) });
  }

  waitMs(): number | null {
    switch (this.state.kind) {
      case 'closed':
        return 0;
      case 'isolated':
        return null;
      case 'open':
        return Math.max(0, this.state.untilMs - this.nowMs);
      case 'half-open':
        return this.state.probe === null ? 0 : Math.max(0, this.state.leaseEndsAtMs - this.nowMs);
      default:
        return this.state satisfies never;
    }
  }

  admit(): Ticket | null {
    if (this.waitMs() !== 0) return null;
    if (this.state.kind === 'open') this.become({ kind: 'half-open', successes: 0, probe: null, leaseEndsAtMs: 0 });
    const ticket: Ticket = { era: this.era, isProbe: this.state.kind === 'half-open', used: false };
    if (this.state.kind === 'half-open') this.state = { ...this.state, probe: ticket, leaseEndsAtMs: this.nowMs + 400 };
    return ticket;
  }

  /** False where it is late. */
  settle(ticket: Ticket, outcome: CallOutcome, tookMs: number): boolean {
    const { state } = this;
    const counts =
      ticket.era === this.era &&
      (state.kind === 'closed' || (state.kind === 'half-open' && state.probe === ticket)) &&
      !(ticket.isProbe && ticket.used);
    if (!counts) return false;
    if (ticket.isProbe) ticket.used = true;
    const bad = outcome === 'failure' || (outcome === 'success' && tookMs > 50);
    if (state.kind === 'closed') {
      if (outcome === 'ignored') return true;
      const failures = bad ? state.failures + 1 : 0;
      if (failures >= 3) this.open();
      else this.state = { kind: 'closed', failures };
    } else if (state.kind === 'half-open') {
      const successes = state.successes + (outcome === 'success' ? 1 : 0);
      if (bad) {
        this.reopenings++;
        this.open();
      } else if (successes >= 2) {
        this.reopenings = 0;
        this.become({ kind: 'closed', failures: 0 });
      } else this.state = { kind: 'half-open', successes, probe: null, leaseEndsAtMs: 0 };
    }
    return true;
  }
}

type Real = { breaker: Breaker; permits: Permit[]; changes: BreakerChange[] };
type Command = fc.Command<Model, Real>;

const newBreaker = (nowMs: number, changes: BreakerChange[]) =>
  new Breaker(
    profile,
    nowMs,
    () => 0.5,
    (change) => changes.push(change),
  );

function newReal(): Real {
  const changes: BreakerChange[] = [];
  return { breaker: newBreaker(0, changes), permits: [], changes };
}

/** After every command both stand at the same place, and the one rule that matters most holds. */
function agree(model: Model, { breaker }: Real): void {
  assert.equal(breaker.state, model.state.kind);
  assert.equal(breaker.retryAfterMs(model.nowMs), model.waitMs());
  assert.equal(breaker.refuses(model.nowMs), model.waitMs() !== 0);
  const look = breaker.look(model.nowMs);
  assert.equal(look.failures, model.state.kind === 'closed' ? model.state.failures : 0);
  assert.equal(look.successes, model.state.kind === 'half-open' ? model.state.successes : 0);
  assert.equal(look.reopenings, model.reopenings);
}

const command = (name: string, act: (model: Model, real: Real) => void): Command => ({
  check: () => true,
  run(model, real) {
    act(model, real);
    agree(model, real);
  },
  toString: () => name,
});

const admit = fc.constant(
  command('admit', (model, real) => {
    const ticket = model.admit();
    const permit = real.breaker.admit(model.nowMs);
    assert.equal(permit === noPermit, ticket === null);
    if (ticket === null) return;
    model.tickets.push(ticket);
    real.permits.push(permit);
  }),
);

/** Any call that was ever let through may answer at any time, also again: in time, late, by an abort. Those that are not picked hang. */
const settle = fc
  .record({
    // Counted from the latest: the probe of now and its forerunners are what matters.
    back: fc.oneof(fc.constant(0), fc.constant(1), fc.nat(8)),
    outcome: fc.constantFrom<CallOutcome>('success', 'success', 'failure', 'failure', 'ignored'),
    tookMs: fc.constantFrom(1, 50, 51),
  })
  .map(({ back, outcome, tookMs }) =>
    command(`settle(${back} back, ${outcome}, ${tookMs} ms)`, (model, real) => {
      const at = model.tickets.length - 1 - back;
      if (at < 0) return;
      const counted = model.settle(model.tickets[at]!, outcome, tookMs);
      assert.equal(real.breaker.settle(real.permits[at]!, outcome, tookMs, model.nowMs), counted);
    }),
  );

const pass = fc.oneof(fc.constantFrom(1, 399, 400, 401, 999, 1000, 2000, 3000), fc.nat(5000), fc.constant(dayMs)).map((ms) =>
  command(`pass(${ms} ms)`, (model) => {
    model.nowMs += ms;
    model.utcMs += ms;
  }),
);

/** Only the clock on the wall: nothing but a restart may notice. */
const jump = fc.constantFrom(-dayMs, dayMs, -3000, 3000).map((ms) =>
  command(`jump(${ms} ms)`, (model) => {
    model.utcMs += ms;
  }),
);

const isolate = fc.constant(
  command('isolate', (model, real) => {
    if (model.state.kind !== 'isolated') model.become({ kind: 'isolated' });
    real.breaker.isolate(model.nowMs, 'by hand');
  }),
);

const reset = fc.constant(
  command('reset', (model, real) => {
    model.reopenings = 0;
    if (model.state.kind === 'closed') model.state = { kind: 'closed', failures: 0 };
    else model.become({ kind: 'closed', failures: 0 });
    real.breaker.reset(model.nowMs, 'by hand');
  }),
);

/** Saved, killed, started again on another monotonic clock, while nobody looked for some time or the wall clock was set. */
const restart = fc
  .record({ downMs: fc.constantFrom(0, 1, 500, 1000, 5000), jumpMs: fc.constantFrom(0, 0, -dayMs, dayMs) })
  .map(({ downMs, jumpMs }) =>
    command(`restart(${downMs} ms away, wall clock ${jumpMs} ms)`, (model, real) => {
      const saved: unknown = JSON.parse(JSON.stringify(real.breaker.save(model.nowMs, model.utcMs)));
      const passedMs = Math.max(0, downMs + jumpMs);
      // A half-open one is open again, for the whole wait of its step.
      const leftMs = model.state.kind === 'half-open' ? Math.min(3000, 1000 * 2 ** model.reopenings) : (model.waitMs() ?? 0);
      model.nowMs = 7;
      model.utcMs += downMs + jumpMs;
      const { kind } = model.state;
      if (kind === 'open' || kind === 'half-open') model.become({ kind: 'open', untilMs: 7 + Math.max(0, leftMs - passedMs) });
      else model.become(kind === 'closed' ? { kind: 'closed', failures: 0 } : { kind: 'isolated' });
      real.breaker = newBreaker(7, real.changes);
      real.breaker.restore(parseSavedBreaker(saved)!, 7, model.utcMs);
      // The calls of the killed process never answer.
      model.tickets = [];
      real.permits = [];
    }),
  );

function call(model: Model, real: Real, outcome: CallOutcome): void {
  const ticket = model.admit();
  const permit = real.breaker.admit(model.nowMs);
  assert.equal(permit === noPermit, ticket === null);
  if (ticket === null) return;
  model.tickets.push(ticket);
  real.permits.push(permit);
  assert.equal(model.settle(ticket, outcome, 1), true);
  assert.equal(real.breaker.settle(permit, outcome, 1, model.nowMs), true);
}

/** So that scripts get to where it is interesting. */
const outage = fc.constant(
  command('three calls fail', (model, real) => {
    for (let i = 0; i < 3; i++) call(model, real, 'failure');
  }),
);
const answer = fc
  .constantFrom<CallOutcome>('success', 'success', 'failure', 'ignored')
  .map((outcome) => command(`a whole call: ${outcome}`, (model, real) => call(model, real, outcome)));
const wait = fc.constantFrom(0, 0, -1).map((lessMs) =>
  command(`wait as long as told${lessMs ? ', less 1 ms' : ''}`, (model) => {
    const ms = Math.max(0, (model.waitMs() ?? 0) + lessMs);
    model.nowMs += ms;
    model.utcMs += ms;
  }),
);

const often = [admit, admit, settle, settle, settle, outage, answer, answer, wait, wait];
const commands = (more: fc.Arbitrary<Command>[]) => fc.commands([...often, ...often, ...more], { maxCommands: 60, size: 'max' });

test('the breaker does what its model does, whatever the order of calls, results, waits, commands and restarts', () => {
  const seen = { late: 0, opened: 0, halfOpen: 0, closedAgain: 0 };
  fc.assert(
    fc.property(commands([pass, jump, isolate, reset, restart]), (script) => {
      const real = newReal();
      fc.modelRun(() => ({ model: new Model(), real }), script);
      seen.late += real.breaker.look(0).late;
      for (const { from, to } of real.changes) {
        if (to === 'open') seen.opened++;
        if (to === 'half-open') seen.halfOpen++;
        if (from === 'half-open' && to === 'closed') seen.closedAgain++;
      }
    }),
    { numRuns: 2000 },
  );
  // A script that never gets there proves nothing.
  assert.ok(seen.late > 1000 && seen.opened > 200 && seen.halfOpen > 200 && seen.closedAgain > 20, JSON.stringify(seen));
});

test('the changes that are told form one chain: each begins where the one before ended, and only along the arrows', () => {
  const arrows = new Set([
    'closed open',
    'open half-open',
    'half-open closed',
    'half-open open',
    ...['closed', 'open', 'half-open'].map((it) => `${it} isolated`),
    ...['open', 'isolated'].map((it) => `${it} closed`),
  ]);
  fc.assert(
    fc.property(commands([pass, isolate, reset]), (script) => {
      const real = newReal();
      fc.modelRun(() => ({ model: new Model(), real }), script);
      let at = 'closed';
      for (const { from, to } of real.changes) {
        assert.equal(from, at);
        assert.ok(arrows.has(`${from} ${to}`), `${from} ${to}`);
        at = to;
      }
      assert.equal(real.breaker.state, at);
    }),
    { numRuns: 500 },
  );
});

const windows = [
  { kind: 'counted', calls: 5, minCalls: 3, failureRate: 0.5 },
  { kind: 'timed', windowMs: 2000, minCalls: 3, failureRate: 0.5 },
] as const;
for (const window of windows) {
  test(`never are two probes out within one lease, and an open one lets nothing through, with a ${window.kind} window`, () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            act: fc.constantFrom('admit', 'admit', 'success', 'failure', 'ignored', 'pass'),
            back: fc.nat(4),
            ms: fc.constantFrom(1, 100, 399, 400, 1000),
          }),
          { maxLength: 120 },
        ),
        (steps) => {
          const breaker = new Breaker({ ...profile, window }, 0, () => 0);
          const out: { permit: Permit; atMs: number; isProbe: boolean; done: boolean }[] = [];
          let nowMs = 0;
          for (const { act, back, ms } of steps) {
            if (act === 'pass') nowMs += ms;
            else if (act === 'admit') {
              const before = breaker.state;
              const waitMs = breaker.retryAfterMs(nowMs);
              const permit = breaker.admit(nowMs);
              assert.equal(permit === noPermit, waitMs !== 0);
              if (permit === noPermit) continue;
              const isProbe = before !== 'closed';
              // The permit before this one is that of the last probe, unless the state changed between.
              if (isProbe) assert.ok(!out.some((it) => it.isProbe && !it.done && nowMs - it.atMs < 400 && it.permit === permit - 1));
              out.push({ permit, atMs: nowMs, isProbe, done: false });
            } else {
              const call = out[out.length - 1 - back];
              if (call === undefined) continue;
              const before = breaker.state;
              const counted = breaker.settle(call.permit, act, 1, nowMs);
              if (!counted) assert.equal(breaker.state, before, 'a late result changes nothing');
              call.done = true;
            }
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
}
