import type { Command } from 'commander';
import type { ShownStatus } from '../../core/words.ts';
import { todoStatuses } from '../../core/words.ts';
import type { Call, CommandModule } from '../command.ts';
import { exit } from '../exit-codes.ts';
import { write } from '../out.ts';

/** More is cut, and said so (`truncated`). */
const limitDefault = 1000;
const shownStatuses: readonly ShownStatus[] = [...todoStatuses, 'finishing'];

type Options = { readonly status?: readonly ShownStatus[]; readonly limit?: number };

export const command: CommandModule = {
  async declare(commander: Command) {
    const { oneOf, wholeNumber } = await import('../options.ts');
    const status = oneOf(...shownStatuses);
    commander
      .option('--status <status...>', `only those: ${shownStatuses.join(', ')}`, (text, before: readonly ShownStatus[] = []) => [
        ...before,
        status(text),
      ])
      .option('--limit <n>', 'how many at most', wholeNumber(1, 1_000_000), limitDefault);
  },
  async run(call) {
    const { limit = limitDefault, status = null } = call.options as Options;
    if (call.json) {
      const document = await (await import('../list-fast.ts')).listDocument(call, { limit, statuses: status });
      if (document !== null) {
        write(1, `${document}\n`);
        return exit.yes;
      }
    }
    return show(call, limit, status);
  },
};

async function show(call: Call, limit: number, statuses: readonly ShownStatus[] | null): Promise<number> {
  const [{ shownStatus, todoJson }, { todoTable }, { allScheduled, scheduledJson }, { staleJson, staleLine }] = await Promise.all([
    import('../todos.ts'),
    import('../text/todos.ts'),
    import('../schedule.ts'),
    import('../stale.ts'),
  ]);
  await using opened = await call.open({ readOnly: true, snapshot: true });
  const { store, journal, clock } = opened.world;
  // Finishing is never stored: it is looked for among those in progress.
  const asked = statuses?.includes('finishing')
    ? [...new Set([...statuses.filter((it) => it !== 'finishing'), 'claimed', 'running', 'stalled'] as const)]
    : statuses;
  const { todos, truncated } = await store.list({ statuses: asked as never, limit });
  const scheduled = allScheduled(journal);
  const shown = todos
    .map((todo) => ({ ...todo, status: shownStatus(todo, journal), scheduled: scheduled.get(todo.id) ?? null }))
    .filter(({ status }) => statuses === null || statuses.includes(status));
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
  if (shown.length === 0)
    call.out.note(statuses === null ? "Nothing here yet. Add one: todo add 'TITLE'" : `None is ${statuses.join(' or ')}.`);
  else for (const line of todoTable(shown, clock.nowMs(), call.out.columns, call.out.paint)) call.out.line(line);
  if (truncated) call.out.note(`These are the newest ${limit}. More: todo list --limit ${limit * 10}`);
  return exit.yes;
}
