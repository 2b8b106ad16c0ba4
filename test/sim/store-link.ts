import { OperationalError } from '../../src/core/errors.ts';
import type { Store } from '../../src/world.ts';
import type { Faults } from './faults.ts';
import { createMemoryStore, type MemoryStoreOptions, type Rows } from './memory-store.ts';
import type { Dice } from './random.ts';

const writes = new Set<string>([
  'open',
  'add',
  'claim',
  'drainHost',
  'mark',
  'renew',
  'giveBack',
  'rescue',
  'change',
  'blockDependents',
  'record',
  'reassert',
  'deadLetter',
  'requeue',
  'note',
  'comment',
  'attach',
]);

/** An answer of the store that arrived at a living process. */
export type StoreCall = { readonly host: string; readonly operation: string; readonly args: readonly unknown[]; readonly answer: unknown };

/** A write of a host, at the moment in which the store does it. */
export type StoreWrite = Pick<StoreCall, 'host' | 'operation' | 'args'>;

/**
 * One host's way to the store. Everything takes its time there and back, and on either way it may be lost: so a write may have happened
 * although nobody heard of it, or happen later, when nobody waits for it any more. What was sent goes on without the one who sent it.
 */
export function linkTo(
  options: MemoryStoreOptions,
  needs: {
    host: string;
    after: (ms: number, act: () => void) => void;
    faults: Faults;
    dice: Dice;
    timeoutMs: number;
    /** Another node of the cluster, which may be behind. */
    replica: Rows | null;
    /** Who takes the writes now. */
    server: () => string;
    isAlive: () => boolean;
    sent: (operation: string, args: readonly unknown[]) => void;
    /** Told before a write is done, and with null after it. */
    writes: (write: StoreWrite | null) => void;
    heard: (call: StoreCall) => void;
  },
): Store {
  const { host, faults, dice, after } = needs;
  const there = createMemoryStore(options);
  const behind = needs.replica === null ? there : createMemoryStore({ ...options, rows: needs.replica });
  const wait = (ms: number): Promise<void> => new Promise((resolve) => after(ms, resolve));
  const away = (): number => dice.int(0, faults.plan.latencyMaxMs);

  const link = (operation: string, ask: Call, askBehind: Call) => {
    const isWrite = writes.has(operation);
    const call: Call = (...args) => {
      if (!isWrite) return (faults.readsAreStale() ? askBehind : ask)(...args);
      needs.writes({ host, operation, args });
      const answer = ask(...args);
      needs.writes(null);
      return answer;
    };
    const fail = (
      code: 'STORE_UNREACHABLE' | 'STORE_TIMEOUT' | 'STORE_IN_DOUBT' | 'STORE_CONFLICT' | 'STORE_READ_ONLY' | 'STORE_ACCESS',
    ): OperationalError => new OperationalError(code, { operation: `store.${operation}`, subject: 'the store', why: 'simulated' });
    /** Its answer is lost; whether it happened is chance. */
    const lost = (args: readonly unknown[]): void => {
      if (!dice.chance(faults.plan.inDoubtApplied)) return;
      const lateMs = dice.chance(faults.plan.inDoubtLate) ? dice.int(1, 3000) : 0;
      after(lateMs, () => void call(...args).catch(() => {}));
    };
    return async (...args: unknown[]): Promise<unknown> => {
      needs.sent(operation, args);
      const trouble = faults.storeTrouble();
      await wait(away());
      switch (trouble) {
        case 'unreachable':
          throw fail('STORE_UNREACHABLE');
        case 'access':
          throw fail('STORE_ACCESS');
        case 'read-only':
          if (isWrite) throw fail('STORE_READ_ONLY');
          break;
        case 'conflict':
          if (isWrite) throw fail('STORE_CONFLICT');
          break;
        case 'timeout':
          if (isWrite) lost(args);
          await wait(needs.timeoutMs);
          throw fail(isWrite ? 'STORE_IN_DOUBT' : 'STORE_TIMEOUT');
        case 'one-way':
          if (isWrite) void call(...args).catch(() => {});
          await wait(needs.timeoutMs);
          throw fail(isWrite ? 'STORE_IN_DOUBT' : 'STORE_TIMEOUT');
        case 'two-way':
          await wait(needs.timeoutMs);
          throw fail(isWrite ? 'STORE_IN_DOUBT' : 'STORE_TIMEOUT');
        case 'in-doubt':
          if (isWrite) lost(args);
          throw fail(isWrite ? 'STORE_IN_DOUBT' : 'STORE_TIMEOUT');
        case null:
          break;
        default:
          trouble satisfies never;
      }
      const answer = await call(...args);
      await wait(away());
      if (needs.isAlive()) needs.heard({ host, operation, args, answer });
      return answer;
    };
  };

  const linked = Object.fromEntries(
    Object.entries(there).map(([name, member]) => [
      name,
      typeof member === 'function' && name !== 'figures' ? link(name, member as never, behind[name as keyof Store] as never) : member,
    ]),
  );
  return { ...(linked as unknown as Store), figures: () => ({ ...there.figures(), server: needs.server() }) };
}

type Call = (...args: unknown[]) => Promise<unknown>;
