import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/core/config.ts';
import type { About, Seen } from '../../src/healing/findings.ts';
import { plansFor } from '../../src/healing/plans.ts';
import { entry, minutes, startMs, withConfig } from './small-world.ts';

const ref = { todoId: 'todo-1', runId: 'run-1', fence: 1 };
const lost = (changes: Partial<Extract<About, { kind: 'lost-claim' }>> = {}): About => ({
  kind: 'lost-claim',
  ref,
  resets: 0,
  leaseExpired: true,
  sure: true,
  ...changes,
});
const silent = (silentMinutes: number): About => ({
  kind: 'silent-run',
  entry: entry(1, { lastSignAtMs: startMs - minutes(silentMinutes) }),
});
const defaults = withConfig({});
const uncleaned = withConfig({ behavior: { cleanup_orphaned: false } });
const off = withConfig({ behavior: { auto_recovery: false, cleanup_orphaned: false } });

/** What is planned, and whether the daemon may do it by itself. */
const table: readonly [name: string, about: About, config: Config, planned: string | null][] = [
  ['an overlooked marker', { kind: 'marker', legacy: false }, defaults, 'process-marker automatic'],
  ['an overlooked marker, auto_recovery off', { kind: 'marker', legacy: false }, off, 'process-marker asked'],
  ["a legacy marker that may be another home's", { kind: 'marker', legacy: true }, defaults, null],
  ['a folder whose run is over', { kind: 'orphan-folder', owner: 'over' }, defaults, 'archive-orphan automatic'],
  ['a folder whose run is over, cleanup_orphaned off', { kind: 'orphan-folder', owner: 'over' }, uncleaned, 'archive-orphan asked'],
  ["a folder that may be another home's", { kind: 'orphan-folder', owner: 'foreign' }, defaults, 'archive-orphan asked'],
  ['a folder whose run is over, auto_recovery off', { kind: 'orphan-folder', owner: 'over' }, off, 'archive-orphan asked'],
  ['a window without a run', { kind: 'orphan-window' }, defaults, 'end-window automatic'],
  ['a lost claim whose lease ran out', lost(), defaults, 'rescue automatic'],
  ['a lost claim, auto_recovery off', lost(), off, 'rescue asked'],
  ['a lost claim whose lease still holds', lost({ leaseExpired: false }), defaults, null],
  ['a lost claim that the journal remembers as ended', lost({ sure: false }), defaults, 'rescue asked'],
  ['a long run that gave a sign', silent(29), defaults, null],
  ['a long run that the timers should have ended', silent(32), defaults, 'force-complete automatic'],
  ['the same with action reset', silent(32), withConfig({ emergency: { action: 'reset' } }), 'reset automatic'],
  ['the same with action stall', silent(32), withConfig({ emergency: { action: 'stall' } }), null],
  ['the same with the timers off', silent(32), withConfig({ behavior: { enable_emergency_handlers: false } }), 'force-complete asked'],
  ['a log over its size', { kind: 'log', name: 'monitor.log' }, defaults, 'rotate-log automatic'],
  ['what only a person can mend', { kind: 'told' }, defaults, null],
  ['a low disk', { kind: 'disk', freeBytes: 1 }, defaults, null],
];

for (const [name, about, config, planned] of table) {
  test(`plans: ${name}: ${planned ?? 'nothing'}`, () => {
    const seen: Seen = { check: 'hanging', subject: 'it', todoId: 'todo-1', runId: 'run-1', reason: 'why', sinceMs: 1, about };
    const [first, ...more] = plansFor([seen], config, startMs);
    assert.deepEqual(more, []);
    assert.equal(first === undefined ? null : `${first.plan.action} ${first.plan.automatic ? 'automatic' : 'asked'}`, planned);
    if (first) assert.deepEqual([first.plan.subject, first.plan.todoId, first.plan.why], ['it', 'todo-1', 'why']);
  });
}

test('plans: the fourth automatic recovery of a todo blocks it, and says so before', () => {
  const risks = [0, 2, 3].map(
    (resets) =>
      plansFor(
        [
          {
            check: 'store-consistency',
            subject: 'it',
            todoId: 'todo-1',
            runId: 'run-1',
            reason: 'why',
            sinceMs: 1,
            about: lost({ resets }),
          },
        ],
        defaults,
        startMs,
      )[0]?.plan.risk ?? '',
  );
  assert.match(risks[0] ?? '', /reset 1 of 3/);
  assert.match(risks[1] ?? '', /reset 3 of 3/);
  assert.match(risks[2] ?? '', /blocked/);
});
