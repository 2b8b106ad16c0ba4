import { existsSync } from 'node:fs';
import { isOperational } from '../../core/errors.ts';
import type { Call, Opened } from '../command.ts';
import { looking } from '../health-look.ts';
import { type Finding, fine } from './finding.ts';

/** A store that needs longer to say what time it is would hold up everything. */
const answersWithinMs = 5000;
/** Leases and deadlines are compared across hosts with this in reserve. */
const clockOffMaxMs = 2000;

/** Whether it answers, and whether its clock and ours agree. That it is away keeps no daemon from starting: completions wait for it. */
export async function lookAtStoreAnswer(call: Call): Promise<readonly Finding[]> {
  return await looking(call.open, async (opened) => {
    const { world } = opened;
    if (world.store.driver === 'sqlite' && !existsSync(world.home.database))
      return [fine('store', `${world.home.database} is not made yet; the first start makes it`)];
    return await answerOf(opened);
  });
}

async function answerOf({ world: { store, clock } }: Opened): Promise<readonly Finding[]> {
  const stop = new AbortController();
  const late = clock.sleep(answersWithinMs, stop.signal).then((): Finding[] => [away(`no answer within ${answersWithinMs / 1000} s`)]);
  try {
    return await Promise.race([asked(), late]);
  } finally {
    stop.abort();
  }

  async function asked(): Promise<Finding[]> {
    const askedAtMs = clock.nowMs();
    try {
      await store.ping();
      const theirMs = await store.nowMs();
      // Its answer was made somewhere between question and arrival.
      const tookMs = clock.nowMs() - askedAtMs;
      const offMs = Math.max(0, askedAtMs - theirMs, theirMs - askedAtMs - tookMs);
      const answers = fine('store', `${store.driver} answers within ${tookMs} ms`);
      if (offMs <= clockOffMaxMs) return [answers, fine('clock', `agrees with the store's within ${Math.max(offMs, tookMs)} ms`)];
      const evidence = `off the store's by ${(offMs / 1000).toFixed(1)} s`;
      return [answers, { what: 'clock', severity: 'degraded', evidence, mend: 'set it by NTP: timedatectl set-ntp true' }];
    } catch (error) {
      if (!isOperational(error)) throw error;
      return [away(error.message, error.hint)];
    }
  }
}

const away = (evidence: string, mend = 'todo store check'): Finding => ({ what: 'store', severity: 'degraded', evidence, mend });

/** What makes it a safe system of record: the conditions of `todo store check`. */
export async function lookAtStoreConditions(call: Call): Promise<readonly Finding[]> {
  return await looking(call.open, async ({ world: { store, home } }) => {
    if (store.driver === 'sqlite' && !existsSync(home.database)) return [];
    const conditions = (await store.care?.conditions()) ?? [];
    return conditions.map(({ name, server, status, found, change }) => ({
      what: `store: ${server === null ? name : `${server} ${name}`}`,
      severity: status,
      evidence: found,
      mend: change,
    }));
  });
}
