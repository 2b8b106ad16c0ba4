import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Component } from '../../src/core/control.ts';
import type { HealthStatus } from '../../src/core/words.ts';
import { lookAtHealth, worst } from '../../src/healing/health.ts';
import { daemonStatus, entry, minutes, run, SmallWorld, startMs, todo, withConfig } from './small-world.ts';

type Case = {
  readonly name: string;
  readonly given: (small: SmallWorld) => void;
  /** Components that are not healthy, and the worst of them for the whole. */
  readonly sees: Readonly<Record<string, readonly [HealthStatus, RegExp]>>;
  readonly status: HealthStatus;
};

const cases: readonly Case[] = [
  { name: 'nothing to do and no daemon is healthy', given: () => {}, sees: {}, status: 'healthy' },
  {
    name: 'no daemon while todos wait',
    given: (small) => small.todos.push(todo(1)),
    sees: { daemon: ['degraded', /1 todo waits/] },
    status: 'degraded',
  },
  {
    name: 'held todos wait for a person, not for a daemon',
    given: (small) => small.todos.push(todo(1, { held: true })),
    sees: {},
    status: 'healthy',
  },
  {
    name: 'runs that a dead process left in the journal',
    given: (small) => {
      small.entries = [entry(1)];
      small.ownerAlive = 'no';
    },
    sees: { daemon: ['degraded', /1 unfinished/] },
    status: 'degraded',
  },
  {
    name: 'a living daemon that passes',
    given: (small) => {
      small.daemon = daemonStatus();
    },
    sees: {},
    status: 'healthy',
  },
  {
    name: 'a daemon that lives without passing',
    given: (small) => {
      small.daemon = daemonStatus({ lastPassAtMs: startMs - 15_000 });
    },
    sees: { daemon: ['unhealthy', /whole pass.*stuck/] },
    status: 'unhealthy',
  },
  {
    name: 'a daemon that passes and no longer sweeps',
    given: (small) => {
      small.daemon = daemonStatus({ lastSweepAtMs: startMs - minutes(11) });
    },
    sees: { daemon: ['unhealthy', /whole sweep/] },
    status: 'unhealthy',
  },
  {
    name: 'a daemon whose process is there and silent',
    given: (small) => {
      small.daemon = { silent: 'pid 10 does not answer' };
    },
    sees: { daemon: ['unhealthy', /does not answer/] },
    status: 'unhealthy',
  },
  {
    name: 'a store that refuses is unknown, with all that depends on it',
    given: (small) => {
      small.storeIs = 'refusing';
    },
    sees: {
      daemon: ['unknown', /could not be seen/],
      store: ['unknown', /ECONNREFUSED/],
      queue: ['unknown', /store could not be asked/],
      runs: ['unknown', /^the store could not be asked$/],
    },
    status: 'unknown',
  },
  {
    name: 'a store with a foreign schema answers, and does not work',
    given: (small) => {
      small.daemon = daemonStatus();
      small.storeIs = 'foreign';
    },
    sees: { store: ['unhealthy', /STORE_SCHEMA/], queue: ['unknown', /./], runs: ['unknown', /./] },
    status: 'unhealthy',
  },
  {
    name: 'a journal that cannot be read',
    given: (small) => {
      small.daemon = daemonStatus();
      small.entries = null;
    },
    sees: { journal: ['unknown', /./], spool: ['unknown', /./], runs: ['unknown', /./], timers: ['unknown', /./] },
    status: 'unknown',
  },
  {
    name: 'tmux that does not answer hides windows, nothing else',
    given: (small) => {
      small.windows = null;
    },
    sees: { runs: ['unknown', /tmux/] },
    status: 'unknown',
  },
  {
    name: 'a machine without tmux has no windows',
    given: (small) => {
      small.tmux = 'no';
      small.windows = null;
    },
    sees: {},
    status: 'healthy',
  },
  {
    name: 'a run of two hours that was silent for one',
    given: (small) => {
      small.entries = [entry(1, { startedAtMs: startMs - minutes(120), lastSignAtMs: startMs - minutes(20) })];
      small.daemon = daemonStatus();
    },
    sees: { runs: ['degraded', /todo 1 .*started 2 h ago, last sign of progress 20 min ago/], timers: ['unhealthy', /ran out 15 min ago/] },
    status: 'unhealthy',
  },
  {
    name: 'a run of two hours that works is listed and healthy',
    given: (small) => {
      small.entries = [entry(1, { startedAtMs: startMs - minutes(120) })];
      small.daemon = daemonStatus();
    },
    sees: {},
    status: 'healthy',
  },
  {
    name: 'timers switched off',
    given: (small) => {
      small.config = withConfig({ behavior: { enable_emergency_handlers: false } });
    },
    sees: { timers: ['degraded', /enable_emergency_handlers is false/] },
    status: 'degraded',
  },
  {
    name: 'a completion that waits for the store',
    given: (small) => {
      small.daemon = daemonStatus();
      small.entries = [
        entry(1, {
          fact: 'reported',
          attempt: 3,
          nextAttemptAtMs: startMs + 4000,
          lastError: { code: 'STORE_UNREACHABLE', message: 'gone', atMs: startMs - 1000 },
          timeline: [
            { atMs: startMs - minutes(9), fact: 'failed-attempt', layer: null, attempt: 1, durationMs: 1, reason: 'older' },
            { atMs: startMs - minutes(8), fact: 'reported', layer: 2, attempt: 1, durationMs: 1, reason: null },
            { atMs: startMs - minutes(7), fact: 'failed-attempt', layer: null, attempt: 1, durationMs: 1, reason: 'gone' },
          ],
        }),
      ];
    },
    sees: {
      runs: [
        'degraded',
        /completion of todo 1 .* has stood at reported for 7 min \(STORE_UNREACHABLE\); nothing is lost, tried again in 4 s/,
      ],
    },
    status: 'degraded',
  },
  {
    name: 'dead letters',
    given: (small) => small.todos.push(todo(3, { status: 'dead-lettered', reason: 'no room' })),
    sees: { runs: ['degraded', /todo 3 .* is dead-lettered: no room/] },
    status: 'degraded',
  },
  {
    name: 'a low disk',
    given: (small) => {
      small.freeBytes = 100 * 1024 * 1024;
    },
    sees: { disk: ['degraded', /only 100 MB/] },
    status: 'degraded',
  },
  {
    name: 'a full disk',
    given: (small) => {
      small.freeBytes = 1024 * 1024;
    },
    sees: { disk: ['unhealthy', /only 1 MB/] },
    status: 'unhealthy',
  },
  {
    name: 'a log over its size; rotated ones do not count',
    given: (small) => {
      small.config = withConfig({ logging: { max_size_mb: 0.001 } });
      small.put('logs/monitor.log', 'x'.repeat(2000));
      small.put('logs/monitor.log.1', 'x'.repeat(2000));
      small.put('logs/20260101-monitor.log', 'x'.repeat(2000));
    },
    sees: { logs: ['degraded', /^monitor\.log has/] },
    status: 'degraded',
  },
  {
    name: 'markers that nobody takes',
    given: (small) => {
      small.put('spool/new/run-1.x', 'a', minutes(6));
      small.put('spool/new/run-2.x', 'b', minutes(4));
    },
    sees: { spool: ['degraded', /^a marker has waited for 6 min$/] },
    status: 'degraded',
  },
  {
    name: 'a taken marker of a live run and of a dead letter stay where they are',
    given: (small) => {
      small.daemon = daemonStatus();
      small.entries = [entry(1, { fact: 'reported' })];
      small.closed = [entry(2, { fact: 'dead-lettered' })];
      small.put('spool/cur/run-1.x', 'a', minutes(60));
      small.put('spool/cur/run-2.x', 'a', minutes(60));
    },
    sees: {},
    status: 'healthy',
  },
  {
    name: 'a legacy marker that fits nothing',
    given: (small) => void small.put('legacy/TASK_COMPLETED', 'TASK_COMPLETED', minutes(7)),
    sees: { spool: ['degraded', /waited for 7 min and fits no live run/] },
    status: 'degraded',
  },
  {
    name: 'work, slots and nothing that moves',
    given: (small) => {
      small.daemon = daemonStatus();
      small.todos.push(todo(1), todo(2, { status: 'parked', notBeforeMs: startMs + 1000 }));
    },
    sees: { queue: ['degraded', /queue not moving though work and slots are there: todo 1 .*2 h ago/] },
    status: 'degraded',
  },
  {
    name: 'work that waits for its slot, its time, its forerunner or its person is no stuck queue',
    given: (small) => {
      small.daemon = daemonStatus();
      small.entries = [entry(9)];
      small.rows.push({ todo: todo(9, { status: 'running', project: '/p' }), run: run(9) });
      small.todos.push(
        todo(1, { project: '/p' }),
        todo(2, { status: 'parked', notBeforeMs: startMs + 1 }),
        todo(3, { after: 'todo-4' }),
        todo(4, { status: 'completed', proof: 'forced' }),
        todo(5, { held: true }),
        todo(6, { updatedAtMs: startMs - 1000 }),
      );
    },
    sees: {},
    status: 'healthy',
  },
  {
    name: 'with auto_continue off nothing is expected to move',
    given: (small) => {
      small.daemon = daemonStatus();
      small.config = withConfig({ behavior: { auto_continue: false } });
      small.todos.push(todo(1));
    },
    sees: {},
    status: 'healthy',
  },
  {
    name: 'the store says in progress, and nobody works on it',
    given: (small) => {
      small.daemon = daemonStatus();
      small.rows.push({ todo: todo(1, { status: 'running' }), run: run(1, { leaseUntilMs: startMs - minutes(3) }) });
    },
    sees: { runs: ['degraded', /todo 1 .* is running, but nobody here works on it; its lease ended 3 min ago/] },
    status: 'degraded',
  },
  {
    name: 'a claim of this moment is not lost: the journal has it in the next one',
    given: (small) => {
      small.daemon = daemonStatus();
      small.rows.push({ todo: todo(1, { status: 'claimed' }), run: run(1, { startedAtMs: startMs - 59_000 }) });
    },
    sees: {},
    status: 'healthy',
  },
  {
    name: 'the run of another host is its own business until it stopped renewing',
    given: (small) => {
      small.daemon = daemonStatus();
      small.rows.push({ todo: todo(1, { status: 'running' }), run: run(1, { host: 'there/home', leaseUntilMs: startMs - minutes(1) }) });
      small.rows.push({ todo: todo(2, { status: 'running' }), run: run(2, { host: 'there/home', leaseUntilMs: startMs - minutes(3) }) });
    },
    sees: { runs: ['degraded', /^todo 2 .*the host that had it stopped renewing/] },
    status: 'degraded',
  },
];

for (const { name, given, sees, status } of cases) {
  test(`health: ${name}`, async () => {
    using small = new SmallWorld();
    given(small);
    const health = await lookAtHealth(small.needs());
    const ill = Object.fromEntries(health.components.filter((it) => it.status !== 'healthy').map((it) => [it.name, it]));
    assert.deepEqual(Object.keys(ill).sort(), Object.keys(sees).sort(), JSON.stringify(ill, null, 1));
    for (const [component, [componentStatus, reason]] of Object.entries(sees)) {
      assert.equal(ill[component]?.status, componentStatus, component);
      assert.match(ill[component]?.reason ?? '', reason);
    }
    assert.equal(health.status, status);
  });
}

test('health: a long run that works stands among the findings', async () => {
  using small = new SmallWorld();
  small.daemon = daemonStatus();
  small.entries = [entry(1, { startedAtMs: startMs - minutes(61) })];
  const { findings } = await lookAtHealth(small.needs());
  assert.deepEqual(
    findings.map(({ check, todoId, runId, sinceMs }) => ({ check, todoId, runId, sinceMs })),
    [{ check: 'hanging', todoId: 'todo-1', runId: 'run-1', sinceMs: startMs - minutes(61) }],
  );
});

test('health: a store that hangs costs its deadline and no more, and is unknown', async () => {
  using small = new SmallWorld();
  small.storeIs = 'hanging';
  const asked = lookAtHealth(small.needs());
  small.pass(600);
  const health = await asked;
  assert.equal(health.status, 'unknown');
  assert.match(health.components.find((it) => it.name === 'store')?.reason ?? '', /no answer within 500 ms/);
  assert.deepEqual(
    health.components.filter((it) => it.status === 'unknown').map((it) => it.name),
    ['daemon', 'store', 'queue', 'runs'],
  );
});

test('health: a defect is not an answer', async () => {
  using small = new SmallWorld();
  const needs = small.needs();
  const world = {
    ...needs.world,
    terminals: {
      available: () => 'yes' as const,
      list: () => {
        throw new TypeError('a defect');
      },
    },
  };
  await assert.rejects(lookAtHealth({ ...needs, world }), TypeError);
});

test('health: the worst component decides, and not being able to look is worse than degraded', () => {
  const of = (...statuses: HealthStatus[]) => worst(statuses.map((status): Pick<Component, 'status'> => ({ status })));
  assert.equal(of('healthy', 'degraded'), 'degraded');
  assert.equal(of('degraded', 'unknown', 'healthy'), 'unknown');
  assert.equal(of('unknown', 'unhealthy', 'degraded'), 'unhealthy');
  assert.equal(of('healthy'), 'healthy');
  assert.equal(of(), 'unknown');
});
