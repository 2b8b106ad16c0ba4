import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flushedInTurn } from '../../src/daemon/in-turn.ts';
import { clock } from '../../src/platform/clock.ts';
import type { Files } from '../../src/world.ts';

/** Files of which `bad` cannot be flushed; `done` is what happened, in order. */
function world() {
  const done: string[] = [];
  const sync = (path: string): void => {
    if (path === 'bad') throw new Error('the disk failed');
    done.push(`sync ${path}`);
  };
  return { done, flush: flushedInTurn({ clock, files: { sync } as unknown as Files }) };
}

test('files of one turn are flushed after all of them were written, and whoever asks goes on when its own are durable', async () => {
  const { done, flush } = world();
  const complete = async (name: string): Promise<void> => {
    done.push(`write ${name}`);
    await flush([`${name}1`, `${name}2`]);
    done.push(`reported ${name}`);
  };
  await Promise.all([complete('a'), complete('b')]);
  assert.deepEqual(done, ['write a', 'write b', 'sync a1', 'sync a2', 'sync b1', 'sync b2', 'reported a', 'reported b']);
});

test('a file that cannot be flushed is told to whoever asked for it and to nobody else; the next turn is a new one', async () => {
  const { done, flush } = world();
  const [first, second] = await Promise.allSettled([flush(['bad', 'never']), flush(['good'])]);
  assert.match(String(first.status === 'rejected' && first.reason), /the disk failed/);
  assert.equal(second.status, 'fulfilled');
  await flush(['later']);
  assert.deepEqual(done, ['sync good', 'sync later']);
});
