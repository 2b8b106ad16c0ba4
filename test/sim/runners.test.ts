// The chain of runners in simulated worlds: the stories of some seeds, with runners that fail their probes, refuse work, and are gone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastLines, machine, recordsOf, todo, todoOf, written } from './directed.ts';
import { storyOf } from './many-hosts.ts';
import type { Simulation } from './simulation.ts';
import { tell } from './story.ts';
import { commands, withRunners } from './with-runners.ts';

/** Of 22 a person works on a todo that names no agent. */
const seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 22, 33, 56];

test('the eight promises hold where runners come and go, and the fallback finishes nothing', async (t) => {
  const found: string[] = [];
  const counts = { failovers: 0, fallbacks: 0, handedOn: 0, back: 0 };
  for (const seed of seeds) {
    const { violations, simulation } = await tell(withRunners(storyOf(seed)));
    found.push(...[...violations, ...finishedByNobody(simulation)].map((it) => `seed ${seed}: ${it}`));
    count(simulation, counts);
  }
  assert.deepEqual(found, []);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(
    Object.values(counts).every((it) => it >= 1),
    `the worlds are as bad as they should be: ${JSON.stringify(counts)}`,
  );
});

test('a story with runners is always the same one', async () => {
  const [once, again] = [await tell(withRunners(storyOf(7))), await tell(withRunners(storyOf(7)))];
  assert.equal(once.digest, again.digest);
});

test('runners that refuse work again and again: the todo is handed on, waits, and is left to a person in the end; nothing runs hot', async () => {
  const story = written({ todos: [todo('t1', { agent: 'auto', attempts: [[[{ do: 'exit', code: 75 }]]] })] });
  const { config } = story;
  const runners = ['one', 'two'].map((agent) => ({ agent, priority: 5, enabled: true }));
  const outcome = await tell({
    ...story,
    config: { ...config, agents: commands, runners, resource: { ...config.resource, wait: 5, limits_max: 4 } },
  });
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  const { status, reason, attempts } = todoOf(outcome.simulation, 't1');
  assert.equal(status, 'blocked');
  assert.match(reason ?? '', /5 times in a row \(resource\.limits_max\)/);
  assert.equal(attempts, 0, 'a refusal is no attempt');
  const records = recordsOf(outcome.simulation, 't1').toSorted((x, y) => x.fence - y.fence);
  const ends = records.map((record) => [outcome.simulation.rows.runs.get(record.runId)!.agent, record.outcome]);
  assert.deepEqual(ends.slice(0, 2), [
    ['one', 'released'],
    ['two', 'parked'],
  ]);
  assert.deepEqual([ends.length, ends.at(-1)?.[1]], [5, 'blocked']);
});

test('nobody is well for hours: each time it waits longer, nothing is finished, and a person is left with it in the end', async () => {
  const hourMs = 3_600_000;
  const ill = [{ agent: 'one', how: 'fails', fromMs: 0, toMs: 2 * hourMs } as const];
  const story = written({
    todos: [todo('t1', { agent: 'auto' })],
    machines: [machine('alpha', {}, { healAtMs: 2 * hourMs, runnersIll: ill })],
  });
  const runners = [{ agent: 'one', priority: 5, enabled: true }];
  const resource = { ...story.config.resource, interval: 3600, limits_max: 4 };
  const outcome = await tell({ ...story, config: { ...story.config, agents: commands, runners, resource } });
  assert.deepEqual(outcome.violations, [], lastLines(outcome));
  const records = recordsOf(outcome.simulation, 't1').toSorted((a, b) => a.fence - b.fence);
  const waits = records.map(({ notBeforeMs, endedAtMs }) => (notBeforeMs === null ? null : Math.round((notBeforeMs - endedAtMs) / 60_000)));
  assert.deepEqual(waits, [1, 2, 4, 8, null]);
  assert.deepEqual(
    records.map(({ outcome: end }) => end),
    ['parked', 'parked', 'parked', 'parked', 'blocked'],
  );
  assert.match(todoOf(outcome.simulation, 't1').reason ?? '', /^degraded: no agent worked on it \(one: its probe failed.*5 times in a row/);
});

/** Promise 3: what nobody worked on is no success of anybody, unless a person says so or forces it. */
function finishedByNobody({ rows }: Simulation): readonly string[] {
  return [...rows.records.values()].flatMap(({ record }) => {
    const { agent } = rows.runs.get(record.runId)!;
    const isByPerson = record.saidBy === 'person' || record.outcome === 'forced' || record.outcome === 'cancelled';
    return agent === 'fallback' && record.todoStatus === 'completed' && !isByPerson ? [`run ${record.runId} was finished by nobody`] : [];
  });
}

function count({ rows, machines }: Simulation, counts: { failovers: number; fallbacks: number; handedOn: number; back: number }): void {
  const entries = machines.flatMap(({ journal }) => journal.all());
  for (const { choice, ending, signal } of entries) {
    if (choice === undefined) continue;
    if (choice.degraded) counts.fallbacks++;
    else if (choice.agent !== choice.first) counts.failovers++;
    if (ending?.outcome === 'released' && (signal?.limit !== undefined || signal?.fault !== undefined)) counts.handedOn++;
  }
  const putOff = new Set(entries.filter(({ choice }) => choice?.degraded).map(({ ref }) => ref.todoId));
  for (const todoId of putOff) if (rows.todos.get(todoId)?.status === 'completed') counts.back++;
}
