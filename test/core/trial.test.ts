// Whether a build that is started is tried, known, or gives way to the last good copy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Starting, startOf, type Trial } from '../../src/core/trial.ts';

const trial = (starts: number, image = 'new'): Trial => ({ v: 1, image, starts, sinceMs: 5, isTold: false });
const start = (changes: Partial<Starting> = {}): Starting => ({ image: 'new', lastGood: 'old', isSupervised: true, ...changes });

test('a new build is tried twice under a supervisor, then it gives way; another build begins anew', () => {
  for (const [kept, now, kind, starts] of [
    [null, start(), 'tried', 1],
    [trial(1), start(), 'tried', 2],
    [trial(2), start(), 'gives-way', 2],
    [trial(7), start(), 'gives-way', 7],
    [trial(2), start({ image: 'newer' }), 'tried', 1],
    // Nobody starts it again by itself: a person decides what is run.
    [trial(2), start({ isSupervised: false }), 'tried', 3],
    // It has worked here, nothing better is known, or it is the copy or the sources.
    [trial(2), start({ lastGood: 'new' }), 'known', null],
    [trial(2), start({ lastGood: null }), 'known', null],
    [trial(2), start({ image: null }), 'known', null],
  ] as const) {
    const found = startOf(kept, now, 9);
    assert.deepEqual([found.kind, found.kind === 'known' ? null : found.trial.starts], [kind, starts], JSON.stringify([kept, now]));
  }
});

test('when it was first started stays known', () => {
  const found = startOf(trial(1), start(), 9);
  assert.equal(found.kind === 'tried' && found.trial.sinceMs, 5);
});
