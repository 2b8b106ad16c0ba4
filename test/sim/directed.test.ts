// Promises that are best seen in a story that somebody wrote: the whole daemon in the simulation, at every moment that counts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Act } from './agents.ts';
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
  written,
} from './directed.ts';
import { stillPutOff } from './host-checkers.ts';
import type { Simulation, TodoPlan } from './simulation.ts';
import { tell } from './story.ts';

const quick = { behavior: { quiet_after: 1, term_grace: 1, completion_timeout: 60, emergency_timeout: 120 } };

/** TASK_COMPLETED, the pointer and the session folder, as far as they are there. */
function legacyOf(simulation: Simulation): readonly string[] {
  const at = simulation.machines[0]!;
  const { marker, pointer, sessionPrefix } = at.home.legacy;
  const folder = `${sessionPrefix}${todoOf(simulation, 't1').number}`;
  return Object.entries({ marker, pointer, folder, 'its notes': `${folder}/notes.txt` }).flatMap(([name, path]) =>
    isThere(at, path) ? [name] : [],
  );
}
const allOfIt = ['marker', 'pointer', 'folder', 'its notes'];

/** Looks at each step from the word on; answers with the facts at which something was missing, or still there. */
function watchLegacy(simulation: Simulation, wrong: string[]): void {
  const look = simulation.timeline.beforeStep;
  simulation.timeline.beforeStep = () => {
    look?.();
    const [entry] = entriesOf(simulation, 't1');
    if (entry === undefined || simulation.truth.legacySaid.size === 0) return;
    const there = legacyOf(simulation);
    if (!mayClean(entry) && there.length < allOfIt.length) wrong.push(`at ${entry.fact} only ${there} is there`);
    if (entry.fact === 'closed' && there.length > 0) wrong.push(`after ${entry.fact} ${there} is still there`);
  };
}

const workedByHand = { todos: [todo('t1', { held: true })], events: [byHand('t1', 'legacy', true)], settings: quick };

test('[C-76] the store is away between signal and confirm: marker, pointer and session folder wait for it, and are gone after it', async () => {
  const backMs = 50_000;
  const faults = { healAtMs: backMs, store: [{ fromMs: 2900, toMs: backMs, trouble: 'unreachable' as const }] };
  const wrong: string[] = [];
  const thereAtMs: number[] = [];
  const outcome = await tell(written({ ...workedByHand, machines: [machine('alpha', {}, faults)] }), (simulation) => {
    watchLegacy(simulation, wrong);
    simulation.timeline.at(backMs - 1, () => {
      assert.deepEqual(
        entriesOf(simulation, 't1').map(({ fact }) => fact),
        ['reported'],
      );
      assert.deepEqual(legacyOf(simulation), allOfIt);
      thereAtMs.push(simulation.timeline.nowMs);
    });
  });
  assert.deepEqual([wrong, thereAtMs, outcome.violations], [[], [backMs - 1], []], lastLines(outcome));
  assert.ok(isClosed(outcome.simulation, 't1'));
  assert.deepEqual(legacyOf(outcome.simulation), []);
});

test('[C-76] the daemon dies at any call between signal and end: still nothing goes before confirmed, and all of it after', async () => {
  const wrong: string[] = [];
  const moments = await atEveryMoment(
    written(workedByHand),
    {
      at: 'call',
      within: (simulation) => simulation.truth.legacySaid.size > 0 && !isClosed(simulation, 't1'),
      act: (simulation) => simulation.kill(simulation.machines[0]!, 'process'),
      watch: (simulation) => watchLegacy(simulation, wrong),
    },
    (outcome) => {
      assert.deepEqual([wrong, outcome.violations], [[], []], lastLines(outcome));
      assert.deepEqual(legacyOf(outcome.simulation), []);
      assert.equal(recordsOf(outcome.simulation, 't1').length, 1);
    },
  );
  assert.ok(moments > 50, `${moments} moments`);
});

/** Says done and stays, so that only waits bring it to its end: for its hook, for its quiet, for its leave. */
const staysAfter = (...last: readonly Act[]): readonly Act[] => [...saysDone.slice(0, -1), ...last, { do: 'hang' }];
const good: Act = { do: 'mend', good: true };
const stop: Act = { do: 'hook', event: 'stop', payload: null, ask: false };

const waits: readonly { who: string; plan: Partial<TodoPlan>; ends: readonly string[] }[] = [
  { who: 'a worker that stays after its word', plan: { attempts: [[[good, ...staysAfter()]]] }, ends: ['marker verified'] },
  {
    who: 'a conversation whose hook does not ask',
    plan: { agent: 'talker', session: 'child', attempts: [[[good, ...staysAfter(stop)]]] },
    ends: ['marker verified'],
  },
  {
    who: 'a conversation that does not hear what is typed',
    plan: { agent: 'talker', session: 'tmux', attempts: [[staysAfter(stop)]] },
    ends: ['deadline forced'],
  },
  { who: 'a silent agent', plan: { attempts: [[[{ do: 'hang' }]]] }, ends: ['deadline forced'] },
  {
    who: 'an attempt that was lost',
    plan: { attempts: [[[{ do: 'die', osSignal: 'SIGKILL' }]], [[good, ...saysDone]]] },
    ends: ['process-end null', 'marker verified'],
  },
];

for (const { who, plan, ends } of waits)
  test(`the clock of the host is set back by an hour at any moment: for ${who} no wait of seconds becomes one of an hour`, async () => {
    const story = written({
      todos: [todo('t1', { ...plan, checks: [{ kind: 'follows', ms: 10 }] })],
      settings: { behavior: { ...quick.behavior, completion_timeout: 10, emergency_timeout: 20 } },
    });
    const moments = await atEveryMoment(
      story,
      {
        at: 'step',
        within: (simulation) => todoOf(simulation, 't1')?.status !== 'completed',
        act: (simulation) => {
          simulation.machines[0]!.wallOffsetMs -= 3600_000;
        },
      },
      (outcome) => {
        assert.deepEqual(outcome.violations, [], lastLines(outcome));
        const records = recordsOf(outcome.simulation, 't1').map(({ saidBy, proof }) => `${saidBy} ${proof}`);
        assert.deepEqual(records, ends, lastLines(outcome));
        assert.ok(outcome.virtualMs < 150_000, `all was over after ${outcome.virtualMs} ms\n${lastLines(outcome)}`);
      },
    );
    assert.ok(moments > 20, `${moments} moments`);
  });

test('the clock of one host is set back by an hour at any moment: its leases are renewed all the same, and no other host takes its todo', async () => {
  const long: readonly Act[] = [{ do: 'print', text: 'at work' }, { do: 'work', ms: 40_000 }, ...saysDone];
  const story = written({
    todos: [todo('t1', { attempts: [[long]] })],
    machines: [machine('alpha'), machine('beta')],
    settings: { behavior: { ...quick.behavior, lease: 10 }, monitoring: { rescan: 1 } },
  });
  const moments = await atEveryMoment(
    story,
    {
      at: 'step',
      // Each of its first seconds is like all later ones.
      within: (simulation) => todoOf(simulation, 't1')?.status === 'running' && simulation.timeline.nowMs < 5000,
      act: (simulation) => {
        const { host } = simulation.rows.runs.get(todoOf(simulation, 't1').runId!)!;
        simulation.machines.find((it) => it.host.id === host)!.wallOffsetMs -= 3600_000;
      },
    },
    (outcome) => {
      assert.deepEqual(outcome.violations, [], lastLines(outcome));
      assert.deepEqual(
        [todoOf(outcome.simulation, 't1').fence, recordsOf(outcome.simulation, 't1')[0]!.saidBy],
        [1, 'marker'],
        lastLines(outcome),
      );
    },
  );
  assert.ok(moments > 20, `${moments} moments`);
});

test('[C-73] nothing wakes the daemon: the rescan alone finds a word, within its interval', async () => {
  const rescan = 5;
  const quietDaemon = { auto_continue: false, health_check_interval: 3600 };
  const heardAtMs: number[] = [];
  const outcome = await tell(
    written({
      todos: [todo('t1', { attempts: [[staysAfter()]] })],
      machines: [machine('alpha', { watcher: 0 })],
      settings: { behavior: { ...quick.behavior, ...quietDaemon }, monitoring: { rescan } },
    }),
    (simulation) => {
      simulation.timeline.at(500, () => void simulation.machines[0]!.ask({ op: 'start', todoId: simulation.idOf('t1') }));
      simulation.observers.push({
        journalCommits(_machine, before, after) {
          if (before?.fact === 'running' && after.fact === 'signalled') heardAtMs.push(simulation.timeline.nowMs);
        },
      });
    },
  );
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  const { said } = outcome.simulation.truth.run(entriesOf(outcome.simulation, 't1')[0]!.ref.runId);
  const tookMs = heardAtMs[0]! - said[0]!.atMs;
  assert.ok(tookMs > 0 && tookMs <= rescan * 1000 + 10, `${tookMs} ms\n${lastLines(outcome)}`);
});

test('[I-33] nobody can look at processes for a while: "unknown" ends no run, and takes none from a daemon that lives', async () => {
  const long: readonly Act[] = [{ do: 'print', text: 'at work' }, { do: 'work', ms: 12_000 }, ...saysDone];
  const faults = { blind: [{ fromMs: 1000, toMs: 9000 }] };
  const outcome = await tell(
    written({
      todos: [todo('t1', { attempts: [[long]] })],
      machines: [machine('alpha', {}, faults)],
      events: [{ atMs: 2000, do: 'rogue-daemon', machine: 0 }],
      settings: quick,
    }),
  );
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  assert.ok(outcome.counts['blind look']! > 3, 'somebody tried to look');
  const { simulation } = outcome;
  assert.deepEqual(
    [todoOf(simulation, 't1').fence, recordsOf(simulation, 't1').map(({ saidBy }) => saidBy)],
    [1, ['marker']],
    lastLines(outcome),
  );
});

test('checks run when nothing of the run can write any more: neither the agent, nor what it left running', async () => {
  const leavesChild: readonly Act[] = [good, { do: 'fork', ms: 30_000 }, ...saysDone];
  const outcome = await tell(
    written({
      todos: [
        todo('t1', { attempts: [[leavesChild]], checks: [{ kind: 'follows', ms: 10 }] }),
        todo('t2', { attempts: [[[good, ...staysAfter()]]], checks: [{ kind: 'follows', ms: 10 }] }),
      ],
      settings: quick,
    }),
  );
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  assert.deepEqual(
    outcome.simulation.truth.checks.map(({ passed, writers }) => ({ passed, writers })),
    [
      { passed: true, writers: [] },
      { passed: true, writers: [] },
    ],
    lastLines(outcome),
  );
});

const putOff = (verb: 'done' | 'release', force = false) =>
  ({ atMs: 1000, do: 'put-off', machine: 0, todo: 't1', verb, inMs: 5000, force }) as const;
const isPutOff = (simulation: Simulation): boolean => stillPutOff(simulation).length > 0;
const isDue = (simulation: Simulation): boolean =>
  simulation.putOffs.some(({ machine: home, item }) => home.wallMs() >= item.atMs) && isPutOff(simulation);

test('a word that was put off is said once, at its time, wherever the daemon dies while it says it', async () => {
  for (const kind of ['process', 'power'] as const) {
    const moments = await atEveryMoment(
      written({ todos: [todo('t1', { held: true })], events: [putOff('done')], settings: quick }),
      { at: 'call', within: isDue, act: (simulation) => simulation.kill(simulation.machines[0]!, kind) },
      (outcome) => {
        assert.deepEqual(outcome.violations, [], lastLines(outcome));
        const ends = recordsOf(outcome.simulation, 't1').filter(({ todoStatus }) => todoStatus === 'completed');
        assert.deepEqual(
          ends.map(({ saidBy, proof }) => [saidBy, proof]),
          [['person', 'overridden']],
          lastLines(outcome),
        );
        assert.ok(!isPutOff(outcome.simulation));
      },
    );
    assert.ok(moments > 30, `${moments} moments`);
  }
});

test('a release that was put off is not said again after a crash, over what a person has said since', async () => {
  const blockedAgain: string[] = [];
  const moments = await atEveryMoment(
    written({
      todos: [todo('t1', { held: true })],
      events: [putOff('release')],
      settings: { ...quick, behavior: { auto_continue: false } },
    }),
    {
      at: 'call',
      within: (simulation) => isDue(simulation) && todoOf(simulation, 't1').held === false,
      act: (simulation) => {
        simulation.kill(simulation.machines[0]!, 'process');
        void simulation.admin().change(simulation.idOf('t1'), ['open'], { status: 'blocked', reason: 'not yet', by: 'person' });
      },
    },
    (outcome) => {
      assert.deepEqual(outcome.violations, [], lastLines(outcome));
      blockedAgain.push(todoOf(outcome.simulation, 't1').status);
    },
  );
  assert.ok(moments > 3, `${moments} moments`);
  // The last story is the one in which nothing came between.
  assert.deepEqual(new Set(blockedAgain.slice(0, -1)), new Set(['blocked']));
});

test('the store loses a record at any call between confirm and close: it is written again from the archive, and the todo ends once', async () => {
  const scenario = written({ todos: [todo('t1')], settings: quick });
  const lose = (simulation: Simulation): void => {
    const { rows, observers } = simulation;
    const shown = todoOf(simulation, 't1');
    const [run] = [...rows.runs.values()].filter(({ todoId }) => todoId === shown.id);
    rows.records.delete(run!.id);
    rows.runs.set(run!.id, { ...run!, endedAtMs: null, outcome: null, saidBy: null });
    rows.todos.set(shown.id, { ...shown, status: 'running', runId: run!.id, proof: null, endedAtMs: null });
    for (const observer of observers) observer.storeLost?.();
  };
  const closedWithout = new Set<Simulation>();
  const moments = await atEveryMoment(
    scenario,
    {
      at: 'call',
      within: (simulation) => entriesOf(simulation, 't1').some(({ fact }) => fact === 'confirmed'),
      act: lose,
      watch: (simulation) => {
        simulation.timeline.beforeStep = () => {
          if (isClosed(simulation, 't1') && recordsOf(simulation, 't1').length === 0) closedWithout.add(simulation);
        };
      },
    },
    (outcome) => {
      const { simulation } = outcome;
      assert.deepEqual(outcome.violations, [], lastLines(outcome));
      assert.deepEqual(
        [todoOf(simulation, 't1').status, recordsOf(simulation, 't1').length, entriesOf(simulation, 't1').map(({ fact }) => fact)],
        ['completed', 1, ['closed']],
        lastLines(outcome),
      );
    },
  );
  assert.ok(moments > 3, `${moments} moments`);
  // Lost after the last look, as its answer is saved: the receipts find that.
  assert.ok(closedWithout.size <= 2, `${closedWithout.size} of ${moments} were closed without a record`);
});

test('a round that cannot be begun is tried again in growing intervals, not with each file that changes, and then it is given up', async () => {
  const chatty: readonly Act[] = Array.from({ length: 30 }, (): readonly Act[] => [
    { do: 'print', text: 'more' },
    { do: 'work', ms: 200 },
  ]).flat();
  const outcome = await tell(
    written({
      todos: [
        todo('t1', { rounds: 3, checks: [{ kind: 'follows', ms: 10 }], attempts: [[saysDone, saysDone, saysDone]] }),
        todo('t2', { attempts: [[[...chatty, ...saysDone]]] }),
      ],
      settings: quick,
    }),
    (simulation) => {
      let isBlocked = false;
      simulation.timeline.beforeStep = () => {
        const [entry] = entriesOf(simulation, 't1');
        if (isBlocked || entry?.fact !== 'collected') return;
        isBlocked = true;
        const at = simulation.machines[0]!;
        const files = at.disk.files({ kind: 'person', name: 'somebody', uid: 0 });
        const folder = `${at.home.runs}/${entry.ref.runId}`;
        files.removeTree(folder);
        files.write(folder, 'in the way');
      };
    },
  );
  const { simulation } = outcome;
  const tries = outcome.lines.filter((line) => line.includes('run set aside for a moment')).length;
  assert.ok(tries > 2 && tries < 20, `${tries} tries`);
  assert.deepEqual([todoOf(simulation, 't1').status, todoOf(simulation, 't2').status], ['dead-lettered', 'completed'], lastLines(outcome));
});
