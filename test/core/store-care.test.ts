import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Care, careNext } from '../../src/core/store-care.ts';

/** Looks at the given times; `!` marks trouble, `?` trouble that may be over. What was done, in words. */
function story(looks: string): string[] {
  let care: Care = { state: 'well' };
  const told: string[] = [];
  for (const look of looks.split(' ')) {
    const nowMs = Number.parseInt(look, 10);
    const move = careNext(care, { nowMs, trouble: look.endsWith('!') ? 'now' : look.endsWith('?') ? 'past' : 'none', graceMs: 10 });
    care = move.care;
    if (move.begins) told.push(`${nowMs} begins`);
    if (move.step !== null) told.push(`${nowMs} ${move.step}`);
    if (move.ends) told.push(`${nowMs} ends`);
  }
  return told;
}

test('steps are taken one after the other while there is trouble, each once, and each gets its time to help', () => {
  assert.deepEqual(story('0! 5! 10! 15! 20! 29! 30! 40! 100!'), ['0 begins', '10 reset', '20 optimize', '30 restart']);
});

test('what was slow once is looked into and nothing more', () => {
  assert.deepEqual(story('0! 5 10 15 19 20 21'), ['0 begins', '20 ends']);
});

test('a pause does not begin the steps anew; a store that was well does', () => {
  assert.deepEqual(story('0! 10! 15 25! 44 46! 66 70! 80!'), [
    '0 begins',
    '10 reset',
    '25 optimize',
    '46 restart',
    '66 ends',
    '70 begins',
    '80 reset',
  ]);
});

test('trouble that may be over is no reason for a step, and none to call it over', () => {
  assert.deepEqual(story('0? 1! 15? 40? 41! 42 62'), ['1 begins', '41 reset', '62 ends']);
});
