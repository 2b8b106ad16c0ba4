// The real daemon, killed before every one of its durable calls: three todos with real agents end all the same, each once, with nothing lost.
// By hand, and with disks that are full or fail: node test/crash/run.ts
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { callsOfOneLife, inTurns, missedIn, type Point, Stage, strike, strikeTheRest, targetsOf } from './sweep.ts';
import { tableOf } from './table.ts';
import { callsOfThreads } from './threads.ts';

/** Two cores; agents and checks wait now and then. */
const parallel = 2;
/** So that something is heard of a sweep while it lasts. */
const pointsATest = 60;
const minutes = 60_000;

const stage = new Stage();
after(() => stage[Symbol.asyncDispose]());
// All that is awaited comes before the first test: a file whose tests have all ended is over, and what it cleans up is gone.
await stage.set();
const calls = await callsOfOneLife(stage);
const targets = targetsOf(calls, false);
const all = targetsOf(calls, true).length;
const points: Point[] = [];

test('every durable call of the daemon is made by its main thread, where the sweep counts it', async () => {
  const { ofMain, ofOthers } = await callsOfThreads(stage);
  assert.ok(ofMain > 100, `only ${ofMain} calls of the main thread were seen`);
  assert.deepEqual(ofOthers, []);
});

const fromMs = performance.now();

for (let from = 0; from < targets.length; from += pointsATest) {
  const part = targets.slice(from, from + pointsATest);
  test(`killed before durable call ${from + 1} to ${from + part.length} of ${targets.length} (all: ${all}), everything ends`, {
    timeout: 10 * minutes,
  }, async () => {
    await strikeAll(() => inTurns(parallel, part, (target) => strike(stage, 'KILL', target)));
  });
}

test('killed before any kind of durable call that was not struck by number, everything ends', { timeout: 10 * minutes }, async (t) => {
  await strikeAll(() => strikeTheRest(stage, 'KILL', calls, points, parallel));
  assert.deepEqual(missedIn(calls, points), []);
  t.diagnostic(`killed before each durable call:\n${tableOf(points, performance.now() - fromMs)}`);
});

async function strikeAll(work: () => Promise<readonly Point[]>): Promise<void> {
  const struck = await work();
  points.push(...struck);
  const failed = struck.filter(({ problems }) => problems.length > 0);
  const told = failed.map(({ call, nth, struck, problems, home }) => `${call} ${nth} (${struck}) in ${home}:\n  ${problems.join('\n  ')}`);
  assert.equal(failed.length, 0, told.join('\n'));
}
