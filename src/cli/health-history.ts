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
  const rows = await looking(open, ({ world }) => world.store.metrics(world.host.id, { sinceMs, component, limit: rowsMax }));
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

function cellsOf({ atMs, resolution, component, status, reason, figures }: MetricRow, metric: string | null): string[] {
  const texts = Object.entries(figures)
    .filter(([name]) => metric === null || name === metric)
    .map(([name, spread]) => `${name} ${spreadText(spread)}`);
  return [clockText(atMs, Date.now()), resolution, component, status, plain([...texts, ...(reason === '' ? [] : [reason])].join(', '))];
}

const spreadText = ({ avg, min, max }: Spread): string => (min === max ? short(avg) : `${short(avg)} (${short(min)}–${short(max)})`);
const short = (value: number): string => String(Math.round(value * 10) / 10);
