import { messageOf } from '../../core/errors.ts';
import { type Given, type Scenario, scenarios } from '../chaos/scenarios.ts';
import type { Call, CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { type Cell, table } from '../text/table.ts';
import { usage } from '../todos.ts';

type Result = {
  readonly name: string;
  readonly fault: string;
  readonly promise: string;
  readonly result: 'held' | 'broken' | 'not tried';
  /** Why it is broken, or was not tried. */
  readonly why: string | null;
  /** From the fault on; null where it was not tried or not found. */
  readonly detectedMs: number | null;
  readonly mendedMs: number | null;
  readonly todos: number;
  readonly lost: number;
  readonly doubled: number;
};

/** Breaks real processes, memory, disks, folders and connections in homes of its own, and says whether what Signoff promises held. Nobody else's todo is touched. */
export const command: CommandModule = {
  declare(commander) {
    const names = scenarios.map(({ name, fault }) => `  ${name.padEnd(16)} ${fault}`).join('\n');
    commander
      .option('--at-once <N>', 'so many scenarios beside each other; times are then those of a busy machine', '1')
      .option('--each-way <MS>', 'slow-tcp: so much later arrives what goes to the database, and what comes from it', '100')
      .addHelpText(
        'after',
        `\nScenarios (all, unless named):\n${names}\n\nExit code 1 where a promise broke. What cannot be tried here is told as not tried.`,
      );
  },
  async run(call) {
    const { out, args } = call;
    const unknown = args.find((name) => !scenarios.some((it) => it.name === name));
    if (unknown !== undefined) throw usage('chaos', `no scenario ${unknown}`, `Known: ${scenarios.map(({ name }) => name).join(', ')}`);
    const wanted = args.length === 0 ? scenarios : scenarios.filter(({ name }) => args.includes(name));
    const given: Given = { env: call.env, eachWayMs: wholeNumber(call.options['eachWay'], '--each-way', 1000) };
    const atOnce = wholeNumber(call.options['atOnce'], '--at-once', 8);
    using spinner = await out.spin('chaos');
    const left = [...wanted.entries()];
    const results: Result[] = [];
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) {
        const [index, scenario] = next;
        spinner.step(`${index + 1} of ${wanted.length}: ${scenario.fault}`);
        results[index] = await judged(scenario, given);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    spinner.end();
    const broken = results.filter(({ result }) => result === 'broken').length;
    out.json('chaos', { held: broken === 0, scenarios: results });
    show(results, broken, call);
    return broken === 0 ? exit.yes : exit.no;
  },
};

function wholeNumber(said: unknown, option: string, max: number): number {
  const count = Number(said);
  if (!Number.isInteger(count) || count < 1 || count > max) throw usage('chaos', `${option} ${said} is no number from 1 to ${max}`);
  return count;
}

/** Whatever goes wrong in a scenario, defects too, is what it was there to find. */
async function judged(scenario: Scenario, given: Given): Promise<Result> {
  const { name, fault, promise } = scenario;
  const about = { name, fault, promise, detectedMs: null, mendedMs: null, todos: 0, lost: 0, doubled: 0 };
  const unable = scenario.unable();
  if (unable !== null) return { ...about, result: 'not tried', why: unable };
  try {
    const outcome = await scenario.run(given);
    const { lost, doubled, todos } = outcome;
    const isBroken = lost > 0 || doubled > 0;
    const why = isBroken ? `of ${todos} todos ${lost} did not complete and ${doubled} completed twice` : null;
    return { ...about, ...outcome, result: isBroken ? 'broken' : 'held', why };
  } catch (error) {
    return { ...about, result: 'broken', why: messageOf(error) };
  }
}

const looks = { held: ['✔ held', 'green'], broken: ['✘ broken', 'red'], 'not tried': ['– not tried', 'yellow'] } as const;
const seconds = (ms: number | null): string => (ms === null ? '' : `${(ms / 1000).toFixed(1)} s`);

function show(results: readonly Result[], broken: number, { out }: Call): void {
  const rows = results.map(({ name, result, detectedMs, mendedMs, todos, lost, doubled, why, promise }): Cell[] => [
    name,
    { text: looks[result][0], colour: looks[result][1] },
    seconds(detectedMs),
    seconds(mendedMs),
    result === 'not tried' ? '' : `${lost}/${doubled} of ${todos}`,
    plain(why ?? promise),
  ]);
  const right = { align: 'right' as const };
  const columns = [
    { title: 'FAULT' },
    { title: '' },
    { title: 'SEEN', ...right },
    { title: 'MENDED', ...right },
    { title: 'LOST/DOUBLED' },
  ];
  for (const line of table([...columns, { title: '', grows: 'fold' }], rows, out.columns, out.paint)) out.line(line);
  const tried = results.filter(({ result }) => result !== 'not tried').length;
  out.line(
    broken === 0
      ? out.paint('green', `What was promised held in ${tried} of ${tried} that were tried.`)
      : out.paint('red', `${broken} of ${tried} promises broke.`),
  );
}
