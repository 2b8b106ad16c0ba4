// What went wrong in the systems before this one, told again with the whole daemon: not at one moment that somebody prepared, but at each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Todo } from '../../src/core/todo.ts';
import {
  atEveryMoment,
  byHand,
  entriesOf,
  isClosed,
  isThere,
  lastLines,
  machine,
  mayClean,
  recordsOf,
  saysDone,
  todo,
  todoOf,
  wordIsDurable,
  written,
} from './directed.ts';
import type { Machine } from './machine.ts';
import type { Simulation } from './simulation.ts';
import { type Outcome, tell } from './story.ts';

const quick = { behavior: { quiet_after: 1, term_grace: 1, completion_timeout: 30, emergency_timeout: 60, health_check_interval: 20 } };
const oneAtATime = { ...quick, slots: { total: 1, agent: 1, project: 1 } };

const home = (simulation: Simulation): Machine => simulation.machines[0]!;
const pointerIsThere = (simulation: Simulation): boolean => isThere(home(simulation), home(simulation).home.legacy.pointer);
const legacyIsSaid = (simulation: Simulation): boolean => simulation.truth.legacySaid.size > 0;

function deleteAsJanitor(of: Machine, path: string): void {
  of.history.note('janitor', 'deletes', path);
  of.disk.files(of.personActor()).unlink(path);
}

/** Every promise was kept, and the todo has exactly one end: the one that was said. */
function endedByItsWord(outcome: Outcome, key: string): void {
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  const records = recordsOf(outcome.simulation, key).map(({ outcome: how, todoStatus, saidBy }) => [how, todoStatus, saidBy]);
  assert.deepEqual(records, [['done', 'completed', 'marker']], lastLines(outcome));
  assert.equal(todoOf(outcome.simulation, key).fence, 1, 'nobody took it a second time');
}

/**
 * It has one completion, by its own word, and its agent began once; a claim that nobody remembers may have been taken back before that. Where the
 * power went its agent may have died with the machine: then it was lost, and began anew.
 */
function completedOnce(outcome: Outcome, key: string, kind: 'process' | 'power'): void {
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  const { rows, truth } = outcome.simulation;
  const records = recordsOf(outcome.simulation, key).map(({ outcome: how, todoStatus, saidBy }) => `${how} ${todoStatus} ${saidBy}`);
  assert.deepEqual(
    records.filter((it) => kind === 'process' || it !== 'lost open process-end'),
    ['done completed marker'],
  );
  const runs = [...rows.runs.values()].filter(({ todoId }) => todoId === outcome.simulation.idOf(key));
  const begun = runs.flatMap(({ id }) => truth.run(id).begun).length;
  assert.ok(begun === 1 || (kind === 'power' && begun === 2), `its work was begun ${begun} times`);
}

test('[I-01] somebody deletes the pointer at any moment after the claim: TASK_COMPLETED still completes its todo, once', async () => {
  const story = written({ todos: [todo('t1', { held: true })], events: [byHand('t1', 'legacy')], settings: quick });
  const moments = await atEveryMoment(
    story,
    {
      at: 'call',
      within: pointerIsThere,
      act: (simulation) => deleteAsJanitor(home(simulation), home(simulation).home.legacy.pointer!),
    },
    (outcome) => endedByItsWord(outcome, 't1'),
  );
  assert.ok(moments > 50, `${moments} moments`);
});

test('[I-01] the pointer goes while another run lives too: the signal waits until it can mean one run only, and closes no other', async () => {
  const works = [{ do: 'print', text: 'at work' }, { do: 'work', ms: 8000 }, ...saysDone] as const;
  const story = written({
    todos: [todo('t1', { held: true }), todo('t2', { attempts: [[works]] })],
    events: [byHand('t1', 'legacy')],
    settings: quick,
  });
  const moments = await atEveryMoment(
    story,
    {
      at: 'call',
      within: pointerIsThere,
      act: (simulation) => deleteAsJanitor(home(simulation), home(simulation).home.legacy.pointer!),
    },
    (outcome) => {
      endedByItsWord(outcome, 't1');
      endedByItsWord(outcome, 't2');
      assert.match(recordsOf(outcome.simulation, 't2')[0]!.summary, /by my own word/);
    },
  );
  assert.ok(moments > 50, `${moments} moments`);
});

test("[I-01] the daemon's own janitor sweeps with all its plans at any moment between word and end: recorded exactly once", async () => {
  for (const says of ['an agent', 'a person'] as const) {
    const story =
      says === 'an agent'
        ? written({ todos: [todo('t1')], settings: quick })
        : written({ todos: [todo('t1', { held: true })], events: [byHand('t1', 'legacy', true)], settings: quick });
    const moments = await atEveryMoment(
      story,
      {
        at: 'step',
        within: (simulation) => (wordIsDurable(simulation, 't1') || legacyIsSaid(simulation)) && !isClosed(simulation, 't1'),
        act: (simulation) => void home(simulation).ask({ op: 'recover', apply: true }),
      },
      (outcome) => endedByItsWord(outcome, 't1'),
    );
    assert.ok(moments > 10, `${moments} moments`);
  }
});

test('[I-01] the signal itself carries todo, run and token: whatever the pointer names, only the run that spoke has ended', async () => {
  const silent = [{ do: 'print', text: 'I never speak' }, { do: 'hang' }] as const;
  const outcome = await tell(
    written({
      todos: [todo('t1'), todo('t2', { attempts: [[silent]] })],
      events: [{ atMs: 500, do: 'legacy-litter', machine: 0, todo: 't2', what: 'pointer' }],
      settings: quick,
    }),
  );
  endedByItsWord(outcome, 't1');
  assert.deepEqual(
    recordsOf(outcome.simulation, 't2').map(({ saidBy, proof }) => [saidBy, proof]),
    [['deadline', 'forced']],
  );
});

test('[I-02] the handler dies at any call between word and end, its process or the power: the signal is taken once, the work is not redone', async () => {
  for (const kind of ['process', 'power'] as const) {
    const story = written({ todos: [todo('t1'), todo('t2', { priority: 9 })], settings: oneAtATime });
    const early: string[] = [];
    const moments = await atEveryMoment(
      story,
      {
        at: 'call',
        within: (simulation) => wordIsDurable(simulation, 't1') && !isClosed(simulation, 't1'),
        act: (simulation) => simulation.kill(home(simulation), kind),
        watch: (simulation) => watchSignalAndNext(simulation, early),
      },
      (outcome) => {
        assert.deepEqual(early, [], lastLines(outcome));
        endedByItsWord(outcome, 't1');
        // It is claimed as soon as the first has its record: killed there, the claim may be in the store alone.
        completedOnce(outcome, 't2', kind);
      },
    );
    assert.ok(moments > 50, `${moments} moments`);
  }
});

/** Tells when a marker is gone before its completion is confirmed, or the next todo is taken before the first has its record. */
function watchSignalAndNext(simulation: Simulation, early: string[]): void {
  const { disk, home: at } = home(simulation);
  simulation.timeline.beforeStep = () => {
    const [entry] = entriesOf(simulation, 't1');
    if (entry === undefined || !wordIsDurable(simulation, 't1') || mayClean(entry)) return;
    const names = [at.spool.new, at.spool.cur].flatMap((folder) => disk.files(home(simulation).nature).list(folder));
    if (!names.some((name) => name.startsWith(entry.ref.runId))) early.push(`the marker is gone at ${entry.fact}`);
  };
  simulation.observers.push({
    storeChanges(change) {
      if (change.kind === 'todo' && change.after.id === simulation.idOf('t2') && change.after.status === 'claimed')
        if (recordsOf(simulation, 't1').length === 0) early.push('the next todo was taken while the first had no record');
    },
  });
}

test('[I-02] while one todo is being completed the next cannot be claimed over it, and TASK_COMPLETED ends only the one it was written for', async () => {
  const story = written({
    todos: [todo('t1', { held: true }), todo('t2', { held: true })],
    events: [byHand('t1', 'legacy')],
    settings: quick,
  });
  let refused = 0;
  const early: string[] = [];
  const moments = await atEveryMoment(
    story,
    {
      at: 'step',
      within: (simulation) => legacyIsSaid(simulation) && !isClosed(simulation, 't1'),
      act: (simulation) => simulation.claimByHand(home(simulation), simulation.idOf('t2'), null, () => {}),
      watch: (simulation) => watchLegacyMarker(simulation, early),
    },
    (outcome) => {
      const { simulation } = outcome;
      assert.deepEqual(early, [], lastLines(outcome));
      endedByItsWord(outcome, 't1');
      const next: Todo = todoOf(simulation, 't2');
      if (next.fence === 0) refused++;
      // Nobody said a word about it: its timers end it, and say so.
      else assert.deepEqual([next.status, next.proof, recordsOf(simulation, 't2')[0]!.saidBy], ['completed', 'forced', 'deadline']);
    },
  );
  assert.ok(refused > 5 && refused <= moments, `refused at ${refused} of ${moments} moments`);
});

/** Whoever does not complete may not remove signals. */
function watchLegacyMarker(simulation: Simulation, early: string[]): void {
  const look = simulation.timeline.beforeStep;
  simulation.timeline.beforeStep = () => {
    look?.();
    const [entry] = entriesOf(simulation, 't1');
    if (!legacyIsSaid(simulation) || entry === undefined || mayClean(entry)) return;
    if (!isThere(home(simulation), home(simulation).home.legacy.marker)) early.push(`TASK_COMPLETED is gone at ${entry.fact}`);
  };
}

test('[I-15] a todo waits as open until a place is free; claimed comes with a lease, and running when its agent is there', async () => {
  const long = [{ do: 'print', text: 'at work' }, { do: 'work', ms: 20_000 }, ...saysDone] as const;
  const seen: string[] = [];
  const outcome = await tell(
    written({ todos: [todo('t1', { attempts: [[long]] }), todo('t2', { priority: 9 })], settings: oneAtATime }),
    (simulation) => watchStart(simulation, 't2', seen),
  );
  endedByItsWord(outcome, 't1');
  endedByItsWord(outcome, 't2');
  const [first, next] = ['t1', 't2'].map((key) =>
    [...outcome.simulation.rows.runs.values()].find(({ todoId }) => todoId === outcome.simulation.idOf(key)),
  );
  assert.ok(next!.startedAtMs >= recordsOf(outcome.simulation, 't1')[0]!.endedAtMs && next!.startedAtMs - first!.startedAtMs > 20_000);
  assert.deepEqual(seen, ['open', 'claimed with a lease', 'running with its agent', 'completed']);
});

test('[I-15] an agent that cannot be started gives its todo back: it is loaded again, and completed', async () => {
  const seen: string[] = [];
  const outcome = await tell(
    written({
      todos: [todo('t1')],
      machines: [machine('alpha', {}, { spawnFails: 1, healAtMs: 5000 })],
      settings: { ...quick, run: { attempts: 50 } },
    }),
    (simulation) => watchStart(simulation, 't1', seen),
  );
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  assert.deepEqual(seen.slice(0, 4), ['open', 'claimed with a lease', 'open', 'claimed with a lease']);
  assert.deepEqual(seen.slice(-3), ['claimed with a lease', 'running with its agent', 'completed']);
});

/** The status of a todo as the store has it, and what stands behind the word. */
function watchStart(simulation: Simulation, key: string, seen: string[]): void {
  simulation.observers.push({
    storeChanges(change) {
      if (change.kind !== 'todo' || change.after.id !== simulation.idOf(key) || change.after.status === change.before?.status) return;
      const { status, runId } = change.after;
      const run = simulation.rows.runs.get(runId ?? '');
      if (status === 'claimed')
        seen.push(run !== undefined && run.leaseUntilMs > simulation.storeMs() ? 'claimed with a lease' : 'claimed for good');
      else if (status === 'running')
        seen.push(home(simulation).processes.tagged(runId!).length > 0 ? 'running with its agent' : 'running alone');
      else seen.push(status);
    },
  });
}

test('[I-15] its host dies for good at any call between claim and start: when the lease is over, and not before, another host takes it', async () => {
  const lease = 20;
  const story = written({
    // Its lease ends between two looks of the other host.
    todos: [todo('t1', { addAtMs: 3000 })],
    // The dead one comes back after three minutes, and finds that all is done.
    machines: [machine('alpha', { restartMs: [180_000] }), machine('beta', { restartMs: [180_000] })],
    settings: { ...quick, behavior: { ...quick.behavior, lease } },
  });
  const moments = await atEveryMoment(
    story,
    {
      at: 'call',
      within: (simulation) => todoOf(simulation, 't1')?.status === 'claimed' && todoOf(simulation, 't1').fence === 1,
      act(simulation) {
        const run = simulation.rows.runs.get(todoOf(simulation, 't1').runId!)!;
        simulation.kill(simulation.machines.find(({ host }) => host.id === run.host)!, 'power');
      },
    },
    (outcome) => {
      const { simulation, violations } = outcome;
      assert.deepEqual(violations, [], lastLines(outcome));
      assert.equal(recordsOf(simulation, 't1').length, 1, lastLines(outcome));
      const { status, proof, fence } = todoOf(simulation, 't1');
      assert.deepEqual([status, proof], ['completed', 'unverified'], lastLines(outcome));
      if (outcome.counts['crash by power'] === undefined) return;
      const [lost, next] = [...simulation.rows.runs.values()].sort((a, b) => a.fence - b.fence);
      assert.deepEqual([fence, lost!.outcome, next!.outcome], [2, 'lost', 'done'], lastLines(outcome));
      assert.ok(next!.host !== lost!.host && next!.startedAtMs >= lost!.startedAtMs + lease * 1000, lastLines(outcome));
      assert.ok(next!.startedAtMs <= lost!.leaseUntilMs + 2000, `${next!.startedAtMs - lost!.leaseUntilMs} ms after its lease`);
    },
  );
  assert.ok(moments > 20, `${moments} moments`);
});

test('[I-15] its daemon dies at any call between claim and start and comes back: the todo is started or given back, never forgotten', async () => {
  for (const kind of ['process', 'power'] as const) {
    const story = written({ todos: [todo('t1')], settings: { ...quick, behavior: { ...quick.behavior, lease: 20 } } });
    const moments = await atEveryMoment(
      story,
      {
        at: 'call',
        within: (simulation) => todoOf(simulation, 't1')?.status === 'claimed',
        act: (simulation) => simulation.kill(home(simulation), kind),
      },
      (outcome) => {
        assert.deepEqual(outcome.violations, [], lastLines(outcome));
        // An agent that went with the power is a lost attempt, and the next one is the end.
        const ends = recordsOf(outcome.simulation, 't1').map(({ outcome: how, saidBy }) => `${how} ${saidBy}`);
        assert.match(ends.join(', '), /^(lost process-end, )?done marker$/, lastLines(outcome));
      },
    );
    assert.ok(moments > 20, `${moments} moments`);
  }
});
