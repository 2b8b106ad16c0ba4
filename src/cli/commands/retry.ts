import type { WaitingRetry } from '../../core/dashboard.ts';
import { openSessions, type RecoverySession } from '../../daemon/recovery-session.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { plain } from '../text/plain.ts';
import { table } from '../text/table.ts';
import { spanText } from '../text/times.ts';
import { usage } from '../todos.ts';
import { waitingRetries } from '../waiting-retries.ts';

/** status: what failed and waits for its next attempt. */
export const command: CommandModule = {
  declare(commander) {
    commander.addHelpText('after', '\nActions:\n  status   what waits for its next attempt: completions, starts, runs, deliveries');
  },
  async run(call) {
    const [action = 'status'] = call.args;
    if (action !== 'status') throw usage('retry', `no action ${action}`, 'Known: status. See: todo retry --help');
    const { out } = call;
    await using opened = await call.open({ readOnly: true });
    const { world, config } = opened;
    const { waiting, unsure } = await waitingRetries(world, config);
    const recovering = openSessions(world.journal).map(({ id, subject, why, startedAtMs, backAtMs, drained }) => ({
      id,
      subject,
      why,
      startedAtMs,
      backAtMs,
      drained,
    }));
    out.json('retry-status', { waiting, unsure, recovering });
    if (unsure !== null) out.note(`The store could not be asked for todos that wait for a new run (${plain(unsure)}).`);
    for (const session of recovering) out.note(recoveringText(session));
    if (waiting.length === 0) out.line('Nothing waits for another attempt.');
    else for (const line of table(columns, waiting.map(row), out.columns, out.paint)) out.line(line);
    return exit.yes;
  },
};

/** What was away, and what of all that waited is through. */
const recoveringText = ({
  subject,
  startedAtMs,
  backAtMs,
  why,
  drained,
}: Pick<RecoverySession, 'subject' | 'startedAtMs' | 'backAtMs' | 'why' | 'drained'>) =>
  backAtMs === null
    ? `The ${subject} is away since ${spanText(Date.now() - startedAtMs)} (${plain(why)}); what is for it waits here.`
    : `The ${subject} was away for ${spanText(backAtMs - startedAtMs)}; ${drained.completions + drained.deliveries} of what waited are through.`;

const columns = [
  { title: 'TODO' },
  { title: 'WHAT' },
  { title: 'CLASS' },
  { title: 'ATTEMPT' },
  { title: 'IN', align: 'right' as const },
  { title: 'LAST ERROR', grows: 'cut' as const },
];

const row = (it: WaitingRetry) => [
  it.number === null ? '' : String(it.number),
  it.kind,
  it.class,
  it.attemptsMax === null ? String(it.attempt) : `${it.attempt} of ${it.attemptsMax}`,
  it.nextAtMs <= Date.now() ? 'now' : spanText(it.nextAtMs - Date.now()),
  plain(it.lastError),
];
