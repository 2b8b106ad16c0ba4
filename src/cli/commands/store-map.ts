import { isOperational, OperationalError } from '../../core/errors.ts';
import type { CommandModule } from '../command.ts';
import { healthExit, looking, statusLine } from '../health-look.ts';
import { plain } from '../text/plain.ts';
import { table as textTable } from '../text/table.ts';
import { usage } from '../todos.ts';

/** A table that could not be looked at is neither good nor bad. */
const notSeen = (error: unknown): OperationalError => {
  if (isOperational(error)) return error;
  throw error;
};

/** The mapping of an existing table (`store.map`): what fits, what is missing, what would be read and written. Looks and changes nothing. */
export const command: CommandModule = {
  declare: (commander) => void commander.option('--check', 'map: compare store.map with the table (the default)'),
  async run({ open, out }) {
    using spinner = await out.spin('looking at the table');
    const mapping = await looking(open, async ({ world: { store } }) => await store.mapping?.().catch(notSeen));
    spinner.end();
    if (mapping instanceof OperationalError) {
      out.json('store-map', { status: 'unknown', reason: mapping.message });
      out.line(`${plain(mapping.message)}\n${statusLine('unknown', out)}`);
      return healthExit.unknown;
    }
    if (!mapping)
      throw usage('store map', 'store.map is not set', 'Set it in hooks/config.json: "map": { "preset": "wordpress", "table": "…" }');
    const { problems, warnings } = mapping;
    const status = problems.length > 0 ? 'unhealthy' : warnings.length > 0 ? 'degraded' : 'healthy';
    out.json('store-map', { status, ...mapping });
    out.line(`table ${plain(mapping.table)}, times in the zone ${mapping.timeZone}`);
    const used = mapping.columns.filter(({ as }) => as.length > 0);
    for (const line of textTable(
      ['column', 'type', 'is', 'we'].map((title) => ({ title, ...(title === 'type' && { grows: 'cut' as const }) })),
      used.map(({ name, type, as, does }) => [plain(name), plain(type), as.join(', '), does ?? '']),
      out.columns,
      out.paint,
    ))
      out.line(line);
    out.line(`${mapping.columns.length - used.length} other columns stay as they are.`);
    for (const line of textTable(
      [{ title: 'their word' }, { title: 'ours' }, { title: 'rows', align: 'right' }, { title: 'would be picked', align: 'right' }],
      mapping.words.map(({ word, ours, rows, picked }) => [
        plain(word),
        ours.length === 0 ? '(left alone)' : ours.join(', '),
        String(rows),
        String(picked),
      ]),
      out.columns,
      out.paint,
    ))
      out.line(line);
    for (const problem of problems) out.line(`${out.paint('red', 'must be mended')}: ${plain(problem)}`);
    for (const warning of warnings) out.line(`${out.paint('yellow', 'weaker')}: ${plain(warning)}`);
    out.line(statusLine(status, out));
    return healthExit[status];
  },
};
