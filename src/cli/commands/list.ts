import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { ShownStatus } from '../../core/words.ts';
import { todoStatuses } from '../../core/words.ts';
import type { Call, CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { write } from '../out.ts';
import type { ShownFilter } from '../todos.ts';

/** More is cut, and said so (`truncated`). */
const limitDefault = 1000;
const shownStatuses: readonly ShownStatus[] = [...todoStatuses, 'finishing'];

type Options = {
  readonly status?: readonly ShownStatus[];
  readonly limit?: number;
  readonly search?: string;
  readonly agent?: string;
  readonly project?: string;
  readonly before?: number;
};

export const command: CommandModule = {
  async declare(commander: Command) {
    const { oneOf, wholeNumber } = await import('../options.ts');
    const status = oneOf(...shownStatuses);
    commander
      .option('--status <status...>', `only those: ${shownStatuses.join(', ')}`, (text, before: readonly ShownStatus[] = []) => [
        ...before,
        status(text),
      ])
      .option('--search <text>', 'only those with it in title or summary, capital letters or not, or with that number')
      .option('--agent <name>', 'only those of that agent')
      .option('--project <folder>', 'only those of that project')
      .option('--before <number>', 'only those with a smaller number: the next page', wholeNumber(1, Number.MAX_SAFE_INTEGER))
      .option('--limit <n>', 'how many at most', wholeNumber(1, 1_000_000), limitDefault);
  },
  async run(call) {
    const { limit = limitDefault, status = null, search, agent, project, before } = call.options as Options;
    const more = {
      ...(search !== undefined && { text: search }),
      ...(agent !== undefined && { agent }),
      ...(project !== undefined && { project: await projectAt(resolve(call.cwd, project)) }),
      ...(before !== undefined && { before }),
    };
    if (call.json && Object.keys(more).length === 0) {
      const document = await (await import('../list-fast.ts')).listDocument(call, { limit, statuses: status });
      if (document !== null) {
        write(1, `${document}\n`);
        return exit.yes;
      }
    }
    return show(call, { limit, statuses: status, ...more });
  },
};

/** Todos may be older than their folder is. */
async function projectAt(folder: string): Promise<string> {
  const [{ existsSync }, { projectOf }] = await Promise.all([import('node:fs'), import('../places.ts')]);
  return existsSync(folder) ? projectOf(folder) : folder;
}

async function show(call: Call, filter: ShownFilter): Promise<number> {
  const [{ listShown, todoJson }, { todoTable }, { allScheduled, scheduledJson }, { staleJson, staleLine }] = await Promise.all([
    import('../todos.ts'),
    import('../text/todos.ts'),
    import('../schedule.ts'),
    import('../stale.ts'),
  ]);
  await using opened = await call.open({ readOnly: true, snapshot: true });
  const { store, journal, clock } = opened.world;
  const { todos, truncated, next } = await listShown(opened.world, filter);
  const scheduled = allScheduled(journal);
  const shown = todos.map((todo) => ({ ...todo, scheduled: scheduled.get(todo.id) ?? null }));
  if (call.json) {
    const documents = await Promise.all(
      shown.map(async (todo) => ({
        ...todoJson(todo, todo.status, await store.runsOf(todo.id)),
        scheduled: scheduledJson(todo.scheduled, todo.status),
      })),
    );
    call.out.json('todos', { todos: documents, truncated, ...staleJson(opened) });
    return exit.yes;
  }
  const stale = opened.stale();
  if (stale !== null) call.out.line(staleLine(stale));
  if (shown.length === 0) call.out.note(noneText(filter));
  else for (const line of todoTable(shown, clock.nowMs(), call.out.columns, call.out.paint)) call.out.line(line);
  if (truncated) call.out.note(`These are the newest ${filter.limit}. More: todo list --limit ${filter.limit * 10}, or --before ${next}`);
  return exit.yes;
}

function noneText({ statuses, limit: _limit, ...more }: ShownFilter): string {
  if (Object.keys(more).length > 0) return 'None is like that.';
  return statuses === null ? "Nothing here yet. Add one: todo add 'TITLE'" : `None is ${statuses.join(' or ')}.`;
}
