// What is counted for the metrics, of leases and of the watchdog.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leasesOf, restartCauses, watchdogSeen } from '../../src/daemon/census.ts';
import type { Cause } from '../../src/watchdog/limits.ts';

test('a lease is of here or of elsewhere, held or expired; what a person works on has none', () => {
  const run = (host: string, leaseUntilMs: number, kind: 'child' | 'tmux' | 'external' | 'person' = 'child') => ({
    host,
    leaseUntilMs,
    kind,
  });
  const runs = [
    run('a/1', 101),
    run('a/1', 500, 'tmux'),
    run('b/1', 100),
    run('b/1', 99),
    run('b/1', 101),
    run('a/1', 0, 'person'),
    run('a/1', 900, 'external'),
  ];
  assert.deepEqual(leasesOf(runs, 'a/1', 100), [
    { where: 'here', state: 'held', runs: 2 },
    { where: 'here', state: 'expired', runs: 0 },
    { where: 'elsewhere', state: 'held', runs: 1 },
    { where: 'elsewhere', state: 'expired', runs: 2 },
  ]);
});

test('restarts of the last day count, by cause; a watchdog that is dead is not up, one that has ended its watch is not missed', () => {
  // Whoever adds a cause adds it here.
  const causes: Record<Cause, true> = { crash: true, hang: true, unhealthy: true, 'not-started': true, itself: true };
  assert.deepEqual([...restartCauses], Object.keys(causes));
  const day = 86_400_000;
  const watchdog = { pid: 7, startTicks: 8, bootId: 'x' };
  const restarts = [
    { atMs: 1, cause: 'crash', why: '' },
    { atMs: day, cause: 'crash', why: '' },
    { atMs: day + 1, cause: 'hang', why: '' },
    { atMs: day + 2, cause: 'crash', why: '' },
  ];
  const text = (phase: string): string => JSON.stringify({ v: 1, watchdog, phase, restarts });
  const counted = { crash: 2, hang: 1, unhealthy: 0, 'not-started': 0, itself: 0 };
  const isIt = ({ pid }: { pid: number }): boolean => pid === 7;
  assert.deepEqual(watchdogSeen(text('healthy'), isIt, day + 1), { isAlive: true, restarts: counted });
  assert.deepEqual(watchdogSeen(text('healthy'), () => false, day + 1)?.isAlive, false);
  assert.deepEqual(watchdogSeen(text('ended'), isIt, day + 1), { isAlive: null, restarts: counted });
  for (const nothing of [null, '', '{', '[]', '{"restarts":[]}']) assert.equal(watchdogSeen(nothing, isIt, 0), null);
});
