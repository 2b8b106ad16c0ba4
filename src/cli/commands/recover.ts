import type { RecoveryPlan, RepairResult } from '../../core/control.ts';
import { OperationalError } from '../../core/errors.ts';
import { lookAtAll } from '../../healing/health.ts';
import { withinLimits } from '../../healing/limits.ts';
import { plansFor } from '../../healing/plans.ts';
import { notSeenIn } from '../../healing/sweep.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { inProcess } from '../engine.ts';
import { exit } from '../exit-codes.ts';
import { healthNeeds, looking } from '../health-look.ts';
import { refusal } from '../say.ts';
import { notSeenText, planLines } from '../text/plans.ts';

type Options = { readonly apply?: true; readonly dryRun?: true };
type Found = { readonly plans: readonly RecoveryPlan[]; readonly results: readonly RepairResult[]; readonly notSeen: readonly string[] };

/** A plan should be whole, so a slow store gets more time than `todo health` has. */
const lookWithinMs = 5_000;

/** Repairs may have to end sessions and wait for them. */
const applyWithinMs = 120_000;

/** Shows what could be mended; mends it only when told to (promise 7). */
export const command: CommandModule = {
  declare(commander) {
    commander.option('--dry-run', 'only show the plan (default)').option('--apply', 'do what the plan says, all of it');
  },
  async run(call) {
    const { apply = false, dryRun } = call.options as Options;
    if (apply && dryRun)
      throw new OperationalError('USAGE', {
        operation: 'reading the arguments of',
        subject: 'todo recover',
        why: '--dry-run and --apply exclude each other',
      });
    using spinner = await call.out.spin(apply ? 'recovering' : 'looking for what could be mended');
    const found = apply ? await applied(call) : await planned(call);
    spinner.end();
    call.out.json('recover', { applied: apply, ...found });
    show(found, apply, call);
    return found.results.every((it) => it.done) ? exit.yes : exit.no;
  },
};

const planned = (call: Call): Promise<Found> =>
  looking(call.open, async (opened) => {
    const needs = { ...healthNeeds(opened), withinMs: lookWithinMs };
    const { seen, components } = await lookAtAll(needs);
    const found = await withinLimits(plansFor(seen, needs.config, opened.world.clock.nowMs()), opened.world);
    const plans = found.map(({ plan }) => plan);
    return { plans, results: [], notSeen: notSeenIn(components) };
  });

async function applied(call: Call): Promise<Found> {
  await using opened = await call.open();
  const reply = await recoverIn(opened);
  if (!reply.ok) throw refusal(reply);
  if (reply.kind !== 'plans') throw new Error(`recover was answered with ${reply.kind}`);
  return { plans: reply.plans, results: reply.results, notSeen: reply.notSeen ?? [] };
}

const recoverIn = async (opened: Opened) => {
  const request = { op: 'recover', apply: true } as const;
  return (await opened.ask(request, applyWithinMs)) ?? (await inProcess(opened, null, (engine) => engine.serve(request)));
};

function show({ plans, results, notSeen }: Found, apply: boolean, { out }: Call): void {
  if (notSeen.length > 0) out.note(notSeenText(notSeen));
  if (plans.length === 0) out.line(notSeen.length > 0 ? 'Nothing to mend in what could be seen.' : 'Nothing to mend.');
  const resultOf = new Map(results.map((it) => [it.plan, it]));
  for (const plan of plans) {
    for (const line of planLines(plan, resultOf.get(plan.id), out)) out.line(line);
  }
  if (!apply && plans.length > 0) out.line(`\nNothing was changed. To do ${plans.length === 1 ? 'it' : 'them'}: todo recover --apply`);
}
