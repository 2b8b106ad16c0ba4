import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { OperationalError } from '../../src/core/errors.ts';
import type { Actions } from '../../src/healing/apply.ts';
import { archiveOrphan } from '../../src/healing/archive-orphan.ts';
import { sweep } from '../../src/healing/sweep.ts';
import { daemonStatus, entry, minutes, run, SmallWorld, sha256, startMs, todo, withConfig } from './small-world.ts';

/** Actions that do what they say to the small world, and tell what they were asked. */
function actionsOn(small: SmallWorld, asked: string[]): Actions {
  const lost = (runId: string) => {
    small.entries = (small.entries ?? []).filter((it) => it.ref.runId !== runId);
  };
  return {
    async processMarkers() {
      asked.push('processMarkers');
      rmSync(small.path('spool/new'), { recursive: true });
    },
    async forceComplete(runId) {
      asked.push(`forceComplete ${runId}`);
      lost(runId);
    },
    async reset(runId) {
      asked.push(`reset ${runId}`);
      lost(runId);
    },
    async archiveOrphan(path) {
      asked.push(`archiveOrphan ${path.replace(`${small.root}/`, '')}`);
      archiveOrphan(
        { files: small.world.files as never, digest: { sha256, sha256Base64: sha256 }, home: small.world.home },
        path,
        (text) => text,
      );
    },
    async endProcesses(runId) {
      asked.push(`endProcesses ${runId}`);
      small.left = small.left.filter((it) => it.runId !== runId);
    },
    async endWindow(target) {
      asked.push(`endWindow ${target}`);
      small.windows = (small.windows ?? []).filter((it) => it !== target);
    },
    async rescue(ref, to) {
      asked.push(`rescue ${ref.runId} ${to}`);
      small.rows = small.rows.filter((it) => it.run?.id !== ref.runId);
      small.runs = small.runs.map((it) => (it.id === ref.runId ? { ...it, endedAtMs: small.nowMs } : it));
      return true;
    },
    async rotateLog(name) {
      asked.push(`rotateLog ${name}`);
      rmSync(small.path('logs', name));
    },
    async block(todoId) {
      asked.push(`block ${todoId}`);
      small.todos = [...small.todos.filter((it) => it.id !== todoId), { ...todo(Number(todoId.slice(5))), status: 'blocked' }];
    },
  };
}

function ill(small: SmallWorld): void {
  small.daemon = daemonStatus();
  small.config = withConfig({ logging: { max_size_mb: 0.001 } });
  small.windows = ['todo:9'];
  small.todos = [todo(2, { status: 'completed' })];
  small.rows = [{ todo: todo(3, { status: 'running' }), run: run(3, { leaseUntilMs: startMs - minutes(5) }) }];
  small.runs = [run(3, { leaseUntilMs: startMs - minutes(5) })];
  small.entries = [entry(1, { startedAtMs: startMs - minutes(90), lastSignAtMs: startMs - minutes(32) })];
  small.put('spool/new/run-1.x', 'a', minutes(6));
  small.put('legacy/claude_session_2/notes.txt', 'kept', minutes(45));
  small.put('legacy/claude_session_whose/notes.txt', 'kept', minutes(45));
  small.put('logs/monitor.log', 'x'.repeat(2000));
}

const automatic = [
  'processMarkers',
  'forceComplete run-1',
  'archiveOrphan legacy/claude_session_2',
  'endWindow todo:9',
  'rescue run-3 open',
  'rotateLog monitor.log',
];

test('a sweep plans, does what it may, looks whether it worked, and notes it', async () => {
  using small = new SmallWorld();
  ill(small);
  const asked: string[] = [];
  const { health, plans, results } = await sweep({
    ...small.needs(),
    world: small.world,
    treating: small.treating(actionsOn(small, asked)),
    apply: 'automatic',
  });
  assert.equal(health.status, 'unhealthy');
  assert.deepEqual(asked.toSorted(), automatic.toSorted());
  assert.equal(plans.length, automatic.length + 1);
  assert.deepEqual(
    results.filter((it) => !it.done),
    [],
  );
  assert.equal(small.notes.length, automatic.length);
  const note = small.notes.find((it) => it.what === 'recovery.rescue');
  assert.equal(note?.todoId, 'todo-3');
  assert.match(note?.detail.reason ?? '', /nobody here works on it/);
  assert.match(note?.detail.before ?? '', /fence 1/);
  assert.deepEqual([note?.detail.actor, note?.detail.after, note?.detail.outcome], ['daemon', 'it may start again', 'done']);
  assert.deepEqual(small.world.journal.notes('recovering:'), [], 'what is over is not begun any more');

  const again: string[] = [];
  await sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, again)), apply: 'automatic' });
  assert.deepEqual(again, []);
});

test('a dry sweep and one with everything switched off only look', async () => {
  for (const behavior of [{}, { auto_recovery: false, cleanup_orphaned: false }]) {
    using small = new SmallWorld();
    ill(small);
    small.config = withConfig({ behavior, logging: { max_size_mb: 0.001 } });
    const asked: string[] = [];
    const apply = 'auto_recovery' in behavior ? 'automatic' : 'none';
    const { plans, results } = await sweep({
      ...small.needs(),
      world: small.world,
      treating: small.treating(actionsOn(small, asked)),
      apply,
    });
    assert.deepEqual([asked, results, small.notes], [[], [], []]);
    assert.equal(plans.length, automatic.length + 1);
  }
});

test("a person's sweep does all of it, also what may belong to another home", async () => {
  using small = new SmallWorld();
  ill(small);
  const asked: string[] = [];
  await sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, asked)), apply: 'all' });
  assert.deepEqual(asked.toSorted(), [...automatic, 'archiveOrphan legacy/claude_session_whose'].toSorted());
});

test('while store and tmux do not answer, nothing that depends on them is done', async () => {
  using small = new SmallWorld();
  ill(small);
  small.storeIs = 'refusing';
  small.windows = null;
  const asked: string[] = [];
  const { health } = await sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, asked)), apply: 'all' });
  assert.deepEqual(asked.toSorted(), ['forceComplete run-1', 'processMarkers', 'rotateLog monitor.log']);
  assert.equal(health.components.find((it) => it.name === 'store')?.status, 'unknown');
});

test('after three resets the next recovery blocks the todo and raises an alarm', async () => {
  using small = new SmallWorld();
  small.rows = [{ todo: todo(3, { status: 'running', resets: 3 }), run: run(3, { leaseUntilMs: startMs - minutes(5) }) }];
  small.runs = [run(3, { leaseUntilMs: startMs - minutes(5) })];
  const asked: string[] = [];
  await sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, asked)), apply: 'automatic' });
  assert.deepEqual(asked, ['rescue run-3 blocked']);
  assert.deepEqual(
    small.lines.filter((it) => it.level === 'critical').map((it) => it.fields['todo']),
    ['todo-3'],
  );
});

test('a repair that changed nothing is never called done, whatever it answered', async () => {
  using small = new SmallWorld();
  ill(small);
  const idle: Actions = {
    processMarkers: async () => {},
    forceComplete: async () => {},
    reset: async () => {},
    archiveOrphan: async () => {},
    endWindow: async () => {},
    endProcesses: async () => {},
    rescue: async () => true,
    rotateLog: async () => {},
    block: async () => {},
  };
  const { plans, results } = await sweep({ ...small.needs(), world: small.world, treating: small.treating(idle), apply: 'automatic' });
  assert.equal(results.length, automatic.length);
  assert.deepEqual(
    results.filter((it) => it.done),
    [],
  );
  assert.equal(plans.length, automatic.length + 1);
});

test('a repair that fails by an error with a code is told, and the others go on', async () => {
  using small = new SmallWorld();
  ill(small);
  const asked: string[] = [];
  const endWindow = async () => {
    throw new OperationalError('TMUX_UNAVAILABLE', { operation: 'ending', subject: 'todo:9', why: 'gone' });
  };
  const { results } = await sweep({
    ...small.needs(),
    world: small.world,
    treating: small.treating({ ...actionsOn(small, asked), endWindow }),
    apply: 'automatic',
  });
  assert.deepEqual(
    results.filter((it) => !it.done).map((it) => [it.plan, it.why.slice(0, 16)]),
    [['end-window:todo:9', 'TMUX_UNAVAILABLE']],
  );
  assert.equal(asked.length, automatic.length - 1);
});

test('a finding is told once, and once that it is over', async () => {
  using small = new SmallWorld();
  small.put('legacy/TASK_COMPLETED', 'x', minutes(10));
  const look = () => sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, [])), apply: 'automatic' });
  const told = () => small.lines.filter((it) => it.event === 'found' || it.event === 'is over').map((it) => it.event);
  await look();
  await look();
  assert.deepEqual(told(), ['found']);
  rmSync(small.path('legacy/TASK_COMPLETED'));
  await look();
  assert.deepEqual(told(), ['found', 'is over']);
});

/** Rows of automatic recoveries as another host left them. */
const recoveredBefore = (times: number, todoId: string) =>
  Array.from({ length: times }, (_, index) => ({
    kind: 'healing',
    todoId,
    runId: null,
    atMs: startMs - minutes(90 - index),
    what: 'recovery.rescue',
    detail: JSON.stringify({ actor: 'daemon', reason: 'r', before: 'b', after: 'a', outcome: 'done' }),
  }));

test('a todo that was recovered three times already, on whatever host, is blocked and a person is told', async () => {
  using small = new SmallWorld();
  small.rows = [{ todo: todo(3, { status: 'running' }), run: run(3, { leaseUntilMs: startMs - minutes(5) }) }];
  small.runs = [run(3, { leaseUntilMs: startMs - minutes(5) })];
  small.todos = [todo(3, { status: 'running' })];
  small.stored = recoveredBefore(3, 'todo-3');
  const asked: string[] = [];
  const { plans } = await sweep({
    ...small.needs(),
    world: small.world,
    treating: small.treating(actionsOn(small, asked)),
    apply: 'automatic',
  });
  assert.deepEqual(asked, ['block todo-3']);
  assert.match(plans[0]?.risk ?? '', /recovered 3 times already/);
  assert.equal(small.notes[0]?.detail.outcome, 'blocked');
  assert.deepEqual(
    small.lines.filter((it) => it.level === 'critical').map((it) => it.fields['todo']),
    ['todo-3'],
  );
  // A person has it now: the daemon leaves it alone, and they may still have it done.
  const again: string[] = [];
  const later = await sweep({
    ...small.needs(),
    world: small.world,
    treating: small.treating(actionsOn(small, again)),
    apply: 'automatic',
  });
  assert.deepEqual([again, later.plans.map((it) => [it.action, it.automatic])], [[], [['rescue', false]]]);
});

test('what the store has not heard of yet counts, too, and while it does not answer only that', async () => {
  using small = new SmallWorld();
  small.entries = [entry(1, { startedAtMs: startMs - minutes(90), lastSignAtMs: startMs - minutes(32) })];
  for (const [index, row] of recoveredBefore(3, 'todo-1').entries())
    await small.world.journal.setNote(`tell:${index}`, JSON.stringify(row));
  small.storeIs = 'refusing';
  const asked: string[] = [];
  await sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, asked)), apply: 'automatic' });
  assert.deepEqual(asked, ['block todo-1']);
});

test('[H-65] (U) one hand on a todo at a time: what somebody else is at is left, what one sweep has begun no other begins', async () => {
  using small = new SmallWorld();
  small.entries = [entry(1, { startedAtMs: startMs - minutes(90), lastSignAtMs: startMs - minutes(32) })];
  const asked: string[] = [];
  const other = small.turns.take('todo-1', 'rescue');
  const left = await sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, asked)), apply: 'all' });
  assert.deepEqual([asked, left.results.map((it) => [it.done, it.why])], [[], [[false, 'rescue is at work on it; nothing was done']]]);
  assert.equal(small.turns.take('todo-1', 'another'), null);
  other?.[Symbol.dispose]();

  let go = (): void => {};
  const held = new Promise<void>((resolve) => {
    go = resolve;
  });
  const slow: Actions = {
    ...actionsOn(small, asked),
    async forceComplete() {
      asked.push('begun');
      await held;
      small.entries = [];
    },
  };
  const first = sweep({ ...small.needs(), world: small.world, treating: small.treating(slow), apply: 'automatic' });
  while (asked.length === 0) await Promise.resolve();
  assert.equal(small.turns.holder('todo-1'), 'recovery: force-complete');
  const second = await sweep({ ...small.needs(), world: small.world, treating: small.treating(slow), apply: 'all' });
  assert.match(second.results[0]?.why ?? '', /is at work on it/);
  const person = sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, asked), 'person'), apply: 'all' });
  go();
  assert.deepEqual([(await first).results.map((it) => it.done), asked[0]], [[true], 'begun']);
  assert.deepEqual(
    (await person).results.map((it) => it.done),
    [true],
    'a person stands in line for it',
  );
  assert.equal(small.turns.holder('todo-1'), null);
});

test('what a process began and did not live to look at is looked at by the next one, noted once, and counted', async () => {
  using small = new SmallWorld();
  small.entries = [entry(1, { startedAtMs: startMs - minutes(90), lastSignAtMs: startMs - minutes(32) })];
  const dies: Actions = {
    ...actionsOn(small, []),
    async forceComplete() {
      throw new Error('killed');
    },
  };
  await assert.rejects(sweep({ ...small.needs(), world: small.world, treating: small.treating(dies), apply: 'automatic' }), /killed/);
  assert.deepEqual([small.notes.length, small.world.journal.notes('recovering:').length], [0, 1]);
  small.entries = [];
  await sweep({ ...small.needs(), world: small.world, treating: small.treating(actionsOn(small, [])), apply: 'automatic' });
  assert.deepEqual(
    small.notes.map((it) => [it.id, it.what, it.detail.actor, it.detail.outcome]),
    [['id-1', 'recovery.force-complete', 'daemon', 'done']],
  );
  assert.deepEqual(small.world.journal.notes('recovering:'), []);
});
