// A disk that is full, or fails, for one call: each kind of flush, rename and removal of the real daemon is answered once with ENOSPC and once
// with EIO. Three todos end all the same, each once, with nothing lost; a daemon that stops says why. Every single call, also of the pages that
// are written: node test/crash/run.ts --errors
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { callsOfOneLife, type Point, Stage, seekMax, strikeKinds } from './sweep.ts';
import { tableOf } from './table.ts';

const parallel = 2;
const timeout = 10 * 60_000;
const names = ['fsync', 'fdatasync', 'rename', 'renameat2', 'link', 'unlink', 'unlinkat', 'rmdir'];

const stage = new Stage();
after(() => stage[Symbol.asyncDispose]());
await stage.set();
const calls = await callsOfOneLife(stage, names);
const kinds = [...new Set([...calls.values()].flat())];
const points: Point[] = [];

for (const fault of ['ENOSPC', 'EIO'] as const) {
  test(`${fault} at each kind of flush, rename and removal: everything ends, and a daemon that stops says why`, { timeout }, async (t) => {
    const fromMs = performance.now();
    const struck = await strikeKinds(stage, fault, kinds, calls, 3, parallel);
    judge(struck);
    t.diagnostic(`${fault}:\n${tableOf(struck, performance.now() - fromMs)}`);
  });
}

test('a kind of flush, rename or removal that neither happened to strike is sought', { timeout }, async () => {
  judge(await strikeKinds(stage, 'ENOSPC', missed(), calls, seekMax, parallel));
  assert.deepEqual(missed(), []);
});

const missed = (): readonly string[] => kinds.filter((kind) => !points.some(({ struck }) => struck === kind));

function judge(struck: readonly Point[]): void {
  points.push(...struck);
  const failed = struck.filter(({ problems }) => problems.length > 0);
  const told = failed.map(({ call, nth, struck, problems, home }) => `${call} ${nth} (${struck}) in ${home}:\n  ${problems.join('\n  ')}`);
  assert.equal(failed.length, 0, told.join('\n'));
}
