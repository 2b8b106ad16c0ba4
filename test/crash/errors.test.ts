// A disk that is full, or fails, for one call: each kind of flush, rename and removal of the real daemon is answered once with ENOSPC and once
// with EIO. Three todos end all the same, each once, with nothing lost; a daemon that stops says why. Every single call, also of the pages that
// are written: node test/crash/run.ts --errors
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { callsOfOneLife, Stage, strikeEachKind } from './sweep.ts';
import { tableOf } from './table.ts';

const parallel = 2;
const names = ['fsync', 'fdatasync', 'rename', 'renameat2', 'link', 'unlink', 'unlinkat', 'rmdir'];

const stage = new Stage();
after(() => stage[Symbol.asyncDispose]());
await stage.set();
const calls = await callsOfOneLife(stage, names);

for (const fault of ['ENOSPC', 'EIO'] as const) {
  test(`${fault} at each kind of flush, rename and removal: everything ends, and a daemon that stops says why`, {
    timeout: 10 * 60_000,
  }, async (t) => {
    const fromMs = performance.now();
    const points = await strikeEachKind(stage, fault, calls, names, parallel);
    const failed = points.filter(({ problems }) => problems.length > 0);
    const told = failed.map(
      ({ call, nth, struck, problems, home }) => `${call} ${nth} (${struck}) in ${home}:\n  ${problems.join('\n  ')}`,
    );
    assert.equal(failed.length, 0, told.join('\n'));
    const struck = new Set(points.map((point) => point.struck));
    assert.deepEqual(
      [...new Set([...calls.values()].flat())].filter((kind) => !struck.has(kind)),
      [],
      'kinds that were never struck',
    );
    t.diagnostic(`${fault}:\n${tableOf(points, performance.now() - fromMs)}`);
  });
}
