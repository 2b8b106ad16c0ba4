import { messageOf } from '../../core/errors.ts';
import type { Call, CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { checks, configurationName, configurationOf, lastCheck } from '../self-test/checks.ts';
import { type Lab, openLab } from '../self-test/lab.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';

type Result = { readonly name: string; readonly passed: boolean; readonly reason: string; readonly durationMs: number };

/** The self-test: completes real todos in a home and a store of its own, which are gone afterwards (I-23). */
export const command: CommandModule = {
  async run(call) {
    const { out } = call;
    const fromMs = performance.now();
    using spinner = await out.spin('self-test: configuration');
    const results = [
      await judged(configurationName, () => configurationOf(() => call.open({ readOnly: true }))),
      ...(await inLab(call, (step) => spinner.step(`self-test: ${step}`))),
    ];
    spinner.end();
    const failed = results.filter((it) => !it.passed).length;
    const durationMs = Math.round(performance.now() - fromMs);
    out.json('test', { passed: failed === 0, checks: results, durationMs });
    show(results, call);
    out.line(
      failed === 0
        ? out.paint('green', `All ${results.length} checks passed in ${(durationMs / 1000).toFixed(1)} s.`)
        : out.paint('red', `${failed} of ${results.length} checks failed.`),
    );
    return failed === 0 ? exit.yes : exit.no;
  },
};

async function inLab(call: Call, tell: (step: string) => void): Promise<Result[]> {
  tell('making a home of its own');
  let lab: Lab;
  try {
    lab = await openLab(call);
  } catch (error) {
    return [{ name: 'home: one of its own can be made', passed: false, reason: messageOf(error), durationMs: 0 }];
  }
  await using open = lab;
  using _ = cleansUpWhenStopped(open);
  let left = checks.length;
  const results = await Promise.all(
    checks.map(async ({ name, run }) => {
      const result = await judged(name, () => run(open));
      left -= 1;
      tell(`${checks.length - left} of ${checks.length + 1} done`);
      return result;
    }),
  );
  return [...results, await judged(lastCheck.name, () => lastCheck.run(open))];
}

/** Ctrl-C leaves nothing behind either. */
function cleansUpWhenStopped(lab: Lab): Disposable {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const end = async () => {
    await lab[Symbol.asyncDispose]();
    process.exit(exit.no);
  };
  for (const name of names) process.once(name, end);
  return { [Symbol.dispose]: () => names.forEach((name) => void process.off(name, end)) };
}

/** Whatever goes wrong in a check, defects too, is what it was there to find. */
async function judged(name: string, check: () => Promise<void>): Promise<Result> {
  const fromMs = performance.now();
  const took = () => Math.round(performance.now() - fromMs);
  try {
    await check();
    return { name, passed: true, reason: '', durationMs: took() };
  } catch (error) {
    return { name, passed: false, reason: messageOf(error), durationMs: took() };
  }
}

function show(results: readonly Result[], { out }: Call): void {
  const rows = results.map(({ name, passed, reason, durationMs }) => [
    { text: passed ? '✔' : '✘', colour: passed ? ('green' as const) : ('red' as const) },
    `${durationMs} ms`,
    passed ? name : `${name}: ${plain(reason)}`,
  ]);
  for (const line of table(
    [{ title: '' }, { title: 'TOOK', align: 'right' }, { title: 'CHECK', grows: 'fold' }],
    rows,
    out.columns,
    out.paint,
  ))
    out.line(line);
}
