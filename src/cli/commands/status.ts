import type { DaemonStatus } from '../../core/control.ts';
import { deadlinesOf } from '../../core/deadlines.ts';
import { type Fact, isCompletion } from '../../core/entry.ts';
import type { CommandModule, Opened, Out } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { facts } from '../text/facts.ts';
import { plain } from '../text/plain.ts';
import { type Cell, table } from '../text/table.ts';
import { spanText } from '../text/times.ts';

type Live = DaemonStatus['live'];

/** Daemon, live runs, next deadlines. */
export const command: CommandModule = {
  async run(call) {
    const { out } = call;
    await using opened = await call.open({ readOnly: true });
    const { world } = opened;
    const reply = await opened.ask({ op: 'status' });
    const daemon = reply?.ok && reply.kind === 'status' ? reply.status : null;
    const live = daemon?.live ?? liveInJournal(opened);
    const waiting = await world.store.waiting();
    out.json('status', {
      daemon: {
        running: daemon !== null,
        pid: daemon?.pid ?? null,
        startedAtMs: daemon?.startedAtMs ?? null,
        draining: daemon?.draining ?? false,
        home: world.home.root,
      },
      live,
      waiting,
      store: daemon?.store ?? null,
      lastPassAtMs: daemon?.lastPassAtMs ?? null,
      lastSweepAtMs: daemon?.lastSweepAtMs ?? null,
    });
    for (const line of describe(daemon, live, waiting, opened, out)) out.line(line);
    return exit.yes;
  },
};

/** Without a daemon the journal says what lives: a `todo run`, or runs that wait for whoever adopts them. */
export function liveInJournal({ world, config }: Opened): Live {
  return world.journal.live().map((entry) => ({
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

function describe(daemon: DaemonStatus | null, live: Live, waiting: number, { world }: Opened, out: Out): string[] {
  const nowMs = world.clock.nowMs();
  const { paint } = out;
  const lines = facts(
    [
      [
        'daemon',
        daemon === null
          ? `${paint('yellow', '○ not running')}  start it with: todo daemon start`
          : `${paint('green', '● running')}  pid ${daemon.pid}, since ${spanText(nowMs - daemon.startedAtMs)}${daemon.draining ? paint('yellow', ', stopping') : ''}`,
      ],
      [
        'last look',
        daemon === null
          ? null
          : `${spanText(nowMs - daemon.lastPassAtMs)} ago${daemon.lastSweepAtMs === null ? '' : `, last sweep ${spanText(nowMs - daemon.lastSweepAtMs)} ago`}`,
      ],
      [
        'store',
        daemon === null || daemon.store.reachable === 'yes'
          ? world.store.driver
          : paint(
              'red',
              `${world.store.driver}: ${daemon.store.reachable === 'no' ? 'not reachable' : 'not looked at yet'}${daemon.store.error ? ` (${plain(daemon.store.error)})` : ''}`,
            ),
      ],
      ['waiting', `${waiting} ${waiting === 1 ? 'todo' : 'todos'}`],
      ['home', world.home.root],
    ],
    out,
  );
  return live.length === 0 ? [...lines, '', paint('dim', 'nothing runs')] : [...lines, '', ...liveTable(live, nowMs, out)];
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
