import type { Component, Health } from '../core/control.ts';
import type { Entry } from '../core/entry.ts';
import { isOperational } from '../core/errors.ts';
import type { HealthStatus } from '../core/words.ts';
import { type DaemonLook, type HealthNeeds, lookAtHealth } from '../healing/health.ts';
import { readHolder } from '../platform/lock.ts';
import type { World } from '../world.ts';
import type { Call, Colour, Opened, Out } from './command.ts';
import { plain } from './text/plain.ts';
import { type Column, table } from './text/table.ts';

/** The contract of DESIGN 7 for commands that answer how things are. */
export const healthExit: Readonly<Record<HealthStatus, number>> = { healthy: 0, degraded: 1, unhealthy: 2, unknown: 3 };

/** A daemon answers between two steps of its loop, in a few milliseconds; on a machine under load in some hundred. One that needs longer is stuck. */
const statusWithinMs = 600;

/** A store that hangs does not answer a goodbye either; the process ends anyway. */
const goodbyeMs = 50;

/** Opens a home to look at it. Nothing that is slow to close makes the one who asked wait. */
export async function looking<T>(open: Call['open'], look: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = await open({ readOnly: true });
  try {
    return await look(opened);
  } finally {
    const stop = new AbortController();
    await Promise.race([opened[Symbol.asyncDispose](), opened.world.clock.sleep(goodbyeMs, stop.signal)]);
    stop.abort();
  }
}

export const lookFrom = async (opened: Opened): Promise<Health> => lookAtHealth(healthNeeds(opened));

/** What a look from outside the daemon has. */
export function healthNeeds(opened: Opened): HealthNeeds {
  const { world, config, warnings } = opened;
  return { world, config, daemon: daemonOf(opened), liveEntries: entriesOf(world), configWarnings: warnings };
}

async function daemonOf({ world, ask }: Opened): Promise<DaemonLook> {
  try {
    const reply = await ask({ op: 'status' }, statusWithinMs);
    if (reply?.ok === true && reply.kind === 'status') return reply.status;
  } catch (error) {
    if (!isOperational(error)) throw error;
    return { silent: error.message };
  }
  // Nobody listens. A process that still has the home has lost its socket, or is stuck in its start.
  const holder = readHolder(world.home.lock);
  if (holder === null || world.processes.alive(holder) !== 'yes') return null;
  return { silent: `process ${holder.pid} has this home, but nobody listens on ${world.home.socket}` };
}

function entriesOf(world: World): readonly Entry[] | null {
  try {
    return world.journal.live();
  } catch (error) {
    if (!isOperational(error)) throw error;
    return null;
  }
}

const looks: Readonly<Record<HealthStatus, readonly [symbol: string, colour: Colour]>> = {
  healthy: ['✔', 'green'],
  degraded: ['!', 'yellow'],
  unhealthy: ['✘', 'red'],
  unknown: ['?', 'magenta'],
};

export function statusCell(status: HealthStatus): { readonly text: string; readonly colour: Colour } {
  const [symbol, colour] = looks[status];
  return { text: `${symbol} ${status}`, colour };
}

export function showComponents(components: readonly Component[], out: Out): void {
  const rows = components.map(({ name, status, reason }) => [name, statusCell(status), plain(reason)]);
  // Some are named by their path: they leave more than half to why.
  const columns: Column[] = [
    { title: 'COMPONENT', most: Math.max(16, Math.floor(out.columns * 0.4)) },
    { title: 'STATUS' },
    { title: 'WHY', grows: 'fold' },
  ];
  for (const line of table(columns, rows, out.columns, out.paint)) out.line(line);
}

export const statusLine = (status: HealthStatus, { paint }: Out): string => paint(looks[status][1], `${looks[status][0]} ${status}`);
