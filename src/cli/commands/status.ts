import type { DaemonStatus } from '../../core/control.ts';
import { deadlinesOf } from '../../core/deadlines.ts';
import { type Fact, hasEnded, isCompletion } from '../../core/entry.ts';
import { isOperational } from '../../core/errors.ts';
import type { CommandModule, Opened, Out, Paint } from '../command.ts';
import { silentHolder } from '../daemon-control.ts';
import { drainedLine, type ShownHost, shownHost } from '../drained.ts';
import { exit } from '../exit-codes.ts';
import { moment } from '../options.ts';
import { riskLines, risksIn } from '../risks.ts';
import { staleJson, staleLine } from '../stale.ts';
import { facts } from '../text/facts.ts';
import { plain } from '../text/plain.ts';
import { type Cell, table } from '../text/table.ts';
import { spanText } from '../text/times.ts';

type Live = DaemonStatus['live'];

/** Daemon, live runs, next deadlines; or what ended, counted. */
export const command: CommandModule = {
  declare: (commander) =>
    void commander
      .option('--completions', 'what ended, counted: by status, proof and agent, how long it took, how many runs it needed')
      .option('--since <time>', 'with --completions: only what ended since: 2030-01-31T08:00, or 7d back', moment('back')),
  async run(call) {
    const { out } = call;
    const { completions, since } = call.options as { completions?: true; since?: number };
    if (completions) return (await import('../completions.ts')).showCompletions(call, since ?? null);
    await using opened = await call.open({ readOnly: true, snapshot: true });
    const { world } = opened;
    const daemon = await daemonStatus(opened);
    const silent = daemon === null ? silentHolder(opened) : null;
    const live = daemon?.live ?? liveInJournal(opened);
    const risks = risksIn(opened);
    const [waiting, host] = await Promise.all([waitingOrWhyNot(opened), shownHost(opened)]);
    out.json('status', {
      daemon: {
        running: daemon !== null,
        pid: daemon?.pid ?? null,
        silentPid: silent?.pid ?? null,
        startedAtMs: daemon?.startedAtMs ?? null,
        draining: daemon?.draining ?? false,
        home: world.home.root,
      },
      host,
      live: live.map((run) => ({ ...run, prediction: risks.of(run.runId) })),
      learned: risks.model,
      waiting: typeof waiting === 'number' ? waiting : null,
      store: daemon?.store ?? null,
      lastPassAtMs: daemon?.lastPassAtMs ?? null,
      lastSweepAtMs: daemon?.lastSweepAtMs ?? null,
      configuration: daemon?.configuration ?? null,
      ...staleJson(opened),
    });
    const stale = opened.stale();
    if (stale !== null) out.line(staleLine(stale));
    for (const line of describe({ daemon, silentPid: silent?.pid ?? null, live, waiting, host }, opened, out)) out.line(line);
    for (const line of riskLines(risks, live, out)) out.line(line);
    return exit.yes;
  },
};

/** A daemon answers between two steps of its loop; one that needs longer is stuck, and that is told apart. */
const answersWithinMs = 2000;

export async function daemonStatus({ ask }: Opened): Promise<DaemonStatus | null> {
  try {
    const reply = await ask({ op: 'status' }, answersWithinMs);
    return reply?.ok && reply.kind === 'status' ? reply.status : null;
  } catch (error) {
    if (isOperational(error) && error.code === 'NO_DAEMON') return null;
    throw error;
  }
}

/** A store that is away keeps nobody from seeing what lives here. */
async function waitingOrWhyNot({ world }: Opened): Promise<number | string> {
  try {
    return await world.store.waiting();
  } catch (error) {
    if (!isOperational(error)) throw error;
    return error.message;
  }
}

/** Without a daemon the journal says what lives: a `todo run`, or runs that wait for whoever takes them over. */
export function liveInJournal({ world, config }: Opened): Live {
  const entries = world.journal.live().filter(({ fact }) => !hasEnded(fact));
  return entries.map((entry) => ({
    todoId: entry.ref.todoId,
    number: entry.todo.number,
    title: entry.todo.title,
    runId: entry.ref.runId,
    fact: entry.fact,
    agent: entry.todo.agent,
    startedAtMs: entry.startedAtMs,
    lastSignAtMs: entry.lastSignAtMs,
    round: entry.round,
    nextDeadlineAtMs: deadlinesOf(entry, config)[0]?.atMs ?? null,
    emergency: entry.emergency,
  }));
}

type Seen = {
  readonly daemon: DaemonStatus | null;
  readonly silentPid: number | null;
  readonly live: Live;
  readonly waiting: number | string;
  readonly host: ShownHost;
};

function describe({ daemon, silentPid, live, waiting, host }: Seen, { world, stale }: Opened, out: Out): string[] {
  const nowMs = world.clock.nowMs();
  const { paint } = out;
  const lines = facts(
    [
      ['daemon', daemonLine(daemon, silentPid, nowMs, paint)],
      [
        'last look',
        daemon === null
          ? null
          : `${spanText(nowMs - daemon.lastPassAtMs)} ago${daemon.lastSweepAtMs === null ? '' : `, last sweep ${spanText(nowMs - daemon.lastSweepAtMs)} ago`}`,
      ],
      ['store', storeLine(daemon, waiting, { driver: world.store.driver, isAway: stale() !== null }, paint)],
      ['waiting', typeof waiting === 'number' ? `${waiting} ${waiting === 1 ? 'todo' : 'todos'}` : null],
      ['settings', settingsLine(daemon, paint)],
      ['host', drainedLine(host, paint)],
      ['home', world.home.root],
    ],
    out,
  );
  return live.length === 0 ? [...lines, '', paint('dim', 'nothing runs')] : [...lines, '', ...liveTable(live, nowMs, out)];
}

function daemonLine(daemon: DaemonStatus | null, silentPid: number | null, nowMs: number, paint: Paint): string {
  if (daemon !== null)
    return `${paint('green', '● running')}  pid ${daemon.pid}, since ${spanText(nowMs - daemon.startedAtMs)}${daemon.draining ? paint('yellow', ', stopping') : ''}`;
  if (silentPid !== null) return `${paint('red', '✘ does not answer')}  pid ${silentPid}. End it with: todo daemon stop --force`;
  return `${paint('yellow', '○ not running')}  start it with: todo daemon start`;
}

function settingsLine(daemon: DaemonStatus | null, paint: Paint): string | null {
  const { refused = null, needsRestart = [] } = daemon?.configuration ?? {};
  if (refused !== null) return paint('yellow', `those before are in use: ${plain(refused)}`);
  return needsRestart.length === 0 ? null : `used after a restart: ${needsRestart.join(', ')}`;
}

function storeLine(
  daemon: DaemonStatus | null,
  waiting: number | string,
  { driver, isAway }: { readonly driver: string; readonly isAway: boolean },
  paint: Paint,
): string {
  if (typeof waiting === 'string') return paint('red', `${driver}: ${plain(waiting)}`);
  if (daemon === null) return isAway ? paint('red', `${driver}: not reachable`) : driver;
  if (daemon.store.reachable === 'yes') return `${driver}${poolWords(daemon)}`;
  return paint(
    'red',
    `${driver}: ${daemon.store.reachable === 'no' ? 'not reachable' : 'not looked at yet'}${daemon.store.error ? ` (${plain(daemon.store.error)})` : ''}`,
  );
}

function poolWords({ store: { pool, server } }: DaemonStatus): string {
  if (pool === undefined) return '';
  const where = server ? ` at ${plain(server)}` : '';
  return `${where}, ${pool.active} active and ${pool.idle} idle of ${pool.limit} connections`;
}

export function liveTable(live: Live, nowMs: number, { columns, paint }: Out): string[] {
  const rows = live.map((run): Cell[] => [
    String(run.number),
    { text: isCompletion(run.fact as Fact) ? `finishing: ${run.fact}` : run.fact, colour: 'cyan' },
    run.agent,
    String(run.round),
    spanText(nowMs - run.startedAtMs),
    `${spanText(nowMs - run.lastSignAtMs)} ago`,
    run.nextDeadlineAtMs === null
      ? ''
      : { text: `in ${spanText(run.nextDeadlineAtMs - nowMs)}`, colour: run.nextDeadlineAtMs - nowMs < 60_000 ? 'yellow' : 'dim' },
    plain(run.title),
  ]);
  const titles = [
    { title: '#', align: 'right' as const },
    { title: 'FACT' },
    { title: 'AGENT' },
    { title: 'ROUND', align: 'right' as const },
    { title: 'RUNS' },
    { title: 'LAST SIGN' },
    { title: 'DEADLINE' },
  ];
  return table([...titles, { title: 'TITLE', grows: 'cut' }], rows, columns, paint);
}
