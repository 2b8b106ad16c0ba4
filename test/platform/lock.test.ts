import assert from 'node:assert/strict';
import { mkdtempDisposableSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { takeLock } from '../../src/platform/lock.ts';
import { startProgram } from './program.ts';

const me = { pid: process.pid, startTicks: 1, bootId: 'boot', startedAtMs: 0 };

test('[C-36] the second is told pid and start time of the first, and kill -9 of the first lets it in at once', async () => {
  using at = mkdtempDisposableSync(join(tmpdir(), 'todo-lock-'));
  const path = join(at.path, 'lock.db');
  const first = startProgram('hold-lock.ts', [path]);
  assert.equal(await first.line(), 'held');
  assert.throws(() => takeLock(path, me), {
    code: 'LOCKED',
    message: new RegExp(`process ${first.process.pid}, running since 2026-01-02T03:04:05`),
  });
  assert.throws(() => takeLock(path, me), { code: 'LOCKED' }, 'a refused try must not have dropped it');
  first.process.kill('SIGKILL');
  await first.ended();
  takeLock(path, me).release();
});

test('a lock is private, and given back it can be taken again', () => {
  using at = mkdtempDisposableSync(join(tmpdir(), 'todo-lock-'));
  const path = join(at.path, 'lock.db');
  const lock = takeLock(path, me);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.throws(() => takeLock(path, me), { code: 'LOCKED' });
  lock.release();
  lock.release();
  takeLock(path, me).release();
});
