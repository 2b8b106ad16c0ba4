import type { Todo } from '../../core/todo.ts';
import { isInProgress, isTerminal } from '../../core/words.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { staleJson, staleLine } from '../stale.ts';
import { plain } from '../text/plain.ts';
import { todoTable } from '../text/todos.ts';
import { shownStatus, todoJson } from '../todos.ts';
import { daemonStatus, liveInJournal, liveTable } from './status.ts';

const lookedAtMax = 1000;
const shownMax = 8;

/** Plain `todo`: what is live, what waits for a person, what to do next. */
export const command: CommandModule = {
  async run(call) {
    const { out } = call;
    await using opened = await call.open({ readOnly: true, snapshot: true });
    const { world } = opened;
    const { todos } = await world.store.list({ statuses: null, limit: lookedAtMax });
    const shown = todos.map((todo) => ({ ...todo, status: shownStatus(todo, world.journal) }));
    const daemon = await daemonStatus(opened);
    const next = nextSteps(todos, daemon !== null);
    out.json('overview', {
      daemon: { running: daemon !== null, pid: daemon?.pid ?? null },
      live: shown.filter(({ status }) => isInProgress(status)).map((todo) => todoJson(todo, todo.status, [])),
      waiting: shown.filter(({ status }) => !isInProgress(status) && !isTerminal(status)).map((todo) => todoJson(todo, todo.status, [])),
      next,
      ...staleJson(opened),
    });
    const stale = opened.stale();
    if (stale !== null) out.line(staleLine(stale));
    const live = daemon?.live ?? liveInJournal(opened);
    const nowMs = world.clock.nowMs();
    const others = shown.filter(({ id }) => !live.some(({ todoId }) => todoId === id));
    const waiting = others.filter(({ status }) => !isTerminal(status));
    const ended = others.filter(({ status }) => isTerminal(status)).sort((a, b) => (b.endedAtMs ?? 0) - (a.endedAtMs ?? 0));
    const section = (title: string, lines: readonly string[]) => {
      out.line(out.paint('bold', title));
      for (const line of lines) out.line(line);
      out.line();
    };
    if (live.length > 0) section('Live', liveTable(live, nowMs, out));
    if (waiting.length > 0)
      section(
        waiting.length > shownMax ? `Waiting (${shownMax} of ${waiting.length})` : 'Waiting',
        todoTable(waiting.slice(0, shownMax), nowMs, out.columns, out.paint),
      );
    if (ended.length > 0) section('Ended lately', todoTable(ended.slice(0, shownMax - 3), nowMs, out.columns, out.paint));
    if (todos.length === 0) section('Nothing to do yet.', []);
    out.line(out.paint('bold', 'Next'));
    for (const { command: line, about } of next) out.line(`  ${line.padEnd(34)}  ${out.paint('dim', about)}`);
    return exit.yes;
  },
};

type NextStep = { readonly command: string; readonly about: string };

function nextSteps(todos: readonly Todo[], daemonRuns: boolean): NextStep[] {
  if (todos.length === 0) {
    return [
      { command: 'todo demo', about: 'sixty seconds, no keys: see what it does' },
      { command: "todo add 'Fix the tests' --check 'npm test'", about: 'hand a todo to an agent' },
    ];
  }
  const newest = (fits: (todo: Todo) => boolean) => todos.find(fits);
  const open = newest(({ status, held }) => status === 'open' && !held);
  const stalled = newest(({ status }) => status === 'stalled');
  const blocked = newest(({ status }) => status === 'blocked');
  const dead = newest(({ status }) => status === 'dead-lettered');
  const running = newest(({ status }) => status === 'running');
  const failed = newest(({ status }) => status === 'failed');
  const found: (NextStep | null | undefined)[] = [
    dead && { command: `todo why ${dead.number}`, about: `given up: ${plain(dead.title)}` },
    stalled && { command: `todo logs ${stalled.number}`, about: `stalled: ${plain(stalled.title)}` },
    blocked && { command: `todo show ${blocked.number}`, about: `blocked: ${plain(blocked.reason ?? blocked.title)}` },
    open && (daemonRuns ? null : { command: 'todo daemon start', about: 'lets agents take what is open' }),
    open && !daemonRuns ? { command: `todo run ${open.number}`, about: plain(open.title) } : null,
    running && { command: `todo logs ${running.number} -f`, about: `see it work: ${plain(running.title)}` },
    failed && { command: `todo report ${failed.number} --open`, about: `failed: ${plain(failed.title)}` },
    { command: 'todo watch', about: 'the list, kept fresh' },
  ];
  return found.filter((step) => step !== null && step !== undefined).slice(0, 4);
}
