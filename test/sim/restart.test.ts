// A controlled restart with the whole daemon: not at one moment that somebody prepared, but at each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atEveryMoment, isClosed, lastLines, recordsOf, todo, todoOf, written } from './directed.ts';
import type { Machine } from './machine.ts';
import type { Simulation } from './simulation.ts';

const quick = { behavior: { quiet_after: 1, term_grace: 1, completion_timeout: 30, emergency_timeout: 60, health_check_interval: 20 } };
const home = (simulation: Simulation): Machine => simulation.machines[0]!;

test('a restart in place at any moment of a run and its completion: one run, one record, and nothing is held', async () => {
  const story = written({ todos: [todo('t1')], settings: quick });
  let restarted = 0;
  const moments = await atEveryMoment(
    story,
    {
      at: 'step',
      within: (simulation) => simulation.daemons.size > 0 && !isClosed(simulation, 't1'),
      act: (simulation) => void home(simulation).ask({ op: 'restart', reason: 'at any moment', force: true }),
    },
    (outcome) => {
      const { simulation } = outcome;
      assert.deepEqual(outcome.violations, [], lastLines(outcome));
      const records = recordsOf(simulation, 't1').map(({ outcome: how, todoStatus, saidBy }) => [how, todoStatus, saidBy]);
      assert.deepEqual(records, [['done', 'completed', 'marker']], lastLines(outcome));
      assert.equal(todoOf(simulation, 't1').fence, 1, `nobody took it a second time\n${lastLines(outcome)}`);
      const restarts = simulation.counts['restart in place'] ?? 0;
      restarted += restarts;
      const { intake, generation } = simulation.daemons.get(home(simulation))!.engine.context.restarting;
      assert.deepEqual([intake, generation], [{ kind: 'open' }, restarts + 1], lastLines(outcome));
    },
  );
  // The story is told once more without one.
  assert.ok(moments > 20 && restarted === moments, `${restarted} of ${moments} moments`);
});
