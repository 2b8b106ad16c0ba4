import { createHash } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import type { StoreMap } from '../../src/core/store-map.ts';
import { random } from '../../src/platform/random.ts';
import { createMysqlStore } from '../../src/store/mysql.ts';
import { type MysqlAddress, parseStoreUrl } from '../../src/store/url.ts';
import type { Clock, Store } from '../../src/world.ts';
import type { Logged } from './sqlite-fixture.ts';

export function mysqlAddress(url: string): MysqlAddress {
  const address = parseStoreUrl(url);
  if (address.kind !== 'mysql') throw new Error(`not a MySQL address: ${url}`);
  return address;
}

export type MysqlStoreChoices = {
  prefix?: string;
  map?: StoreMap;
  deadlineMs?: number;
  poolSize?: number;
  logged?: Logged[];
  clock?: Pick<Clock, 'sleep'>;
};

export const realClock: Pick<Clock, 'sleep'> = {
  sleep: (ms, stop) => after(ms, undefined, { signal: stop }).catch(() => {}) as Promise<void>,
};

/** Short waits (between tries) pass at once; long ones, which are deadlines, when the test says so. */
export function manualClock(): Pick<Clock, 'sleep'> & { expire(): void } {
  let sleepers: (() => void)[] = [];
  return {
    sleep: (ms, stop) =>
      new Promise((resolve) => {
        if (ms < 1000 || stop?.aborted) return resolve();
        sleepers.push(resolve);
        stop?.addEventListener('abort', () => resolve(), { once: true });
      }),
    expire() {
      for (const wake of sleepers) wake();
      sleepers = [];
    },
  };
}

export function mysqlStore(url: string, choices: MysqlStoreChoices = {}): Store {
  return createMysqlStore({
    address: mysqlAddress(url),
    prefix: choices.prefix ?? '',
    map: choices.map ?? null,
    deadlineMs: choices.deadlineMs ?? 30_000,
    poolSize: choices.poolSize ?? 4,
    clock: choices.clock ?? realClock,
    random: { uuidv7: random.uuidv7, next: () => Math.random() },
    digest: { sha256: (content) => createHash('sha256').update(content).digest('hex') },
    log: { info: (_room, event, fields) => void choices.logged?.push({ event, fields }), warn: () => {} },
  });
}
