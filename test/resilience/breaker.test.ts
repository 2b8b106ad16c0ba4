import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BreakerChange, BreakerProfile, Permit } from '../../src/resilience/breaker.ts';
import { Breaker, noPermit, parseSavedBreaker } from '../../src/resilience/breaker.ts';
import type { ProfileName } from '../../src/resilience/profiles.ts';
import { profiles } from '../../src/resilience/profiles.ts';

/** A breaker with its time; chance says 0, so that waits are exactly those of the profile. */
function rig(profile: BreakerProfile = profiles.default, random = () => 0) {
  const changes: BreakerChange[] = [];
  const breaker = new Breaker(profile, 1000, random, (change) => changes.push(change));
  const it = {
    breaker,
    changes,
    nowMs: 1000,
    pass(ms: number) {
      it.nowMs += ms;
    },
    admit: (): Permit => breaker.admit(it.nowMs),
    settle: (permit: Permit, outcome: 'success' | 'failure' | 'ignored', tookMs = 1) => breaker.settle(permit, outcome, tookMs, it.nowMs),
    call: (outcome: 'success' | 'failure' | 'ignored', tookMs = 1) => it.settle(it.admit(), outcome, tookMs),
    fail(times: number) {
      for (let i = 0; i < times; i++) it.call('failure');
    },
    get wait() {
      return breaker.retryAfterMs(it.nowMs);
    },
    /** Opens it, waits until it would probe. */
    untilProbe() {
      while (breaker.state === 'closed') it.call('failure');
      it.pass(it.wait ?? 0);
    },
  };
  return it;
}

const rows: readonly (readonly [row: string, name: ProfileName, failures: number, openMs: number, successes: number])[] = [
  ['[P-01] (U) ', 'default', 5, 30_000, 2],
  ['[P-44] (U) ', 'aggressive', 3, 10_000, 2],
  ['[P-45] (U) ', 'conservative', 10, 60_000, 5],
  ['[H-15] (U) ', 'runner', 5, 30_000, 3],
  ['[H-16] (U) ', 'engine', 3, 60_000, 2],
  ['[H-16] (U) ', 'provider', 3, 60_000, 2],
  ['[H-17] (U) ', 'smtp', 2, 120_000, 1],
  ['[H-17] (U) ', 'webhook', 2, 120_000, 1],
  ['', 'store', 5, 30_000, 3],
];
for (const [row, name, failures, openMs, successes] of rows) {
  test(`${row}profile ${name}: ${failures} failures open it for ${openMs} ms, one test at a time, ${successes} successes close it`, () => {
    const it = rig(profiles[name]);
    it.fail(failures - 1);
    it.call('success');
    it.fail(failures - 1);
    assert.equal(it.breaker.state, 'closed', 'one success between begins anew');
    it.fail(1);
    assert.equal(it.breaker.state, 'open');
    assert.equal(it.wait, openMs);
    it.pass(openMs - 1);
    assert.equal(it.admit(), noPermit);
    assert.equal(it.wait, 1);
    it.pass(1);
    for (let i = 1; i <= successes; i++) {
      const probe = it.admit();
      assert.notEqual(probe, noPermit);
      assert.equal(it.admit(), noPermit, 'a second one beside the probe');
      assert.equal(it.breaker.state, 'half-open');
      it.settle(probe, 'success');
    }
    assert.equal(it.breaker.state, 'closed');
    assert.deepEqual(
      it.changes.map(({ from, to }) => `${from} ${to}`),
      ['closed open', 'open half-open', 'half-open closed'],
    );
  });
}

test('a failed probe opens it again, for twice as long each time, up to the longest', () => {
  const it = rig(profiles.default);
  const waits: (number | null)[] = [];
  it.fail(5);
  for (let i = 0; i < 6; i++) {
    waits.push(it.wait);
    it.pass(it.wait ?? 0);
    it.call('failure');
  }
  assert.deepEqual(waits, [30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
});

test('the second probe failing after a first success opens it, and the next time all successes are asked for again', () => {
  const it = rig(profiles.runner);
  it.untilProbe();
  it.call('success');
  it.call('success');
  it.call('failure');
  assert.equal(it.breaker.state, 'open');
  it.untilProbe();
  it.call('success');
  it.call('success');
  assert.equal(it.breaker.state, 'half-open');
  it.call('success');
  assert.equal(it.breaker.state, 'closed');
});

test('closed again, the waits are short again', () => {
  const it = rig(profiles.smtp);
  it.untilProbe();
  it.call('failure');
  assert.equal(it.wait, 240_000);
  it.untilProbe();
  it.call('success');
  it.fail(2);
  assert.equal(it.wait, 120_000);
});

test('a wait is prolonged by up to a tenth, never shortened', () => {
  const waits = [0, 0.5, 1].map((draw) => {
    const it = rig(profiles.default, () => draw);
    it.fail(5);
    return it.wait;
  });
  assert.deepEqual(waits, [30_000, 31_500, 33_000]);
});

test('what a call said that began before it opened changes nothing: neither a success nor a failure', () => {
  const it = rig();
  const early = [it.admit(), it.admit(), it.admit()];
  it.fail(5);
  assert.equal(it.settle(early[0]!, 'success'), false);
  assert.equal(it.breaker.state, 'open');
  it.pass(30_000);
  const probe = it.admit();
  assert.equal(it.settle(early[1]!, 'failure'), false);
  assert.equal(it.settle(early[2]!, 'success'), false);
  assert.equal(it.breaker.state, 'half-open');
  assert.equal(it.settle(probe, 'success'), true);
  assert.equal(it.breaker.look(it.nowMs).late, 3);
});

test('a result given twice counts once', () => {
  const it = rig(profiles.default);
  it.untilProbe();
  const probe = it.admit();
  assert.equal(it.settle(probe, 'success'), true);
  assert.equal(it.settle(probe, 'success'), false);
  assert.equal(it.breaker.state, 'half-open');
});

test('a failure of an earlier closed time does not count in the next one', () => {
  const it = rig(profiles.smtp);
  const early = it.admit();
  it.untilProbe();
  it.call('success');
  it.fail(1);
  it.settle(early, 'failure');
  assert.equal(it.breaker.state, 'closed');
  it.fail(1);
  assert.equal(it.breaker.state, 'open');
});

test('a probe that never answers keeps the place for its lease, then the next one gets it', () => {
  const it = rig();
  it.untilProbe();
  const hung = it.admit();
  assert.equal(it.wait, 30_000);
  it.pass(29_999);
  assert.equal(it.admit(), noPermit);
  it.pass(1);
  const next = it.admit();
  assert.notEqual(next, noPermit);
  assert.equal(it.admit(), noPermit, 'and it alone');
  assert.equal(it.settle(hung, 'failure'), false, 'the hung one is late');
  assert.equal(it.settle(next, 'success'), true);
  assert.equal(it.breaker.look(it.nowMs).successes, 1);
});

test('a probe that is late but not replaced yet still is the probe', () => {
  const it = rig(profiles.smtp);
  it.untilProbe();
  const slow = it.admit();
  it.pass(500_000);
  assert.equal(it.settle(slow, 'success', 500_000), true);
  assert.equal(it.breaker.state, 'closed');
});

test('a call that says nothing neither opens nor closes, and gives the probe’s place back', () => {
  const it = rig(profiles.smtp);
  for (let i = 0; i < 10; i++) it.call('ignored');
  assert.equal(it.breaker.state, 'closed');
  it.fail(1);
  it.call('ignored');
  it.fail(1);
  assert.equal(it.breaker.state, 'open', 'it does not interrupt a row of failures either');
  it.pass(120_000);
  it.call('ignored');
  assert.equal(it.breaker.state, 'half-open');
  assert.equal(it.wait, 0);
  it.call('success');
  assert.equal(it.breaker.state, 'closed');
});

test('probes that succeeded are not forgotten for one that said nothing', () => {
  const it = rig(profiles.runner);
  it.untilProbe();
  it.call('success');
  it.call('ignored');
  it.call('success');
  it.call('success');
  assert.equal(it.breaker.state, 'closed');
});

const slowly: BreakerProfile = {
  ...profiles.default,
  window: { kind: 'counted', calls: 10, minCalls: 4, failureRate: 1 },
  slow: { overMs: 100, rate: 0.5 },
};

test('slow calls open it, though they succeed, and exactly at the limit is not slow', () => {
  const it = rig(slowly);
  for (const tookMs of [100, 100, 101]) it.call('success', tookMs);
  assert.equal(it.breaker.state, 'closed');
  it.call('success', 101);
  assert.equal(it.breaker.state, 'open');
  assert.equal(it.changes[0]?.why, 'too many calls were slow');
});

test('a slow probe opens it again', () => {
  const it = rig(slowly);
  it.untilProbe();
  it.call('success', 101);
  assert.equal(it.breaker.state, 'open');
  assert.equal(it.changes.at(-1)?.why, 'a probe was slow');
});

test('a timed window in a breaker: twenty failures, an hour of nothing, one failure: closed', () => {
  const it = rig({ ...profiles.default, window: { kind: 'timed', windowMs: 10_000, minCalls: 21, failureRate: 0.5 } });
  it.fail(20);
  it.pass(3_600_000);
  it.fail(1);
  assert.equal(it.breaker.state, 'closed');
  it.fail(20);
  assert.equal(it.breaker.state, 'open');
});

test('isolated by command it lets nothing through until it is reset, and cannot say when that is', () => {
  const it = rig();
  const early = it.admit();
  it.breaker.isolate(it.nowMs, 'maintenance');
  it.pass(10_000_000);
  assert.equal(it.admit(), noPermit);
  assert.equal(it.wait, null);
  assert.equal(it.settle(early, 'success'), false);
  assert.deepEqual(it.changes.at(-1), { from: 'closed', to: 'isolated', atMs: 1000, why: 'maintenance', waitMs: null });
  it.breaker.reset(it.nowMs, 'done');
  assert.notEqual(it.admit(), noPermit);
});

test('isolated twice is told once', () => {
  const it = rig();
  it.breaker.isolate(it.nowMs, 'a');
  it.breaker.isolate(it.nowMs, 'b');
  assert.equal(it.changes.length, 1);
});

test('reset closes it whatever it was, with nothing behind it', () => {
  const it = rig(profiles.smtp);
  it.untilProbe();
  it.call('failure');
  it.breaker.reset(it.nowMs, 'by hand');
  assert.equal(it.breaker.state, 'closed');
  it.fail(1);
  it.breaker.reset(it.nowMs, 'by hand');
  it.fail(1);
  assert.equal(it.breaker.state, 'closed', 'also the row of failures is forgotten');
  it.fail(1);
  assert.equal(it.wait, 120_000, 'and the growth of the waits');
});

test('retuned it stays what it is: failures in a row still count, and an open one waits no longer than by the new numbers', () => {
  const it = rig();
  it.fail(2);
  it.breaker.retune({ ...profiles.default, window: { kind: 'consecutive', failures: 3 } }, it.nowMs);
  assert.equal(it.breaker.look(it.nowMs).failures, 2);
  it.fail(1);
  assert.equal(it.breaker.state, 'open', 'the third');
  assert.equal(it.wait, 30_000);
  it.breaker.retune({ ...profiles.default, openMs: 60_000, successes: 1 }, it.nowMs);
  assert.equal(it.wait, 30_000, 'never prolonged');
  it.breaker.retune({ ...profiles.default, openMs: 500, successes: 1 }, it.nowMs);
  assert.equal(it.wait, 500);
  it.pass(500);
  it.call('success');
  assert.equal(it.breaker.state, 'closed', 'by as many probes as it now wants');
});

test('an open breaker saved with 20 s left has 20 s left in the next process', () => {
  const it = rig();
  it.fail(5);
  it.pass(10_000);
  const saved = it.breaker.save(it.nowMs, 1_700_000_000_000);
  assert.equal(saved.leftMs, 20_000);
  const next = new Breaker(profiles.default, 3, () => 0);
  next.restore(saved, 3, 1_700_000_000_000);
  assert.equal(next.state, 'open');
  assert.equal(next.retryAfterMs(3), 20_000);
  assert.equal(next.admit(20_002), noPermit);
  assert.notEqual(next.admit(20_003), noPermit);
});

test('the time that no process lived is part of the wait', () => {
  const it = rig();
  it.fail(5);
  const saved = it.breaker.save(it.nowMs, 1_000_000);
  const next = new Breaker(profiles.default, 3, () => 0);
  next.restore(saved, 3, 1_010_000);
  assert.equal(next.retryAfterMs(3), 20_000);
});

test('a UTC clock set back a day cannot prolong a restored wait; one set forward ends it, for one probe', () => {
  const it = rig();
  it.fail(5);
  const dayMs = 86_400_000;
  const saved = it.breaker.save(it.nowMs, 10 * dayMs);
  const back = new Breaker(profiles.default, 0, () => 0);
  back.restore(saved, 0, 9 * dayMs);
  assert.equal(back.retryAfterMs(0), 30_000);
  const forward = new Breaker(profiles.default, 0, () => 0);
  forward.restore(saved, 0, 11 * dayMs);
  assert.equal(forward.state, 'open');
  assert.notEqual(forward.admit(0), noPermit);
  assert.equal(forward.admit(0), noPermit);
});

test('a saved wait that is longer than the profile ever makes is cut to the longest', () => {
  const next = new Breaker(profiles.default, 0, () => 0);
  next.restore({ v: 1, state: 'open', leftMs: 1e12, reopenings: 0, why: '', atMs: 0 }, 0, 0);
  assert.equal(next.retryAfterMs(0), 330_000);
});

test('half-open is saved as open, with the whole wait of its step again', () => {
  const it = rig(profiles.default);
  it.untilProbe();
  it.call('failure');
  it.untilProbe();
  it.admit();
  const saved = it.breaker.save(it.nowMs, 0);
  assert.deepEqual(saved, { v: 1, state: 'open', leftMs: 60_000, reopenings: 1, why: 'its wait is over', atMs: 0 });
});

test('isolated and closed are saved as they are, and growth goes on after a restart', () => {
  const it = rig();
  it.breaker.isolate(it.nowMs, 'maintenance');
  const isolated = new Breaker(profiles.default, 0, () => 0);
  isolated.restore(it.breaker.save(it.nowMs, 0), 0, 0);
  assert.equal(isolated.admit(1e9), noPermit);
  assert.equal(isolated.look(0).why, 'maintenance');

  const other = rig();
  const closed = new Breaker(profiles.default, 0, () => 0);
  closed.restore(other.breaker.save(other.nowMs, 0), 0, 0);
  assert.notEqual(closed.admit(0), noPermit);

  other.untilProbe();
  other.call('failure');
  const grown = new Breaker(profiles.default, 0, () => 0);
  grown.restore(other.breaker.save(other.nowMs, 0), 0, 0);
  const probe = grown.admit(60_000);
  grown.settle(probe, 'failure', 1, 60_000);
  assert.equal(grown.retryAfterMs(60_000), 120_000);
});

test('a permit from before a restore is late', () => {
  const breaker = new Breaker(profiles.smtp, 0, () => 0);
  const early = breaker.admit(0);
  breaker.restore({ v: 1, state: 'closed', leftMs: 0, reopenings: 0, why: '', atMs: 0 }, 0, 0);
  assert.equal(breaker.settle(early, 'failure', 1, 0), false);
});

test('what was saved is read whole or not at all', () => {
  const good = { v: 1, state: 'open', leftMs: 5, reopenings: 2, why: 'x', atMs: 7 };
  assert.deepEqual(parseSavedBreaker(JSON.parse(JSON.stringify(good))), good);
  const bad = [
    null,
    'open',
    [],
    { ...good, v: 2 },
    { ...good, state: 'half-open' },
    { ...good, leftMs: -1 },
    { ...good, leftMs: '5' },
    { ...good, reopenings: 1.5 },
    { ...good, atMs: null },
  ];
  for (const value of bad) assert.equal(parseSavedBreaker(value), null, JSON.stringify(value));
});

test('whether a place would be refused is looked up without taking it or counting a refusal', () => {
  const it = rig();
  assert.equal(it.breaker.refuses(it.nowMs), false);
  it.fail(5);
  assert.equal(it.breaker.refuses(it.nowMs), true);
  it.pass(30_000);
  assert.equal(it.breaker.refuses(it.nowMs), false);
  assert.equal(it.breaker.state, 'open');
  it.admit();
  assert.equal(it.breaker.refuses(it.nowMs), true);
  assert.equal(it.breaker.look(it.nowMs).refused, 0);
});

test('a look tells state, reason, since when, failures, refusals and reopenings', () => {
  const it = rig();
  it.fail(3);
  it.pass(700);
  assert.deepEqual(it.breaker.look(it.nowMs), {
    state: 'closed',
    why: 'new',
    inStateForMs: 700,
    retryAfterMs: 0,
    failures: 3,
    successes: 0,
    reopenings: 0,
    refused: 0,
    late: 0,
  });
  it.fail(2);
  it.admit();
  it.pass(100);
  const look = it.breaker.look(it.nowMs);
  assert.deepEqual(
    [look.state, look.why, look.inStateForMs, look.retryAfterMs, look.failures, look.refused],
    ['open', 'too many calls failed', 100, 29_900, 0, 1],
  );
});

test('a change is told once it holds: who listens sees the new state, its wait and its reason', () => {
  const seen: unknown[] = [];
  const breaker: Breaker = new Breaker(
    profiles.smtp,
    0,
    () => 0,
    ({ from, to, atMs, why, waitMs }) => seen.push([from, to, atMs, why, waitMs, breaker.state]),
  );
  for (let i = 0; i < 2; i++) breaker.settle(breaker.admit(0), 'failure', 1, 9);
  breaker.settle(breaker.admit(120_009), 'success', 1, 120_010);
  assert.deepEqual(seen, [
    ['closed', 'open', 9, 'too many calls failed', 120_000, 'open'],
    ['open', 'half-open', 120_009, 'its wait is over', null, 'half-open'],
    ['half-open', 'closed', 120_010, 'a probe succeeded', null, 'closed'],
  ]);
});

test('who listens may reset it from within', () => {
  const breaker: Breaker = new Breaker(
    profiles.smtp,
    0,
    () => 0,
    ({ to }) => {
      if (to === 'open') breaker.reset(0, 'never mind');
    },
  );
  for (let i = 0; i < 10; i++) breaker.settle(breaker.admit(0), 'failure', 1, 0);
  assert.equal(breaker.state, 'closed');
});

test('the same calls at the same times lead to the same state: it looks at no clock', () => {
  const story = () => {
    const it = rig(profiles.aggressive, () => 0.25);
    it.fail(4);
    it.pass(11_000);
    it.call('success');
    it.call('failure');
    it.pass(5);
    return JSON.stringify([it.breaker.look(it.nowMs), it.breaker.save(it.nowMs, 5), it.changes]);
  };
  assert.equal(story(), story());
});
