import assert from 'node:assert/strict';
import { linkSync, mkdirSync, mkdtempDisposableSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { watch } from '../../src/platform/watcher.ts';

/** A watched spool, a marker in a folder that is not ours, and run folders. `woken` waits for a wake-up that comes after the call. */
async function watched() {
  const at = mkdtempDisposableSync(join(tmpdir(), 'todo-watcher-'));
  const of = (...names: string[]): string => join(at.path, ...names);
  for (const folder of ['new', 'public', 'runs/r1']) mkdirSync(of(folder), { recursive: true });
  writeFileSync(of('draft'), 'TASK_COMPLETED');
  let wakes = 0;
  let waiting: (() => void)[] = [];
  const watcher = await watch({ folders: [of('new')], files: [of('public', 'TASK_COMPLETED')], runs: of('runs') }, () => {
    wakes++;
    for (const wake of waiting) wake();
    waiting = [];
  });
  return {
    of,
    wakes: () => wakes,
    async woken(act: () => void): Promise<void> {
      const next = new Promise<void>((resolve) => waiting.push(resolve));
      act();
      await next;
    },
    async [Symbol.asyncDispose]() {
      await watcher.close();
      at.remove();
    },
  };
}

test('[C-73] a marker in the spool wakes, and so does each further one', { timeout: 10_000 }, async () => {
  await using at = await watched();
  for (const name of ['a', 'b', 'c']) await at.woken(() => linkSync(at.of('draft'), at.of('new', name)));
});

test('[C-73] a marker in a folder of others wakes however it comes, and again after it was taken away', { timeout: 10_000 }, async () => {
  await using at = await watched();
  const marker = at.of('public', 'TASK_COMPLETED');
  await at.woken(() => writeFileSync(marker, 'TASK_COMPLETED'));
  await at.woken(() => writeFileSync(marker, 'TASK_COMPLETED again'));
  unlinkSync(marker);
  await at.woken(() => renameSync(at.of('draft'), marker));
});

test('the end of a run wakes, also of one that began later; its output does not', { timeout: 10_000 }, async () => {
  await using at = await watched();
  writeFileSync(at.of('runs', 'r1', 'output.log'), 'much');
  writeFileSync(at.of('runs', 'r1', 'exit.tmp'), '1 code 0\n');
  writeFileSync(at.of('public', 'somebody-elses'), '');
  await at.woken(() => renameSync(at.of('runs', 'r1', 'exit.tmp'), at.of('runs', 'r1', 'exit')));
  assert.equal(at.wakes(), 1);
  await at.woken(() => {
    mkdirSync(at.of('runs', 'r2'));
    writeFileSync(at.of('runs', 'r2', 'exit'), '1 code 0\n');
  });
});

test('a spool that was removed and made again wakes again', { timeout: 10_000 }, async () => {
  await using at = await watched();
  await at.woken(() => rmSync(at.of('new'), { recursive: true }));
  await at.woken(() => mkdirSync(at.of('new')));
  await at.woken(() => linkSync(at.of('draft'), at.of('new', 'a')));
});
