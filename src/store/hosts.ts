import type { HostRow, Store } from '../world.ts';
import type { Driver } from './driver.ts';
import type { Names } from './names.ts';
import { isLive } from './runs.ts';
import { affectedBy, rowOf, rowsOf, type Work } from './work.ts';

/** A drain and the claims of its host write the same row: once it is said, no later claim of that host takes anything. */
export function* drainHost(
  driver: Driver,
  names: Names,
  host: string,
  drain: Parameters<Store['drainHost']>[1],
  nowMs: number,
): Work<boolean> {
  if ((yield* rowOf(`SELECT id FROM ${names.host} WHERE id = ?`, host)) === null) {
    if (drain === null || !drain.mayBeNew) return false;
    yield* affectedBy(`${driver.dialect.insertIgnore} INTO ${names.host} (id, claims, claimed_at_ms) VALUES (?, 0, 0)`, host);
  }
  if (drain === null)
    yield* affectedBy(
      `UPDATE ${names.host} SET drained_at_ms = NULL, drain_reason = NULL WHERE id = ? AND drained_at_ms IS NOT NULL`,
      host,
    );
  // Said again it is the same drain, with the newer reason.
  else
    yield* affectedBy(
      `UPDATE ${names.host} SET drained_at_ms = COALESCE(drained_at_ms, ?), drain_reason = ? WHERE id = ?`,
      nowMs,
      drain.reason,
      host,
    );
  return true;
}

/** By id. */
export function* hosts(names: Names): Work<readonly HostRow[]> {
  const live = new Map<string, number>();
  for (const row of yield* rowsOf(
    `SELECT r.host AS host, COUNT(*) AS live FROM ${names.todo} t JOIN ${names.run} r ON r.id = t.run_id
     WHERE ${isLive} GROUP BY r.host`,
  ))
    live.set(String(row['host']), Number(row['live']));
  const rows = yield* rowsOf(`SELECT id, claimed_at_ms, drained_at_ms, drain_reason FROM ${names.host} ORDER BY id`);
  return rows.map((row) => ({
    id: String(row['id']),
    live: live.get(String(row['id'])) ?? 0,
    // Who was named before it claimed anything has no time.
    lastClaimAtMs: Number(row['claimed_at_ms']) === 0 ? null : Number(row['claimed_at_ms']),
    drained:
      row['drained_at_ms'] === null
        ? null
        : { sinceMs: Number(row['drained_at_ms']), reason: row['drain_reason'] === null ? null : String(row['drain_reason']) },
  }));
}
