import type { ShownBounds, ShownBreaker } from '../../core/control.ts';
import { OperationalError } from '../../core/errors.ts';
import { shownBreakers } from '../../daemon/breaker-events.ts';
import { behindBreakers, breakerNames } from '../../daemon/outside.ts';
import { breakerNote } from '../../resilience/breakers.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { refusal } from '../say.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';
import { spanText } from '../text/times.ts';
import { usage } from '../todos.ts';

type Action = 'list' | 'isolate' | 'reset';
type Options = { readonly reason?: string };

/** Circuit breakers of this home: of the live daemon, or as the last one left them. */
export const command: CommandModule = {
  declare(commander) {
    commander
      .option('--reason <text>', 'isolate, reset: why')
      .addHelpText(
        'after',
        `\nActions:\n  list           all of them\n  isolate NAME   hold it open until reset: nothing is called, nothing counts as an attempt\n  reset NAME     close it, its failures forgotten\n\nNames: ${breakerNames.join(', ')}.`,
      );
  },
  async run(call) {
    const [action = 'list', name = null] = call.args;
    if (action !== 'list' && action !== 'isolate' && action !== 'reset')
      throw usage('breaker', `no action ${action}`, 'Known: list, isolate, reset. See: todo breaker --help');
    if (action !== 'list' && name === null)
      throw usage(`breaker ${action}`, 'which one? no NAME given', `Known: ${breakerNames.join(', ')}.`);
    await using opened = await call.open(action === 'list' ? { readOnly: true } : {});
    const why = (call.options as Options).reason ?? `todo breaker ${action}`;
    const reply = await opened.ask({ op: 'breaker', action, name, why });
    if (reply?.ok === false) throw refusal(reply, `${gerundOf[action]}`, `breaker ${name ?? ''}`);
    const breakers = reply?.kind === 'breakers' ? reply.breakers : await kept(action, name, why, opened);
    tell(call, breakers, reply?.kind === 'breakers' ? reply.bounds : null);
    return exit.yes;
  },
};

const gerundOf: Readonly<Record<Action, string>> = { list: 'listing', isolate: 'isolating', reset: 'resetting' };

/** Without a daemon: what is kept is changed, and the next one goes on from it. */
async function kept(action: Action, name: string | null, why: string, { world, config }: Opened): Promise<readonly ShownBreaker[]> {
  const outside = behindBreakers(world, config, { restores: 'all' });
  const writes: Promise<void>[] = [];
  outside.onChange = (change) => void writes.push(world.journal.setNote(breakerNote(change.name), JSON.stringify(change.saved)));
  const before = shownBreakers({ outside, world, config });
  if (action === 'list') return before;
  const known = action === 'isolate' ? outside.breakers.isolate(name ?? '', why) : outside.breakers.reset(name ?? '', why);
  if (!known)
    throw new OperationalError('NOT_FOUND', {
      operation: gerundOf[action],
      subject: `breaker ${name}`,
      why: 'there is none of that name',
      hint: `Known: ${breakerNames.join(', ')}.`,
    });
  await Promise.all(writes);
  return shownBreakers({ outside, world, config });
}

function tell({ out }: Call, breakers: readonly ShownBreaker[], bounds: ShownBounds | null): void {
  out.json('breakers', { live: bounds !== null, breakers, budgets: bounds?.budgets ?? [], bulkheads: bounds?.bulkheads ?? [] });
  if (bounds === null) out.note('No daemon runs: this is what is kept for the next one.');
  const columns = [
    { title: 'NAME' },
    { title: 'STATE' },
    { title: 'SINCE', align: 'right' as const },
    { title: 'NEXT TRY', align: 'right' as const },
    { title: 'FAILURES', align: 'right' as const },
    { title: 'REFUSED', align: 'right' as const },
    { title: 'WHY', grows: 'cut' as const },
  ];
  const rows = breakers.map((it) => [
    it.name,
    it.state === 'closed' ? it.state : ({ text: it.state, colour: it.state === 'half-open' ? 'yellow' : 'red' } as const),
    spanText(Date.now() - it.sinceMs),
    it.state === 'closed' ? '' : it.retryAfterMs === null ? 'by reset' : spanText(it.retryAfterMs),
    `${it.failures} of ${it.profile.failureThreshold ?? '?'}`,
    String(it.refused),
    plain(it.why),
  ]);
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
  for (const { name, retries, of } of bounds?.budgets ?? [])
    if (retries < of) out.line(`Retries of the ${name}: ${retries} of ${of} left${retries === 0 ? '; each waits the longest now' : ''}.`);
  for (const { name, limit, active, queued } of bounds?.bulkheads ?? [])
    if (queued > 0) out.line(`Bulkhead ${name}: ${active} of ${limit} run, ${queued} wait.`);
}
