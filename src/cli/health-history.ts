import type { MetricRow, Spread } from '../core/health-history.ts';
import type { Call } from './command.ts';
import { exit } from './exit-codes.ts';
import { looking } from './health-look.ts';
import { plain } from './text/plain.ts';
import { table } from './text/table.ts';
import { clockText } from './text/times.ts';
import { usage } from './todos.ts';

const hourMs = 3_600_000;
/** A day of samples of daemon and machine, and a few agents; a terminal shows the newest. */
const rowsMax = 5000;
const shownMax = 200;

/** What the daemon of this home measured, oldest first. */
export async function showHistory({ open, out, options }: Call): Promise<number> {
  const sinceMs = typeof options['since'] === 'number' ? options['since'] : Date.now() - hourMs;
  const component = (options['component'] as string | undefined) ?? null;
  const metric = (options['metric'] as string | undefined) ?? null;
  const todo = /^todo:(\d+)$/.exec(component ?? '')?.[1] ?? null;
  const asked = (of: string | null) =>
    looking(open, ({ world }) => world.store.metrics(world.host.id, { sinceMs, component: of, limit: rowsMax }));
  const all = await asked(todo === null ? component : null);
  const rows = todo === null ? all : all.filter((row) => todoOf(row) === todo);
  if (component !== null && rows.length === 0) refuseUnknown(component, todo === null ? await asked(null) : all);
  const found = metric === null ? rows : rows.filter(({ figures }) => figures[metric] !== undefined);
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))].sort();
  if (metric !== null && found.length === 0 && names.length > 0 && !names.includes(metric))
    throw usage('health', `no figure ${metric} was measured since then`, `There are: ${names.join(', ')}`);
  out.json('health-history', {
    sinceMs,
    component,
    metric,
    truncated: rows.length === rowsMax,
    rows: found.map(({ id: _, host: __, figures, ...row }) => ({
      ...row,
      figures: metric === null ? figures : { [metric]: figures[metric]! },
    })),
  });
  if (found.length === 0) out.line('Nothing was measured since then: a daemon does that while it runs.');
  else {
    const columns = [
      { title: 'TIME' },
      { title: 'OF' },
      { title: 'COMPONENT' },
      { title: 'STATUS' },
      { title: 'FIGURES', grows: 'fold' },
    ] as const;
    const shown = found.slice(-shownMax).map((row) => cellsOf(row, metric));
    for (const line of table(columns, shown, out.columns, out.paint)) out.line(line);
    if (found.length > shownMax) out.line(`… the newest ${shownMax} of ${found.length}; all: --json`);
  }
  return exit.yes;
}

/** Where nothing at all was measured, the name is not what is wrong. */
function refuseUnknown(component: string, rows: readonly MetricRow[]): void {
  const names = [...new Set(rows.map(nameOf))].sort();
  if (names.length > 0) throw usage('health', `nothing was measured of ${component} since then`, `There are: ${names.join(', ')}`);
}

/** An agent's processes by its todo: the id of the run (in --json) would leave no room for what was measured. */
function nameOf(row: MetricRow): string {
  const todo = todoOf(row);
  return todo === null ? row.component : `todo:${todo}`;
}

/** Whose processes they are stands in the reason of their row. */
const todoOf = ({ component, reason }: MetricRow): string | null =>
  component.startsWith('run:') ? (/^todo (\d+)\b/.exec(reason)?.[1] ?? null) : null;

function cellsOf(row: MetricRow, metric: string | null): string[] {
  const { atMs, resolution, status, reason, figures } = row;
  const texts = Object.entries(figures)
    .filter(([name]) => metric === null || name === metric)
    .map(([name, spread]) => `${name} ${spreadText(spread)}`);
  return [clockText(atMs, Date.now()), resolution, nameOf(row), status, plain([...texts, ...(reason === '' ? [] : [reason])].join(', '))];
}

const spreadText = ({ avg, min, max }: Spread): string => (min === max ? short(avg) : `${short(avg)} (${short(min)}–${short(max)})`);
const short = (value: number): string => String(Math.round(value * 10) / 10);
