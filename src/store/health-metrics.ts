import { figuresOf, figuresText, type MetricRow, type MetricsQuestion, type Rollup, rollUp } from '../core/health-history.ts';
import type { HealthStatus } from '../core/words.ts';
import type { Names } from './names.ts';
import { affectedBy, marks, type Row, rowsOf, type Work } from './work.ts';

/** A transaction takes so many rows: a roll-up of a whole day must not hold up a claim. */
const rowsAtOnce = 400;
/** Values in one statement; SQLite takes 32,766, MySQL 65,535. */
const insertedAtOnce = 50;

/** All of one sample in one transaction. The same id is the same row. */
export function* keepMetrics(names: Names, insertIgnore: string, rows: readonly MetricRow[]): Work<void> {
  for (let at = 0; at < rows.length; at += insertedAtOnce) {
    const some = rows.slice(at, at + insertedAtOnce).map(valuesOf);
    yield* affectedBy(
      `${insertIgnore} INTO ${names.health_metrics} (${columns.join(', ')}) VALUES ${some.map((row) => `(${marks(row)})`).join(', ')}`,
      ...some.flat(),
    );
  }
}

const columns = ['id', 'host', 'component', 'status', 'reason', 'at_ms', 'resolution', 'samples', 'figures'];
const valuesOf = (row: MetricRow): (string | number)[] => [
  row.id,
  row.host,
  row.component,
  row.status,
  row.reason,
  row.atMs,
  row.resolution,
  row.samples,
  figuresText(row.figures),
];

/** The newest of a host, oldest first. */
export function* metrics(
  names: Names,
  host: string,
  { sinceMs, untilMs = null, component, limit }: MetricsQuestion,
): Work<readonly MetricRow[]> {
  const rows = yield* rowsOf(
    `SELECT ${columns.join(', ')} FROM ${names.health_metrics}
     WHERE host = ? AND at_ms >= ? AND resolution IS NOT NULL${untilMs === null ? '' : ' AND at_ms < ?'}${component === null ? '' : ' AND component = ?'} ORDER BY at_ms DESC, component LIMIT ${Math.floor(limit)}`,
    host,
    sinceMs,
    ...(untilMs === null ? [] : [untilMs]),
    ...(component === null ? [] : [component]),
  );
  return rows.map(rowOfMetrics).reverse();
}

/**
 * A part of what is due: its rows and what they become change places in one transaction, so that a second try after a lost answer finds nothing left to
 * do. Answers how many rows it took; none = all is done.
 */
export function* rollMetrics(names: Names, host: string, rollup: Rollup, newId: () => string): Work<number> {
  const found = yield* rowsOf(
    `SELECT ${columns.join(', ')} FROM ${names.health_metrics} WHERE host = ? AND resolution = ? AND at_ms < ? ORDER BY at_ms LIMIT ${rowsAtOnce}`,
    host,
    rollup.from,
    rollup.beforeMs,
  );
  if (found.length === 0) return 0;
  const { made, used } = rollUp(found.map(rowOfMetrics), rollup, { whole: found.length < rowsAtOnce, newId });
  yield* keepMetrics(names, 'INSERT', made);
  const ids = used.map(({ id }) => id);
  yield* affectedBy(`DELETE FROM ${names.health_metrics} WHERE id IN (${marks(ids)})`, ...ids);
  return used.length;
}

const rowOfMetrics = (row: Row): MetricRow => ({
  id: String(row['id']),
  host: String(row['host']),
  component: String(row['component']),
  status: row['status'] as HealthStatus,
  reason: String(row['reason']),
  atMs: Number(row['at_ms']),
  resolution: row['resolution'] as MetricRow['resolution'],
  samples: Number(row['samples']),
  figures: figuresOf(String(row['figures'])),
});
