// How long the two commands take that are called most, beside a Node that does nothing.
import { beside, figure } from './figures.ts';
import { environment, newHome, prepare, timed, todo } from './home.ts';
import type { Prepared } from './prepared.ts';

export async function start(): Promise<void> {
  const home = newHome('cold');
  prepare(home, 1000, 'external');
  // As in any home that was used once: the configuration is known to be valid.
  timed(todo, ['add', 'one more', '--hold'], environment(home));
  const bare = () => timed(process.execPath, ['-e', '0'], environment(home));
  const list = beside(() => timed(todo, ['list', '--json'], environment(home)), bare);
  const figureOf = (it: typeof list) => `${it.ratio.toFixed(2)} × (${it.a.toFixed(0)} ms beside ${it.b.toFixed(0)} ms)`;
  figure('`todo list --json` of 1,000 todos beside `node -e 0`', figureOf(list), '≤ 1.8 ×', list.ratio <= 1.8);

  const inRun = newHome('hook');
  const [run] = prepare(inRun, 1, 'external') as [Prepared];
  const env = environment(inRun, { TODO_ID: run.todoId, TODO_RUN: run.runId, TODO_TOKEN: run.token, TODO_CHECKS: '0' });
  const event = { hook_event_name: 'Stop', session_id: 'x', stop_hook_active: false, background_tasks: [], session_crons: [] };
  const hook = beside(() => timed(todo, ['hook', 'claude', 'stop'], env, JSON.stringify(event)), bare);
  const what = '`todo hook claude stop` until its signal is durable and it has ended, beside `node -e 0`';
  figure(what, figureOf(hook), '≤ 1.8 ×', hook.ratio <= 1.8);
}
