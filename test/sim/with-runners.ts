import { configSchema } from '../../src/core/config.ts';
import type { Act } from './agents.ts';
import { createDice, type Dice } from './random.ts';
import type { Scenario } from './scenario.ts';

const agents = ['one', 'two', 'three'] as const;
export const commands = configSchema.shape.agents.parse(
  Object.fromEntries(
    agents.map((name) => [name, { kind: 'command', command: name, probe_interval: 20, exit_codes: { 75: 'limit', 41: 'auth' } }]),
  ),
);

/** What ends a run by no fault of its todo. */
const refusals: readonly (readonly Act[])[] = [
  [{ do: 'spawn-error' }],
  [{ do: 'exit', code: 75 }],
  [
    { do: 'print', text: 'half of it' },
    { do: 'work', ms: 500 },
    { do: 'exit', code: 75 },
  ],
  [{ do: 'exit', code: 41 }],
];

/**
 * The same story with a chain of runners: most of its plain todos name no agent, runners fail their probes for a while, refuse work, cannot be started.
 * Its dice are its own, so the story without them stays what it is.
 */
export function withRunners(story: Scenario): Scenario {
  const dice = createDice(`runners ${story.seed}`);
  const { config, healAtMs } = story;
  const chain = agents.slice(0, dice.int(1, agents.length));
  return {
    ...story,
    config: {
      ...config,
      agents: commands,
      runners: chain.map((agent) => ({ agent, priority: dice.int(0, 9), enabled: true })),
      resource: { ...config.resource, probe_interval: dice.pick([2, 10, 30]), wait: dice.int(10, 600) },
    },
    machines: story.machines.map((machine) => ({
      ...machine,
      faults: { ...machine.faults, runnersIll: chain.flatMap((agent) => illness(dice, agent, healAtMs)) },
    })),
    todos: story.todos.map((todo) =>
      todo.agent === 'worker' && dice.chance(0.8)
        ? { ...todo, agent: 'auto', attempts: [...(dice.chance(0.5) ? [[dice.pick(refusals)]] : []), ...todo.attempts] }
        : todo,
    ),
  };
}

const illness = (dice: Dice, agent: string, healAtMs: number) =>
  Array.from({ length: dice.int(0, 2) }, () => {
    const fromMs = dice.chance(0.5) ? 0 : dice.int(0, healAtMs);
    return { agent, how: dice.pick(['fails', 'fails', 'hangs'] as const), fromMs, toMs: fromMs + dice.int(1000, healAtMs) };
  });
