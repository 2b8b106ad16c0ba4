import type { Healed, RepairResult } from '../../core/control.ts';
import { type HealingEvent, healingText } from '../../core/healing-event.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { inProcess } from '../engine.ts';
import { exit } from '../exit-codes.ts';
import { showComponents } from '../health-look.ts';
import { refusal } from '../say.ts';
import { plain } from '../text/plain.ts';
import { notSeenText, planLines } from '../text/plans.ts';
import { table } from '../text/table.ts';
import { clockText } from '../text/times.ts';
import { usage } from '../todos.ts';

type Options = { readonly dryRun?: true; readonly history?: true; readonly limit?: string };

/** Repairs may have to end sessions and wait for them. */
const healWithinMs = 120_000;
const limitMax = 1000;

/** Healing by hand, and what was healed so far. */
export const command: CommandModule = {
  declare(commander) {
    commander
      .option('--dry-run', 'only say what it would do')
      .option('--history', 'what was healed so far, newest first; with ID of that todo')
      .option('--limit <N>', `events of the history, at most ${limitMax}`, '50')
      .addHelpText(
        'after',
        '\nWHAT is a component of `todo health` (runs, spool, logs, queue, store …) or a todo; without it all of it.\nAt most behavior.heals_per_minute (6) a minute; --dry-run is free.',
      );
  },
  async run(call) {
    const { dryRun = false, history = false, limit = '50' } = call.options as Options;
    if (history && dryRun) throw usage('heal', '--history and --dry-run exclude each other');
    if (history) return showHistory(call, limitOf(limit));
    using spinner = await call.out.spin(dryRun ? 'looking for what could be healed' : 'healing');
    const healed = await heal(call, dryRun);
    spinner.end();
    call.out.json('heal', { dryRun, ...healed });
    show(healed, dryRun, call);
    return healed.results.every(({ done }) => done) ? exit.yes : exit.no;
  },
};

function limitOf(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) throw usage('heal', `--limit ${text} is no number from 1 to ${limitMax}`);
  return limit;
}

async function heal(call: Call, dryRun: boolean): Promise<Healed> {
  await using opened = await call.open();
  const reply = await healIn(opened, call.args[0] ?? null, dryRun);
  if (!reply.ok) throw refusal(reply);
  if (reply.kind !== 'healed') throw new Error(`heal was answered with ${reply.kind}`);
  return reply.healed;
}

const healIn = async (opened: Opened, what: string | null, dryRun: boolean) => {
  const request = { op: 'heal', what, dryRun } as const;
  return (await opened.ask(request, healWithinMs)) ?? (await inProcess(opened, null, (engine) => engine.serve(request)));
};

function show({ plans, results, before, after, notSeen = [] }: Healed, dryRun: boolean, { out }: Call): void {
  if (notSeen.length > 0) out.note(notSeenText(notSeen));
  const resultOf = new Map(results.map((it) => [it.plan, it]));
  for (const plan of plans) for (const line of planLines(plan, resultOf.get(plan.id), out)) out.line(line);
  const planned = new Set(plans.map(({ id }) => id));
  for (const it of results.filter(({ plan }) => !planned.has(plan))) out.line(`${mark(it, out)} ${plain(it.plan)}: ${plain(it.why)}`);
  if (plans.length === 0 && results.length === 0)
    out.line(notSeen.length > 0 ? 'Nothing to heal in what could be seen.' : 'Nothing to heal.');
  out.line();
  showComponents(dryRun ? before : after, out);
  if (dryRun) out.line('\nNothing was changed.');
}

const mark = ({ done }: RepairResult, { paint }: Call['out']): string => (done ? paint('green', '✔') : paint('red', '✘'));

async function showHistory(call: Call, limit: number): Promise<number> {
  const { out, args } = call;
  await using opened = await call.open({ readOnly: true });
  const { store } = opened.world;
  const todo = args[0] === undefined ? null : await store.find(args[0]);
  if (args[0] !== undefined && todo === null) throw usage('heal', `there is no todo ${args[0]}`, 'See: todo list');
  const events: readonly HealingEvent[] = await store.healingEvents({ todoId: todo?.id ?? null, limit });
  out.json('healing-history', { events });
  if (events.length === 0) out.line('Nothing was healed yet.');
  const nowMs = opened.world.clock.nowMs();
  const rows = events.map((event) => [clockText(event.atMs, nowMs), plain(event.what), plain(healingText(event))]);
  const columns = [{ title: 'WHEN' }, { title: 'WHAT' }, { title: 'WHY AND WHAT CAME OF IT', grows: 'fold' as const }];
  if (events.length > 0) for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  return exit.yes;
}
