import { isTerminal } from '../../core/words.ts';
import type { CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { write } from '../out.ts';
import { todoTable } from '../text/todos.ts';
import { shownStatus, todoJson } from '../todos.ts';

const lookEveryMs = 1000;
/** More than a screen holds is no overview. */
const shownMax = 200;

/** The list, drawn again each second. Without a terminal: a line for each change. */
export const command: CommandModule = {
  async run(call) {
    const { out } = call;
    await using opened = await call.open({ readOnly: true });
    const { store, journal, clock } = opened.world;
    const look = async () =>
      (await store.list({ statuses: null, limit: shownMax })).todos.map((todo) => ({ ...todo, status: shownStatus(todo, journal) }));
    if (call.json) {
      out.json('todos', { todos: (await look()).map((todo) => todoJson(todo, todo.status, [])) });
      return exit.yes;
    }
    const seen = new Map<string, string>();
    let drawn = '';
    for (;;) {
      const todos = await look();
      if (out.isTerminal) {
        const live = [...todos].sort((a, b) => Number(isTerminal(a.status)) - Number(isTerminal(b.status)));
        const lines = todoTable(live, clock.nowMs(), out.columns, out.paint).slice(0, Math.max(3, (process.stdout.rows ?? 24) - 2));
        const picture = `${lines.join('\x1b[K\n')}\x1b[K\n\x1b[J${out.paint('dim', 'Ctrl-C ends this; the work goes on')}`;
        if (picture !== drawn) write(1, `${drawn === '' ? '\x1b[2J' : ''}\x1b[H${picture}`);
        drawn = picture;
      } else {
        for (const todo of todos.toReversed()) {
          const line = `${todo.number} ${todo.status}${todo.proof ? ` ${todo.proof}` : ''}`;
          if (seen.get(todo.id) !== line) out.line(line);
          seen.set(todo.id, line);
        }
      }
      await clock.sleep(lookEveryMs);
    }
  },
};
