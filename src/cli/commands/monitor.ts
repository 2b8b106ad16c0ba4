import { accessSync, constants } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Component, DaemonStatus, Health } from '../../core/control.ts';
import { messageOf } from '../../core/errors.ts';
import { worst } from '../../healing/health.ts';
import type { World } from '../../world.ts';
import type { CommandModule, Opened } from '../command.ts';
import { healthExit, lookFrom, looking, showComponents, statusLine } from '../health-look.ts';
import { daemonStatus } from './status.ts';

/** The complete system check: health, and all that a completion will need when its time comes. Looks and changes nothing. */
export const command: CommandModule = {
  async run({ open, out }) {
    using spinner = await out.spin('checking the whole system');
    const { components, findings } = await looking(open, wholeLook);
    const status = worst(components);
    spinner.end();
    out.json('monitor', { status, components, findings });
    showComponents(components, out);
    out.line(statusLine(status, out));
    return healthExit[status];
  },
};

async function wholeLook(opened: Opened): Promise<Pick<Health, 'components' | 'findings'>> {
  const { world } = opened;
  const [{ components: own, findings }, daemon] = await Promise.all([lookFrom(opened), daemonStatus(opened).catch(() => null)]);
  const answers = own.some((it) => it.name === 'store' && it.status === 'healthy');
  return {
    components: [
      ...own,
      roundTrip(own, answers ? await timed(world) : null),
      storePool(daemon),
      markerPaths(world),
      agentHooks(world),
      logSizes(opened),
    ],
    findings,
  };
}

/** Slower than this, and every step of a completion is felt. */
const slowMs = 500;
const giveUpMs = 700;

async function timed({ clock, store }: World): Promise<{ readonly ms: number; readonly aheadMs: number } | null> {
  const stop = new AbortController();
  const fromMs = clock.monotonicMs();
  const asked = store.nowMs().then(
    (storeMs) => ({ ms: clock.monotonicMs() - fromMs, aheadMs: storeMs - clock.nowMs() }),
    () => null,
  );
  try {
    return await Promise.race([asked, clock.sleep(giveUpMs, stop.signal).then(() => null)]);
  } finally {
    stop.abort();
  }
}

function roundTrip(own: readonly Component[], found: Awaited<ReturnType<typeof timed>>): Component {
  const name = 'store round trip';
  const sinceMs = Date.now();
  if (found === null)
    return { name, status: 'unknown', reason: own.find((it) => it.name === 'store')?.reason ?? 'the store did not answer', sinceMs };
  const skew = Math.abs(found.aheadMs) > 2000 ? `; its clock is ${Math.round(found.aheadMs / 1000)} s ahead of ours` : '';
  return { name, status: found.ms > slowMs ? 'degraded' : 'healthy', reason: `${found.ms.toFixed(1)} ms${skew}`, sinceMs };
}

/** From here on the way to the server is most of what an operation takes. */
const farMs = 20;

/** Of the daemon: a pool of our own would only show that we look. */
function storePool(daemon: DaemonStatus | null): Component {
  const name = 'store pool';
  const sinceMs = Date.now();
  const { pool, queries } = daemon?.store ?? {};
  if (pool === undefined) return { name, status: 'healthy', reason: 'no daemon, no pool', sinceMs };
  const slow = queries === undefined ? '' : `; ${queries.count} operations, ${queries.slow} over 100 ms, ${queries.verySlow} over 1 s`;
  const far = (queries?.journeyMs ?? 0) < farMs ? '' : `; the server is ${queries?.journeyMs} ms away, there and back`;
  const last = queries?.lastSlow ? `, last: ${queries.lastSlow}` : '';
  const reason = `${pool.active} active, ${pool.idle} idle of ${pool.limit}, ${pool.waiting} in line${pool.busy ? `, kept from the file ${pool.busy} times` : ''}${slow}${last}${far}`;
  return { name, status: pool.waiting > 0 ? 'degraded' : 'healthy', reason, sinceMs };
}

/** Asked without writing: a check that leaves files would be a marker itself. */
function markerPaths({ home }: World): Component {
  const { marker, pointer } = home.legacy;
  const folders = [
    home.spool.tmp,
    home.spool.new,
    home.spool.cur,
    home.spool.bad,
    home.runs,
    home.archive,
    home.logs,
    ...(marker ? [dirname(marker)] : []),
    ...(pointer ? [dirname(pointer)] : []),
  ];
  const wrong = [...new Set(folders)].flatMap((folder) => whyNotWritable(folder) ?? []);
  return {
    name: 'marker paths',
    status: wrong.length > 0 ? 'unhealthy' : 'healthy',
    reason: wrong.join('; ') || `${new Set(folders).size} folders can be written`,
    sinceMs: Date.now(),
  };
}

/** A folder that is not made yet will be made in the nearest one that is. */
function whyNotWritable(folder: string): string | null {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && folder !== dirname(folder)) return whyNotWritable(dirname(folder));
    return `${folder} cannot be written: ${messageOf(error)}`;
  }
}

/** What every run is given to report with, whatever its agent. */
function agentHooks({ host }: World): Component {
  const missing = ['mark-done', 'progress'].filter((name) => !isExecutable(join(host.hooksFolder, name)));
  const reason =
    missing.length === 0
      ? `mark-done and progress in ${host.hooksFolder}`
      : `${missing.join(' and ')} missing in ${host.hooksFolder}: agents cannot report with them`;
  return { name: 'agent hooks', status: missing.length === 0 ? 'healthy' : 'unhealthy', reason, sinceMs: Date.now() };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function logSizes({ world, config }: Opened): Component {
  const sizes = world.files.list(world.home.logs).flatMap((name) => {
    const stat = world.files.stat(join(world.home.logs, name));
    return stat?.kind === 'file' ? [{ name, sizeBytes: stat.sizeBytes }] : [];
  });
  const totalMb = sizes.reduce((sum, it) => sum + it.sizeBytes, 0) / 1024 / 1024;
  const boundMb = config.logging.max_size_mb * (config.logging.max_files + 1) * 3;
  const reason =
    sizes.length === 0 ? 'no log yet' : `${sizes.length} files, ${totalMb.toFixed(1)} MB together (at most ${boundMb} MB by logging.*)`;
  return { name: 'log sizes', status: totalMb > boundMb ? 'degraded' : 'healthy', reason, sinceMs: Date.now() };
}
