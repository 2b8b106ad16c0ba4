import type { Run, Todo } from '../../core/todo.ts';
import type { ShownStatus } from '../../core/words.ts';
import type { Call, CommandModule, Opened } from '../command.ts';
import { startDaemon, stopDaemon } from '../daemon-control.ts';
import { demoConfig, type Scenario, scenarios } from '../demo/scenarios.ts';
import { exit } from '../exit-codes.ts';
import { lastOf, stepOf } from '../follow-todo.ts';
import { onInterrupt } from '../interrupt.ts';
import { write } from '../out.ts';
import { makeOwnHome, shellTodo, withoutOurs } from '../own-home.ts';
import { fit, plain } from '../text/plain.ts';
import { colourOf, endText, symbolOf } from '../text/status.ts';
import { type Cell, table } from '../text/table.ts';
import { tookText } from '../text/times.ts';
import { shownStatus } from '../todos.ts';

/** A machine that needs longer than this has other troubles. */
const demoWithinMs = 55_000;
const lookEveryMs = 200;
const agentsGraceMs = 1000;

type Player = { readonly scenario: Scenario; readonly id: string; readonly number: number };
type Seen = Player & {
  readonly todo: Todo;
  readonly status: ShownStatus;
  readonly step: string;
  readonly runs: readonly Run[];
  readonly round: number;
  readonly over: boolean;
};

/** Six agents that behave in six ways, a real daemon in a home of its own, and the honest end of each. No keys, no network. */
export const command: CommandModule = {
  async run(call) {
    const { out } = call;
    const startedAtMs = performance.now();
    const home = makeOwnHome({ name: 'demo', config: demoConfig });
    const there: Call = { ...call, home, env: withoutOurs(call.env) };
    const { openWorld } = await import('../world.ts');
    await using opened = await openWorld(there);
    const spinner = await out.spin('adding six todos and starting a daemon of their own');
    const players = await addAll(home, opened);
    const interrupted = new AbortController();
    // Also when the terminal goes away: the daemon is the demo's own and ends with it.
    const listening = onInterrupt(() => interrupted.abort());
    let seen: readonly Seen[];
    try {
      const daemon = await startDaemon({ options: {} }, opened, () => {});
      spinner.end();
      out.line(`${out.paint('bold', 'Six agents, six ways to behave.')} A real daemon (pid ${daemon.pid}) takes each to an honest end.`);
      out.line();
      seen = await watchAll(players, call, opened, startedAtMs, interrupted.signal);
    } finally {
      spinner.end();
      listening();
      await stopDaemon(opened, true).catch(() => null);
      // An agent lives on when its daemon ends; the demo's own may not.
      await opened.world.processes.endTagged('TODO_HOME', home, agentsGraceMs);
    }
    const results = seen.map((it) => ({ ...it, asExpected: isAsExpected(it) }));
    out.json('demo', {
      todos: results.map(({ todo, scenario, status, asExpected, runs, round }) => ({
        id: todo.id,
        number: todo.number,
        scenario: scenario.name,
        status,
        proof: todo.proof,
        report: todo.report,
        runs: runs.length,
        rounds: round,
        expected: asExpected,
      })),
      home,
      tookMs: Math.round(performance.now() - startedAtMs),
    });
    for (const line of closing(results, home, performance.now() - startedAtMs, call)) out.line(line);
    return results.every(({ asExpected }) => asExpected) ? exit.yes : exit.no;
  },
};

async function addAll(home: string, { world }: Opened): Promise<Player[]> {
  const players: Player[] = [];
  for (const scenario of scenarios) {
    const { name, title, prompt, checks, rounds } = scenario;
    const { id, number } = await world.store.add(shellTodo(home, world, { title, prompt, checks, rounds }, name));
    players.push({ scenario, id, number });
  }
  return players;
}

async function watchAll(
  players: readonly Player[],
  { out }: Call,
  opened: Opened,
  startedAtMs: number,
  interrupted: AbortSignal,
): Promise<readonly Seen[]> {
  const told = new Map<string, string>();
  let drawn = 0;
  for (;;) {
    const seen = await Promise.all(players.map((player) => look(player, opened)));
    const tookMs = performance.now() - startedAtMs;
    if (out.isTerminal) drawn = draw(seen, tookMs, drawn, out);
    else for (const line of changes(seen, tookMs, told)) out.line(line);
    if (seen.every(({ over }) => over) || tookMs > demoWithinMs || interrupted.aborted) return seen;
    await opened.world.clock.sleep(lookEveryMs, interrupted);
  }
}

async function look(player: Player, { world }: Opened): Promise<Seen> {
  const todo = await world.store.find(player.id);
  if (todo === null) throw new Error(`todo ${player.number} of the demo is gone`);
  const entry = world.journal.ofTodo(player.id)[0] ?? null;
  const over = todo.endedAtMs !== null && (entry === null || entry.fact === 'closed');
  return {
    ...player,
    todo,
    status: shownStatus(todo, world.journal),
    step: stepOf(todo, entry),
    runs: await world.store.runsOf(player.id),
    round: entry?.round ?? 1,
    over,
  };
}

const words = ({ todo, status, step, runs, over }: Seen): string =>
  over ? endText(status, todo.proof) : `${runs.length > 1 ? `attempt ${runs.length}, ` : ''}${step}`;

function* changes(seen: readonly Seen[], tookMs: number, told: Map<string, string>): Iterable<string> {
  for (const it of seen) {
    const text = words(it);
    if (told.get(it.id) !== text) yield `${tookText(tookMs).padStart(7)}  ${it.scenario.name.padEnd(9)} ${text}`;
    told.set(it.id, text);
  }
}

/** In place: the cursor goes back up over what was drawn before. Answers with how many lines that is now. */
function draw(seen: readonly Seen[], tookMs: number, drawnBefore: number, out: Call['out']): number {
  const rows = seen.map((it): Cell[] => [
    { text: `${symbolOf(it.status)} ${it.scenario.name}`, colour: colourOf(it.status, it.todo.proof) },
    fit(plain(it.todo.title), 32),
    { text: words(it), colour: it.over ? colourOf(it.status, it.todo.proof) : 'cyan' },
  ]);
  const lines = [
    ...table([{ title: 'AGENT' }, { title: 'TODO' }, { title: 'NOW', grows: 'cut' }], rows, out.columns, out.paint),
    '',
    out.paint('dim', `${tookText(tookMs)}`),
  ];
  const up = drawnBefore > 0 ? `\x1b[${drawnBefore}A` : '';
  write(1, `${up}${lines.map((line) => `\x1b[2K${line}\n`).join('')}`);
  return lines.length;
}

function isAsExpected({ scenario, todo, runs, round, over }: Seen): boolean {
  const { expected } = scenario;
  return (
    over &&
    todo.status === expected.status &&
    todo.proof === expected.proof &&
    runs.length === expected.runs &&
    round === expected.rounds &&
    lastOf(runs)?.saidBy === expected.saidBy &&
    todo.report !== null
  );
}

function closing(results: readonly (Seen & { asExpected: boolean })[], home: string, tookMs: number, { out }: Call): string[] {
  const { paint } = out;
  const rows = results.map(({ scenario, todo, status, asExpected }): Cell[] => [
    scenario.name,
    { text: `${symbolOf(status)} ${endText(status, todo.proof)}`, colour: colourOf(status, todo.proof) },
    asExpected ? scenario.story : { text: 'not the end that it should reach', colour: 'red' },
  ]);
  return [
    '',
    ...table([{ title: 'AGENT' }, { title: 'ENDED AS' }, { title: 'BECAUSE', grows: 'fold' }], rows, out.columns, paint),
    '',
    paint('bold', 'Reports'),
    ...results.map(({ scenario, todo }) => `  ${scenario.name.padEnd(9)} ${todo.report ?? '(none)'}`),
    '',
    `${results.every(({ asExpected }) => asExpected) ? paint('green', '✔ every todo reached an honest end') : paint('red', '✘ not every todo reached its honest end')} in ${tookText(tookMs)}. The home stays: ${home}`,
    `Next: ${paint('bold', `todo why 2 --home ${home}`)} shows how the liar was caught.`,
  ];
}
