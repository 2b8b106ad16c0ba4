import type { StoreMap } from '../core/store-map.ts';
import { todoStatuses } from '../core/words.ts';
import type { MappingReport } from '../world.ts';
import { addProblems, layoutOf, layoutProblems, literal, usesOf } from './layout.ts';
import { type Row, rowsOf, type Work } from './work.ts';

/** What the mapping and the table make of each other, for people. Reads and writes nothing of ours, so it may be asked before the first start. */
export function* mappingReport(map: StoreMap, quote: (name: string) => string): Work<MappingReport> {
  const layout = yield* layoutOf(map);
  const uses = usesOf(map);
  const problems = layoutProblems(map, layout);
  const of = (column: string) => uses.filter((use) => use.column.toLowerCase() === column.toLowerCase());
  const columns = [...layout.columns.values()].map(({ name, type, charset }) => {
    const does = of(name).map((use) => use.does);
    const reads = does.some((it) => it !== 'w');
    const writes = does.some((it) => it !== 'r');
    return {
      name,
      type: charset === null || charset === 'utf8mb4' ? type : `${type} ${charset}`,
      as: of(name).map(({ key }) => key),
      does: reads && writes ? ('reads and writes' as const) : reads ? ('reads' as const) : writes ? ('writes' as const) : null,
    };
  });
  const missing = [...new Set(uses.filter(({ column }) => !layout.columns.has(column.toLowerCase())).map(({ column }) => column))];
  return {
    table: map.table,
    timeZone: map.timeZone,
    columns,
    missing,
    words: layout.columns.has(map.columns.status.toLowerCase()) ? yield* wordsOf(map, quote, missing) : [],
    problems,
    warnings:
      layout.engine === null ? [] : [...narrow(map, layout), ...addProblems(map, layout).map((why) => `todo add cannot work here: ${why}`)],
  };
}

function* wordsOf(map: StoreMap, quote: (name: string) => string, missing: readonly string[]): Work<MappingReport['words']> {
  const released =
    map.release === null || missing.includes(map.release.column) ? '1 = 1' : `${quote(map.release.column)} = ${literal(map.release.value)}`;
  const found: readonly Row[] = yield* rowsOf(
    `SELECT CAST(${quote(map.columns.status)} AS CHAR) AS word, COUNT(*) AS n, SUM(CASE WHEN ${released} THEN 1 ELSE 0 END) AS released FROM ${quote(map.table)} GROUP BY 1 ORDER BY 1`,
  );
  const known = new Set(Object.values(map.statuses));
  const counts = new Map(found.map((row) => [String(row['word'] ?? ''), row]));
  return [...new Set([...known, ...counts.keys()])].map((word) => {
    const ours = todoStatuses.filter((status) => map.statuses[status] === word);
    const waits = ours.includes('open') || ours.includes('parked');
    return { word, ours, rows: Number(counts.get(word)?.['n'] ?? 0), picked: waits ? Number(counts.get(word)?.['released'] ?? 0) : 0 };
  });
}

/** Columns that cannot hold all that an agent may say. */
function narrow({ columns }: StoreMap, layout: Parameters<typeof addProblems>[1]): readonly string[] {
  return [columns.html, columns.text, columns.summary].flatMap((name) => {
    const found = name === null ? undefined : layout.columns.get(name.toLowerCase());
    if (found?.charset === null || found === undefined || found.charset === 'utf8mb4') return [];
    return [
      `column ${found.name} is ${found.charset}: what it lacks is written ${name === columns.html ? 'as &#number;' : 'as "?"'} (the archive has all of it)`,
    ];
  });
}
