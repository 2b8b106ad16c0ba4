import { join } from 'node:path';
import { isOperational } from '../core/errors.ts';
import type { Context } from './context.ts';

const everyMs = 3_600_000;
/** Whoever writes a marker takes milliseconds; who was killed in the middle left it here. */
const spoolAgeMs = 3_600_000;
/** Folders that programs of ours make in the machine's own temporary folder and remove when they end. */
const ours = /^todo-(empty|paste|hooks|selftest)-[A-Za-z0-9]{6}$/;
const oursAgeMs = 86_400_000;
const dueAt = new WeakMap<Context, number>();

/** Once an hour: what nobody will ever take. */
export function keepTemporarySwept(context: Context): void {
  const nowMs = context.world.clock.monotonicMs();
  if (nowMs < (dueAt.get(context) ?? 0)) return;
  dueAt.set(context, nowMs + everyMs);
  const removed = sweepTemporary(context);
  if (removed > 0) context.world.log.info('monitor', 'temporary files removed', { removed });
}

/** How many it removed. */
export function sweepTemporary({ world }: Context): number {
  const { files, home, host, clock } = world;
  const isOlder = (path: string, ageMs: number): boolean => {
    const stat = files.stat(path);
    return stat !== null && stat.uid === host.uid && clock.nowMs() - stat.mtimeMs > ageMs;
  };
  const machines = host.env['TMPDIR'] ?? '/tmp';
  const left = [
    ...files.list(home.spool.tmp).map((name) => ({ path: join(home.spool.tmp, name), ageMs: spoolAgeMs })),
    ...files.list(machines).flatMap((name) => (ours.test(name) ? [{ path: join(machines, name), ageMs: oursAgeMs }] : [])),
  ];
  return left.filter(({ path, ageMs }) => isOlder(path, ageMs) && removed(files, path)).length;
}

function removed(files: Context['world']['files'], path: string): boolean {
  try {
    files.removeTree(path);
    return true;
  } catch (error) {
    if (!isOperational(error)) throw error;
    return false;
  }
}
